"""A stored trace condensed to what charts and paired scores need: arrays over the steps, answers, what was right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.core.types import Decision, Truth
from testbed.judge import expert_steering
from testbed.store import TraceReader


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """What would have been right to answer to one image.

    Attributes:
        steering: The expert's class; empty where the image is older than the trace.
        sign: GTSRB class of the sign in view, None without one.
        vehicle: Whether a vehicle is ahead.
    """

    steering: str
    sign: int | None
    vehicle: bool


@dataclass(frozen=True, slots=True)
class DriveTrace:
    """What charts and paired scores need of one trace.

    Attributes:
        frame: Frame numbers, shape (steps,).
        t_s: Simulation time, shape (steps,).
        offset_m: Lateral offset, positive left, shape (steps,).
        s_m: Distance along the lane, shape (steps,).
        speed_mps: Speed, shape (steps,).
        limit_mps: Speed limit, NaN where there is none, shape (steps,).
        gap_m: Distance to the vehicle ahead in the lane, NaN without one, shape (steps,).
        lead_mps: Speed of that vehicle, NaN without one, shape (steps,).
        visible_px: Artefact pixels, shape (steps,); 0 without an artefact.
        patch_s: When the front bumper reached the artefact and when the rear left it; None where never.
        shown_s: When the artefact first and last showed; None where never.
        line_s: When the front bumper passed the first line that commands something; None where it passed none.
        decisions: Answers of the agent.
        rights: What would have been right, one per decision.
    """

    frame: NDArray[np.int64]
    t_s: NDArray[np.float64]
    offset_m: NDArray[np.float64]
    s_m: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    limit_mps: NDArray[np.float64]
    gap_m: NDArray[np.float64]
    lead_mps: NDArray[np.float64]
    visible_px: NDArray[np.float64]
    patch_s: tuple[float, float] | None
    shown_s: tuple[float, float] | None
    line_s: float | None
    decisions: tuple[Decision, ...]
    rights: tuple[ExpectedAnswer, ...]

    @property
    def least_gap_m(self) -> float | None:
        """Smallest distance to a vehicle ahead; None where none was ahead."""
        return None if np.isnan(self.gap_m).all() else float(np.nanmin(self.gap_m))


def read_drive_trace(path: Path) -> DriveTrace:
    """Return the condensed trace of an episode.

    Raises:
        StoreError: The file is damaged.
    """
    steps = TraceReader(path).steps()
    reached = [s.t_s for s in steps if s.truth.attack is not None and s.truth.attack.distance_m <= 0]
    on_it = [s.t_s for s in steps if s.truth.attack and s.truth.attack.distance_m <= 0 and not s.truth.attack.passed]
    seen = [s.t_s for s in steps if s.truth.attack is not None and s.truth.attack.visible_px > 0]
    by_frame = {s.frame: s.truth for s in steps}
    lines = [s.t_s for s in steps if any(line.distance_m <= 0 for line in s.truth.lines)]
    decisions: list[Decision] = []
    for step in steps:
        if step.decision is not None and (not decisions or decisions[-1].frame != step.decision.frame):
            decisions.append(step.decision)
    return DriveTrace(
        frame=np.array([s.frame for s in steps], dtype=np.int64),
        t_s=np.array([s.t_s for s in steps], dtype=np.float64),
        offset_m=np.array([s.truth.lane.lateral_offset_m for s in steps], dtype=np.float64),
        s_m=np.array([s.truth.lane.s_m for s in steps], dtype=np.float64),
        speed_mps=np.array([s.truth.ego.speed_mps for s in steps], dtype=np.float64),
        limit_mps=_or_nan(s.truth.speed_limit_mps for s in steps),
        gap_m=_or_nan(s.truth.lead.distance_m if s.truth.lead else None for s in steps),
        lead_mps=_or_nan(s.truth.lead.speed_mps if s.truth.lead else None for s in steps),
        visible_px=np.array([s.truth.attack.visible_px if s.truth.attack else 0.0 for s in steps], dtype=np.float64),
        patch_s=(reached[0], on_it[-1] if on_it else reached[0]) if reached else None,
        shown_s=(seen[0], seen[-1]) if seen else None,
        line_s=lines[0] if lines else None,
        decisions=tuple(decisions),
        rights=tuple(_expected(by_frame.get(d.frame)) for d in decisions),
    )


def _or_nan(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _expected(truth: Truth | None) -> ExpectedAnswer:
    if truth is None:
        return ExpectedAnswer("", None, False)
    sign = None if truth.sign is None else truth.sign.class_id
    return ExpectedAnswer(str(expert_steering(truth.lane.preview_offset_m)), sign, truth.lead is not None)
