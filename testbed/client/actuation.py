"""From a wanted acceleration to throttle and brake, on any CARLA server.

Feed-forward through a point-mass model of the vehicle (mass, drive force, power, brake force, drag), plus a slow
integral correction from the acceleration that was really achieved, so that a vehicle with other parameters is driven
as well, only a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass

GRAVITY_MPS2 = 9.81


@dataclass(frozen=True, slots=True)
class PedalModel:
    """Longitudinal model of a vehicle; the defaults are the embedded server's ``vehicle.lincoln.mkz_2020``.

    Attributes:
        mass_kg: Mass.
        drive_n: Largest drive force.
        power_w: Power at the wheels.
        brake_n: Brake force at brake = 1.
        drag_kgpm: 0.5 * rho * Cd * A.
        rolling_mps2: Deceleration by rolling resistance.
    """

    mass_kg: float = 1800.0
    drive_n: float = 7920.0
    power_w: float = 183e3
    brake_n: float = 16200.0
    drag_kgpm: float = 0.49
    rolling_mps2: float = 0.012 * GRAVITY_MPS2

    def pedals(self, acceleration_mps2: float, speed_mps: float) -> tuple[float, float]:
        """Return (throttle, brake), each 0-1, that the model says give this acceleration."""
        force_n = self.mass_kg * (acceleration_mps2 + self.rolling_mps2) + self.drag_kgpm * speed_mps**2
        if force_n >= 0.0:
            return min(1.0, force_n / min(self.drive_n, self.power_w / max(speed_mps, 1.0))), 0.0
        return 0.0, min(1.0, -force_n / self.brake_n)


class PedalController:
    """Turn wanted accelerations into pedals, one call per tick.

    Args:
        model: Longitudinal model.
        step_s: Time between calls.
    """

    GAIN_PER_S = 0.5
    LIMIT_MPS2 = 1.5
    HOLD_BRAKE = 0.3

    def __init__(self, model: PedalModel, step_s: float) -> None:
        """Start without a correction."""
        self._model = model
        self._step_s = step_s
        self._correction_mps2 = 0.0
        self._wanted_mps2: float | None = None

    def __call__(self, wanted_mps2: float, achieved_mps2: float, speed_mps: float) -> tuple[float, float]:
        """Return (throttle, brake) for the next tick.

        Args:
            wanted_mps2: Acceleration wanted now.
            achieved_mps2: Acceleration measured over the last tick.
            speed_mps: Speed now.
        """
        if self._wanted_mps2 is not None and speed_mps > 0.5 and abs(wanted_mps2 - self._wanted_mps2) < 0.5:
            error = self._wanted_mps2 - achieved_mps2
            step = self.GAIN_PER_S * self._step_s * max(-2.0, min(2.0, error))
            self._correction_mps2 = max(-self.LIMIT_MPS2, min(self.LIMIT_MPS2, self._correction_mps2 + step))
        self._wanted_mps2 = wanted_mps2
        if speed_mps < 0.2 and wanted_mps2 <= 0.0:
            return 0.0, self.HOLD_BRAKE
        return self._model.pedals(wanted_mps2 + self._correction_mps2, speed_mps)
