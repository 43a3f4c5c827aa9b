"""The map `rural`: a hilly ring of country road with a farm track across it, written as OpenDRIVE 1.4 by code.

The ring is one half of 1.6 km, laid twice: a sequence of straights and curves that turns by 180 degrees in all closes
exactly when it is repeated, point-symmetric about the ring's middle. Where the line from that middle meets the first
straight at a right angle lie two T junctions, joined by the track.

    road 1   marked: edge lines and a centre line, solid in tight curves; lanes 3.25 m
    road 2   the other half: centre line only, then narrow (2.75 m lanes) and unmarked, marked again before the junction
    road 3   gravel track, lanes 2.5 m, gives way at both ends

The shipped file `data/rural.xodr` is the output of `rural_xodr`; a test compares the bytes. Run
`python -m testbed.world.maps.rural` after a change to write it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    curve,
    end_point,
)

DATA_FILE = Path(__file__).parent / "data" / "rural.xodr"

LANE_M, NARROW_M, TRACK_M, SHOULDER_M = 3.25, 2.75, 2.5, 0.5
REACH_M = 14.0
STRAIGHT_M = 330.0
SIGN_T_M = LANE_M + SHOULDER_M + 0.9
CENTRE, CENTRE_SOLID, EDGE = LanePaint(0.12, 4.0, 8.0), LanePaint(0.12), LanePaint(0.12)

_BENDS: tuple[AlignmentElement, ...] = (
    *curve(160.0, 40.0, 110.0),
    AlignmentElement(60.0),
    *curve(-120.0, 36.0, 90.0),
    AlignmentElement(40.0),
    *curve(90.0, 30.0, 100.0),
    AlignmentElement(90.0),
    *curve(250.0, 50.0, 150.0),
    AlignmentElement(80.0),
)
_LAST_RADIUS_M, _LAST_TRANSITION_M = 140.0, 40.0


def _half() -> tuple[AlignmentElement, ...]:
    """Return everything after the first straight, closed by a curve that makes the turn 180 degrees."""
    turned = sum(0.5 * piece.length_m * (piece.curvature_start_1pm + piece.curvature_end_1pm) for piece in _BENDS)
    arc = (math.pi - turned) * _LAST_RADIUS_M - _LAST_TRANSITION_M
    return (*_BENDS, *curve(_LAST_RADIUS_M, _LAST_TRANSITION_M, arc), AlignmentElement(50.0))


def _lanes(width_m: float, widening: float, edge: LanePaint, *, first: bool, last: bool) -> dict[int, list[LaneDraft]]:
    """Return the lanes of both sides; sections link lanes of the same id, the road's ends lie at junctions."""

    def lane(kind: str, number: int, width: float, grows: float, mark: LanePaint) -> LaneDraft:
        return LaneDraft(kind, width, grows, mark, None if first else number, None if last else number)

    return {
        sign: [
            lane("driving", sign, width_m, widening, edge),
            lane("shoulder", 2 * sign, SHOULDER_M, 0.0, PLAIN),
        ]
        for sign in (1, -1)
    }


def _sections(plan: Sequence[tuple[float, float, float, LanePaint, LanePaint]]) -> list[SectionDraft]:
    """Return lane sections from (s_m, lane width, widening, centre, edge)."""
    drafts = []
    for number, (s, width, widening, centre, edge) in enumerate(plan):
        lanes = _lanes(width, widening, edge, first=number == 0, last=number == len(plan) - 1)
        drafts.append(SectionDraft(s, lanes[1], lanes[-1], centre))
    return drafts


# (station, name of the sign, type with its variant, whether it speaks to traffic along the road, limit or None)
_Sign = tuple[float, str, str, bool, int | None]
_SIGNS: dict[int, tuple[_Sign, ...]] = {
    1: (
        (30.0, "Speed_70", "274", True, 70),
        (170.0, "DoubleCurve", "105-10", True, None),
        (330.0, "Speed_50", "274", True, 50),
        (420.0, "CurveRight", "103-20", True, None),
        (700.0, "Speed_80", "274", True, 80),
        (860.0, "WildAnimals", "142-10", True, None),
        (1060.0, "CurveLeft", "103-10", True, None),
        (1300.0, "Speed_70", "274", True, 70),
        (1450.0, "RightOfWay", "301", True, None),
        (1490.0, "Speed_70", "274", False, 70),
        (1250.0, "CurveRight", "103-20", False, None),
        (800.0, "DoubleCurve", "105-20", False, None),
        (720.0, "Speed_50", "274", False, 50),
        (300.0, "Speed_70", "274", False, 70),
        (120.0, "RightOfWay", "301", False, None),
    ),
    2: (
        (30.0, "Speed_70", "274", True, 70),
        (170.0, "GeneralCaution", "101", True, None),
        (380.0, "Speed_50", "274", True, 50),
        (560.0, "RoadNarrows", "120", True, None),
        (900.0, "BumpyRoad", "112", True, None),
        (1340.0, "Speed_70", "274", True, 70),
        (1450.0, "RightOfWay", "301", True, None),
        (1490.0, "Speed_50", "274", False, 50),
        (1400.0, "RoadNarrows", "120", False, None),
        (600.0, "Speed_70", "274", False, 70),
        (300.0, "SlipperyRoad", "114", False, None),
        (120.0, "RightOfWay", "301", False, None),
    ),
}
# Speed limits by road and station; heights by road and share of its length. The profile is level at both junctions.
_LIMITS = {1: ((0.0, 70), (330.0, 50), (700.0, 80), (1300.0, 70)), 2: ((0.0, 70), (380.0, 50), (1340.0, 70))}
_Z1_M, _Z2_M = 0.0, 6.0
_HEIGHTS: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0.0, _Z1_M), (0.03, _Z1_M), (0.21, 10.0), (0.37, 1.5), (0.55, 13.0), (0.72, 5.0), (0.86, 11.0), (0.96, _Z2_M)),
    2: ((0.0, _Z2_M), (0.04, _Z2_M), (0.20, -3.0), (0.40, 8.0), (0.56, 1.0), (0.75, 12.0), (0.96, _Z1_M)),
    3: ((0.0, _Z1_M), (0.04, _Z1_M), (0.35, 9.0), (0.6, 3.0), (0.93, _Z2_M)),
}


def _heights(road_id: int, road: RoadDraft) -> None:
    road.height([(round(share * road.length_m, 3), z) for share, z in _HEIGHTS[road_id]])


def _ring_road(
    draft: MapDraft, road_id: int, start: tuple[float, float, float], foot_m: float, sections: list[SectionDraft]
) -> None:
    pieces = [AlignmentElement(STRAIGHT_M - foot_m - REACH_M), *_half(), AlignmentElement(foot_m - REACH_M)]
    road = draft.road(
        road_id,
        f"country_road_{road_id}",
        start,
        pieces,
        sections,
        before=RoadEnd("junction", 50 + road_id),
        after=RoadEnd("junction", 50 + 3 - road_id),
    )
    for s, limit in _LIMITS[road_id]:
        road.kind("rural", limit, s)
    _heights(road_id, road)
    for number, (s, name, kind, forwards, value) in enumerate(_SIGNS[road_id]):
        base, _, variant = kind.partition("-")
        road.sign(
            str(100 * road_id + number),
            s,
            -SIGN_T_M if forwards else SIGN_T_M,
            base,
            name,
            forwards=forwards,
            value_kmh=value,
            subtype=variant,
            size_m=0.75,
        )


def _track(draft: MapDraft, start: tuple[float, float, float], reach_m: float) -> None:
    """Add the track: it swings out and back, and a straight makes up the rest of the way."""
    swing = [AlignmentElement(90.0), *curve(120.0, 20.0, 40.0), *curve(-120.0, 20.0, 40.0), AlignmentElement(60.0)]
    swing += [*curve(-120.0, 20.0, 40.0), *curve(120.0, 20.0, 40.0)]
    ahead, _, _ = end_point((0.0, 0.0, 0.0), swing)
    lanes = [LaneDraft("driving", TRACK_M, surface="gravel")]
    road = draft.road(
        3,
        "farm_track",
        start,
        [*swing, AlignmentElement(reach_m - ahead)],
        [SectionDraft(0.0, lanes, lanes)],
        before=RoadEnd("junction", 51),
        after=RoadEnd("junction", 52),
    )
    road.kind("lowSpeed", 30)
    _heights(3, road)
    beside = TRACK_M + 0.9
    for number, forwards in enumerate((True, False)):
        at = road.length_m - 2.0 if forwards else 2.0
        side = -beside if forwards else beside
        road.sign(str(300 + number), round(at, 6), side, "205", "Yield", forwards=forwards, size_m=0.75)
        at = road.length_m - 25.0 if not forwards else 25.0
        road.sign(str(302 + number), round(at, 6), side, "274", "Speed_30", forwards=forwards, value_kmh=30, size_m=0.6)


def rural_xodr() -> str:
    """Return the OpenDRIVE text of the map `rural`, the same bytes at every call."""
    draft = MapDraft("rural")
    dx, dy, _ = end_point((0.0, 0.0, 0.0), [AlignmentElement(STRAIGHT_M), *_half()])
    foot, top = 0.5 * dx, dy
    tight = [(0.0, LANE_M, 0.0, CENTRE, EDGE), (420.0, LANE_M, 0.0, CENTRE_SOLID, EDGE)]
    tight += [(720.0, LANE_M, 0.0, CENTRE, EDGE), (1080.0, LANE_M, 0.0, CENTRE_SOLID, EDGE)]
    tight += [(1260.0, LANE_M, 0.0, CENTRE, EDGE)]
    _ring_road(draft, 1, (foot + REACH_M, 0.0, 0.0), foot, _sections(tight))
    narrowing = (NARROW_M - LANE_M) / 50.0
    fading = [(0.0, LANE_M, 0.0, CENTRE, PLAIN), (580.0, LANE_M, narrowing, PLAIN, PLAIN)]
    fading += [(630.0, NARROW_M, 0.0, PLAIN, PLAIN), (1300.0, NARROW_M, -narrowing, PLAIN, PLAIN)]
    fading += [(1350.0, LANE_M, 0.0, CENTRE, EDGE)]
    _ring_road(draft, 2, (foot - REACH_M, top, math.pi), foot, _sections(fading))
    _track(draft, (foot, REACH_M, 0.5 * math.pi), top - 2.0 * REACH_M)
    # Arms of both junctions: the ring road that leaves, the one that arrives, the track.
    for junction, leaving, arriving, y, heading, z in ((51, 1, 2, 0.0, 0.0, _Z1_M), (52, 2, 1, top, math.pi, _Z2_M)):
        c = math.cos(heading)
        arms = [
            JunctionArm(leaving, "start", foot + c * REACH_M, y, heading, LANE_M, LANE_M),
            JunctionArm(arriving, "end", foot - c * REACH_M, y, heading + math.pi, LANE_M, LANE_M),
            JunctionArm(
                3,
                "start" if junction == 51 else "end",
                foot,
                y + c * REACH_M,
                heading + 0.5 * math.pi,
                TRACK_M,
                TRACK_M,
            ),
        ]
        draft.junction(junction, f"fork_{junction}", arms, z, 70, "rural")
    return draft.text()


if __name__ == "__main__":
    DATA_FILE.write_text(rural_xodr(), encoding="utf-8")
