"""Where points of the world lie on lanes, and how far a way of points follows one lane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.core.errors import MapError
from testbed.core.lane_path import wrap_deg
from testbed.world.maps import LanePoint, RoadNetwork
from testbed.world.maps.lane_route import LaneRoute

SHORTEST_M = 10.0
"""Of a way that is driven."""
LONGEST_M = 100_000.0
"""Of a way that is followed."""
NEAR_M = 5.0
"""How far from a lane a start may be."""
BESIDE_M = 1.0
"""How far beyond the edges of a lane a point of a way may be."""
FASTEST_MPS, USUAL_MPS = 60.0, 13.9
"""Fastest that a scenario may say; what is driven where neither file nor map says a speed."""

LONGEST_S = 3600.0
SPARE, SPARE_S = 1.25, 5.0
"""How much longer than at cruising speed a drive may take."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fit:
    """A way of points on the lane that it starts on.

    Attributes:
        start: The first point on its lane.
        route_m: Way along the lane to the last point that lies on it.
        count: How many points lie on it, from the first one on.
        lane_m: How far the lane goes at least.
    """

    start: LanePoint
    route_m: float
    count: int
    lane_m: float


def place_of(point: LanePoint) -> dict[str, float]:
    """Return a place as scenario files have it."""
    return {"road": point.road_id, "lane": point.lane_id, "s_m": round(point.s_m, 2)}


def cruise_mps(network: RoadNetwork, point: LanePoint) -> tuple[float, str]:
    """Return the speed to drive at where a file says none, and where it comes from."""
    limit_mps = network.speed_limit_mps(point.road_id, point.s_m)
    if limit_mps is None or limit_mps <= 0.0:
        return USUAL_MPS, "50 km/h, as the map states no limit"
    return round(min(limit_mps, FASTEST_MPS), 2), "the map's limit"


def enough_s(way_m: float, speed_mps: float, lane_m: float) -> float:
    """Return how long a drive may take for a way: with time to spare, unless the lane ends before."""
    least_s = way_m / speed_mps
    spare_s = math.ceil(SPARE * least_s + SPARE_S)
    return round(min(max(least_s, min(spare_s, room_s(speed_mps, lane_m))), LONGEST_S), 2)


def room_s(speed_mps: float, lane_m: float) -> float:
    """Return how long a lane can be driven along before it ends."""
    return max(1.0, (lane_m - SHORTEST_M) / speed_mps)


def start_of(network: RoadNetwork, at: Point, yaw_deg: float | None) -> LanePoint:
    """Return the lane that a way starts on.

    Raises:
        MapError: There is none near, or it is driven the other way.
    """
    found = network.locate(*at, max_distance_m=NEAR_M)
    if found is None:
        raise MapError(f"no lane is within {NEAR_M:g} m of x = {at[0]:g}, y = {at[1]:g}")
    if yaw_deg is not None and abs(wrap_deg(yaw_deg - found.yaw_deg)) > 90.0:
        raise MapError(f"the lane at x = {at[0]:g}, y = {at[1]:g} is driven the other way")
    return found


def fit(network: RoadNetwork, points: Sequence[Point], yaw_deg: float | None = None) -> Fit:
    """Follow the lane at the first point, straight on at junctions, as far as the points do.

    Args:
        network: The map's roads.
        points: x and y in CARLA's frame, at least two, in the order in which they are passed.
        yaw_deg: Direction at the first one; that to the second one by default.

    Raises:
        MapError: The way starts on no lane, or against it.
    """
    first, second = points[0], points[1]
    towards = math.degrees(math.atan2(second[1] - first[1], second[0] - first[0])) if yaw_deg is None else yaw_deg
    start = start_of(network, first, towards)
    asked_m = sum(math.dist(one, two) for one, two in zip(points, points[1:], strict=False))
    length_m = min(1.6 * asked_m + 400.0, LONGEST_M)
    route = LaneRoute(network, start.road_id, start.lane_id, round(start.s_m, 2), length_m)
    path = route.path(length_m)
    route_m, count = 0.0, 1
    for before, (x, y) in zip(points, points[1:], strict=False):
        step_m = math.dist(before, (x, y))
        nearby = path.locate(x, y, near_s_m=min(route_m + step_m, path.length_m))
        # points that are far apart on a bent lane are further along than the line between them is long
        s_m, offset_m = nearby if _beside(nearby[1], path.width_m(nearby[0])) else path.locate(x, y)
        if not _beside(offset_m, path.width_m(s_m)) or not route_m - 0.5 <= s_m <= path.length_m + 0.5:
            break
        route_m, count = max(route_m, s_m), count + 1
    return Fit(start, route_m, count, route.length_m)


def _beside(offset_m: float, width_m: float) -> bool:
    return abs(offset_m) <= 0.5 * width_m + BESIDE_M
