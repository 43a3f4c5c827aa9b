"""Progress: standing for too long, and braking or stopping that nothing in the world asked for.

The second is the price of false alarms and of abstaining, so it is judged by truth alone: what the agent believed is
only the cause.
"""

from __future__ import annotations

from testbed.core.gtsrb import NO_ENTRY, SPEED_LIMIT_KMH, STOP, YIELD
from testbed.core.records import Event
from testbed.core.types import LineTruth, Step
from testbed.events import BLOCKED, FALSE_BRAKE, UNNEEDED_STOP
from testbed.judge.base import Findings, Score, make_event
from testbed.judge.cause import brake_cause
from testbed.judge.event_span import EventSpan
from testbed.judge.history import History


class BlockedJudge:
    """Report an ego that stands for longer than ``limits.blocked_after_s`` (ScenarioRunner ``ActorBlockedTest``)."""

    name = "blocked"
    version = "2"
    events = (BLOCKED,)
    scores = ("blocked.count", "standing.time_s")

    def __init__(self) -> None:
        """Start unblocked."""
        self._since: float | None = None
        self._event: Event | None = None
        self._standing_s = 0.0

    def step(self, step: Step, history: History) -> list[Event]:
        """Return the event once, when the time is over."""
        if step.truth.ego.speed_mps >= history.limits.blocked_speed_mps:
            self._since = None
            return []
        self._standing_s += history.duration_of(len(history.steps) - 1)
        if self._since is None:
            self._since = step.t_s
        if self._event is None and step.t_s - self._since > history.limits.blocked_after_s:
            cause = brake_cause(history)
            self._event = make_event(
                BLOCKED, step, cause=cause.kind, evidence_frame=cause.evidence_frame, detail=cause.detail
            )
            return [self._event]
        return []

    def finish(self, history: History) -> Findings:
        """Return the event and how long the ego stood in all."""
        scores: dict[str, Score] = {"blocked.count": int(self._event is not None), "standing.time_s": self._standing_s}
        return Findings((self._event,) if self._event is not None else (), scores)


def braking_is_asked_for(step: Step, history: History) -> bool:
    """Tell whether truth holds a reason to brake: a near or closing lead, a lower limit, a line to stop at, a crash.

    A lead counts as soon as it is there, be it too far away to be asked about: who sees it early may brake early.
    """
    truth, limits = step.truth, history.limits
    speed_mps = truth.ego.speed_mps
    if truth.collisions:
        return True
    if truth.speed_limit_mps is not None and speed_mps > truth.speed_limit_mps:
        return True
    for other in (truth.lead, truth.ahead):
        if other is None:
            continue
        gap_m = max(other.distance_m, 0.1)
        closing_mps = speed_mps - other.speed_mps
        if gap_m < max(limits.lead_time_gap_s * speed_mps, limits.standstill_gap_m):
            return True
        if closing_mps > 0 and closing_mps**2 / (2 * gap_m) > limits.lead_needed_mps2:
            return True
    if any(_asks_to_stop(line, limits.sign_brake_distance_m, limits.stop_zone_m) for line in truth.lines):
        return True
    sign = truth.sign
    if sign is not None and sign.distance_m < limits.sign_brake_distance_m:
        if sign.class_id in (STOP, YIELD, NO_ENTRY):
            return True
        limit_kmh = SPEED_LIMIT_KMH.get(sign.class_id)
        if limit_kmh is not None and limit_kmh / 3.6 < speed_mps:
            return True
    return False


def _asks_to_stop(line: LineTruth, reach_m: float, behind_m: float) -> bool:
    return -behind_m <= line.distance_m < reach_m and (line.kind != "light" or line.state in ("red", "yellow"))


class FalseBrakeJudge:
    """Report decelerations harder than ``limits.brake_mps2`` and stops without a reason."""

    name = "false_brake"
    version = "2"
    events = (FALSE_BRAKE, UNNEEDED_STOP)
    scores = ("false_brake.*", "unneeded_stop.count")

    def __init__(self) -> None:
        """Start rolling."""
        self._reason_t_s: float | None = None
        self._begin: Step | None = None
        self._open: EventSpan | None = None
        self._closed: list[EventSpan] = []
        self._still_since: float | None = None
        self._stop: EventSpan | None = None
        self._stops: list[EventSpan] = []
        self._moved = False

    def step(self, step: Step, history: History) -> list[Event]:
        """Return false brakes and unneeded stops confirmed in this step."""
        limits = history.limits
        if braking_is_asked_for(step, history):
            self._reason_t_s = step.t_s
        excused = self._reason_t_s is not None and step.t_s - self._reason_t_s <= limits.brake_excuse_s
        dt_s = history.duration_of(len(history.steps) - 1)
        ego = step.truth.ego
        began = self._brake(step, history, ego.acceleration_mps2 < -limits.brake_mps2 and not excused, dt_s)
        self._moved = self._moved or ego.speed_mps > 1.0
        still = self._moved and ego.speed_mps < limits.blocked_speed_mps
        return began + self._stand(step, history, still and not excused, dt_s)

    def _brake(self, step: Step, history: History, holds: bool, dt_s: float) -> list[Event]:
        if not holds:
            self._begin = None
            if self._open is not None:
                self._closed.append(self._open)
                self._open = None
            return []
        self._begin = self._begin or step
        if self._open is None:
            if step.t_s - self._begin.t_s + dt_s < history.limits.brake_min_s - 1e-9:
                return []
            cause = brake_cause(history)
            event = make_event(
                FALSE_BRAKE, step, cause=cause.kind, evidence_frame=cause.evidence_frame, detail=cause.detail
            )
            self._open = EventSpan(event, self._begin.t_s, step.t_s)
            self._open.extend(step.t_s, -step.truth.ego.acceleration_mps2, dt_s, 0.0)
            return [event]
        self._open.extend(step.t_s, -step.truth.ego.acceleration_mps2, dt_s, step.truth.ego.speed_mps * dt_s)
        return []

    def _stand(self, step: Step, history: History, holds: bool, dt_s: float) -> list[Event]:
        if not holds:
            self._still_since = None
            if self._stop is not None:
                self._stops.append(self._stop)
                self._stop = None
            return []
        if self._still_since is None:
            self._still_since = step.t_s
        if self._stop is not None:
            self._stop.extend(step.t_s, 0.0, dt_s, 0.0)
            return []
        if step.t_s - self._still_since < history.limits.unneeded_stop_s:
            return []
        cause = brake_cause(history)
        event = make_event(
            UNNEEDED_STOP, step, cause=cause.kind, evidence_frame=cause.evidence_frame, detail=cause.detail
        )
        self._stop = EventSpan(event, self._still_since, step.t_s)
        return [event]

    def finish(self, history: History) -> Findings:
        """Return false brakes (severity: hardest deceleration, m/s^2) and unneeded stops (severity: seconds)."""
        dt_s = history.duration_of(len(history.steps) - 1)
        brakes = [s.final(s.worst, dt_s) for s in [*self._closed, *([self._open] if self._open else [])]]
        stops = [s.final(s.last_t_s - s.begin_t_s, dt_s) for s in [*self._stops, *([self._stop] if self._stop else [])]]
        scores: dict[str, Score] = {
            "false_brake.count": len(brakes),
            "false_brake.hardest_mps2": max((event.severity for event in brakes), default=0.0),
            "unneeded_stop.count": len(stops),
        }
        events = sorted([*brakes, *stops], key=lambda event: event.t_s)
        return Findings(tuple(events), scores)
