"""The road network of a map and the questions the server asks it: where is this lane, which lane is here, what next.

`locate` answers in tens of microseconds: a uniform grid holds short pieces of road, a Newton step on the reference line
finds the station, and the lane widths there name the lane. Given the previous answer it skips the grid.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from testbed.core.errors import MapError
from testbed.core.geometry import Pose
from testbed.world.maps.opendrive import (
    DRIVABLE,
    MapObject,
    OpenDriveDocument,
    Road,
    Signal,
    parse_roads,
    wrap_deg,
)
from testbed.world.maps.reference_line import Floats

MAX_REACH_M = 300.0
_CELL_M = 16.0
_MAX_ENTRIES = 4_000_000


@dataclass(frozen=True, slots=True)
class LanePoint:
    """A point of the world seen from the lane it is on, or from the nearest one.

    Attributes:
        road_id: Road.
        lane_id: Lane.
        lane_type: OpenDRIVE lane type.
        s_m: Station along the reference line.
        t_m: Lateral coordinate from the reference line, positive left of it.
        lateral_offset_m: Distance from the lane's centre, positive to the left of the driving direction.
        yaw_deg: Driving direction of the lane in the world, in (-180, 180].
        width_m: Lane width.
        curvature_1pm: Curvature of the lane's centre, positive where it curves left for its drivers.
        distance_m: How far the point lies outside the lane, 0 on it.
        z_m: Height of the road.
        in_junction: Whether the road belongs to a junction.
    """

    road_id: int
    lane_id: int
    lane_type: str
    s_m: float
    t_m: float
    lateral_offset_m: float
    yaw_deg: float
    width_m: float
    curvature_1pm: float
    distance_m: float
    z_m: float
    in_junction: bool


@dataclass(frozen=True, slots=True)
class _RoadChord:
    """A short piece of a road between two nodes of its reference line, with the chord for a first guess.

    All of its lanes lie within `reach_m` of its start.
    """

    road: Road
    s0_m: float
    s1_m: float
    x_m: float
    y_m: float
    dx: float
    dy: float
    reach_m: float


class RoadNetwork:
    """All roads of a map, in CARLA's world frame.

    Attributes:
        name: Name in the file's header.
        geo_reference: PROJ string of the header, may be empty.
        roads: Roads by id.
        junctions: Junction id -> connections (incoming road, connecting road, contact point, lane links).
        phases: Junction id -> groups of lights (signal ids) that switch together, in the order they turn green.
    """

    def __init__(self, document: OpenDriveDocument) -> None:
        """Build the network and its grid; use `parse`."""
        self.name = document.name
        self.geo_reference = document.geo_reference
        self.roads = document.roads
        self.junctions = document.junctions
        self.phases = document.phases
        self._grid: dict[tuple[int, int], list[_RoadChord]] = {}
        self._entries = 0
        for road in self.roads.values():
            self._insert(road)

    @classmethod
    def parse(cls, xodr: str) -> RoadNetwork:
        """Read an OpenDRIVE 1.4 document.

        Raises:
            MapError: The document cannot be understood; the message names the line.
        """
        return cls(parse_roads(xodr))

    def road(self, road_id: int) -> Road:
        """Return a road.

        Raises:
            MapError: There is none with this id.
        """
        try:
            return self.roads[road_id]
        except KeyError:
            raise MapError(f"map '{self.name}' has no road {road_id} (roads {sorted(self.roads)[:20]})") from None

    def lane_centre(self, road_id: int, lane_id: int, s_m: float) -> Pose:
        """Return the pose of a lane's centre at a station, looking in the lane's driving direction.

        Raises:
            MapError: No such road or lane, or a station outside the road.
        """
        road = self.road(road_id)
        if not -1e-6 <= s_m <= road.length_m + 1e-6:
            raise MapError(f"road {road_id} ends at s = {road.length_m:.2f} m; s = {s_m:.2f} m is outside")
        left, right = road.lane_bounds(s_m, lane_id)
        return road.pose(s_m, 0.5 * (left + right), backwards=lane_id > 0)

    def lane_centres(self, road_id: int, lane_id: int, s_m: Floats) -> Floats:
        """Return points (N, 3) of a lane's centre at stations (N,) within one lane section."""
        road = self.road(road_id)
        stations = np.asarray(s_m, np.float64)
        edges = road.edges(road.section(float(stations.min())), stations)
        inner = edges[lane_id - 1 if lane_id > 0 else lane_id + 1]
        return road.positions(stations, 0.5 * (inner + edges[lane_id]))

    def speed_limit_mps(self, road_id: int, s_m: float) -> float | None:
        """Return the limit of the road's `<type><speed>` record at a station, or None where it states none."""
        return self.road(road_id).type_at(s_m)[1]

    def spawn_points(self, spacing_m: float = 50.0) -> list[Pose]:
        """Return poses on the centres of driving lanes outside junctions, on the ground, in driving direction.

        The order is: roads by id; stations in driving direction; the outer (slow) lane before the inner ones.
        """
        poses: list[Pose] = []
        for road in sorted(self.roads.values(), key=lambda road: road.id):
            margin = min(10.0, 0.25 * road.length_m)
            if road.junction != -1 or road.length_m < 8.0:
                continue
            stations = np.arange(margin, road.length_m - margin + 1e-6, spacing_m).tolist()
            for side in (-1, 1):
                for s in stations:
                    at = s if side < 0 else road.length_m - s
                    section = road.section(at)
                    for lane in reversed(section.outwards(side)):
                        left, right = road.lane_bounds(at, lane.id)
                        if lane.drivable and left - right > 2.0:
                            poses.append(road.pose(at, 0.5 * (left + right), backwards=side > 0))
        return poses

    def signals(self) -> list[Signal]:
        """Return all signs and lights, by road and station."""
        return [signal for road in self.roads.values() for signal in sorted(road.signals, key=lambda item: item.s_m)]

    def objects(self) -> list[MapObject]:
        """Return all other objects, by road and station."""
        return [item for road in self.roads.values() for item in sorted(road.objects, key=lambda item: item.s_m)]

    def successors(self, road_id: int, lane_id: int) -> list[tuple[int, int]]:
        """Return the (road, lane) pairs that continue a lane in its driving direction."""
        road = self.road(road_id)
        forwards = lane_id < 0
        link = road.successor if forwards else road.predecessor
        if link is None:
            return []
        if link.element == "junction":
            found = []
            for incoming, connecting, contact, lanes in self.junctions.get(link.id, []):
                if incoming == road_id and lane_id in lanes and connecting in self.roads:
                    del contact  # the lane's sign already says in which direction the connecting road is driven
                    found.append((connecting, lanes[lane_id]))
            return found
        section = road.sections[-1 if forwards else 0]
        lane = section.lanes.get(lane_id)
        target = (lane.successor if forwards else lane.predecessor) if lane else None
        return [(link.id, target)] if target and link.id in self.roads else []

    def ahead(self, point: LanePoint, distance_m: float) -> Pose | None:
        """Return the lane's centre a distance further along, through the first successor of each road.

        Args:
            point: Where to start.
            distance_m: Arc length along the reference line, not negative.

        Returns:
            The pose, or None when the lane ends before.
        """
        road_id, lane_id, s = point.road_id, point.lane_id, point.s_m
        left = distance_m
        for _ in range(256):
            road = self.roads[road_id]
            room = road.length_m - s if lane_id < 0 else s
            if left <= room:
                return self.lane_centre(road_id, lane_id, s + left if lane_id < 0 else s - left)
            following = self.successors(road_id, lane_id)
            if not following:
                return None
            left -= room
            road_id, lane_id = following[0]
            s = 0.0 if lane_id < 0 else self.roads[road_id].length_m
        return None

    def locate(
        self,
        x_m: float,
        y_m: float,
        *,
        lane_types: Collection[str] | None = DRIVABLE,
        near: LanePoint | None = None,
        max_distance_m: float = 50.0,
    ) -> LanePoint | None:
        """Return the lane at a point of the world, or the nearest one.

        Where lanes overlap (junctions), the one whose centre is nearest is returned.

        Args:
            x_m: World position.
            y_m: World position.
            lane_types: Lane types to consider; None for all but the centre line.
            near: An earlier answer for the same vehicle; if the point is still on that road section's lanes, the
                search is skipped.
            max_distance_m: How far the nearest lane may be.

        Returns:
            The lane point, or None when no lane is near enough.
        """
        if near is not None and near.road_id in self.roads:
            road = self.roads[near.road_id]
            if road.junction == -1:
                s = road.line.project(x_m, y_m, near.s_m)
                if 0.0 < s < road.length_m and abs(s - near.s_m) < 20.0:
                    found = self._on_road(road, s, x_m, y_m, lane_types)
                    if found is not None and found.distance_m == 0.0:
                        return found
        column, row = math.floor(x_m / _CELL_M), math.floor(y_m / _CELL_M)
        best: LanePoint | None = None
        best_key = (math.inf, math.inf)
        for ring in range(math.ceil(max_distance_m / _CELL_M) + 2):
            if best is not None and best_key[0] <= (ring - 1) * _CELL_M:
                break
            for cell in _ring(column, row, ring):
                for piece in self._grid.get(cell, ()):
                    rx, ry = x_m - piece.x_m, y_m - piece.y_m
                    if math.hypot(rx, ry) - piece.reach_m > min(best_key[0], max_distance_m):
                        continue
                    length2 = piece.dx * piece.dx + piece.dy * piece.dy
                    w = (rx * piece.dx + ry * piece.dy) / length2
                    if ring == 0 and not -0.6 < w < 1.6 and length2 > 4.0:
                        continue
                    span = piece.s1_m - piece.s0_m
                    guess = piece.s0_m + min(max(w, 0.0), 1.0) * span
                    s = min(max(piece.road.line.project(x_m, y_m, guess), piece.s0_m), piece.s1_m)
                    found = self._on_road(piece.road, s, x_m, y_m, lane_types)
                    if found is None:
                        continue
                    key = (found.distance_m, abs(found.lateral_offset_m))
                    if key < best_key:
                        best, best_key = found, key
        return best if best_key[0] <= max_distance_m else None

    def _on_road(
        self, road: Road, s_m: float, x_m: float, y_m: float, lane_types: Collection[str] | None
    ) -> LanePoint | None:
        """Return the nearest lane of one cross-section."""
        x, y, yaw, curvature = road.line.point(s_m)
        c, d = math.cos(yaw), math.sin(yaw)
        t = (x_m - x) * d - (y_m - y) * c
        along = (x_m - x) * c + (y_m - y) * d
        section = road.section(s_m)
        ds = s_m - section.start_m
        best: tuple[float, float, int, float, float] | None = None
        start = road.lane_offset.at(s_m)
        for side in (-1, 1):
            edge = start
            for lane in section.outwards(side):
                width = max(lane.width.at(ds), 0.0)
                centre = edge + side * 0.5 * width
                edge += side * width
                if lane_types is not None and lane.type not in lane_types:
                    continue
                outside = max(abs(t - centre) - 0.5 * width, 0.0)
                candidate = (outside, abs(t - centre), lane.id, centre, width)
                if best is None or candidate < best:
                    best = candidate
        if best is None:
            return None
        outside, _, lane_id, centre, width = best
        # Beyond the ends of the road (clipped station) the distance along counts too.
        distance = math.hypot(outside, along) if abs(along) > 1e-3 else outside
        sense = 1.0 if lane_id < 0 else -1.0
        left_curvature = -curvature / (1.0 + curvature * centre) if abs(curvature * centre) < 0.99 else 0.0
        return LanePoint(
            road_id=road.id,
            lane_id=lane_id,
            lane_type=section.lanes[lane_id].type,
            s_m=s_m,
            t_m=t,
            lateral_offset_m=sense * (t - centre),
            yaw_deg=wrap_deg(math.degrees(yaw if lane_id < 0 else yaw + math.pi)),
            width_m=width,
            curvature_1pm=sense * left_curvature,
            distance_m=distance,
            z_m=road.elevation.at(s_m),
            in_junction=road.junction != -1,
        )

    def _insert(self, road: Road) -> None:
        """Put the pieces of a road into the grid, each into all cells that its lanes may touch."""
        stations = road.line.node_s_m
        reach = np.zeros((2, len(stations)))
        for section in road.sections:
            # A station on a section boundary belongs to both, and so do the piece ends around it.
            chosen = (stations >= section.start_m - 10.0) & (stations <= section.end_m + 10.0)
            clipped = np.clip(stations[chosen], section.start_m, section.end_m)
            edges = np.stack(list(road.edges(section, clipped).values()))
            reach[0, chosen] = np.maximum(reach[0, chosen], edges.max(axis=0))
            reach[1, chosen] = np.minimum(reach[1, chosen], edges.min(axis=0))
        if float(np.abs(reach).max()) > MAX_REACH_M:
            raise MapError(f"road {road.id} is wider than {MAX_REACH_M:.0f} m to one side")
        reference = road.positions(stations, 0.0)
        sides = np.stack([road.positions(stations, reach[0]), road.positions(stations, reach[1])])
        low = np.minimum(sides.min(axis=0), reference)[:, :2]
        high = np.maximum(sides.max(axis=0), reference)[:, :2]
        for i in range(len(stations) - 1):
            piece = _RoadChord(
                road,
                float(stations[i]),
                float(stations[i + 1]),
                float(reference[i, 0]),
                float(reference[i, 1]),
                float(reference[i + 1, 0] - reference[i, 0]) or 1e-9,
                float(reference[i + 1, 1] - reference[i, 1]),
                float(stations[i + 1] - stations[i]) + float(np.abs(reach[:, i : i + 2]).max()) + 1.0,
            )
            first = np.floor((np.minimum(low[i], low[i + 1]) - 0.5) / _CELL_M).astype(int)
            last = np.floor((np.maximum(high[i], high[i + 1]) + 0.5) / _CELL_M).astype(int)
            self._entries += int(np.prod(last - first + 1))
            if self._entries > _MAX_ENTRIES:
                raise MapError(f"the roads cover more ground than {_MAX_ENTRIES} cells of {_CELL_M:.0f} m can hold")
            for column in range(first[0], last[0] + 1):
                for row in range(first[1], last[1] + 1):
                    self._grid.setdefault((column, row), []).append(piece)


def _ring(column: int, row: int, radius: int) -> list[tuple[int, int]]:
    """Return the cells at a Chebyshev distance from a cell."""
    if radius == 0:
        return [(column, row)]
    span = range(-radius, radius + 1)
    edge = [(column + i, row + j) for i in span for j in (-radius, radius)]
    return edge + [(column + i, row + j) for i in (-radius, radius) for j in range(-radius + 1, radius)]
