"""The lanes that the ego and other road users follow, as the client's own map tells them on any CARLA server."""

from __future__ import annotations

import carla
import numpy as np

from testbed.core.errors import ScenarioError
from testbed.core.lane_path import SPACING_M, LanePath, wrap_deg
from testbed.core.types import Pose
from testbed.scenario.concrete import ConcreteScenario
from testbed.scenario.schema import Actor

SHORTEST_M = 10.0
PATH_MARGIN_M = 60.0

KERB_M = 0.12
"""Height of sidewalks above the road: that of the embedded maps, where walkers' feet are to stand."""


def follow_lane(carla_map: carla.Map, road: int, lane: int, s_m: float, length_m: float) -> LanePath:
    """Follow a lane from a place on the map, straight on at every junction.

    Args:
        carla_map: The client's map.
        road: OpenDRIVE road id.
        lane: OpenDRIVE lane id.
        s_m: Distance along the road's reference line.
        length_m: How far to follow; shorter where the road ends.

    Raises:
        ScenarioError: If there is no such lane, or it ends within 10 m.
    """
    waypoint = carla_map.get_waypoint_xodr(road, lane, s_m)
    if waypoint is None:
        raise ScenarioError(
            f"map {carla_map.name!r} has no driving lane {lane} on road {road} at s = {s_m:g} m",
            hint="see `python -m testbed list`, or the map's OpenDRIVE file, for roads and lanes",
        )
    found = [waypoint]
    while len(found) * SPACING_M < length_m:
        following = waypoint.next(SPACING_M)
        if not following:
            break
        waypoint = following[0] if len(following) == 1 else _straightest(waypoint, following)
        found.append(waypoint)
    if len(found) * SPACING_M < SHORTEST_M:
        raise ScenarioError(f"lane {lane} of road {road} ends {len(found) * SPACING_M:.0f} m after s = {s_m:g} m")
    points = np.array([[w.transform.location.x, w.transform.location.y, w.transform.location.z] for w in found])
    yaw = np.array([w.transform.rotation.yaw for w in found])
    return LanePath(points, yaw, np.array([w.lane_width for w in found]))


def _straightest(waypoint: carla.Waypoint, following: list[carla.Waypoint]) -> carla.Waypoint:
    """Return the successor whose lane ends most nearly in the direction that the lane before it has.

    The ways through a junction all begin in the same direction: only their ends tell which one goes straight on.
    """
    heading = waypoint.transform.rotation.yaw

    def turn_deg(candidate: carla.Waypoint) -> float:
        end = (candidate.next_until_lane_end(SPACING_M) or [candidate])[-1]
        return abs(wrap_deg(end.transform.rotation.yaw - heading))

    return min(following, key=turn_deg)


def lane_of(
    actor: Actor, concrete: ConcreteScenario, ego_path: LanePath, carla_map: carla.Map
) -> tuple[LanePath, float]:
    """Return the lane of a road user and where on it it starts.

    Args:
        actor: Scenario entry with its seeded place.
        concrete: The scenario that it belongs to.
        ego_path: The ego's lane.
        carla_map: The client's map.

    Raises:
        ScenarioError: If there is no such lane.
    """
    length_m = actor.speed_mps * concrete.steps * concrete.step_s + PATH_MARGIN_M
    if actor.spawn is not None:
        place = actor.spawn
        return follow_lane(carla_map, place.road, place.lane, place.s_m, length_m), 0.0
    assert actor.ahead_m is not None, "the schema asks for one of both places"
    if actor.lane is None or actor.lane == concrete.ego.lane:
        return ego_path, actor.ahead_m
    x, y, z, *_ = ego_path.pose(actor.ahead_m)
    beside = carla_map.get_waypoint(carla.Location(x=x, y=y, z=z))
    # lane ids are those of the ego's first road; a road that is joined the other way round turns their signs
    turned = (beside.lane_id > 0) != (concrete.ego.lane > 0)
    lane = -actor.lane if turned else actor.lane
    if carla_map.get_waypoint_xodr(beside.road_id, lane, beside.s) is None:
        raise ScenarioError(f"actor {actor.id!r}: {actor.ahead_m:g} m ahead there is no lane {actor.lane}")
    return follow_lane(carla_map, beside.road_id, lane, beside.s, length_m), 0.0


def ground_height_m(carla_map: carla.Map, pose: Pose) -> float:
    """Return how far the ground at a place beside the lane lies above it: a sidewalk's kerb, or nothing."""
    place = carla.Location(x=pose[0], y=pose[1], z=pose[2])
    on = carla_map.get_waypoint(place, project_to_road=False, lane_type=carla.LaneType.Sidewalk)
    return KERB_M if on is not None else 0.0
