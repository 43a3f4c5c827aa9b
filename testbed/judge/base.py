"""What a judge is: it watches steps, reports events as they begin, and ends with events, scores and per-step series.

A judge never decides alone what a number means: every constant comes from `testbed.judge.limits.JudgeLimits`,
every past step and answer from `testbed.judge.history.History`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from testbed.core.records import Event
from testbed.core.types import Step
from testbed.events import EventKind
from testbed.judge.history import History

Score = float | int | str | bool | None
"""Value of one metric; None where it does not apply to the episode."""


class Series(NamedTuple):
    """One value per step with a validity mask.

    Attributes:
        values: Shape (steps,), float64; meaningless where ``valid`` is False.
        valid: Shape (steps,), bool.
    """

    values: NDArray[np.float64]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Findings:
    """What one judge leaves behind at the end of an episode."""

    events: tuple[Event, ...] = ()
    scores: dict[str, Score] = field(default_factory=dict)
    per_step: dict[str, Series] = field(default_factory=dict)


@runtime_checkable
class Judge(Protocol):
    """Watch one kind of thing in one episode."""

    @property
    def name(self) -> str:
        """Word in error messages, and how a scenario asks for a judge of another package."""

    @property
    def version(self) -> str:
        """What rises whenever the same drive would be judged otherwise."""

    @property
    def events(self) -> tuple[EventKind, ...]:
        """Kinds of events it may report; it may report no other."""

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores it gives, or patterns of them such as ``window.*``; it may give no other."""

    def step(self, step: Step, history: History) -> list[Event]:
        """Look at one step (already the last one in ``history``) and return the events that began with it.

        Such an event is provisional: its depth, severity and duration are known only at the end.
        """

    def finish(self, history: History) -> Findings:
        """Return final events, scores and series; called once, after the last step."""


def make_event(
    kind: EventKind, step: Step, *, cause: str = "none", evidence_frame: int | None = None, **extra: Any
) -> Event:
    """Return an event at ``step`` with the ego's place and speed filled in.

    Args:
        kind: Entry of the catalogue of events.
        step: Step at which it happened.
        cause: The perception error that preceded it.
        evidence_frame: Frame of the image that shows the cause; the step's own frame by default.
        extra: Further fields of `testbed.core.records.Event`.
    """
    ego = step.truth.ego
    return Event(
        kind=kind.name,
        t_s=step.t_s,
        frame=step.frame,
        location_xyz_m=(float(ego.x_m), float(ego.y_m), float(ego.z_m)),
        ego_speed_mps=float(ego.speed_mps),
        cause=cause,
        evidence_frame=step.frame if evidence_frame is None else evidence_frame,
        **extra,
    )


def series(values: list[float] | NDArray[np.float64], valid: list[bool] | NDArray[np.bool_] | None = None) -> Series:
    """Return a `Series`; everything is valid unless said otherwise."""
    array = np.asarray(values, dtype=np.float64)
    mask = np.ones(array.shape, dtype=np.bool_) if valid is None else np.asarray(valid, dtype=np.bool_)
    return Series(array, mask)
