"""One tick of an episode: the answer in force, the command that was given, the truth after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from testbed.core.answers import Perception
from testbed.core.truth import Truth


@dataclass(frozen=True, slots=True)
class Command:
    """What the controller asks of the vehicle.

    Attributes:
        steer: -1 (full left) … 1 (full right), CARLA's sign.
        acceleration_mps2: Wanted longitudinal acceleration, negative brakes.
    """

    steer: float
    acceleration_mps2: float

    def finite(self) -> bool:
        """Tell whether both numbers are finite."""
        return math.isfinite(self.steer) and math.isfinite(self.acceleration_mps2)


@dataclass(frozen=True, slots=True)
class Decision:
    """An agent's answer together with when it was asked and when it takes effect."""

    frame: int
    t_s: float
    applied_t_s: float
    perception: Perception
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Step:
    """One tick as judges see it: truth after the tick, the command that led to it, the answer in force."""

    frame: int
    t_s: float
    truth: Truth
    command: Command
    decision: Decision | None
