"""Latency: how old answers are when they take effect, and how far the ego drives on each."""

from __future__ import annotations

import numpy as np

from testbed.core.records import Event
from testbed.core.types import Step
from testbed.events import EventKind
from testbed.judge.base import Findings, Score, series
from testbed.judge.cause import latency_ms
from testbed.judge.history import History


class LatencyJudge:
    """Measure the delay from image to effect (simulated clock) and the inference time (wall clock or card)."""

    name = "latency"
    version = "1"
    events: tuple[EventKind, ...] = ()
    scores = ("decision.*", "latency.*", "inference.*")

    def step(self, step: Step, history: History) -> list[Event]:
        """Nothing begins here."""
        return []

    def finish(self, history: History) -> Findings:
        """Return percentiles, deadline misses and metres per decision."""
        answers, steps = history.answers, history.steps
        age = [(s.t_s - s.decision.t_s) * 1000.0 if s.decision is not None else 0.0 for s in steps]
        known = [s.decision is not None for s in steps]
        scores: dict[str, Score] = {"decision.count": len(answers), "decision.unmatched": history.unmatched}
        if answers:
            applied = np.array([latency_ms(a) for a in answers])
            driven_m = sum(s.truth.ego.speed_mps * history.duration_of(i) for i, s in enumerate(steps))
            inference = np.array([a.decision.inference_ms for a in answers])
            for name, values in (("latency", applied), ("inference", inference)):
                for percent in (50, 95, 99):
                    scores[f"{name}.p{percent}_ms"] = float(np.percentile(values, percent))
            scores["latency.deadline_misses"] = int((applied > history.limits.deadline_ms + 1e-6).sum())
            scores["latency.metres_per_decision"] = float(driven_m / len(answers))
        return Findings((), scores, {"answer_age_ms": series(age, known)})
