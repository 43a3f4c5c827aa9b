"""The closed loop of the optimiser: a kinematic bicycle that the attacked model steers itself.

The chain is that of an episode, reduced to what steers: preview offset → class → ``sign · 1.8 m/s²`` → latency →
actuator lag → heading → offset in the lane. Poses are kept relative to the lane (arc length, offset, heading), for
which a bicycle of any wheelbase obeys, with ``c`` the lane's curvature and ``a`` the lateral acceleration::

    ds/dt = v cos(h) / (1 - c l)      dl/dt = v sin(h)      dh/dt = a / v - c ds/dt      da/dt = (wanted - a) / lag

Offset l, heading h, curvature c and acceleration a are positive to the left. Sato et al. bound the change of the
steering angle per step instead of a lag.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from testbed.core.perception_tasks import steering_class

STEP_S = 0.05
DECISION_EVERY_STEPS = 2
LATERAL_MPS2 = 1.8
"""What a Left or Right answer asks of the shared driver (testbed/driver/controller.py)."""

LAG_S = 0.2
"""A little more than the embedded server's actuator and tyres have together (0.17 s at 25 m/s), to be on the safe
side."""

Watch = Callable[["PatchView"], float]
"""A lane model: one picture in, preview offset in m out, positive left."""


class PatchView(Protocol):
    """What the camera sees from one pose, open for any patch."""

    def image(self, texels: Tensor) -> Tensor:
        """Return the picture with a patch of added albedo ``texels``: (3, H, W), sRGB in 0-1, differentiable."""


@dataclass(frozen=True, slots=True)
class DriveSituation:
    """One drive to come: a staged scenario and where the patch lies in it.

    Attributes:
        seed: Seed it was staged with.
        speed_mps: Ego speed, constant.
        lateral_offset_m: Offset at the start.
        heading_rad: Heading against the lane at the start.
        near_m: Near end of the patch from the start, along the lane.
        far_m: Far end.
        bumper_m: From the ego's origin to its front bumper.
        threshold_m: Offset beyond which the ego has left its lane.
        latency_s: From a picture to the moment its answer is acted on.
    """

    seed: int
    speed_mps: float
    lateral_offset_m: float
    heading_rad: float
    near_m: float
    far_m: float
    bumper_m: float = 2.45
    threshold_m: float = 0.736
    latency_s: float = 0.05

    @property
    def reached_s(self) -> float:
        """Time at which the front bumper reaches the patch."""
        return (self.near_m - self.bumper_m) / self.speed_mps


class DriveWorld(Protocol):
    """Where drives happen."""

    def situation(self, seed: int) -> DriveSituation:
        """Stage the scenario with a seed and return what is special about it."""

    def view(self, s_m: float, lateral_offset_m: float, heading_rad: float, t_s: float) -> PatchView:
        """Return what the camera sees from a pose in the lane at a time of the situation staged last."""

    def curvature_1pm(self, s_m: float) -> float:
        """Return the lane's curvature at a distance from the start, positive left."""


@dataclass(frozen=True, slots=True)
class VehicleMotion:
    """State of the bicycle relative to its lane."""

    s_m: float
    lateral_offset_m: float
    heading_rad: float
    lateral_mps2: float = 0.0

    def advance(
        self, wanted_mps2: float, speed_mps: float, curvature_1pm: float, step_s: float = STEP_S
    ) -> VehicleMotion:
        """Return the state one step later, by the midpoint rule."""
        settle = 1.0 - math.exp(-step_s / LAG_S)
        lateral = self.lateral_mps2 + settle * (wanted_mps2 - self.lateral_mps2)
        along = speed_mps * math.cos(self.heading_rad) / (1.0 - curvature_1pm * self.lateral_offset_m)
        turn = (0.5 * (self.lateral_mps2 + lateral) / speed_mps - curvature_1pm * along) * step_s
        middle = self.heading_rad + 0.5 * turn
        return replace(
            self,
            s_m=self.s_m + along * step_s,
            lateral_offset_m=self.lateral_offset_m + speed_mps * math.sin(middle) * step_s,
            heading_rad=self.heading_rad + turn,
            lateral_mps2=lateral,
        )


@dataclass(frozen=True, slots=True)
class DriveDecision:
    """One decision of a drive.

    Attributes:
        t_s: Time.
        motion: Where the ego was.
        view: What it saw.
        offset_m: What the model made of it.
    """

    t_s: float
    motion: VehicleMotion
    view: PatchView
    offset_m: float


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive up to the end of the reaction window.

    Attributes:
        situation: What was driven.
        decisions: Its decisions that could see the patch.
        lateral_offsets_m: Offset at each step.
    """

    situation: DriveSituation
    decisions: tuple[DriveDecision, ...]
    lateral_offsets_m: tuple[float, ...]

    def deviation_m(self, side: int) -> float:
        """Return the largest offset toward a side (+1 left, -1 right) from reaching the patch to the window's end."""
        first = int(self.situation.reached_s / STEP_S)
        return max((side * left for left in self.lateral_offsets_m[first:]), default=0.0)

    def left_lane(self, side: int) -> bool:
        """Tell whether the ego left its lane toward a side in time."""
        return self.deviation_m(side) > self.situation.threshold_m


def steering_sign(offset_m: float) -> int:
    """Return the class of a preview offset: +1 left, 0 straight, -1 right."""
    return 1 - steering_class(offset_m)


def drive(
    world: DriveWorld,
    seed: int,
    watch: Watch,
    *,
    window_s: float = 2.5,
    sight_m: tuple[float, float] = (28.0, 14.0),
    forced: Sequence[tuple[float, int]] = (),
) -> Drive:
    """Drive through a situation with a model at the wheel.

    Args:
        world: Where.
        seed: Stages the situation.
        watch: The model; it is shown every second step, as in an episode.
        window_s: How long after reaching the patch the drive goes on.
        sight_m: Decisions are kept from where the ego is this far before the patch's near end until it is
            this far before its far end; elsewhere no patch moves a preview point 25 m ahead.
        forced: ``(from_s, sign)`` overrides of the model's answers from a time on, to visit poses that an attack leads
            to before it succeeds.
    """
    situation = world.situation(seed)
    motion = VehicleMotion(0.0, situation.lateral_offset_m, situation.heading_rad)
    decisions: list[DriveDecision] = []
    offsets_m: list[float] = []
    answers: list[tuple[float, int]] = []
    acting = 0
    for step in range(round((situation.reached_s + window_s) / STEP_S) + 1):
        t_s = step * STEP_S
        offsets_m.append(motion.lateral_offset_m)
        if step % DECISION_EVERY_STEPS == 0:
            view = world.view(motion.s_m, motion.lateral_offset_m, motion.heading_rad, t_s)
            offset_m = watch(view)
            sign = next((sign for from_s, sign in reversed(forced) if t_s >= from_s), steering_sign(offset_m))
            answers.append((t_s + situation.latency_s, sign))
            if situation.near_m - sight_m[0] < motion.s_m < situation.far_m - sight_m[1]:
                decisions.append(DriveDecision(t_s, motion, view, offset_m))
        while answers and answers[0][0] <= t_s + 1e-9:
            acting = answers.pop(0)[1]
        motion = motion.advance(acting * LATERAL_MPS2, situation.speed_mps, world.curvature_1pm(motion.s_m))
    return Drive(situation, tuple(decisions), tuple(offsets_m))
