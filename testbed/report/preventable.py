"""Could the collision have been prevented? Two driver models brake for the vehicle ahead from the moment it showed.

*UN R157*: reacts after 0.35 s, brakes with 6 m/s². *Careful and competent* driver: reacts after 0.75 s, brakes with
0.774 g, built up at 12.65 m/s³. Both start with the speed and gap that the ego really had when the vehicle ahead was
first to be seen in its lane (within 60 m, six pixels tall), and the vehicle ahead moves as it did. The label says
whether a collision was avoidable for perception that works, never whose fault it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from testbed.report.drive_trace import DriveTrace

STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class Braking:
    """A driver model.

    Attributes:
        name: How the report calls it.
        reaction_s: From the hazard to the first braking.
        deceleration_mps2: Full braking.
        jerk_mps3: How fast braking builds up; infinite where at once.
    """

    name: str
    reaction_s: float
    deceleration_mps2: float
    jerk_mps3: float = float("inf")

    def speed_lost_mps(self, t_s: float) -> float:
        """Return how much speed is gone so many seconds after the hazard."""
        braking_s = max(t_s - self.reaction_s, 0.0)
        ramp_s = self.deceleration_mps2 / self.jerk_mps3
        if braking_s <= ramp_s:
            return 0.5 * self.jerk_mps3 * braking_s**2 if ramp_s > 0 else 0.0
        return self.deceleration_mps2 * (braking_s - 0.5 * ramp_s)


MODELS: tuple[Braking, ...] = (
    Braking("UN R157", 0.35, 6.0),
    Braking("careful and competent", 0.75, 0.774 * 9.81, 12.65),
)


def avoidable(drive: DriveTrace, collision_s: float, model: Braking) -> bool | None:
    """Tell whether a driver model would not have hit the vehicle that the ego hit.

    Args:
        drive: Trace of the drive.
        collision_s: When it collided.
        model: The driver.

    Returns:
        None where no vehicle ahead was seen before the collision, so that nothing can be said.
    """
    before = drive.t_s <= collision_s
    seen = np.flatnonzero(before & ~np.isnan(drive.gap_m))
    if not seen.size:
        return None
    # the last stretch of steps with a vehicle ahead: an earlier one was another vehicle
    breaks = np.flatnonzero(np.diff(seen) > 1)
    stretch = seen[breaks[-1] + 1 :] if breaks.size else seen
    first = int(stretch[0])
    speed_mps, gap_m = float(drive.speed_mps[first]), float(drive.gap_m[first])
    begin_s = float(drive.t_s[first])
    known_s, lead_mps = drive.t_s[stretch], drive.lead_mps[stretch]
    for t_s in np.arange(0.0, 60.0, STEP_S):
        mine = max(speed_mps - model.speed_lost_mps(float(t_s)), 0.0)
        theirs = float(np.interp(begin_s + t_s, known_s, lead_mps))
        gap_m += (theirs - mine) * STEP_S
        if gap_m <= 0.0:
            return False
        if mine <= theirs and t_s > model.reaction_s:
            return True
    return True


def label(drive: DriveTrace | None, collision_s: float) -> str:
    """Return both models' answers in words, empty where nothing can be said."""
    if drive is None:
        return ""
    parts = []
    for model in MODELS:
        answer = avoidable(drive, collision_s, model)
        if answer is None:
            return ""
        parts.append(f"{'preventable' if answer else 'not preventable'} for {model.name}")
    return "; ".join(parts)
