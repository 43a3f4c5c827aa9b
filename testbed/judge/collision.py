"""Collisions: repeated reports about one other actor are one event, with fault, severity and the error before it.

Rules: ScenarioRunner ``atomic_criteria.CollisionTest`` (same actor within 5 m and 5 s; below 0.1 m/s not at fault).
"""

from __future__ import annotations

import math

from testbed.core.records import Event
from testbed.core.types import Collision, Step
from testbed.events import COLLISION_PEDESTRIAN, COLLISION_STATIC, COLLISION_VEHICLE, EventKind
from testbed.judge.base import Findings, make_event
from testbed.judge.cause import collision_cause
from testbed.judge.history import History


def collision_kind(other_type: str) -> EventKind:
    """Return the event kind for a CARLA type id; what is neither walker nor vehicle is static."""
    if other_type.startswith("walker"):
        return COLLISION_PEDESTRIAN
    return COLLISION_VEHICLE if other_type.startswith("vehicle") else COLLISION_STATIC


class CollisionJudge:
    """Turn reports of the collision sensor into events."""

    name = "collision"
    version = "1"
    events = (COLLISION_PEDESTRIAN, COLLISION_VEHICLE, COLLISION_STATIC)
    scores = ("collision_*.count", "collision.*")

    def __init__(self) -> None:
        """Start without collisions."""
        self._events: list[Event] = []
        self._last: dict[tuple[int, str], tuple[float, float, float]] = {}

    def step(self, step: Step, history: History) -> list[Event]:
        """Return the collisions that are new in this step."""
        began = []
        for report in step.truth.collisions:
            # Static scenery has no actor id: there its type tells one obstacle from another.
            other = (report.other_id, report.other_type if report.other_id == 0 else "")
            x_m, y_m = step.truth.ego.x_m, step.truth.ego.y_m
            before = self._last.get(other)
            self._last[other] = (step.t_s, x_m, y_m)
            limits = history.limits
            if before is not None:
                near = math.hypot(x_m - before[1], y_m - before[2]) < limits.same_collision_m
                if near and step.t_s - before[0] < limits.same_collision_s:
                    continue
            began.append(self._event(step, report, history))
        self._events.extend(began)
        return began

    def _event(self, step: Step, report: Collision, history: History) -> Event:
        # The sensor reports after the impact: fault is judged by the speed the ego came with.
        before = history.steps[-2].truth.ego.speed_mps if len(history.steps) > 1 else step.truth.ego.speed_mps
        speed_mps = max(before, step.truth.ego.speed_mps)
        cause = collision_cause(history, other_id=report.other_id)
        return make_event(
            collision_kind(report.other_type),
            step,
            cause=cause.kind,
            evidence_frame=cause.evidence_frame,
            other=f"{report.other_type}#{report.other_id}",
            severity=float(report.relative_speed_mps),
            detail={
                "at_fault": speed_mps >= history.limits.not_at_fault_mps,
                "impulse_ns": float(report.impulse_ns),
                "speed_before_mps": float(speed_mps),
                **cause.detail,
            },
        )

    def finish(self, history: History) -> Findings:
        """Return all collisions with counts per kind."""
        scores: dict[str, float | int | str | bool | None] = {
            f"{kind.name}.count": sum(1 for event in self._events if event.kind == kind.name) for kind in self.events
        }
        scores["collision.count"] = len(self._events)
        scores["collision.at_fault"] = sum(1 for event in self._events if event.detail["at_fault"])
        scores["collision.worst_mps"] = max((event.severity for event in self._events), default=0.0)
        return Findings(tuple(self._events), scores)
