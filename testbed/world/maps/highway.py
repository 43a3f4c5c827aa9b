"""The map `highway`: a 3.7 km motorway, written as OpenDRIVE 1.4 by code.

Two roads share one reference line in the middle of the median: road 1 runs along it (lanes -1 and -2), road 2 against
it (lanes 1 and 2). A constant `laneOffset` moves each carriageway away from the reference line, so both have the same
stations and the same clothoids, and a lane's width is exactly what the file says. From the reference line outwards:

    0.75 m median | 0.75 m inner margin | 3.60 m fast lane (±1) | 3.60 m slow lane (±2) | 2.50 m hard shoulder

The shipped file `data/highway.xodr` is the output of `highway_xodr`; a test compares the bytes. Run
`python -m testbed.world.maps.highway` after a change to write it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from testbed.world.maps.authoring import GEO_REFERENCE, AlignmentElement, curve

if TYPE_CHECKING:
    from scenariogeneration import xodr

DATA_FILE = Path(__file__).parent / "data" / "highway.xodr"

LANE_WIDTH_M = 3.6
SHOULDER_WIDTH_M = 2.5
MARGIN_WIDTH_M = 0.75
MEDIAN_HALF_WIDTH_M = 0.75
LINE_WIDTH_M = 0.15
EDGE_WIDTH_M = 0.30
DASH_M = 6.0
GAP_M = 12.0
SIGN_SIZE_M = 1.0
SIGN_T_M = 12.6  # 0.9 m behind the outer edge of the hard shoulder

# Radii and transitions follow design speeds of 90-120 km/h: transition length >= R/3 would be scenic, >= v^3/(0.5 R)
# (comfortable jerk, 0.5 m/s^3) is what RAA asks for; 120-150 m covers both at 25 m/s.
ALIGNMENT: tuple[AlignmentElement, ...] = (
    AlignmentElement(400.0),
    *curve(800.0, 120.0, 300.0),
    AlignmentElement(260.0),
    *curve(-600.0, 140.0, 320.0),
    AlignmentElement(200.0),
    *curve(1500.0, 100.0, 400.0),
    AlignmentElement(150.0),
    *curve(-1000.0, 120.0, 300.0),
    # CARLA's client takes a lane's end as float32 and asks for a waypoint there, which exists only at s < length: with
    # 0.1 mm more than a round number the end rounds down and a dead-end lane stays in `get_topology()`.
    AlignmentElement(430.0001),
)
LENGTH_M = round(sum(piece.length_m for piece in ALIGNMENT), 4)


@dataclass(frozen=True)
class SignPlan:
    """A traffic sign of the map: StVO type and value, station, and the road (1 along, 2 against the reference)."""

    road: int
    s_m: float
    type: str
    name: str
    value_kmh: int | None = None


SIGNS: tuple[SignPlan, ...] = (
    SignPlan(1, 150.0, "274", "Speed_100", 100),
    SignPlan(1, 620.0, "274", "Speed_100", 100),
    SignPlan(1, 760.0, "276", "NoPassing"),
    SignPlan(1, 980.0, "280", "EndNoPassing"),
    SignPlan(1, 1060.0, "274", "Speed_120", 120),
    SignPlan(1, 1140.0, "105-20", "CurveRight"),
    SignPlan(1, 1190.0, "274", "Speed_80", 80),
    SignPlan(1, 1560.0, "274", "Speed_80", 80),
    SignPlan(1, 1850.0, "282", "EndOfAllLimits"),
    SignPlan(1, 2050.0, "274", "Speed_120", 120),
    SignPlan(1, 2350.0, "123", "RoadWork"),
    SignPlan(1, 2500.0, "274", "Speed_100", 100),
    SignPlan(1, 2640.0, "274", "Speed_60", 60),
    SignPlan(1, 2950.0, "274", "Speed_60", 60),
    SignPlan(1, 3300.0, "282", "EndOfAllLimits"),
    SignPlan(1, 3420.0, "274", "Speed_100", 100),
    SignPlan(2, 3570.0, "274", "Speed_100", 100),
    SignPlan(2, 3180.0, "277", "NoPassingTrucks"),
    SignPlan(2, 3050.0, "274", "Speed_100", 100),
    SignPlan(2, 2720.0, "281", "EndNoPassingTrucks"),
    SignPlan(2, 2600.0, "274", "Speed_120", 120),
    SignPlan(2, 2150.0, "105-10", "CurveLeft"),
    SignPlan(2, 2000.0, "274", "Speed_100", 100),
    SignPlan(2, 1880.0, "274", "Speed_80", 80),
    SignPlan(2, 1500.0, "274", "Speed_80", 80),
    SignPlan(2, 1130.0, "282", "EndOfAllLimits"),
    SignPlan(2, 1000.0, "274", "Speed_100", 100),
    SignPlan(2, 450.0, "274", "Speed_100", 100),
    SignPlan(2, 250.0, "142-10", "WildAnimals"),
)

# (s_m, limit in km/h) of each road in the direction of the reference line, as `<type><speed>` records.
SPEED_ZONES: dict[int, tuple[tuple[float, int], ...]] = {
    1: (
        (0.0, 100),
        (1060.0, 120),
        (1190.0, 80),
        (1850.0, 130),
        (2050.0, 120),
        (2500.0, 100),
        (2640.0, 60),
        (3300.0, 100),
    ),
    2: ((0.0, 100), (1000.0, 130), (1130.0, 80), (1880.0, 100), (2000.0, 120), (2600.0, 100)),
}

# Structures over both carriageways, which the scenery builder draws: (s_m, type, name, width along the road, height).
STRUCTURES: tuple[tuple[float, str, str, float, float], ...] = (
    (540.0, "gantry", "Gantry", 1.0, 6.2),
    (880.0, "bridge", "Overpass", 8.0, 6.6),
    (1700.0, "gantry", "Gantry", 1.0, 6.2),
    (2220.0, "bridge", "Overpass", 11.0, 6.6),
    (2860.0, "gantry", "Gantry", 1.0, 6.2),
    (3380.0, "bridge", "Overpass", 6.0, 6.6),
)


def _planview() -> Any:
    from scenariogeneration import xodr

    view = xodr.PlanView(0.0, 0.0, 0.0)
    for piece in ALIGNMENT:
        if piece.curvature_start_1pm != piece.curvature_end_1pm:
            view.add_geometry(xodr.Spiral(piece.curvature_start_1pm, piece.curvature_end_1pm, length=piece.length_m))
        elif piece.curvature_start_1pm:
            view.add_geometry(xodr.Arc(piece.curvature_start_1pm, length=piece.length_m))
        else:
            view.add_geometry(xodr.Line(piece.length_m))
    return view


def _lanes(road: int) -> xodr.Lanes:
    """Return the cross-section of a carriageway; see the module docstring."""
    from scenariogeneration import xodr

    def edge() -> Any:
        return xodr.RoadMark(
            xodr.RoadMarkType.solid,
            width=EDGE_WIDTH_M,
            color=xodr.RoadMarkColor.white,
            marking_weight=xodr.RoadMarkWeight.bold,
            laneChange=xodr.LaneChange.none,
        )

    def separator() -> Any:
        mark = xodr.RoadMark(
            xodr.RoadMarkType.broken,
            width=LINE_WIDTH_M,
            color=xodr.RoadMarkColor.white,
            laneChange=xodr.LaneChange.both,
        )
        mark.add_specific_road_line(xodr.RoadLine(LINE_WIDTH_M, DASH_M, GAP_M, toffset=0, soffset=0))
        return mark

    def plain() -> Any:
        return xodr.RoadMark(xodr.RoadMarkType.none, color=xodr.RoadMarkColor.white, laneChange=xodr.LaneChange.none)

    def lane(kind: Any, width_m: float, mark: Any) -> Any:
        element = xodr.Lane(lane_type=kind, a=width_m)
        element.add_roadmark(mark)
        return element

    centre = xodr.Lane(lane_type=xodr.LaneType.none, a=0)
    centre.add_roadmark(edge())
    section = xodr.LaneSection(0, centre)
    outwards = [
        lane(xodr.LaneType.driving, LANE_WIDTH_M, separator()),
        lane(xodr.LaneType.driving, LANE_WIDTH_M, edge()),
        lane(xodr.LaneType.shoulder, SHOULDER_WIDTH_M, plain()),
    ]
    inwards = [
        lane(xodr.LaneType.shoulder, MARGIN_WIDTH_M, plain()),
        lane(xodr.LaneType.median, MEDIAN_HALF_WIDTH_M, plain()),
    ]
    for element in outwards:
        (section.add_right_lane if road == 1 else section.add_left_lane)(element)
    for element in inwards:
        (section.add_left_lane if road == 1 else section.add_right_lane)(element)
    lanes = xodr.Lanes()
    lanes.add_lanesection(section)
    offset_m = MARGIN_WIDTH_M + MEDIAN_HALF_WIDTH_M
    lanes.add_laneoffset(xodr.LaneOffset(0, -offset_m if road == 1 else offset_m))
    return lanes


def highway_xodr() -> str:
    """Return the OpenDRIVE text of the map `highway`, the same bytes at every call."""
    from scenariogeneration import xodr

    document = xodr.OpenDrive("highway", revMinor="4", geo_reference=GEO_REFERENCE)
    for road_id in (1, 2):
        road = xodr.Road(road_id, _planview(), _lanes(road_id), name=f"carriageway_{road_id}")
        for s_m, limit_kmh in SPEED_ZONES[road_id]:
            road.add_type(xodr.RoadType.motorway, s_m, "DE", speed=limit_kmh, speed_unit="km/h")
        for index, sign in enumerate(sign for sign in SIGNS if sign.road == road_id):
            base, _, variant = sign.type.partition("-")
            signal = xodr.Signal(
                sign.s_m,
                -SIGN_T_M if road_id == 1 else SIGN_T_M,
                "DEU",
                base,
                subtype=str(sign.value_kmh) if sign.value_kmh else (variant or "-1"),
                name=sign.name,
                value=sign.value_kmh,
                unit="km/h" if sign.value_kmh else None,
                zOffset=2.2,
                orientation=xodr.Orientation.positive if road_id == 1 else xodr.Orientation.negative,
                height=SIGN_SIZE_M,
                width=SIGN_SIZE_M,
            )
            signal.add_validity(*((-2, -1) if road_id == 1 else (1, 2)))
            road.add_signal(signal)
            signal.id = str(1000 * road_id + index)  # after add_signal, which renumbers in a process-wide counter
        if road_id == 1:
            for index, (s_m, kind, name, width_m, height_m) in enumerate(STRUCTURES):
                item = xodr.Object(
                    s_m,
                    0.0,
                    kind,
                    name=name,
                    orientation=xodr.Orientation.none,
                    zOffset=0.0,
                    length=width_m,
                    width=36.0,
                    height=height_m,
                )
                road.add_object(item)
                item.id = str(3000 + index)
        document.add_road(road)
    document.adjust_roads_and_lanes()
    root = document.get_element()
    _finish_header(root)
    _round_numbers(root)
    ElementTree.indent(root, space=" ")
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _finish_header(root: ElementTree.Element) -> None:
    """Take the clock out of the header and fill in the bounds of the map."""
    header = root.find("header")
    assert header is not None
    header.set("date", "2026-01-01T00:00:00")
    header.set("vendor", "V2LM testbed")
    header.set("version", "1.00")
    points = [(float(element.get("x", "0")), float(element.get("y", "0"))) for element in root.iterfind(".//geometry")]
    margin_m = 200.0
    header.set("west", f"{min(x for x, _ in points) - margin_m:.0f}")
    header.set("east", f"{max(x for x, _ in points) + 430.0 + margin_m:.0f}")
    header.set("south", f"{min(y for _, y in points) - margin_m:.0f}")
    header.set("north", f"{max(y for _, y in points) + margin_m:.0f}")


_FLOAT = re.compile(r"-?\d+\.\d{12,}(e-?\d+)?|-?\d+(\.\d+)?e-?\d+")


def _round_numbers(root: ElementTree.Element) -> None:
    """Round long decimals to 1e-12 so that the file does not depend on a platform's last floating-point bit."""
    for element in root.iter():
        for key, text in element.attrib.items():
            if _FLOAT.fullmatch(text):
                rounded = f"{float(text):.12f}".rstrip("0").rstrip(".")
                element.set(key, "0" if rounded == "-0" else rounded)


if __name__ == "__main__":
    DATA_FILE.write_text(highway_xodr(), encoding="utf-8")
