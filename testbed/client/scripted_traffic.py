"""Other road users that move by plan, so that an attacked episode and its benign twin meet the same traffic.

A vehicle follows a lane, a walker follows one too (beside it, on the sidewalk) or goes across it. Where they are is a
function of time alone; nothing in an episode can change it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from testbed.core.lane_path import LanePath
from testbed.core.types import Pose
from testbed.scenario.schema import Actor


@dataclass(frozen=True, slots=True)
class LaneMotion:
    """Place and velocity relative to a lane; lateral quantities are positive to its left.

    Attributes:
        s_m: Distance along the lane.
        lateral_offset_m: Offset from its centre.
        along_mps: Speed along the lane.
        lateral_mps: Speed across it.
    """

    s_m: float
    lateral_offset_m: float
    along_mps: float
    lateral_mps: float


@dataclass
class ScriptedActor:
    """Another road user on its way.

    Attributes:
        actor_id: Id in the world.
        plan: Scenario entry with its seeded place.
        path: Lane it belongs to, in that lane's driving direction.
        start_s_m: Where on that lane it starts.
        up_m: Height of the ground it moves on above the lane.
    """

    actor_id: int
    plan: Actor
    path: LanePath
    start_s_m: float
    up_m: float = 0.0

    BRAKING_MPS2 = 6.0

    @property
    def walks(self) -> bool:
        """Whether it is a pedestrian."""
        return self.plan.blueprint.startswith("walker.")

    def travelled(self, t_s: float) -> tuple[float, float]:
        """Return (distance travelled, speed) at a time; it brakes with 6 m/s² from ``stops_at_s`` on."""
        speed, stop = self.plan.speed_mps, self.plan.stops_at_s
        moving_s = t_s - self.plan.starts_at_s
        if moving_s < 0.0:
            return 0.0, 0.0
        if stop is None or t_s <= stop:
            return speed * moving_s, speed
        braked_s = min(t_s - stop, speed / self.BRAKING_MPS2)
        travelled_m = speed * (stop - self.plan.starts_at_s) + speed * braked_s - 0.5 * self.BRAKING_MPS2 * braked_s**2
        return travelled_m, speed - self.BRAKING_MPS2 * braked_s

    def motion(self, t_s: float) -> LaneMotion:
        """Return where in its lane it is at a time, and how it moves."""
        travelled_m, speed = self.travelled(t_s)
        lateral_offset_m, goal_m = self.plan.lateral_m, self.plan.crosses_to_m
        if goal_m is None:
            return LaneMotion(self.start_s_m + travelled_m, lateral_offset_m, speed, 0.0)
        side = math.copysign(1.0, goal_m - lateral_offset_m)
        if travelled_m >= abs(goal_m - lateral_offset_m):
            return LaneMotion(self.start_s_m, goal_m, 0.0, 0.0)
        return LaneMotion(self.start_s_m, lateral_offset_m + side * travelled_m, 0.0, side * speed)

    def pose(self, t_s: float) -> Pose:
        """Return its pose in the world; on a slope it is pitched as the lane is."""
        motion = self.motion(t_s)
        x, y, z, _, yaw, roll = self.path.pose(motion.s_m, motion.lateral_offset_m, self.up_m)
        goal_m = self.plan.crosses_to_m
        if goal_m is not None:
            # CARLA's yaw grows clockwise: whoever goes to the left of the lane looks 90° less
            return x, y, z, 0.0, yaw - math.copysign(90.0, goal_m - self.plan.lateral_m), roll
        pitch = 0.0 if self.walks else self.path.pitch_deg(motion.s_m)
        return x, y, z, pitch, yaw - self.plan.turned_deg, roll

    def velocity(self, t_s: float) -> tuple[float, float]:
        """Return its velocity (x, y) in the world."""
        motion = self.motion(t_s)
        along_mps, lateral_mps = motion.along_mps, motion.lateral_mps
        yaw = self.path.yaw_rad(motion.s_m)
        forward, left = (math.cos(yaw), math.sin(yaw)), (math.sin(yaw), -math.cos(yaw))
        return along_mps * forward[0] + lateral_mps * left[0], along_mps * forward[1] + lateral_mps * left[1]
