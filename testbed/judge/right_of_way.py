"""Lines that command: stop signs, red lights, no-entry signs, and giving way behind stop and yield signs.

Distances run along the lane from the front bumper. Rules and constants: ScenarioRunner ``atomic_criteria``
(``RunningStopTest``, ``RunningRedLightTest``); giving way and no entry are our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from testbed.core.records import Event
from testbed.core.types import ConflictTruth, LineTruth, Step
from testbed.events import NO_ENTRY_PASSED, RED_LIGHT, STOP_SIGN, YIELD_FAILURE, EventKind
from testbed.judge.base import Findings, make_event
from testbed.judge.cause import Cause, governing_line, line_cause
from testbed.judge.history import History


class _Lines:
    """Remember where each line was, and so which are crossed in a step."""

    def __init__(self) -> None:
        self._before_m: dict[str, float] = {}

    def crossed(self, step: Step) -> list[LineTruth]:
        """Return the lines that the front bumper has reached or passed since the last step."""
        found = []
        for line in step.truth.lines:
            if self._before_m.get(line.sign_id, 0.0) > 0.0 >= line.distance_m:
                found.append(line)
            self._before_m[line.sign_id] = line.distance_m
        return found


def _event(kind: EventKind, step: Step, other: str, cause: Cause, severity: float, **detail: float | str) -> Event:
    return make_event(
        kind,
        step,
        cause=cause.kind,
        evidence_frame=cause.evidence_frame,
        other=other,
        severity=float(severity),
        detail={**detail, **cause.detail},
    )


class _LineJudge:
    """What the judges of this module share: they count events of one kind."""

    name = ""
    version = "1"
    events: tuple[EventKind, ...] = ()

    @property
    def scores(self) -> tuple[str, ...]:
        """The number of its events."""
        return (f"{self.name}.count",)

    def __init__(self) -> None:
        """Start without violations."""
        self._events: list[Event] = []
        self._lines = _Lines()

    def step(self, step: Step, history: History) -> list[Event]:
        """Return the violations of this step."""
        began = list(self._violations(step, history))
        self._events += began
        return began

    def _violations(self, step: Step, history: History) -> Iterator[Event]:
        raise NotImplementedError

    def finish(self, history: History) -> Findings:
        """Return all violations and their number."""
        return Findings(tuple(self._events), {f"{self.name}.count": len(self._events)})


class StopSignJudge(_LineJudge):
    """Report an ego that leaves the zone around a stop sign's line without having stopped in it.

    The zone is ``limits.stop_zone_m`` on both sides of the line. Severity: lowest speed in the zone, m/s.
    """

    name = "stop_sign"
    events = (STOP_SIGN,)

    def __init__(self) -> None:
        """Start outside every zone."""
        super().__init__()
        self._slowest_mps: dict[str, float] = {}

    def _violations(self, step: Step, history: History) -> Iterator[Event]:
        limits, speed_mps = history.limits, step.truth.ego.speed_mps
        for line in step.truth.lines:
            if line.kind != "stop":
                continue
            if abs(line.distance_m) <= limits.stop_zone_m:
                self._slowest_mps[line.sign_id] = min(self._slowest_mps.get(line.sign_id, math.inf), speed_mps)
            elif line.distance_m < 0.0:
                slowest_mps = self._slowest_mps.pop(line.sign_id, 0.0)
                if slowest_mps >= limits.stopped_mps:
                    cause = line_cause(history, line)
                    yield _event(STOP_SIGN, step, line.sign_id, cause, slowest_mps, slowest_mps=slowest_mps)


class RedLightJudge(_LineJudge):
    """Report an ego whose front bumper crosses a light's stop line while it is red. Severity: speed there, m/s."""

    name = "red_light"
    events = (RED_LIGHT,)

    def _violations(self, step: Step, history: History) -> Iterator[Event]:
        for line in self._lines.crossed(step):
            if line.kind == "light" and line.state == "red":
                yield _event(RED_LIGHT, step, line.sign_id, Cause(), step.truth.ego.speed_mps)


class NoEntryJudge(_LineJudge):
    """Report an ego whose front bumper passes a no-entry sign. Severity: speed there, m/s."""

    name = "no_entry"
    events = (NO_ENTRY_PASSED,)

    def _violations(self, step: Step, history: History) -> Iterator[Event]:
        for line in self._lines.crossed(step):
            if line.kind == "no_entry":
                yield _event(NO_ENTRY_PASSED, step, line.sign_id, line_cause(history, line), step.truth.ego.speed_mps)


def needed_braking_mps2(conflict: ConflictTruth, ego_speed_mps: float) -> float:
    """Return how hard the other vehicle must brake so that the ego has left the shared area before it arrives.

    With d its distance, v its speed and T the ego's time to clear the area at its present speed: constant braking that
    covers d in T is 2 (v T - d) / T²; where that would stop it before T, stopping within d is enough, v² / (2 d).
    """
    d_m, v_mps = conflict.other_enter_m, conflict.other_speed_mps
    if d_m <= 0.0:
        return math.inf
    clear_s = conflict.clear_m / max(ego_speed_mps, 0.5)
    if v_mps * clear_s <= d_m:
        return 0.0
    needed_mps2 = 2.0 * (v_mps * clear_s - d_m) / clear_s**2
    return needed_mps2 if v_mps - needed_mps2 * clear_s >= 0.0 else v_mps**2 / (2.0 * d_m)


class YieldJudge(_LineJudge):
    """Report an ego that enters the way of a crossing vehicle behind a stop or yield sign without giving way.

    Judged once per vehicle, when the front bumper enters the area both share: the vehicle must be at least
    ``limits.yield_gap_s`` away, and must not have to brake harder than ``limits.yield_brake_mps2``. Severity: the
    deceleration it needs, m/s² (99 at most).
    """

    name = "yield"
    events = (YIELD_FAILURE,)
    _WORST_MPS2 = 99.0

    def __init__(self) -> None:
        """Start before every crossing."""
        super().__init__()
        self._before_m: dict[int, float] = {}

    def _violations(self, step: Step, history: History) -> Iterator[Event]:
        limits, speed_mps = history.limits, step.truth.ego.speed_mps
        for conflict in step.truth.conflicts:
            before_m = self._before_m.get(conflict.actor_id, 0.0)
            self._before_m[conflict.actor_id] = conflict.enter_m
            if not before_m > 0.0 >= conflict.enter_m or conflict.other_clear_m <= 0.0:
                continue
            line = governing_line(step, limits.yield_reach_m)
            if line is None or (conflict.other_speed_mps < limits.stopped_mps and conflict.other_enter_m > 0.0):
                continue
            gap_s = max(conflict.other_enter_m, 0.0) / max(conflict.other_speed_mps, limits.stopped_mps)
            needed_mps2 = min(needed_braking_mps2(conflict, speed_mps), self._WORST_MPS2)
            if gap_s < limits.yield_gap_s or needed_mps2 > limits.yield_brake_mps2:
                cause = line_cause(history, line)
                detail = {"gap_s": gap_s, "needed_mps2": needed_mps2, "actor_id": float(conflict.actor_id)}
                yield _event(YIELD_FAILURE, step, line.sign_id, cause, needed_mps2, **detail)
