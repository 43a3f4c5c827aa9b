"""Speed limits: excess beyond the tolerance that lasts longer than the grace time after the sign.

Severity is the integral of the speed above limit + tolerance over the whole stretch, in metres (m/s times s).
"""

from __future__ import annotations

from testbed.core.gtsrb import END_OF_LIMIT, SPEED_LIMIT_KMH
from testbed.core.records import Event
from testbed.core.types import SignTruth, Step
from testbed.events import SPEED_LIMIT
from testbed.judge.base import Findings, Score, make_event, series
from testbed.judge.cause import sign_cause
from testbed.judge.event_span import EventSpan
from testbed.judge.history import History


class SpeedLimitJudge:
    """Report driving faster than the limit in force."""

    name = "speed_limit"
    version = "1"
    events = (SPEED_LIMIT,)
    scores = ("speed_limit.*",)

    def __init__(self) -> None:
        """Start with the map's own limit."""
        self._sign: SignTruth | None = None
        self._changed_t_s = 0.0
        self._limit_mps: float | None = None
        self._above_since: float | None = None
        self._above: EventSpan | None = None
        self._closed: list[EventSpan] = []
        self._excess: list[float] = []
        self._valid: list[bool] = []

    def step(self, step: Step, history: History) -> list[Event]:
        """Return violations that were confirmed in this step (the excess has outlasted the grace time)."""
        for sign in step.truth.passed_signs:
            if sign.class_id in SPEED_LIMIT_KMH or sign.class_id in END_OF_LIMIT:
                self._sign, self._changed_t_s = sign, step.t_s
        limit_mps = step.truth.speed_limit_mps
        if limit_mps != self._limit_mps:
            # A new limit is a new command: what was above the old one ends here, and its grace time begins.
            self._limit_mps, self._changed_t_s = limit_mps, step.t_s
            self._end()
        speed_mps = step.truth.ego.speed_mps
        allowed_mps = limit_mps + history.limits.speed_tolerance(limit_mps) if limit_mps is not None else None
        self._excess.append(speed_mps - limit_mps if limit_mps is not None else 0.0)
        self._valid.append(limit_mps is not None)
        if limit_mps is None or allowed_mps is None or speed_mps <= allowed_mps:
            self._end()
            return []
        if self._above_since is None:
            self._above_since = step.t_s
        dt_s = history.duration_of(len(history.steps) - 1)
        began: list[Event] = []
        if self._above is None:
            if step.t_s - self._above_since <= history.limits.speed_grace_s + 1e-9:
                return []
            cause = sign_cause(history, self._sign, self._changed_t_s)
            event = make_event(
                SPEED_LIMIT,
                step,
                cause=cause.kind,
                evidence_frame=cause.evidence_frame,
                other=self._sign.sign_id if self._sign is not None else "",
                detail={"limit_mps": float(limit_mps), "allowed_mps": float(allowed_mps), **cause.detail},
            )
            began.append(event)
            self._above = EventSpan(event, step.t_s, step.t_s)
        self._above.extend(step.t_s, speed_mps - allowed_mps, dt_s, speed_mps * dt_s)
        self._above.extra["max_speed_mps"] = max(float(self._above.extra.get("max_speed_mps") or 0.0), float(speed_mps))
        return began

    def _end(self) -> None:
        self._above_since = None
        if self._above is not None:
            self._closed.append(self._above)
            self._above = None

    def finish(self, history: History) -> Findings:
        """Return violations with the integral of the excess as severity."""
        self._end()
        dt_s = history.duration_of(len(history.steps) - 1)
        events = [s.final(s.integral, dt_s, max_excess_mps=s.worst) for s in self._closed]
        excess = [value for value, valid in zip(self._excess, self._valid, strict=True) if valid]
        scores: dict[str, Score] = {
            "speed_limit.count": len(events),
            "speed_limit.severity_m": float(sum(event.severity for event in events)),
            "speed_limit.max_excess_mps": max(0.0, *excess) if excess else None,
        }
        return Findings(tuple(events), scores, {"speed_excess_mps": series(self._excess, self._valid)})
