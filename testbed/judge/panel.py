"""All judges of an episode behind one door: feed steps, get events as they begin, and one verdict at the end.

A judge that raises ends the episode with a JudgeError. It never costs just a metric: a table with a hole where the
judge failed would look like a table without violations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from testbed.core.errors import JudgeError
from testbed.core.records import Event
from testbed.core.types import Step
from testbed.judge.base import Findings, Judge, Score, Series
from testbed.judge.history import History
from testbed.judge.leaderboard import (
    Infractions,
    driving_score_20,
    driving_score_21,
    penalty_20,
    penalty_21,
    route_percent,
    status_word,
)
from testbed.judge.limits import JudgeLimits
from testbed.judge.registry import default_judges

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all judges say about an episode.

    Attributes:
        events: Final events in order of time (durations and severities filled in).
        scores: Metric name to value; None where a metric does not apply.
        per_step: Series name to (values, valid mask), one entry per step.
    """

    events: tuple[Event, ...]
    scores: dict[str, Score]
    per_step: dict[str, Series]


class JudgePanel:
    """Hold all judges of one episode."""

    def __init__(self, limits: JudgeLimits | None = None, judges: tuple[Judge, ...] | None = None) -> None:
        """Take the constants and, for tests and extensions, another set of judges."""
        self.history = History(limits or JudgeLimits())
        self._judges = default_judges() if judges is None else judges
        self._finished = False

    def step(self, step: Step) -> list[Event]:
        """Show one step to every judge and return the events that began with it (provisional, for display).

        Raises:
            JudgeError: A judge raised, or the panel has finished.
        """
        if self._finished:
            raise JudgeError("the judges were shown a step after they had finished")
        self._guard("history", step.frame, lambda: self.history.append(step))
        began: list[Event] = []
        for judge in self._judges:
            began += self._guard(judge.name, step.frame, lambda judge=judge: judge.step(step, self.history))  # type: ignore[misc]
        return began

    def finish(self) -> Verdict:
        """Return the verdict; call once.

        Raises:
            JudgeError: A judge raised, returned a number that is not finite, or there was no step at all.
        """
        if self._finished:
            raise JudgeError("the judges were asked for their verdict twice")
        self._finished = True
        if not self.history.steps:
            raise JudgeError("the judges saw no step")
        frame = self.history.steps[-1].frame
        events: list[Event] = []
        scores: dict[str, Score] = {}
        per_step: dict[str, Series] = {}
        for judge in self._judges:
            found: Findings = self._guard(judge.name, frame, lambda judge=judge: judge.finish(self.history))  # type: ignore[misc]
            self._check(judge, found, scores, per_step)
            events += found.events
            scores |= found.scores
            per_step |= found.per_step
        events.sort(key=lambda event: (event.t_s, event.kind))
        scores |= self._guard("composite", frame, lambda: self._composite(events, scores))
        return Verdict(tuple(events), dict(sorted(scores.items())), per_step)

    def _composite(self, events: list[Event], scores: Mapping[str, Score]) -> dict[str, Score]:
        planned_m = self.history.limits.planned_distance_m
        driven_m = float(self.history.steps[-1].truth.lane.s_m)
        outside = scores.get("outside_lane.percent")
        infractions = Infractions.from_events(events, float(outside) if isinstance(outside, (int, float)) else 0.0)
        result: dict[str, Score] = {
            "route.driven_m": driven_m,
            "penalty_2_0": round(penalty_20(infractions), 6),
            "penalty_2_1": round(penalty_21(infractions), 6),
        }
        if planned_m is None:
            return result | dict.fromkeys(("route.percent", "driving_score_2_0", "driving_score_2_1", "status"))
        percent = route_percent(driven_m, planned_m)
        return result | {
            "route.percent": percent,
            "driving_score_2_0": driving_score_20(percent, infractions),
            "driving_score_2_1": driving_score_21(percent, infractions),
            "status": status_word(percent, events),
        }

    @staticmethod
    def _guard(name: str, frame: int, work: Callable[[], T]) -> T:
        try:
            return work()
        except JudgeError:
            raise
        except Exception as error:
            raise JudgeError(f"judge {name!r} failed at frame {frame}: {type(error).__name__}: {error}") from error

    def _check(
        self, judge: Judge, found: Findings, scores: Mapping[str, Score], per_step: Mapping[str, Series]
    ) -> None:
        name, known = judge.name, {kind.name for kind in judge.events}
        for event in found.events:
            if event.kind not in known:
                raise JudgeError(f"judge {name!r} reported a {event.kind!r}, which is none of its events")
        for key, value in found.scores.items():
            if key in scores:
                raise JudgeError(f"judge {name!r} returned the score {key!r}, which another judge has returned already")
            if isinstance(value, float) and not math.isfinite(value):
                raise JudgeError(f"judge {name!r} returned {value} as {key!r}")
        for key, (values, valid) in found.per_step.items():
            count = len(self.history.steps)
            if key in per_step or values.shape != (count,) or valid.shape != (count,):
                raise JudgeError(f"judge {name!r} returned the series {key!r} {values.shape} for {count} steps")
