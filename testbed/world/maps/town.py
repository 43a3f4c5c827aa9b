"""The map `town`: a grid of streets with lights, priorities, crossings and parked cars, written as OpenDRIVE by code.

Four streets run north, three run east; where they meet stand two crossings, six T junctions and four street corners
(x to the east, y to the north, metres):

    230  corner -- T, lights -- T, stop -- corner        ring: lanes 3.25 m, 50 km/h
     |      |         |            |         |           y = 110: main street, lanes 3.5 m, parking, 50 km/h
    110  T, stop -- lights ---- stop ----- T, yield      x = 130: avenue, lanes 3.5 m, trees, 50 km/h
     |      |         |            |         |           x = 260: side street, lanes 3.0 m, 30 km/h; south of the main
      0  corner -- T, yield ---- T ------ corner                  street one way to the north
            0        130          260        400

From the centre line outwards: lane, parking (2.2 m, not near junctions, where the sidewalk takes its place), sidewalk
(2.5 m or 4.7 m). The shipped file `data/town.xodr` is the output of `town_xodr`; a test compares the bytes. Run
`python -m testbed.world.maps.town` after a change to write it again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from testbed.world.maps.authoring import (
    PLAIN,
    AlignmentElement,
    JunctionArm,
    LaneDraft,
    LanePaint,
    MapDraft,
    RoadDraft,
    RoadEnd,
    SectionDraft,
)

DATA_FILE = Path(__file__).parent / "data" / "town.xodr"

XS_M = (0.0, 130.0, 260.0, 400.0)
YS_M = (0.0, 110.0, 230.0)
JUNCTION_REACH_M = 12.0
CORNER_RADIUS_M = 22.0
PARKING_M, SIDEWALK_M = 2.2, 2.5
NOSE_M = 24.0  # parking ends this far from a road's end
SIGN_BEHIND_KERB_M = 0.8
STOP_LINE_M, STOP_LINE_WIDTH_M = 1.6, 0.5
CROSSWALK_M, CROSSWALK_LENGTH_M = 3.2, 4.0  # its middle before the junction, its length along the road
STOP_BEFORE_CROSSWALK_M = 6.4

CENTRE = LanePaint(0.12, 3.0, 3.0)
CENTRE_SOLID = LanePaint(0.12)

GridNode = tuple[int, int]
EAST, NORTH, WEST, SOUTH = (1, 0), (0, 1), (-1, 0), (0, -1)


@dataclass(frozen=True)
class Street:
    """How a street looks: lane width, limit, parking, centre line, one-way traffic along its reference line."""

    lane_m: float
    limit_kmh: int
    parking: bool = False
    painted: bool = True
    one_way: bool = False


RING = Street(3.25, 50)
MAIN = Street(3.5, 50, parking=True)
AVENUE = Street(3.5, 50)
SIDE = Street(3.0, 30, parking=True, painted=False)
ONE_WAY = Street(3.5, 30, parking=True, painted=False, one_way=True)
SCHOOL = Street(3.25, 30)


@dataclass(frozen=True)
class StreetSegment:
    """A street between two nodes; its reference line runs from `a` to `b`."""

    road_id: int
    a: GridNode
    b: GridNode
    street: Street


def _segments() -> tuple[StreetSegment, ...]:
    found: list[tuple[GridNode, GridNode, Street]] = []
    for j, street in enumerate((RING, MAIN, RING)):
        for i in range(3):
            found.append(((i, j), (i + 1, j), SCHOOL if (i, j) == (1, 0) else street))
    for i, street in enumerate((RING, AVENUE, SIDE, RING)):
        for j in range(2):
            found.append(((i, j), (i, j + 1), ONE_WAY if (i, j) == (2, 0) else street))
    return tuple(StreetSegment(1 + number, *item) for number, item in enumerate(found))


SEGMENTS = _segments()

# What traffic meets at an arm: (node, direction of the arm seen from the node) -> control.
CONTROLS: dict[tuple[GridNode, tuple[int, int]], str] = {
    **{((1, 1), arm): "light" for arm in (EAST, NORTH, WEST, SOUTH)},
    **{((1, 2), arm): "light" for arm in (EAST, WEST, SOUTH)},
    ((2, 1), WEST): "priority",
    ((2, 1), EAST): "priority",
    ((2, 1), NORTH): "stop",
    ((2, 1), SOUTH): "stop",
    ((2, 2), SOUTH): "stop",
    ((2, 2), WEST): "priority",
    ((2, 2), EAST): "priority",
    ((1, 0), NORTH): "yield",
    ((1, 0), WEST): "priority",
    ((1, 0), EAST): "priority",
    ((0, 1), EAST): "stop",
    ((3, 1), WEST): "yield",
}
CROSSWALKS = frozenset(
    [((1, 1), arm) for arm in (EAST, NORTH, WEST, SOUTH)]
    + [((1, 2), arm) for arm in (EAST, WEST, SOUTH)]
    + [((2, 1), EAST), ((2, 1), WEST), ((3, 1), WEST)]
)
MIDBLOCK_CROSSWALKS = {4: 62.0, 2: 60.0}  # road id -> station
_SIGNS = {"stop": ("206", "Stop", 0.75), "yield": ("205", "Yield", 0.75), "priority": ("306", "PriorityRoad", 0.6)}


def _exists(node: GridNode) -> bool:
    return 0 <= node[0] < len(XS_M) and 0 <= node[1] < len(YS_M)


def _arms(node: GridNode) -> list[tuple[int, int]]:
    return [d for d in (EAST, NORTH, WEST, SOUTH) if _exists((node[0] + d[0], node[1] + d[1]))]


def _is_corner(node: GridNode) -> bool:
    return len(_arms(node)) == 2


def _reach(node: GridNode) -> float:
    return CORNER_RADIUS_M if _is_corner(node) else JUNCTION_REACH_M


def _junction_id(node: GridNode) -> int:
    return 50 + node[0] + len(XS_M) * node[1]


def _corner_id(node: GridNode) -> int:
    return 21 + [n for n in ((0, 0), (3, 0), (0, 2), (3, 2))].index(node)


def _corner_contact(node: GridNode, direction: tuple[int, int]) -> str:
    """Return which end of a corner road an arm touches: it starts at the one east or west of the node."""
    return "start" if direction[1] == 0 else "end"


def _linked(lane: int, own: str, other: str) -> int:
    """Return the id of the lane that continues a lane where the end `own` of a road meets the end `other`."""
    return lane if own != other else -lane


def _sections(street: Street, length_m: float, start: str | None, end: str | None) -> list[SectionDraft]:
    """Return the lane sections of a street.

    Args:
        street: Its looks.
        length_m: Its length.
        start: Contact of the corner road that precedes it, or None for a junction.
        end: Contact of the corner road that follows it, or None.
    """
    wide = SIDEWALK_M + PARKING_M
    cuts = [0.0, NOSE_M, length_m - NOSE_M] if street.parking else [0.0]
    sections = []
    for number, s in enumerate(cuts):
        nose, first, last = number != 1, number == 0, number == len(cuts) - 1

        def before(lane: int, other: int, first: bool = first) -> int | None:
            return other if not first else _linked(lane, "start", start) if start else None

        def after(lane: int, other: int, last: bool = last) -> int | None:
            return other if not last else _linked(lane, "end", end) if end else None

        def side(sign: int, nose: bool = nose, first: bool = first, last: bool = last) -> list[LaneDraft]:
            if street.one_way and sign > 0:
                # Cars stand on the left along the whole street, so the kerb has no noses there.
                return [
                    LaneDraft("parking", PARKING_M, before=before(1, 1, first), after=after(1, 1, last)),
                    LaneDraft("sidewalk", wide, before=before(2, 2, first), after=after(2, 2, last)),
                ]
            lanes = [
                LaneDraft("driving", street.lane_m, before=before(sign, sign, first), after=after(sign, sign, last))
            ]
            if nose:
                links = (before(2 * sign, 3 * sign, first), after(2 * sign, 3 * sign, last))
                lanes.append(LaneDraft("sidewalk", wide, before=links[0], after=links[1]))
            else:
                lanes.append(LaneDraft("parking", PARKING_M))
                lanes.append(LaneDraft("sidewalk", SIDEWALK_M, before=2 * sign, after=2 * sign))
            return lanes

        centre = PLAIN if not street.painted else CENTRE_SOLID if street.parking and nose else CENTRE
        sections.append(SectionDraft(s, side(1), side(-1), centre))
    return sections


def _end(node: GridNode, direction: tuple[int, int]) -> RoadEnd:
    if _is_corner(node):
        return RoadEnd("road", _corner_id(node), _corner_contact(node, direction))
    return RoadEnd("junction", _junction_id(node))


def _street(draft: MapDraft, segment: StreetSegment) -> RoadDraft:
    (ai, aj), (bi, bj) = segment.a, segment.b
    dx, dy = bi - ai, bj - aj
    full = math.hypot(XS_M[bi] - XS_M[ai], YS_M[bj] - YS_M[aj])
    length = full - _reach(segment.a) - _reach(segment.b)
    x, y = XS_M[ai] + dx * _reach(segment.a), YS_M[aj] + dy * _reach(segment.a)
    before, after = _end(segment.a, (dx, dy)), _end(segment.b, (-dx, -dy))
    road = draft.road(
        segment.road_id,
        f"street_{segment.road_id}",
        (x, y, math.atan2(dy, dx)),
        [AlignmentElement(length)],
        _sections(segment.street, length, before.contact or None, after.contact or None),
        before=before,
        after=after,
    )
    road.kind("town", segment.street.limit_kmh)
    road.height([(0.0, 0.0)])
    return road


def _corner(draft: MapDraft, node: GridNode) -> None:
    arms = _arms(node)
    along, across = (next(d for d in arms if d[axis]) for axis in (0, 1))
    start_x, start_y = XS_M[node[0]] + along[0] * CORNER_RADIUS_M, YS_M[node[1]]
    heading = math.pi if along[0] > 0 else 0.0
    turn = math.remainder(math.atan2(across[1], across[0]) - heading, 2.0 * math.pi)
    k = math.copysign(1.0 / CORNER_RADIUS_M, turn)
    neighbours = {d: next(s for s in SEGMENTS if {s.a, s.b} == {node, (node[0] + d[0], node[1] + d[1])}) for d in arms}
    contact = {d: "start" if neighbours[d].a == node else "end" for d in arms}

    def lanes(sign: int) -> list[LaneDraft]:
        return [
            LaneDraft(
                kind,
                width,
                before=_linked(lane, "start", contact[along]),
                after=_linked(lane, "end", contact[across]),
            )
            for kind, width, lane in (
                ("driving", RING.lane_m, sign),
                ("sidewalk", SIDEWALK_M + PARKING_M, 2 * sign),
            )
        ]

    road = draft.road(
        _corner_id(node),
        f"corner_{node[0]}_{node[1]}",
        (start_x, start_y, heading),
        [AlignmentElement(CORNER_RADIUS_M * 0.5 * math.pi, k, k)],
        [SectionDraft(0.0, lanes(1), lanes(-1), CENTRE_SOLID)],
        before=RoadEnd("road", neighbours[along].road_id, contact[along]),
        after=RoadEnd("road", neighbours[across].road_id, contact[across]),
    )
    road.kind("town", RING.limit_kmh)
    road.height([(0.0, 0.0)])


class _Furniture:
    """Puts signs, lights and paint on one street, with ids counted per street."""

    def __init__(self, segment: StreetSegment, road: RoadDraft) -> None:
        self.segment, self.road, self.street = segment, road, segment.street
        self._signals = self._objects = 0

    def signal_id(self) -> str:
        self._signals += 1
        return str(100 * self.segment.road_id + self._signals)

    def object_id(self) -> str:
        self._objects += 1
        return str(10_000 + 100 * self.segment.road_id + self._objects)

    def station(self, distance_m: float, forwards: bool) -> float:
        """Return the station this far before the end that traffic of one direction comes to."""
        return round(self.road.length_m - distance_m if forwards else distance_m, 6)

    def kerb(self, forwards: bool) -> float:
        """Return t of a sign on the right of traffic of one direction."""
        beyond = SIGN_BEHIND_KERB_M + (PARKING_M if self.street.one_way and not forwards else self.street.lane_m)
        return -beyond if forwards else beyond

    def sign(
        self, distance_m: float, forwards: bool, kind: str, name: str, size_m: float, value_kmh: int | None = None
    ) -> None:
        self.road.sign(
            self.signal_id(),
            self.station(distance_m, forwards),
            self.kerb(forwards),
            kind,
            name,
            forwards=forwards,
            value_kmh=value_kmh,
            size_m=size_m,
        )

    def crosswalk(self, s_m: float) -> None:
        left = PARKING_M if self.street.one_way else self.street.lane_m
        self.road.painted(
            self.object_id(),
            "crosswalk",
            "Crosswalk",
            round(s_m, 6),
            0.5 * (left - self.street.lane_m),
            CROSSWALK_LENGTH_M,
            self.street.lane_m + left,
        )

    def line(self, distance_m: float, forwards: bool, name: str) -> None:
        width = self.street.lane_m - 0.2
        t = 0.5 * self.street.lane_m * (-1 if forwards else 1)
        self.road.painted(
            self.object_id(), "roadMark", name, self.station(distance_m, forwards), t, STOP_LINE_WIDTH_M, width
        )


def _equip(
    draft: MapDraft, segment: StreetSegment, road: RoadDraft, lights: dict[GridNode, dict[tuple[int, int], str]]
) -> None:
    """Put what traffic meets at both ends of a street, its limits, and crossings in between."""
    items = _Furniture(segment, road)
    for node, other, forwards in ((segment.b, segment.a, True), (segment.a, segment.b, False)):
        direction = (_sign(other[0] - node[0]), _sign(other[1] - node[1]))
        control = CONTROLS.get((node, direction))
        crossing = (node, direction) in CROSSWALKS
        at = STOP_BEFORE_CROSSWALK_M if crossing else STOP_LINE_M
        if crossing:
            items.crosswalk(items.station(CROSSWALK_M, forwards))
        if segment.street.one_way and not forwards:
            continue
        if control == "light":
            name = items.signal_id()
            road.light(name, items.station(at - 0.6, forwards), items.kerb(forwards), forwards=forwards)
            lights.setdefault(node, {})[direction] = name
        elif control:
            items.sign(at if control != "priority" else at + 8.0, forwards, *_SIGNS[control])
        if control in ("light", "stop"):
            items.line(at, forwards, "StopLine")
        elif control == "yield":
            items.line(at, forwards, "YieldLine")
        nearby = [s.street.limit_kmh for s in SEGMENTS if other in (s.a, s.b)]
        if len(set(nearby)) > 1 or _is_corner(other):
            # Traffic that has just left the junction behind reads the limit of the street.
            limit = segment.street.limit_kmh
            items.sign(road.length_m - 19.0, forwards, "274", f"Speed_{limit}", 0.6, limit)
    if segment.street.one_way:
        for t in (PARKING_M + SIGN_BEHIND_KERB_M, -segment.street.lane_m - SIGN_BEHIND_KERB_M):
            road.sign(
                items.signal_id(), road.length_m - 1.0, t, "267", "NoEntry", forwards=False, size_m=0.75, lanes=(1, 1)
            )
    if segment.street is SIDE or segment.street is SCHOOL:
        items.sign(road.length_m - 50.0, True, "136", "Children", 0.75)
    middle = MIDBLOCK_CROSSWALKS.get(segment.road_id)
    if middle:
        items.crosswalk(middle)
        for forwards in (True, False):
            distance = road.length_m - middle if forwards else middle
            s, t = items.station(distance + 14.0, forwards), items.kerb(forwards)
            if segment.street.parking:
                t += math.copysign(PARKING_M, t)
            road.sign(items.signal_id(), s, t, "133", "Pedestrians", forwards=forwards, size_m=0.75)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _meet(draft: MapDraft, node: GridNode) -> None:
    """Join the streets of a node in a junction."""
    arms = []
    for direction in _arms(node):
        other = (node[0] + direction[0], node[1] + direction[1])
        segment = next(s for s in SEGMENTS if {s.a, s.b} == {node, other})
        arrives = segment.b == node
        one_way, width = segment.street.one_way, segment.street.lane_m
        arms.append(
            JunctionArm(
                segment.road_id,
                "end" if arrives else "start",
                XS_M[node[0]] + direction[0] * JUNCTION_REACH_M,
                YS_M[node[1]] + direction[1] * JUNCTION_REACH_M,
                math.atan2(direction[1], direction[0]),
                0.0 if one_way and not arrives else width,
                0.0 if one_way and arrives else width,
            )
        )
    draft.junction(_junction_id(node), f"junction_{node[0]}_{node[1]}", arms, 0.0, 50, "town")


def town_xodr() -> str:
    """Return the OpenDRIVE text of the map `town`, the same bytes at every call."""
    draft = MapDraft("town")
    lights: dict[GridNode, dict[tuple[int, int], str]] = {}
    for segment in SEGMENTS:
        _equip(draft, segment, _street(draft, segment), lights)
    nodes = [(i, j) for j in range(len(YS_M)) for i in range(len(XS_M))]
    for node in nodes:
        if _is_corner(node):
            _corner(draft, node)
        else:
            _meet(draft, node)
    for node, arms in sorted(lights.items()):
        groups = [[arms[d] for d in pair if d in arms] for pair in ((EAST, WEST), (NORTH, SOUTH))]
        numbers = []
        for letter, group in zip("AB", groups, strict=True):
            number = 1 + len(draft.controllers)
            draft.controllers[number] = (f"junction_{node[0]}_{node[1]}_{letter}", tuple(group))
            numbers.append(number)
        draft.phases[_junction_id(node)] = tuple(numbers)
    return draft.text()


if __name__ == "__main__":
    DATA_FILE.write_text(town_xodr(), encoding="utf-8")
