"""What is asked of the vehicle for one tick."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
