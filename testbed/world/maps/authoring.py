"""Writes maps as OpenDRIVE 1.4: a thin layer over scenariogeneration with explicit links and reproducible bytes.

A map is drafted from roads with stated start points (so nothing is shifted afterwards), junctions whose connecting
roads are lines and arcs between arms, signals, crosswalks, and controllers that name the lights which switch together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from scenariogeneration import xodr

GEO_REFERENCE = (
    "+proj=tmerc +lat_0=48.8 +lon_0=9.2 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +geoidgrids=egm96_15.gtx +vunits=m "
    "+no_defs"
)
_MARGIN_M = 200.0


@dataclass(frozen=True)
class AlignmentElement:
    """One element of a horizontal alignment: length and curvature (positive = left) at its start and end."""

    length_m: float
    curvature_start_1pm: float = 0.0
    curvature_end_1pm: float = 0.0


def curve(
    radius_m: float, transition_m: float, arc_m: float
) -> tuple[AlignmentElement, AlignmentElement, AlignmentElement]:
    """Return clothoid, arc, clothoid of one curve; a negative radius turns right."""
    k = 1.0 / radius_m
    return AlignmentElement(transition_m, 0.0, k), AlignmentElement(arc_m, k, k), AlignmentElement(transition_m, k, 0.0)


def end_point(start: tuple[float, float, float], pieces: Iterable[AlignmentElement]) -> tuple[float, float, float]:
    """Return (x_m, y_m, heading_rad) at the end of an alignment."""
    x, y, heading = _view(start, pieces).get_end_point()
    return float(x), float(y), float(heading)


def _view(start: tuple[float, float, float], pieces: Iterable[AlignmentElement]) -> xodr.PlanView:
    from scenariogeneration import xodr

    view = xodr.PlanView(*start)
    for piece in pieces:
        a, b = piece.curvature_start_1pm, piece.curvature_end_1pm
        shape = xodr.Spiral(a, b, length=piece.length_m) if a != b else None
        view.add_geometry(shape or (xodr.Arc(a, length=piece.length_m) if a else xodr.Line(piece.length_m)))
    view.adjust_geometries()
    return view


@dataclass(frozen=True)
class LanePaint:
    """A painted line: solid when `dash_m` is 0; no paint when `width_m` is 0."""

    width_m: float = 0.0
    dash_m: float = 0.0
    gap_m: float = 0.0


PLAIN = LanePaint()


@dataclass(frozen=True)
class LaneDraft:
    """A lane: OpenDRIVE type, width at the start and the end of its section, paint on its outer edge, links.

    Attributes:
        type: Name of an OpenDRIVE lane type.
        width_m: Width at the start of the section.
        widening: Change of the width per metre.
        mark: Paint on the outer edge.
        before: id of the lane that precedes it along the reference line.
        after: id of the lane that follows it.
        surface: OpenDRIVE surface code, or "" for asphalt.
    """

    type: str
    width_m: float
    widening: float = 0.0
    mark: LanePaint = PLAIN
    before: int | None = None
    after: int | None = None
    surface: str = ""


@dataclass(frozen=True)
class SectionDraft:
    """A lane section: start station, paint of the centre line, lanes of both sides from the centre outwards."""

    s_m: float
    left: Sequence[LaneDraft]
    right: Sequence[LaneDraft]
    centre: LanePaint = PLAIN


@dataclass(frozen=True)
class RoadEnd:
    """What a road's end joins: `element` "road" or "junction", its id, and for roads the contact point."""

    element: str
    id: int
    contact: str = ""


@dataclass(frozen=True)
class JunctionArm:
    """A road's end at a junction.

    Attributes:
        road_id: Road.
        contact: "end" or "start", the end of the road that touches the junction.
        x_m: That end's position in OpenDRIVE's frame.
        y_m: Position.
        heading_rad: Direction out of the junction.
        width_in_m: Width of the lane that leads into the junction, 0 where there is none.
        width_out_m: Width of the lane that leads out of it, 0 where there is none.
        surface: Surface of its lanes.
    """

    road_id: int
    contact: str
    x_m: float
    y_m: float
    heading_rad: float
    width_in_m: float
    width_out_m: float
    surface: str = ""

    @property
    def lane_in(self) -> int:
        """Id of the lane that leads into the junction."""
        return -1 if self.contact == "end" else 1

    @property
    def lane_out(self) -> int:
        """Id of the lane that leads out of the junction."""
        return -self.lane_in


@dataclass
class MapDraft:
    """A map that is being written.

    Attributes:
        name: Map name.
        controllers: Controller id -> (name, signal ids).
        phases: Junction id -> controller ids in the order in which they turn green.
    """

    name: str
    controllers: dict[int, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    phases: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start an empty document."""
        from scenariogeneration import xodr

        self._document = xodr.OpenDrive(self.name, revMinor="4", geo_reference=GEO_REFERENCE)

    def road(
        self,
        road_id: int,
        name: str,
        start: tuple[float, float, float],
        pieces: Iterable[AlignmentElement],
        sections: Sequence[SectionDraft],
        *,
        before: RoadEnd | None = None,
        after: RoadEnd | None = None,
        junction: int = -1,
    ) -> RoadDraft:
        """Add a road that starts at (x_m, y_m, heading_rad) in OpenDRIVE's frame."""
        from scenariogeneration import xodr

        view = _view(start, pieces)
        lanes = xodr.Lanes()
        for section in sections:
            lanes.add_lanesection(_section(section))
        road = xodr.Road(road_id, view, lanes, road_type=junction, name=name)
        for end, add in ((before, road.add_predecessor), (after, road.add_successor)):
            if end is not None:
                contact = getattr(xodr.ContactPoint, end.contact) if end.contact else None
                add(getattr(xodr.ElementType, end.element), end.id, contact)
        self._document.add_road(road)
        return RoadDraft(road, float(view.get_total_length()), tuple(float(v) for v in view.get_end_point()))

    def junction(
        self, junction_id: int, name: str, arms: Sequence[JunctionArm], z_m: float, limit_kmh: int, kind: str
    ) -> None:
        """Add a junction with a connecting road for every way from one arm to another, numbered from 100 x its id.

        The arms must lie at one distance from a common centre, so that every way is a line or one arc.
        """
        from scenariogeneration import xodr

        junction = xodr.Junction(name, junction_id)
        number = 100 * junction_id
        for source in arms:
            for target in arms:
                if source is target or not source.width_in_m or not target.width_out_m:
                    continue
                heading = source.heading_rad + math.pi
                piece = _way(source, target)
                length = piece.length_m
                lane = LaneDraft(
                    "driving",
                    source.width_in_m,
                    (target.width_out_m - source.width_in_m) / length,
                    before=source.lane_in,
                    after=target.lane_out,
                    surface=source.surface and target.surface,
                )
                road = self.road(
                    number,
                    f"{name}_{number}",
                    (source.x_m, source.y_m, heading),
                    [piece],
                    [SectionDraft(0.0, (), (lane,))],
                    before=RoadEnd("road", source.road_id, source.contact),
                    after=RoadEnd("road", target.road_id, target.contact),
                    junction=junction_id,
                )
                road.kind(kind, limit_kmh)
                road.height([(0.0, z_m)])
                connection = xodr.Connection(source.road_id, number, xodr.ContactPoint.start)
                connection.add_lanelink(source.lane_in, -1)
                junction.add_connection(connection)
                number += 1
        self._document.add_junction(junction)

    def text(self) -> str:
        """Return the OpenDRIVE text, the same bytes at every call with the same draft."""
        root = self._document.get_element()
        self._add_controllers(root)
        _flatten_outlines(root)
        _finish_header(root)
        _round_numbers(root)
        ElementTree.indent(root, space=" ")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'

    def _add_controllers(self, root: ElementTree.Element) -> None:
        """Put controllers after the roads and name them in their junctions; scenariogeneration knows neither."""
        first = next((index for index, element in enumerate(root) if element.tag == "junction"), len(root))
        for offset, (number, (name, signals)) in enumerate(sorted(self.controllers.items())):
            controller = ElementTree.Element("controller", {"id": str(number), "name": name, "sequence": "0"})
            for signal in signals:
                ElementTree.SubElement(controller, "control", {"signalId": signal, "type": "0"})
            root.insert(first + offset, controller)
        for element in root.iter("junction"):
            for order, number in enumerate(self.phases.get(int(element.get("id", "-1")), ())):
                ElementTree.SubElement(element, "controller", {"id": str(number), "type": "0", "sequence": str(order)})


@dataclass(frozen=True)
class RoadDraft:
    """A road of a draft, for what is put on and beside it.

    Attributes:
        road: Scenariogeneration's road.
        length_m: Length.
        end: Position and heading of its end in OpenDRIVE's frame.
    """

    road: Any
    length_m: float
    end: tuple[float, ...]

    def kind(self, name: str, limit_kmh: int, s_m: float = 0.0) -> None:
        """State road type and speed limit from a station on."""
        from scenariogeneration import xodr

        self.road.add_type(getattr(xodr.RoadType, name), s_m, "DE", speed=limit_kmh, speed_unit="km/h")

    def height(self, knots: Sequence[tuple[float, float]]) -> None:
        """State heights (s_m, z_m); the profile is level at each knot and a smooth cubic between two."""
        for (s0, z0), (s1, z1) in zip(knots, knots[1:], strict=False):
            length, rise = s1 - s0, z1 - z0
            self.road.add_elevation(s0, z0, 0.0, 3.0 * rise / length**2, -2.0 * rise / length**3)
        if len(knots) == 1 or knots[-1][0] < self.length_m - 1e-6:
            self.road.add_elevation(*knots[-1], 0.0, 0.0, 0.0)

    def sign(
        self,
        signal_id: str,
        s_m: float,
        t_m: float,
        kind: str,
        name: str,
        *,
        forwards: bool,
        value_kmh: int | None = None,
        subtype: str = "",
        size_m: float = 0.6,
        bottom_m: float = 2.2,
        lanes: tuple[int, int] | None = None,
    ) -> None:
        """Put a static sign that speaks to traffic along (`forwards`) or against the reference line."""
        self._signal(
            signal_id,
            forwards,
            lanes,
            s=s_m,
            t=t_m,
            country="DEU",
            Type=kind,
            subtype=str(value_kmh) if value_kmh else (subtype or "-1"),
            name=name,
            value=value_kmh,
            unit="km/h" if value_kmh else None,
            zOffset=bottom_m,
            height=size_m,
            width=size_m,
        )

    def light(self, signal_id: str, s_m: float, t_m: float, *, forwards: bool) -> None:
        """Put a traffic light with three lamps (type 1000001), which stands on the ground."""
        from scenariogeneration import xodr

        self._signal(
            signal_id,
            forwards,
            None,
            s=s_m,
            t=t_m,
            country="OpenDRIVE",
            Type="1000001",
            subtype="-1",
            name="TrafficLight",
            dynamic=xodr.Dynamic.yes,
            zOffset=0.0,
            height=3.5,
            width=0.4,
        )

    def _signal(self, signal_id: str, forwards: bool, lanes: tuple[int, int] | None, **fields: Any) -> None:
        from scenariogeneration import xodr

        facing = xodr.Orientation.positive if forwards else xodr.Orientation.negative
        signal = xodr.Signal(orientation=facing, **fields)
        signal.add_validity(*(lanes or ((-1, -1) if forwards else (1, 1))))
        self.road.add_signal(signal)
        signal.id = signal_id  # after add_signal, which renumbers in a process-wide counter

    def painted(
        self, object_id: str, kind: str, name: str, s_m: float, t_m: float, along_m: float, wide_m: float
    ) -> None:
        """Put a rectangle of paint or another object that lies on the road: middle, length along it, width."""
        from scenariogeneration import xodr

        item = xodr.Object(
            s_m,
            t_m,
            kind,
            name=name,
            orientation=xodr.Orientation.none,
            zOffset=0.0,
            length=along_m,
            width=wide_m,
            height=0.0,
        )
        if kind == "crosswalk":
            outline = xodr.Outline(closed=True)
            for number, (u, v) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))):
                outline.add_corner(xodr.CornerLocal(0.5 * u * along_m, 0.5 * v * wide_m, 0.0, 0.0, number))
            item.add_outline(outline)
        self.road.add_object(item)
        item.id = object_id


def _way(source: JunctionArm, target: JunctionArm) -> AlignmentElement:
    """Return the line or arc from one arm to another."""
    turn = math.remainder(target.heading_rad - source.heading_rad - math.pi, 2.0 * math.pi)
    chord = math.hypot(target.x_m - source.x_m, target.y_m - source.y_m)
    if abs(turn) < 1e-6:
        return AlignmentElement(chord)
    radius = 0.5 * chord / math.sin(0.5 * abs(turn))
    k = math.copysign(1.0 / radius, turn)
    return AlignmentElement(radius * abs(turn), k, k)


def _section(draft: SectionDraft) -> xodr.LaneSection:
    from scenariogeneration import xodr

    centre = xodr.Lane(lane_type=xodr.LaneType.none, a=0)
    centre.add_roadmark(_mark(draft.centre))
    section = xodr.LaneSection(draft.s_m, centre)
    for side, add in ((draft.left, section.add_left_lane), (draft.right, section.add_right_lane)):
        for item in side:
            lane = xodr.Lane(lane_type=getattr(xodr.LaneType, item.type), a=item.width_m, b=item.widening)
            lane.add_roadmark(_mark(item.mark))
            if item.before is not None:
                lane.add_link("predecessor", item.before)
            if item.after is not None:
                lane.add_link("successor", item.after)
            if item.surface:
                lane.add_lane_material(0.6, 0.02, 0, item.surface)
            add(lane)
    return section


def _mark(draft: LanePaint) -> xodr.RoadMark:
    from scenariogeneration import xodr

    white = xodr.RoadMarkColor.white
    if not draft.width_m:
        return xodr.RoadMark(xodr.RoadMarkType.none, color=white, laneChange=xodr.LaneChange.none)
    if not draft.dash_m:
        return xodr.RoadMark(xodr.RoadMarkType.solid, width=draft.width_m, color=white, laneChange=xodr.LaneChange.none)
    mark = xodr.RoadMark(xodr.RoadMarkType.broken, width=draft.width_m, color=white, laneChange=xodr.LaneChange.both)
    mark.add_specific_road_line(xodr.RoadLine(draft.width_m, draft.dash_m, draft.gap_m, toffset=0, soffset=0))
    return mark


def _flatten_outlines(root: ElementTree.Element) -> None:
    """Take the 1.5 wrapper `<outlines>` away: CARLA's client finds crosswalks by `<outline>` below the object."""
    for item in root.iter("object"):
        wrapper = item.find("outlines")
        if wrapper is not None:
            item.remove(wrapper)
            item.extend(list(wrapper))


def _finish_header(root: ElementTree.Element) -> None:
    """Take the clock out of the header and fill in the bounds of the map."""
    header = root.find("header")
    assert header is not None
    points = [(float(element.get("x", "0")), float(element.get("y", "0"))) for element in root.iterfind(".//geometry")]
    header.set("date", "2026-01-01T00:00:00")
    header.set("vendor", "V2LM testbed")
    header.set("version", "1.00")
    header.set("west", f"{min(x for x, _ in points) - _MARGIN_M:.0f}")
    header.set("east", f"{max(x for x, _ in points) + _MARGIN_M:.0f}")
    header.set("south", f"{min(y for _, y in points) - _MARGIN_M:.0f}")
    header.set("north", f"{max(y for _, y in points) + _MARGIN_M:.0f}")


_FLOAT = re.compile(r"-?\d+\.\d{10,}(e-?\d+)?|-?\d+(\.\d+)?e-?\d+")


def _round_numbers(root: ElementTree.Element) -> None:
    """Round long decimals to 1e-10 so that the file does not depend on a platform's last floating-point bit."""
    for element in root.iter():
        for key, text in element.attrib.items():
            if _FLOAT.fullmatch(text):
                rounded = f"{float(text):.10f}".rstrip("0").rstrip(".")
                element.set(key, "0" if rounded == "-0" else rounded)
