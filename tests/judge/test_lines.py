"""Stop, light, yield and no-entry lines against small drives whose outcome is computed by hand."""

from __future__ import annotations

import dataclasses
import math
from types import ModuleType
from typing import Any

import pytest

from testbed.core.types import Collision, ConflictTruth, LineTruth, SignTruth
from testbed.judge.right_of_way import needed_braking_mps2

STOP, YIELD, NO_ENTRY = 14, 13, 17


def approach(
    s: ModuleType,
    kind: str,
    *,
    answers: Any = None,
    latency_ms: float = 40.0,
    stops_at_m: float | None = None,
    wait_steps: int = 20,
    state: str = "",
    conflict: Any = None,
    hits_at: int | None = None,
    speed_mps: float = 8.0,
) -> Any:
    """Drive at 8 m/s, 0.4 m per step, over a line 19.9 m ahead; or stand still ``stops_at_m`` before it for a while."""
    steps, current, driven_m, waited = [], None, 0.0, 0
    class_id = {"stop": STOP, "yield": YIELD, "no_entry": NO_ENTRY}.get(kind, 0)
    for i in range(120):
        left_m = 19.9 - driven_m
        standing = stops_at_m is not None and left_m <= stops_at_m + 1e-9 and waited < wait_steps
        waited += standing
        speed = 0.0 if standing else speed_mps
        sign = SignTruth("s1", class_id, left_m, (0.0, 0.0, 20.0, 20.0)) if left_m > 2.0 and class_id else None
        # a slow agent answers once
        asked = i % 2 == 0 if latency_ms < 100.0 else i == 0
        if answers is not None and sign is not None and asked:
            current = s.decision(i, answers, latency_ms)
        truth: dict[str, Any] = {"ego": s.ego(speed_mps=speed), "lane": s.lane(s_m=driven_m), "sign": sign}
        truth["lines"] = (LineTruth("s1", kind, left_m, state),)
        truth["conflicts"] = (conflict(driven_m, i),) if conflict else ()
        truth["collisions"] = (Collision(5, "vehicle.audi.a2", 900.0, 9.0),) if i == hits_at else ()
        due = current is not None and current.applied_t_s <= i * s.DT_S + 1e-9
        steps.append(s.step(i, decision=current if due else None, **truth))
        driven_m += speed * s.DT_S
    return s.judge(steps, planned_distance_m=30.0)


def events(verdict: Any, kind: str) -> list[Any]:
    return [event for event in verdict.events if event.kind == kind]


def test_running_a_stop_sign_is_one_event_when_its_zone_is_left(synthetic: ModuleType) -> None:
    verdict = approach(synthetic, "stop", answers=synthetic.perception(sign=3))
    (event,) = verdict.events
    assert (event.kind, event.cause, event.other, event.severity) == ("stop_sign", "misread", "s1", 8.0)
    # 0.4 m per step: after 60 steps the bumper is 24.0 - 19.9 = 4.1 m past the line, the first place beyond 4 m
    assert event.frame == 60
    assert event.detail["commanded"] == "stop" and event.detail["perceived"] == "speed limit 60"
    assert verdict.scores["stop_sign.count"] == 1
    assert verdict.scores["penalty_2_0"] == 0.80
    assert verdict.scores["penalty_2_1"] == pytest.approx(1 / 1.25)
    assert verdict.scores["driving_score_2_0"] == 80.0
    assert verdict.scores["status"] == "Completed"


@pytest.mark.parametrize("stops_at_m, violated", [(3.9, False), (0.3, False), (-3.7, False), (6.0, True), (-6.0, True)])
def test_a_stop_counts_within_four_metres_of_the_line(synthetic: ModuleType, stops_at_m: float, violated: bool) -> None:
    verdict = approach(synthetic, "stop", stops_at_m=stops_at_m)
    assert bool(events(verdict, "stop_sign")) == violated


def test_rolling_slowly_is_no_stop(synthetic: ModuleType) -> None:
    verdict = approach(synthetic, "stop", speed_mps=6.0)
    assert events(verdict, "stop_sign")[0].severity == 6.0


def test_causes_of_running_a_stop_sign(synthetic: ModuleType) -> None:
    s = synthetic

    def cause(answers: Any, **more: Any) -> str:
        return str(events(approach(s, "stop", answers=answers, **more), "stop_sign")[0].cause)

    assert cause(None) == "missed"
    assert cause(s.perception(sign=-1)) == "missed"
    assert cause(s.perception(sign=None)) == "abstained"
    assert cause(dataclasses.replace(s.perception(sign=None), unparsable=frozenset({"tsr"}))) == "unreadable answer"
    assert cause(s.perception(sign=STOP)) == "control"
    # 8² / (2 · 4) = 8 m: the answer to frame 0 takes effect 1.6 s later, 12.8 m on and 7.1 m before the line
    assert cause(s.perception(sign=STOP), latency_ms=1600.0) == "late"
    assert cause(s.perception(sign=STOP), latency_ms=1400.0) == "control"


def test_votes_weigh_by_the_size_of_the_sign(synthetic: ModuleType) -> None:
    s, steps, current = synthetic, [], None
    for i in range(80):
        left_m = 20.0 - 0.4 * i
        edge = 10.0 if i < 30 else 40.0
        sign = SignTruth("s1", STOP, left_m, (0.0, 0.0, edge, edge)) if left_m > 2.0 else None
        if sign is not None and i % 2 == 0:
            # fifteen small crops say 60 km/h, eight large ones say stop
            current = s.decision(i, s.perception(sign=3 if i < 30 else STOP))
        truth = {"ego": s.ego(speed_mps=8.0), "lines": (LineTruth("s1", "stop", left_m),), "sign": sign}
        steps.append(s.step(i, decision=current, **truth))
    (event,) = events(s.judge(steps), "stop_sign")
    # stop has most votes in the end, but by then it was too late: until then the sign was misread
    assert event.cause == "misread" and event.detail["perceived"] == "speed limit 60"


@pytest.mark.parametrize("state, violated", [("red", True), ("yellow", False), ("green", False), ("off", False)])
def test_crossing_the_line_of_a_red_light(synthetic: ModuleType, state: str, violated: bool) -> None:
    verdict = approach(synthetic, "light", state=state)
    found = events(verdict, "red_light")
    assert bool(found) == violated
    if violated:
        # 0.4 m per step: the bumper is past the line in step 50
        assert (found[0].frame, found[0].severity, found[0].cause) == (50, 8.0, "none")
        assert verdict.scores["penalty_2_0"] == 0.70
        assert verdict.scores["penalty_2_1"] == pytest.approx(1 / 1.4)


def test_waiting_at_a_red_light_is_right(synthetic: ModuleType) -> None:
    assert not events(approach(synthetic, "light", state="red", stops_at_m=1.0, wait_steps=200), "red_light")


def test_passing_a_no_entry_sign(synthetic: ModuleType) -> None:
    s = synthetic
    (event,) = approach(s, "no_entry", answers=s.perception(sign=12)).events
    assert (event.kind, event.frame, event.cause, event.severity) == ("no_entry", 50, "misread", 8.0)
    assert not events(approach(s, "no_entry", stops_at_m=0.4, wait_steps=200), "no_entry")


def crossing(distance_m: float, speed_mps: float = 10.0) -> Any:
    """A car that comes ``distance_m`` before the shared area when the ego enters it; the area begins 4 m past the line.

    The ego (4.9 m long) has to drive 9 m from entering until it has left the area.
    """

    def at(driven_m: float, _: int) -> ConflictTruth:
        enter_m = 23.9 - driven_m
        other_m = distance_m + enter_m / 8.0 * speed_mps
        return ConflictTruth(5, enter_m, enter_m + 9.0, other_m, other_m + 8.0, speed_mps)

    return at


def test_needed_braking_by_hand() -> None:
    def conflict(d_m: float, v_mps: float) -> ConflictTruth:
        return ConflictTruth(1, 0.0, 9.0, d_m, d_m + 8.0, v_mps)

    # the ego clears 9 m at 9 m/s in T = 1 s
    assert needed_braking_mps2(conflict(12.0, 10.0), 9.0) == 0.0
    assert needed_braking_mps2(conflict(9.0, 10.0), 9.0) == pytest.approx(2.0 * (10.0 - 9.0))
    # covering 3 m in 1 s would mean going backwards at the end: stopping within 3 m is enough
    assert needed_braking_mps2(conflict(3.0, 10.0), 9.0) == pytest.approx(100.0 / 6.0)
    assert math.isinf(needed_braking_mps2(conflict(0.0, 10.0), 9.0))


def test_giving_way_behind_a_yield_sign(synthetic: ModuleType) -> None:
    s = synthetic
    # 12 m at 10 m/s: a gap of 1.2 s
    (event,) = approach(s, "yield", answers=s.perception(sign=12), conflict=crossing(12.0)).events
    assert (event.kind, event.cause, event.other) == ("yield", "misread", "s1")
    assert event.detail["gap_s"] == pytest.approx(1.2, abs=0.02)
    # 16 m: a gap of 1.6 s, and the ego has left the area, 9 m at 8 m/s, after 1.125 s
    assert approach(s, "yield", conflict=crossing(16.0)).events == ()
    # 40 m at 30 m/s: a gap of 1.33 s
    assert len(approach(s, "yield", conflict=crossing(40.0, 30.0)).events) == 1
    # the other has passed
    assert approach(s, "yield", conflict=crossing(-20.0)).events == ()
    # nobody has to give way without a sign
    assert approach(s, "light", state="green", conflict=crossing(12.0)).events == ()


def test_a_car_that_must_brake_hard_was_not_given_way(synthetic: ModuleType) -> None:
    def slow(driven_m: float, _: int) -> ConflictTruth:
        # the ego enters at 8 m/s and has 40 m to drive until it has left the area: T = 5 s; the car, 20 m away at
        # 10 m/s (2 s), must brake with 10² / (2 · 20) = 2.5 m/s²
        enter_m = 23.9 - driven_m
        other_m = 20.0 + enter_m / 8.0 * 10.0
        return ConflictTruth(5, enter_m, enter_m + 40.0, other_m, other_m + 8.0, 10.0)

    (event,) = approach(synthetic, "yield", conflict=slow).events
    assert event.detail["gap_s"] == pytest.approx(2.0, abs=0.02)
    assert event.severity == pytest.approx(2.5, abs=0.03)


def test_a_crash_behind_a_misread_stop_sign_is_caused_by_the_sign(synthetic: ModuleType) -> None:
    s = synthetic
    verdict = approach(s, "stop", answers=s.perception(sign=3), conflict=crossing(0.0), hits_at=70)
    crash = next(event for event in verdict.events if event.kind == "collision_vehicle")
    assert crash.cause == "misread" and crash.detail["commanded"] == "stop"


def test_leaving_the_route(synthetic: ModuleType) -> None:
    s = synthetic
    steps = [s.step(i, lane=s.lane(lateral_offset_m=-0.5 * i, s_m=i * 1.25, in_junction=True)) for i in range(70)]
    verdict = s.judge(steps, planned_distance_m=200.0)
    (event,) = events(verdict, "route_deviation")
    assert (event.frame, event.severity) == (61, 34.5)
    assert verdict.scores["status"] == "Failed - Agent deviated from the route"
    assert not events(s.judge(steps[:60]), "route_deviation")
