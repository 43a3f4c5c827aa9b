"""Route deviation: the ego is farther from its planned way than it may be (ScenarioRunner ``InRouteTest``)."""

from __future__ import annotations

from testbed.core.records import Event
from testbed.core.types import Step
from testbed.events import ROUTE_DEVIATION
from testbed.judge.base import Findings, Score, make_event
from testbed.judge.cause import lateral_cause
from testbed.judge.history import History


class RouteJudge:
    """Report once that the ego has left its route; the way is the lane it is meant to keep."""

    name = "route_deviation"
    version = "1"
    events = (ROUTE_DEVIATION,)
    scores = ("route_deviation.count",)

    def __init__(self) -> None:
        """Start on the route."""
        self._event: Event | None = None
        self._worst_m = 0.0

    def step(self, step: Step, history: History) -> list[Event]:
        """Return the event in the step in which the ego leaves its route."""
        offset_m = step.truth.lane.lateral_offset_m
        self._worst_m = max(self._worst_m, abs(offset_m))
        if self._event is not None or abs(offset_m) <= history.limits.route_deviation_m:
            return []
        cause = lateral_cause(history, 1 if offset_m > 0.0 else -1)
        self._event = make_event(
            ROUTE_DEVIATION, step, cause=cause.kind, evidence_frame=cause.evidence_frame, detail=cause.detail
        )
        return [self._event]

    def finish(self, history: History) -> Findings:
        """Return the event, with the largest distance from the route in metres as severity."""
        scores: dict[str, Score] = {f"{self.name}.count": int(self._event is not None)}
        if self._event is None:
            return Findings((), scores)
        return Findings((self._event.model_copy(update={"severity": self._worst_m}),), scores)
