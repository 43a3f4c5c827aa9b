"""OpenDRIVE 1.4 reader: text in, a road network in CARLA's left-handed world frame out.

This is the only place where the two frames meet. OpenDRIVE is right-handed (y and heading to the left), CARLA is
left-handed (y and yaw to the right), so positions, headings and curvatures of the plan view change sign while it is
read. The lateral coordinate `t_m` keeps OpenDRIVE's sense, positive to the left of the reference line, because lane
widths, marks, signals and objects are stated in it; `Road.positions` turns (s, t) into world coordinates.

Read: line, arc, spiral, poly3 and paramPoly3; elevation; laneOffset; lane sections with width polynomials, road marks
and links; road and junction links; road types with speed; signals and objects. Not read: superelevation, crossfall,
lane borders given as `<border>`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from testbed.core.errors import MapError
from testbed.core.geometry import Pose
from testbed.world.maps.reference_line import Floats, Primitive, ReferenceLine
from testbed.world.maps.xml_reader import XmlElement, read_xml

MAX_ROAD_LENGTH_M = 100_000.0
MAX_TOTAL_LENGTH_M = 2_000_000.0
MAX_COORDINATE_M = 1_000_000.0
DRIVABLE = frozenset({"driving", "bidirectional", "entry", "exit", "onRamp", "offRamp", "connectingRamp"})
_UNIT_MPS = {"m/s": 1.0, "km/h": 1 / 3.6, "mph": 0.44704}


class PiecewiseCubic:
    """Piecewise cubic polynomials a + b ds + c ds^2 + d ds^3, each valid from its own start."""

    def __init__(self, records: Iterable[tuple[float, float, float, float, float]]) -> None:
        """Take records (start, a, b, c, d); none means zero everywhere."""
        rows = sorted(records, key=lambda row: row[0]) or [(0.0, 0.0, 0.0, 0.0, 0.0)]
        self.rows = rows
        self._starts = [row[0] for row in rows]
        self._table = np.asarray(rows, np.float64)
        self.constant = len(rows) == 1 and not any(rows[0][2:])

    def at(self, s: float) -> float:
        """Return the value at one argument."""
        start, a, b, c, d = self.rows[max(0, bisect_right(self._starts, s) - 1)]
        ds = s - start
        return a + ds * (b + ds * (c + ds * d))

    def slope(self, s: float) -> float:
        """Return the first derivative at one argument."""
        start, _, b, c, d = self.rows[max(0, bisect_right(self._starts, s) - 1)]
        ds = s - start
        return b + ds * (2 * c + ds * 3 * d)

    def sample(self, s: Floats) -> Floats:
        """Return the values at an array of arguments."""
        rows = self._table[np.maximum(np.searchsorted(self._table[:, 0], s, side="right") - 1, 0)]
        ds = s - rows[..., 0]
        values: Floats = rows[..., 1] + ds * (rows[..., 2] + ds * (rows[..., 3] + ds * rows[..., 4]))
        return values


@dataclass(frozen=True)
class MarkLine:
    """One painted line of a road mark: lateral position relative to the lane's outer edge (positive left), pattern."""

    t_offset_m: float
    width_m: float
    dash_m: float
    gap_m: float


@dataclass(frozen=True)
class RoadMark:
    """Paint on the outer edge of a lane, or on the centre line for lane 0.

    Attributes:
        s_offset_m: Start, relative to the lane section.
        kind: OpenDRIVE mark type, for instance "solid" or "broken".
        colour: OpenDRIVE colour name; "standard" is white.
        lines: What is painted, empty for kinds without paint.
    """

    s_offset_m: float
    kind: str
    colour: str
    lines: tuple[MarkLine, ...]


@dataclass(frozen=True)
class Lane:
    """A lane of a lane section; id 0 is the centre line, negative ids lie to the right; `surface` is "" for asphalt."""

    id: int
    type: str
    width: PiecewiseCubic
    marks: tuple[RoadMark, ...]
    predecessor: int | None
    successor: int | None
    surface: str = ""

    @property
    def drivable(self) -> bool:
        """Whether cars drive on it."""
        return self.type in DRIVABLE


@dataclass(frozen=True)
class LaneSection:
    """A stretch of a road with constant lanes.

    Attributes:
        start_m: First station.
        end_m: Last station.
        lanes: By lane id, including the centre line 0.
    """

    start_m: float
    end_m: float
    lanes: dict[int, Lane]

    def outwards(self, side: int) -> list[Lane]:
        """Return the lanes of one side (+1 left, -1 right) from the centre line outwards."""
        return [self.lanes[i] for i in sorted(self.lanes, key=abs) if i * side > 0]


@dataclass(frozen=True)
class RoadLink:
    """What follows a road: another road with the contact point, or a junction."""

    element: str
    id: int
    contact: str


@dataclass(frozen=True)
class Signal:
    """A traffic sign or light.

    Attributes:
        id: Identifier in the file.
        road_id: Road that carries it.
        s_m: Station.
        t_m: Lateral position, positive left of the reference line.
        type: StVO number or OpenDRIVE type, for instance "274" or "1000001".
        subtype: As in the file; "-1" for none.
        value: Numeric value (km/h for speed limits), or None.
        unit: Unit of the value.
        name: Name in the file.
        dynamic: Whether it switches.
        pose: World pose of the sign's middle; its yaw is that of a driver who obeys it.
        width_m: Plate width; 0 when the file does not say.
        height_m: Plate height.
        lanes: Lane ids it is valid for; empty means all lanes of its direction.
    """

    id: str
    road_id: int
    s_m: float
    t_m: float
    type: str
    subtype: str
    value: float | None
    unit: str
    name: str
    dynamic: bool
    pose: Pose
    width_m: float
    height_m: float
    lanes: tuple[int, ...]


@dataclass(frozen=True)
class MapObject:
    """A stationary object of the map; `pose.yaw` is the road's direction plus the object's own heading."""

    id: str
    road_id: int
    s_m: float
    t_m: float
    type: str
    name: str
    pose: Pose
    length_m: float
    width_m: float
    height_m: float


@dataclass(frozen=True)
class Road:
    """A road: plan view, heights, lanes and what stands beside it.

    Attributes:
        id: Number in the file.
        name: Name in the file.
        length_m: Length along the reference line.
        junction: Junction id, or -1 when it is no connecting road.
        line: Reference line in CARLA's frame.
        elevation: Height of the reference line by station.
        lane_offset: Shift of the centre lane by station, positive left.
        sections: Lane sections in order.
        types: Records (start station, road type, speed limit in m/s or None).
        predecessor: Link at the start.
        successor: Link at the end.
        signals: Signs and lights.
        objects: Other objects.
    """

    id: int
    name: str
    length_m: float
    junction: int
    line: ReferenceLine
    elevation: PiecewiseCubic
    lane_offset: PiecewiseCubic
    sections: tuple[LaneSection, ...]
    types: tuple[tuple[float, str, float | None], ...]
    predecessor: RoadLink | None = None
    successor: RoadLink | None = None
    signals: list[Signal] = field(default_factory=list)
    objects: list[MapObject] = field(default_factory=list)

    def section(self, s_m: float) -> LaneSection:
        """Return the lane section at a station."""
        index = bisect_right([section.start_m for section in self.sections], s_m) - 1
        return self.sections[max(0, index)]

    def positions(self, s_m: Floats, t_m: Floats | float) -> Floats:
        """Return world points (N, 3) at stations (N,) and lateral coordinates (N,) or one, t positive left."""
        s = np.asarray(s_m, np.float64)
        x, y, yaw, _ = self.line.sample(s)
        points: Floats = np.stack(
            (x + t_m * np.sin(yaw), y - t_m * np.cos(yaw), np.broadcast_to(self.elevation.sample(s), x.shape)), axis=-1
        )
        return points

    def pose(self, s_m: float, t_m: float, *, z_offset_m: float = 0.0, backwards: bool = False) -> Pose:
        """Return a world pose on the road surface, looking along the reference line or against it."""
        x, y, yaw, _ = self.line.point(s_m)
        slope = self.elevation.slope(s_m)
        pitch = math.degrees(math.atan(-slope if backwards else slope)) + 0.0
        z = self.elevation.at(s_m) + z_offset_m
        turn = math.pi if backwards else 0.0
        return (x + t_m * math.sin(yaw), y - t_m * math.cos(yaw), z, pitch, wrap_deg(math.degrees(yaw + turn)), 0.0)

    def lane_bounds(self, s_m: float, lane_id: int) -> tuple[float, float]:
        """Return (t_left, t_right) of a lane at a station.

        Raises:
            MapError: The road has no such lane there.
        """
        section = self.section(s_m)
        if lane_id not in section.lanes:
            raise MapError(f"road {self.id} has no lane {lane_id} at s = {s_m:.2f} m (lanes {sorted(section.lanes)})")
        edge = self.lane_offset.at(s_m)
        ds = s_m - section.start_m
        side = 1 if lane_id > 0 else -1
        inner = edge
        for lane in section.outwards(side):
            inner, edge = edge, edge + side * max(lane.width.at(ds), 0.0)
            if lane.id == lane_id:
                break
        return (edge, inner) if side > 0 else (inner, edge)

    def edges(self, section: LaneSection, s_m: Floats) -> dict[int, Floats]:
        """Return the outer edge t of every lane of a section at stations (N,); key 0 is the centre line."""
        s = np.asarray(s_m, np.float64)
        edges = {0: self.lane_offset.sample(s)}
        for side in (1, -1):
            edge = edges[0]
            for lane in section.outwards(side):
                edge = edge + side * np.maximum(lane.width.sample(s - section.start_m), 0.0)
                edges[lane.id] = edge
        return edges

    def type_at(self, s_m: float) -> tuple[str, float | None]:
        """Return the road type and the speed limit in m/s (None where the file states none) at a station."""
        current: tuple[str, float | None] = ("unknown", None)
        for start, kind, limit in self.types:
            if start <= s_m:
                current = (kind, limit)
        return current


def wrap_deg(angle_deg: float) -> float:
    """Return an angle in (-180, 180]."""
    return 180.0 - (180.0 - angle_deg) % 360.0


@dataclass(frozen=True)
class OpenDriveDocument:
    """What a document says.

    Attributes:
        name: Map name.
        geo_reference: PROJ string, may be empty.
        roads: Roads by id.
        junctions: id -> connections (incoming road, connecting road, contact point, lane links incoming ->
            connecting).
        phases: Junction id -> groups of signal ids that switch together, in the order in which they turn green.
    """

    name: str
    geo_reference: str
    roads: dict[int, Road]
    junctions: dict[int, list[tuple[int, int, str, dict[int, int]]]]
    phases: dict[int, tuple[tuple[str, ...], ...]]


def parse_roads(text: str) -> OpenDriveDocument:
    """Read a document.

    Args:
        text: OpenDRIVE 1.4 document.

    Returns:
        Name, roads, junctions and the phases of their lights.

    Raises:
        MapError: Malformed XML or an OpenDRIVE document that cannot be understood, with the line.
    """
    root = read_xml(text)
    if root.tag != "OpenDRIVE":
        raise MapError(f"line {root.line}: the root element is <{root.tag}>, not <OpenDRIVE>")
    header = root.child("header")
    name = header.string("name", "") if header else ""
    reference = header.child("geoReference") if header else None
    roads: dict[int, Road] = {}
    total_m = 0.0
    for node in root.all("road"):
        road = _road(node)
        if road.id in roads:
            raise MapError(f"line {node.line}: a second road has the id {road.id}")
        total_m += road.length_m
        if total_m > MAX_TOTAL_LENGTH_M:
            raise MapError(f"line {node.line}: the roads are longer than {MAX_TOTAL_LENGTH_M:.0f} m together")
        roads[road.id] = road
    if not roads:
        raise MapError(f"line {root.line}: the document has no <road>")
    junctions = {
        node.integer("id"): [
            (
                connection.integer("incomingRoad"),
                connection.integer("connectingRoad"),
                connection.string("contactPoint", "start"),
                {link.integer("from"): link.integer("to") for link in connection.all("laneLink")},
            )
            for connection in node.all("connection")
            if "connectingRoad" in connection.attributes and "incomingRoad" in connection.attributes
        ]
        for node in root.all("junction")
    }
    return OpenDriveDocument(name, reference.text if reference else "", roads, junctions, _phases(root))


def _phases(root: XmlElement) -> dict[int, tuple[tuple[str, ...], ...]]:
    """Read which lights a junction's controllers switch, in the order of their sequence numbers."""
    groups = {
        node.string("id"): tuple(control.string("signalId") for control in node.all("control"))
        for node in root.all("controller")
    }
    phases: dict[int, tuple[tuple[str, ...], ...]] = {}
    for node in root.all("junction"):
        named = sorted(node.all("controller"), key=lambda item: item.integer("sequence", 0))
        found = tuple(groups[item.string("id")] for item in named if groups.get(item.string("id")))
        if found:
            phases[node.integer("id")] = found
    return phases


def _road(node: XmlElement) -> Road:
    road_id = node.integer("id")
    length = node.number("length")
    if not 0.0 < length <= MAX_ROAD_LENGTH_M:
        raise MapError(f"line {node.line}: road {road_id} is {length} m long, not within (0, {MAX_ROAD_LENGTH_M:.0f}]")
    plan = node.need("planView")
    primitives = [_primitive(geometry) for geometry in plan.all("geometry") if geometry.number("length") > 1e-6]
    if not primitives:
        raise MapError(f"line {plan.line}: road {road_id} has no <geometry> with a length")
    primitives.sort(key=lambda primitive: primitive.s_m)
    if sum(primitive.length_m for primitive in primitives) > 1.01 * length + 1.0:
        raise MapError(f"line {plan.line}: the geometries of road {road_id} are longer than its length {length} m")
    lanes = node.need("lanes")
    starts = [(section.number("s"), section) for section in lanes.all("laneSection")]
    if not starts:
        raise MapError(f"line {lanes.line}: road {road_id} has no <laneSection>")
    starts.sort(key=lambda pair: pair[0])
    ends = [start for start, _ in starts[1:]] + [length]
    link = node.child("link")
    elevation = node.child("elevationProfile")
    road = Road(
        id=road_id,
        name=node.string("name", ""),
        length_m=length,
        junction=node.integer("junction", -1),
        line=ReferenceLine(primitives, length),
        elevation=PiecewiseCubic(_records(elevation.all("elevation"), "s") if elevation else ()),
        lane_offset=PiecewiseCubic(_records(lanes.all("laneOffset"), "s")),
        sections=tuple(_section(s, end, section) for (s, section), end in zip(starts, ends, strict=True)),
        types=tuple(sorted(_types(node), key=lambda record: record[0])),
        predecessor=_link(link.child("predecessor")) if link else None,
        successor=_link(link.child("successor")) if link else None,
    )
    signals, objects = node.child("signals"), node.child("objects")
    road.signals.extend(_signal(item, road) for item in (signals.all("signal") if signals else ()))
    road.objects.extend(_object(item, road) for item in (objects.all("object") if objects else ()))
    return road


def _records(nodes: Iterable[XmlElement], start: str) -> list[tuple[float, float, float, float, float]]:
    return [
        (node.number(start, 0.0), node.number("a"), node.number("b", 0.0), node.number("c", 0.0), node.number("d", 0.0))
        for node in nodes
    ]


def _primitive(node: XmlElement) -> Primitive:
    """Read a `<geometry>` and mirror it into CARLA's frame: y, heading, curvature and v change sign."""
    length = node.number("length")
    if not 0.0 < length <= MAX_ROAD_LENGTH_M:
        raise MapError(f"line {node.line}: a geometry of {length} m length")
    if max(abs(node.number("x")), abs(node.number("y"))) > MAX_COORDINATE_M:
        raise MapError(f"line {node.line}: the geometry lies farther than {MAX_COORDINATE_M:.0f} m from the origin")
    base = (node.number("s"), node.number("x"), -node.number("y"), -node.number("hdg"), length)
    for shape in node.children:
        if shape.tag == "line":
            return Primitive(*base)
        if shape.tag == "arc":
            curvature = _curvature(shape, "curvature", length)
            return Primitive(*base, curvature, curvature)
        if shape.tag == "spiral":
            return Primitive(*base, _curvature(shape, "curvStart", length), _curvature(shape, "curvEnd", length))
        if shape.tag == "poly3":
            a, b, c, d = (shape.number(name) for name in "abcd")
            return Primitive(*base, poly_u=(0.0, 1.0, 0.0, 0.0), poly_v=(-a, -b, -c, -d))
        if shape.tag == "paramPoly3":
            u = [shape.number(f"{name}U") for name in "abcd"]
            v = [-shape.number(f"{name}V") for name in "abcd"]
            p_end = length if shape.string("pRange", "normalized") == "arcLength" else 1.0
            return Primitive(*base, poly_u=(u[0], u[1], u[2], u[3]), poly_v=(v[0], v[1], v[2], v[3]), p_end=p_end)
    raise MapError(f"line {node.line}: <geometry> has none of line, arc, spiral, poly3, paramPoly3")


def _curvature(node: XmlElement, name: str, length_m: float) -> float:
    value = node.number(name)
    if abs(value) * length_m > 1000.0:
        raise MapError(f"line {node.line}: {name} {value} winds more than a thousand radians over {length_m} m")
    return -value


def _types(node: XmlElement) -> Iterable[tuple[float, str, float | None]]:
    for record in node.all("type"):
        speed = record.child("speed")
        limit: float | None = None
        if speed and speed.string("max", "undefined") not in ("no limit", "undefined"):
            limit = speed.number("max") * _UNIT_MPS.get(speed.string("unit", "m/s"), 1.0)
        yield record.number("s", 0.0), record.string("type", "unknown"), limit


def _link(node: XmlElement | None) -> RoadLink | None:
    if node is None:
        return None
    return RoadLink(node.string("elementType", "road"), node.integer("elementId"), node.string("contactPoint", ""))


def _section(start_m: float, end_m: float, node: XmlElement) -> LaneSection:
    lanes: dict[int, Lane] = {}
    for side in ("left", "center", "right"):
        group = node.child(side)
        for item in group.all("lane") if group else ():
            lane_id = item.integer("id")
            if (lane_id > 0) - (lane_id < 0) != {"left": 1, "center": 0, "right": -1}[side]:
                raise MapError(f"line {item.line}: lane {lane_id} stands under <{side}>")
            if lane_id in lanes:
                raise MapError(f"line {item.line}: a second lane has the id {lane_id}")
            if item.child("border"):
                raise MapError(f"line {item.line}: lane {lane_id} is given by <border>; only <width> is read")
            link = item.child("link")
            before, after = (link.child(tag) if link else None for tag in ("predecessor", "successor"))
            material = item.child("material")
            lanes[lane_id] = Lane(
                id=lane_id,
                type=item.string("type", "none"),
                width=PiecewiseCubic(_records(item.all("width"), "sOffset")),
                marks=tuple(sorted((_mark(mark) for mark in item.all("roadMark")), key=lambda mark: mark.s_offset_m)),
                predecessor=before.integer("id") if before else None,
                successor=after.integer("id") if after else None,
                surface=material.string("surface", "") if material else "",
            )
    return LaneSection(start_m, max(end_m, start_m), lanes)


def _mark(node: XmlElement) -> RoadMark:
    """Read a road mark; patterns that the file leaves open follow its type (3 m dashes, 9 m gaps)."""
    kind = node.string("type", "none")
    bold = node.string("weight", "standard") == "bold"
    width = node.number("width", 0.0) or (0.30 if bold else 0.15)
    explicit = [
        MarkLine(
            line.number("tOffset", 0.0),
            line.number("width", width) or width,
            line.number("length", 0.0) if line.number("space", 0.0) > 0 else 0.0,
            line.number("space", 0.0),
        )
        for style in node.all("type")
        for line in style.all("line")
    ]
    if explicit:
        lines = explicit
    else:
        # Double marks are listed from the inside outwards; both lines keep one line width of distance.
        words = [word for word in kind.split() if word in ("solid", "broken")]
        shifts = (0.0,) if len(words) == 1 else (width, -width)
        patterns = {"solid": (0.0, 0.0), "broken": (3.0, 9.0)}
        lines = [MarkLine(shift, width, *patterns[word]) for word, shift in zip(words, shifts, strict=False)]
    return RoadMark(node.number("sOffset", 0.0), kind, node.string("color", "standard"), tuple(lines))


def _backwards(node: XmlElement, t_m: float, lanes: tuple[int, ...]) -> bool:
    """Tell whether a signal speaks to traffic against the reference line.

    The lanes it is valid for decide before the orientation: CARLA's own towns state orientations in the opposite
    sense of the standard, but right lanes.
    """
    if lanes and all(lane > 0 for lane in lanes):
        return True
    if lanes and all(lane < 0 for lane in lanes):
        return False
    orientation = node.string("orientation", "none")
    return orientation == "-" or (orientation == "none" and t_m > 0)


def _signal(node: XmlElement, road: Road) -> Signal:
    s, t = node.number("s"), node.number("t")
    lanes: list[int] = []
    for validity in node.all("validity"):
        low, high = sorted((validity.integer("fromLane"), validity.integer("toLane")))
        lanes.extend(lane for lane in range(max(low, -64), min(high, 64) + 1) if lane)
    pose = road.pose(s, t, z_offset_m=node.number("zOffset", 0.0), backwards=_backwards(node, t, tuple(lanes)))
    value = node.attributes.get("value", "")
    return Signal(
        id=node.string("id"),
        road_id=road.id,
        s_m=s,
        t_m=t,
        type=node.string("type", "-1"),
        subtype=node.string("subtype", "-1"),
        value=node.number("value") if value not in ("", "-1") else None,
        unit=node.string("unit", ""),
        name=node.string("name", ""),
        dynamic=node.string("dynamic", "no") == "yes",
        pose=pose,
        width_m=node.number("width", 0.0),
        height_m=node.number("height", 0.0),
        lanes=tuple(lanes),
    )


def _object(node: XmlElement, road: Road) -> MapObject:
    s, t = node.number("s"), node.number("t")
    x, y, z, pitch, yaw, roll = road.pose(s, t, z_offset_m=node.number("zOffset", 0.0))
    return MapObject(
        id=node.string("id", ""),
        road_id=road.id,
        s_m=s,
        t_m=t,
        type=node.string("type", "none"),
        name=node.string("name", ""),
        pose=(x, y, z, pitch, wrap_deg(yaw - math.degrees(node.number("hdg", 0.0))), roll),
        length_m=node.number("length", 0.0),
        width_m=node.number("width", 0.0),
        height_m=node.number("height", 0.0),
    )
