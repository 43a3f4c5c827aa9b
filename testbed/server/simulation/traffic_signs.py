"""Traffic signs and lights of the map as actors, and the lines at which speed-limit signs take effect."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from testbed.server.simulation.bounding_boxes import BoundingBox
from testbed.world.assets.sign_assets import gtsrb_class_of
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import Signal

LIGHT, SPEED_LIMIT, STOP, YIELD = "1000001", "274", "206", "205"
END_OF_LIMIT = frozenset({"278", "282"})
DEFAULT_LIMIT_KMH = 50.0
CELL_M = 64.0
APPROACH_M = 14.0  # enough to brake from 50 km/h when the light is noticed at its far end


def type_id(signal: Signal) -> str:
    """Return the CARLA type id of a signal, as CARLA names the signs of its own towns."""
    if signal.type == LIGHT:
        return "traffic.traffic_light"
    if signal.type == SPEED_LIMIT and signal.value is not None:
        return f"traffic.speed_limit.{limit_kmh(signal):.0f}"
    return {STOP: "traffic.stop", YIELD: "traffic.yield"}.get(signal.type, "traffic.unknown")


def gtsrb_class(signal: Signal) -> int | None:
    """Return the class of a sign in the German Traffic Sign Recognition Benchmark, or None outside it."""
    value = limit_kmh(signal) if signal.value is not None else None
    return gtsrb_class_of(signal.type, value, signal.subtype)


def limit_kmh(signal: Signal) -> float:
    """Return the value of a speed-limit signal in km/h; an unstated unit is km/h."""
    value = signal.value or 0.0
    return value * {"mph": 1.609344, "m/s": 3.6}.get(signal.unit, 1.0)


def plate(signal: Signal) -> BoundingBox:
    """Return the box of the plate above the signal's pose (OpenDRIVE: zOffset is its lower edge), thin along x."""
    width, height = signal.width_m or 0.75, signal.height_m or 0.75
    return BoundingBox((0.0, 0.0, height / 2.0), (0.02, width / 2.0, height / 2.0))


@dataclass(frozen=True, slots=True)
class LimitLine:
    """A line across the road that changes the speed limit of vehicles that cross it.

    Attributes:
        x_m: World x of its middle.
        y_m: World y of its middle.
        cos: Cosine of the driving direction that it is meant for.
        sin: Sine of that direction.
        half_width_m: Half its length.
        limit_kmh: New limit.
    """

    x_m: float
    y_m: float
    cos: float
    sin: float
    half_width_m: float
    limit_kmh: float

    def crossed(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        """Tell whether a move from (x0, y0) to (x1, y1) crosses the line in its direction."""
        before = (x0 - self.x_m) * self.cos + (y0 - self.y_m) * self.sin
        after = (x1 - self.x_m) * self.cos + (y1 - self.y_m) * self.sin
        if not before < 0.0 <= after:
            return False
        across = (x1 - self.x_m) * -self.sin + (y1 - self.y_m) * self.cos
        return abs(across) <= self.half_width_m


class SpeedLimits:
    """Which limit holds for a vehicle: that of the last sign passed, at first that of the road it starts on."""

    def __init__(self, network: RoadNetwork) -> None:
        """Put a line across the carriageway of every speed-limit and end-of-limits sign."""
        self._network = network
        self._cells: dict[tuple[int, int], list[LimitLine]] = {}
        for signal in network.signals():
            limit = None
            if signal.type == SPEED_LIMIT and signal.value is not None:
                limit = limit_kmh(signal)
            elif signal.type in END_OF_LIMIT:
                limit = self._of_road(signal.road_id, signal.s_m)
            if limit is not None:
                self._insert(_line(network, signal, limit))

    def at(self, x_m: float, y_m: float) -> float:
        """Return the limit of the road at a place in km/h."""
        point = self._network.locate(x_m, y_m)
        return DEFAULT_LIMIT_KMH if point is None else self._of_road(point.road_id, point.s_m)

    def crossed(self, x0: float, y0: float, x1: float, y1: float) -> float | None:
        """Return the limit that a move puts in force, or None."""
        for line in self._cells.get((math.floor(x1 / CELL_M), math.floor(y1 / CELL_M)), ()):
            if line.crossed(x0, y0, x1, y1):
                return line.limit_kmh
        return None

    def _of_road(self, road_id: int, s_m: float) -> float:
        limit_mps = self._network.speed_limit_mps(road_id, s_m)
        return DEFAULT_LIMIT_KMH if limit_mps is None else round(limit_mps * 3.6, 3)

    def _insert(self, line: LimitLine) -> None:
        reach = line.half_width_m + 8.0
        for column in _cells(line.x_m, reach):
            for row in _cells(line.y_m, reach):
                self._cells.setdefault((column, row), []).append(line)


class TrafficLightApproaches:
    """Which traffic light a vehicle comes to: that of its lane, as long as it is close before the light's line."""

    def __init__(self, network: RoadNetwork, lights: Iterable[tuple[int, Signal]]) -> None:
        """Put a line across the lanes that each light (actor id, signal) is for."""
        self._lines = [(actor_id, _line(network, signal, 0.0)) for actor_id, signal in lights]

    def at(self, x_m: float, y_m: float, yaw_rad: float) -> int:
        """Return the actor id of the light for a vehicle with its middle here, or 0."""
        for actor_id, line in self._lines:
            dx, dy = x_m - line.x_m, y_m - line.y_m
            if -APPROACH_M < dx * line.cos + dy * line.sin < 0.0:
                across = dy * line.cos - dx * line.sin
                along = math.cos(yaw_rad) * line.cos + math.sin(yaw_rad) * line.sin
                if abs(across) < line.half_width_m - 0.5 and along > 0.7:
                    return actor_id
        return 0


def _cells(centre_m: float, reach_m: float) -> Iterable[int]:
    return range(math.floor((centre_m - reach_m) / CELL_M), math.floor((centre_m + reach_m) / CELL_M) + 1)


def _line(network: RoadNetwork, signal: Signal, limit: float) -> LimitLine:
    """Return the line from the sign across all lanes of its driving direction."""
    road = network.road(signal.road_id)
    yaw = math.radians(signal.pose[4])
    along = math.cos(yaw - math.radians(road.pose(signal.s_m, 0.0)[4])) > 0.0
    side = -1 if along else 1
    edges = [0.0]
    for lane in road.section(signal.s_m).outwards(side):
        if lane.drivable:
            edges += list(road.lane_bounds(signal.s_m, lane.id))
    inner, outer = min(edges), max(edges)
    x, y, *_ = road.pose(signal.s_m, 0.5 * (inner + outer))
    return LimitLine(x, y, math.cos(yaw), math.sin(yaw), 0.5 * (outer - inner) + 1.0, limit)
