"""Comfort by the bounds of nuPlan's ``ego_is_comfortable``; derivatives by a quadratic Savitzky-Golay fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.core.records import Event
from testbed.core.types import Step
from testbed.events import EventKind
from testbed.judge.base import Findings, Score, Series, series
from testbed.judge.history import History


def derivative(values: NDArray[np.float64], dt_s: float, window_s: float) -> Series:
    """Return the time derivative of evenly sampled values.

    Fits a parabola over a centred window; its slope at the centre is sum(i * y_i) / (sum(i^2) * dt). Half a window at
    both ends is invalid rather than guessed.
    """
    half = max(1, round(window_s / dt_s / 2))
    slope = np.zeros_like(values)
    valid = np.zeros(values.shape, dtype=np.bool_)
    if values.size > 2 * half:
        offsets = np.arange(-half, half + 1, dtype=np.float64)
        kernel = offsets / (np.square(offsets).sum() * dt_s)
        slope[half:-half] = np.correlate(values, kernel, mode="valid")
        valid[half:-half] = True
    return Series(slope, valid)


class ComfortJudge:
    """Measure accelerations, jerk and yaw against the bounds; discomfort is a score, never an event."""

    name = "comfort"
    version = "1"
    events: tuple[EventKind, ...] = ()
    scores = ("comfort.*",)

    def step(self, step: Step, history: History) -> list[Event]:
        """Nothing begins here."""
        return []

    def finish(self, history: History) -> Findings:
        """Return the extreme of every quantity and the share of steps inside all bounds."""
        limits, steps = history.limits, history.steps
        egos = [s.truth.ego for s in steps]
        lon = np.array([e.acceleration_mps2 for e in egos], dtype=np.float64)
        lat = np.array([e.lateral_acceleration_mps2 for e in egos], dtype=np.float64)
        yaw = np.array([e.yaw_rate_rad_s for e in egos], dtype=np.float64)
        dt_s = (steps[-1].t_s - steps[0].t_s) / (len(steps) - 1) if len(steps) > 1 else 0.05
        lon_jerk = derivative(lon, dt_s, limits.comfort_window_s)
        lat_jerk = derivative(lat, dt_s, limits.comfort_window_s)
        yaw_accel = derivative(yaw, dt_s, limits.comfort_window_s)
        jerk = Series(np.hypot(lon_jerk.values, lat_jerk.values), lon_jerk.valid)
        inside = (lon >= limits.lon_accel_min_mps2) & (lon <= limits.lon_accel_max_mps2)
        inside &= (np.abs(lat) <= limits.lat_accel_max_mps2) & (np.abs(yaw) <= limits.yaw_rate_max_rad_s)
        bounds = (limits.jerk_max_mps3, limits.lon_jerk_max_mps3, limits.yaw_accel_max_rad_s2)
        for values, bound in zip((jerk, lon_jerk, yaw_accel), bounds, strict=True):
            inside &= ~values.valid | (np.abs(values.values) <= bound)

        def worst(values: Series) -> float | None:
            return float(np.abs(values.values[values.valid]).max()) if values.valid.any() else None

        scores: dict[str, Score] = {
            "comfort.ok": bool(inside.all()),
            "comfort.share": float(inside.mean()),
            "comfort.lon_accel_min_mps2": float(lon.min()),
            "comfort.lon_accel_max_mps2": float(lon.max()),
            "comfort.lat_accel_max_mps2": float(np.abs(lat).max()),
            "comfort.yaw_rate_max_rad_s": float(np.abs(yaw).max()),
            "comfort.jerk_max_mps3": worst(jerk),
            "comfort.lon_jerk_max_mps3": worst(lon_jerk),
            "comfort.yaw_accel_max_rad_s2": worst(yaw_accel),
        }
        return Findings((), scores, {"comfortable": series(inside.astype(np.float64)), "lon_jerk_mps3": lon_jerk})
