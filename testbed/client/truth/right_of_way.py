"""Lines across the ego's lane that command something, and crossing traffic: what the judges of right of way need.

The line of a stop, yield or no-entry sign lies where the sign stands. The line of a light is where its lane ends, as
the client's own map tells it on any CARLA server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.client.scripted_traffic import ScriptedActor
from testbed.client.truth.road_signs import RoadSign
from testbed.core.gtsrb import NO_ENTRY, STOP, YIELD
from testbed.core.lane_path import LanePath
from testbed.core.types import ConflictTruth, LineTruth

KIND_OF_CLASS: dict[int, str] = {STOP: "stop", YIELD: "yield", NO_ENTRY: "no_entry"}
AHEAD_M, BEHIND_M = 80.0, 40.0
ON_LANE_M = 1.5
SAME_DIRECTION_DEG = 30.0
CROSSING_M = 2.0
CLEARANCE_M = 0.3


@dataclass(frozen=True)
class StopLine:
    """A line across the ego's lane: the sign that commands it, kind, place along the lane, light that switches it."""

    sign_id: str
    kind: str
    s_m: float
    light: carla.TrafficLight | None = None

    def truth(self, bumper_m: float) -> LineTruth:
        """Return the line as seen from a front bumper at a distance along the lane."""
        state = "" if self.light is None else str(self.light.get_state()).lower()
        return LineTruth(self.sign_id, self.kind, self.s_m - bumper_m, state)


def lights_on_path(actors: Iterable[carla.Actor], path: LanePath) -> list[tuple[carla.TrafficLight, float]]:
    """Return the traffic lights for traffic of a lane, with where their stop lines cross it, nearest first."""
    found = []
    for actor in actors:
        if actor.type_id != "traffic.traffic_light":
            continue
        light = cast(carla.TrafficLight, actor)
        for waypoint in light.get_stop_waypoints():
            place = waypoint.transform.location
            s_m, lateral_offset_m = path.locate(place.x, place.y)
            turned = abs((waypoint.transform.rotation.yaw - np.degrees(path.yaw_rad(s_m)) + 180.0) % 360.0 - 180.0)
            if abs(lateral_offset_m) < ON_LANE_M and turned < SAME_DIRECTION_DEG and 0.0 < s_m < path.length_m:
                found.append((light, s_m))
                break
    return sorted(found, key=lambda item: item[1])


def find_stop_lines(signs: Sequence[RoadSign], actors: Iterable[carla.Actor], path: LanePath) -> list[StopLine]:
    """Return all lines along the ego's lane in the order in which they are reached."""
    lines = [
        StopLine(sign.sign_id, KIND_OF_CLASS[sign.class_id], sign.s_m)
        for sign in signs
        if sign.class_id in KIND_OF_CLASS
    ]
    for light, s_m in lights_on_path(actors, path):
        name = light.get_opendrive_id() or f"{light.type_id}@{s_m:.0f}m"
        lines.append(StopLine(f"light_{name}", "light", s_m, light))
    return sorted(lines, key=lambda line: line.s_m)


def lines_in_reach(lines: Sequence[StopLine], bumper_m: float) -> tuple[LineTruth, ...]:
    """Return the lines between 80 m ahead of the front bumper and 40 m behind it."""
    return tuple(line.truth(bumper_m) for line in lines if -BEHIND_M <= line.s_m - bumper_m <= AHEAD_M)


@dataclass(frozen=True)
class ConflictArea:
    """The area that the ways of the ego and another vehicle share.

    Attributes:
        other: The other vehicle.
        ego_s_m: Middle of the area both share, along the ego's lane.
        other_s_m: The same along the other's lane.
        ego_half_m: Half the area's length along the ego's lane.
        other_half_m: Half its length along the other's lane.
    """

    other: ScriptedActor
    ego_s_m: float
    other_s_m: float
    ego_half_m: float
    other_half_m: float

    def truth(
        self, number: int, t_s: float, ego_s_m: float, ego_half_length_m: float, other_half_length_m: float
    ) -> ConflictTruth:
        """Return how far both vehicles are from the area at a time."""
        motion = self.other.motion(t_s)
        ego_remaining_m, other_remaining_m = self.ego_s_m - ego_s_m, self.other_s_m - motion.s_m
        return ConflictTruth(
            number,
            enter_m=ego_remaining_m - self.ego_half_m - ego_half_length_m,
            clear_m=ego_remaining_m + self.ego_half_m + ego_half_length_m,
            other_enter_m=other_remaining_m - self.other_half_m - other_half_length_m,
            other_clear_m=other_remaining_m + self.other_half_m + other_half_length_m,
            other_speed_mps=motion.along_mps,
        )


def find_conflict(
    other: ScriptedActor, path: LanePath, ego_half_width_m: float, other_half_width_m: float
) -> ConflictArea | None:
    """Return where a vehicle's way first comes to within 2 m of the ego's, unless both drive one way or opposite ways.

    Two lanes that cross at an angle a share an area that is (half width / sin a) long to either side.
    """
    if other.walks or other.path is path:
        return None
    mine, theirs = _stations(path), _stations(other.path)
    here: NDArray[np.float64] = np.array([path.pose(s)[:2] for s in mine])
    there: NDArray[np.float64] = np.array([other.path.pose(s, other.plan.lateral_m)[:2] for s in theirs])
    apart = np.hypot(*(here[:, None, :] - there[None, :, :]).transpose(2, 0, 1))
    near = np.flatnonzero(apart.min(axis=1) < CROSSING_M)
    if not near.size:
        return None
    row = int(near[0])
    # from the first near place on, where both are nearest to each other
    block = apart[row : row + 6]
    i, j = np.unravel_index(int(block.argmin()), block.shape)
    ego_s_m, other_s_m = float(mine[row + int(i)]), float(theirs[int(j)])
    angle = abs(np.sin(path.yaw_rad(ego_s_m) - other.path.yaw_rad(other_s_m)))
    if angle < np.sin(np.radians(SAME_DIRECTION_DEG)):
        return None
    return ConflictArea(
        other,
        ego_s_m,
        other_s_m,
        (other_half_width_m + CLEARANCE_M) / float(angle),
        (ego_half_width_m + CLEARANCE_M) / float(angle),
    )


def _stations(path: LanePath) -> NDArray[np.float64]:
    return np.arange(0.0, path.length_m, 1.0)
