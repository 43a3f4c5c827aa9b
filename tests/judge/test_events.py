"""Each judge against small drives whose outcome is known beforehand."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import pytest

from testbed.core.types import AheadTruth, Collision, LeadTruth, LineTruth, SignTruth, Steering

BOX = (100.0, 60.0, 140.0, 100.0)


def kinds(verdict: Any) -> list[str]:
    return [event.kind for event in verdict.events]


def test_a_clean_drive_has_no_event(synthetic: ModuleType) -> None:
    verdict = synthetic.judge([synthetic.step(i) for i in range(60)], planned_distance_m=59 * 1.25)
    assert verdict.events == ()
    assert verdict.scores["status"] == "Perfect"
    assert verdict.scores["driving_score_2_1"] == 100.0
    assert all(values.shape == valid.shape == (60,) for values, valid in verdict.per_step.values())


def drift(s: ModuleType, answer: Steering | None, *, side: int = 1, latency_ms: float = 40.0) -> list[Any]:
    """Drift 1 m over 3 s while the lane centre stays on the other side."""
    steps, current = [], None
    for i in range(60):
        offset = side * i / 60 * 1.2
        if i % 2 == 0:
            current = s.decision(i, s.perception(answer), latency_ms)
        here = s.lane(lateral_offset_m=offset, s_m=i * 1.25, preview_offset_m=-offset)
        steps.append(s.step(i, lane=here, decision=current))
    return steps


def test_lane_departure_names_the_wrong_class_and_its_depth(synthetic: ModuleType) -> None:
    verdict = synthetic.judge(drift(synthetic, Steering.LEFT))
    (event,) = verdict.events
    assert (event.kind, event.cause) == ("lane_departure", "wrong steering class")
    assert event.severity == pytest.approx(59 / 60 * 1.2 - (3.6 - 2.128) / 2)
    assert event.detail["side"] == "left" and event.detail["expected"] == "Straight"
    assert event.evidence_frame < event.frame
    assert event.duration_s == pytest.approx((60 - 37) * 0.05)


def test_an_answer_to_the_other_side_is_no_cause(synthetic: ModuleType) -> None:
    assert synthetic.judge(drift(synthetic, Steering.LEFT, side=-1)).events[0].cause == "none"
    assert synthetic.judge(drift(synthetic, Steering.RIGHT, side=-1)).events[0].cause == "wrong steering class"


def test_abstaining_is_a_cause_of_its_own(synthetic: ModuleType) -> None:
    assert synthetic.judge(drift(synthetic, None)).events[0].cause == "abstained"


def test_words_that_could_not_be_read_are_a_cause_of_their_own(synthetic: ModuleType) -> None:
    steps = [
        dataclasses.replace(step, decision=dataclasses.replace(step.decision, perception=dataclasses.replace(
            step.decision.perception, unparsable=frozenset({"alc"}))))
        for step in drift(synthetic, None)
    ]  # fmt: skip
    assert synthetic.judge(steps).events[0].cause == "unreadable answer"


def test_a_right_but_stale_answer_is_late(synthetic: ModuleType) -> None:
    s, steps = synthetic, []
    for i in range(60):
        offset = i / 60 * 1.2
        here = s.lane(lateral_offset_m=offset, s_m=i * 1.25, preview_offset_m=0.5 if i < 8 else -offset)
        current = s.decision(0, s.perception(Steering.LEFT), 600.0) if i >= 12 else None
        steps.append(s.step(i, lane=here, decision=current))
    assert s.judge(steps).events[0].cause == "late answer"


@pytest.mark.parametrize(
    ("first_answer", "side", "preview_m", "cause"),
    [
        (60, 1, -1.0, "no answer"),
        (60, -1, 1.0, "no answer"),
        (36, 1, -1.0, "no answer"),
        # straight on was right, or the right answer pushes where the ego went: an answer would have saved nothing
        (60, 1, 0.0, "none"),
        (60, 1, 1.0, "none"),
        # the first answers of every drive need a moment
        (2, 1, -1.0, "none"),
    ],
)
def test_an_answer_that_was_needed_and_never_came_is_the_cause(
    synthetic: ModuleType, first_answer: int, side: int, preview_m: float, cause: str
) -> None:
    s, steps = synthetic, []
    for i in range(60):
        here = s.lane(lateral_offset_m=side * i / 60 * 1.2, s_m=i * 1.25, preview_offset_m=preview_m)
        right = Steering.RIGHT if preview_m < 0 else Steering.LEFT
        answer = s.decision(0, s.perception(right), 50.0 * first_answer) if i >= first_answer else None
        steps.append(s.step(i, lane=here, decision=answer))
    event = s.judge(steps).events[0]
    assert event.cause == cause
    assert ("waited_s" in event.detail) is (cause == "no answer")


@pytest.mark.parametrize(("hold_ms", "cause"), [(250.0, "dropped answer"), (None, "none"), (5000.0, "none")])
def test_an_answer_held_while_later_ones_were_dropped(synthetic: ModuleType, hold_ms: float | None, cause: str) -> None:
    s, steps = synthetic, []
    for i in range(60):
        # left was right for the picture of the only answer, and soon no more
        here = s.lane(lateral_offset_m=i / 60 * 1.2, s_m=i * 1.25, preview_offset_m=0.5 if i < 8 else -1.0)
        steps.append(s.step(i, lane=here, decision=s.decision(0, s.perception(Steering.LEFT)) if i >= 2 else None))
    event = s.judge(steps, hold_ms=hold_ms).events[0]
    assert event.cause == cause
    assert hold_ms != 250.0 or event.detail["expected_now"] == "Right"


def test_a_vehicle_that_came_while_answers_were_dropped(synthetic: ModuleType) -> None:
    s = synthetic
    none_there = s.decision(0, s.perception(present=False))
    for hold_ms, cause in ((250.0, "dropped answer"), (None, "none")):
        steps = [
            s.step(
                i,
                lead=LeadTruth(7, 60.0 - i, 5.0, BOX) if i >= 10 else None,
                decision=none_there if i >= 2 else None,
                collisions=(Collision(7, "vehicle.audi.tt", 900.0, 18.0),) if i >= 55 else (),
            )
            for i in range(60)
        ]
        assert s.judge(steps, hold_ms=hold_ms).events[0].cause == cause


def test_departures_close_together_are_one_and_junctions_do_not_count(synthetic: ModuleType) -> None:
    s = synthetic
    wobble = [0.9 if i in (10, 11, 14, 15, 40) else 0.0 for i in range(60)]
    assert len(s.judge([s.step(i, lane=s.lane(lateral_offset_m=y)) for i, y in enumerate(wobble)]).events) == 2
    junction = [s.step(i, lane=s.lane(lateral_offset_m=1.5, in_junction=True)) for i in range(10)]
    assert kinds(s.judge(junction)) == []


def test_outside_and_wrong_lane_count_distance(synthetic: ModuleType) -> None:
    s = synthetic
    steps = [s.step(i, lane=s.lane(nearest_lane_distance_m=2.4 if i >= 50 else 0.0, s_m=i * 1.25)) for i in range(100)]
    verdict = s.judge(steps)
    assert kinds(verdict) == ["outside_lane"]
    assert verdict.scores["outside_lane.percent"] == pytest.approx(50.0, abs=1.0)
    assert verdict.scores["penalty_2_0"] == pytest.approx(0.5, abs=0.01)
    assert kinds(s.judge([s.step(i, lane=s.lane(wrong_way_deg=170.0)) for i in range(5)])) == ["wrong_lane"]
    both = s.judge([s.step(i, lane=s.lane(wrong_way_deg=140.0, nearest_lane_distance_m=3.0)) for i in range(5)])
    assert kinds(both) == ["outside_lane"]


def crash(s: ModuleType, perceived: Any, other: str = "vehicle.tesla.model3") -> Any:
    steps, current = [], None
    for i in range(60):
        lead = LeadTruth(7, 60.0 - i, 5.0, BOX)
        if i % 2 == 0:
            current = s.decision(i, perceived)
        hits = (Collision(7, other, 900.0, 18.0),) if i >= 55 else ()
        steps.append(s.step(i, lead=lead, decision=current, collisions=hits))
    return s.judge(steps)


def test_collision_is_one_event_with_the_missed_vehicle(synthetic: ModuleType) -> None:
    verdict = crash(synthetic, synthetic.perception(present=False))
    (event,) = verdict.events
    assert (event.kind, event.cause, event.severity) == ("collision_vehicle", "missed vehicle", 18.0)
    assert event.detail["at_fault"] is True
    assert verdict.scores["penalty_2_0"] == 0.6


def test_collision_causes(synthetic: ModuleType) -> None:
    s = synthetic
    off = s.perception(present=True, box=(0.0, 0.0, 30.0, 30.0))
    good = s.perception(present=True, box=BOX)
    assert crash(s, off).events[0].cause == "box error"
    assert crash(s, s.perception(present=None)).events[0].cause == "abstained"
    assert crash(s, good).events[0].cause == "none"
    assert kinds(crash(s, good, "static.prop.barrel")) == ["collision_static"]
    assert kinds(crash(s, good, "walker.pedestrian.0001")) == ["collision_pedestrian"]


def test_a_collision_before_the_first_answer_says_so(synthetic: ModuleType) -> None:
    s = synthetic
    hits = [(Collision(7, "vehicle.audi.tt", 900.0, 18.0),) if i >= 55 else () for i in range(60)]
    seen = [s.step(i, lead=LeadTruth(7, 60.0 - i, 5.0, BOX), collisions=hits[i]) for i in range(60)]
    (event,) = s.judge(seen).events
    # in the 3 s before the event a lead was there in each of 55 steps
    assert (event.cause, event.detail["waited_s"]) == ("no answer", pytest.approx(56 * 0.05))
    alone = [s.step(i, collisions=hits[i]) for i in range(60)]
    assert s.judge(alone).events[0].cause == "none", "no agent is asked about what is not ahead"


def test_standing_still_is_no_fault(synthetic: ModuleType) -> None:
    s = synthetic
    still = s.ego(speed_mps=0.0)
    hit = (Collision(9, "vehicle.audi.tt", 10.0, 5.0),)
    verdict = s.judge([s.step(i, ego=still, collisions=hit if i == 5 else ()) for i in range(10)])
    assert verdict.events[0].detail["at_fault"] is False
    assert verdict.scores["collision.at_fault"] == 0
    assert verdict.scores["penalty_2_1"] == 1.0


def speeding(s: ModuleType, answers: Any, *, latency_ms: float = 40.0, asked_at: tuple[int, ...] = (10, 12, 14)) -> Any:
    """Pass a 50 km/h sign at 25 m/s in step 30 and never slow down."""
    steps, current = [], None
    sign = SignTruth("s1", 2, 20.0, (0, 0, 10, 10))
    for i in range(90):
        if i in asked_at:
            current = s.decision(i, answers, latency_ms)
        truth: dict[str, Any] = {"speed_limit_mps": 30.0 if i < 30 else 50 / 3.6}
        truth["sign"] = sign if i < 30 else None
        truth["passed_signs"] = (sign,) if i == 30 else ()
        steps.append(s.step(i, decision=current, **truth))
    return s.judge(steps)


def test_speed_limit_starts_one_second_after_the_sign(synthetic: ModuleType) -> None:
    verdict = speeding(synthetic, synthetic.perception(sign=7))
    (event,) = verdict.events
    assert (event.kind, event.cause, event.other) == ("speed_limit", "misread", "s1")
    assert event.t_s == pytest.approx(2.55)
    assert event.detail["commanded"] == "speed limit 50" and event.detail["perceived"] == "speed limit 100"
    assert event.severity == pytest.approx((25 - 50 / 3.6 - 2.0) * (90 - 51) * 0.05)


def test_speed_limit_causes(synthetic: ModuleType) -> None:
    s = synthetic
    assert speeding(s, s.perception(sign=-1)).events[0].cause == "missed"
    assert speeding(s, s.perception(sign=None)).events[0].cause == "abstained"
    assert speeding(s, s.perception(sign=2)).events[0].cause == "control"
    assert speeding(s, s.perception(sign=2), latency_ms=3000.0).events[0].cause == "late"


def test_a_limit_that_is_read_rightly_only_at_the_sign_was_misread(synthetic: ModuleType) -> None:
    s = synthetic

    def drive(right_from: int) -> str:
        """25 m/s past a 50 km/h sign in step 40; from a step on crops say 50, before that 80 km/h."""
        steps, current = [], None
        for i in range(90):
            left_m = (40 - i) * 1.25
            edge = 12.0 if i < right_from else 60.0
            sign = SignTruth("s1", 2, left_m, (0.0, 0.0, edge, edge)) if 0.0 < left_m else None
            if sign is not None and i % 2 == 0:
                current = s.decision(i, s.perception(sign=5 if i < right_from else 2), 0.0)
            passed = (SignTruth("s1", 2, left_m, BOX),) if i == 40 else ()
            limit = 30.0 if i < 40 else 50 / 3.6
            steps.append(s.step(i, decision=current, sign=sign, passed_signs=passed, speed_limit_mps=limit))
        (event,) = s.judge(steps).events
        return str(event.cause)

    # from 25 to 15.9 m/s: 12.5 m before the sign it takes 14.9 m/s², 47.5 m before it 3.9 m/s²
    assert drive(30) == "misread"
    assert drive(2) == "control"


def test_speed_within_tolerance_is_no_violation(synthetic: ModuleType) -> None:
    s = synthetic
    assert kinds(s.judge([s.step(i, speed_limit_mps=23.5) for i in range(60)])) == []
    assert kinds(s.judge([s.step(i, speed_limit_mps=22.0) for i in range(60)])) == ["speed_limit"]
    assert kinds(s.judge([s.step(i, speed_limit_mps=22.0) for i in range(20)])) == []


def braking(s: ModuleType, **truth: Any) -> Any:
    steps, current = [], None
    for i in range(60):
        decel = -4.0 if 20 <= i < 40 else 0.0
        speed = 25.0 - 4.0 * 0.05 * min(max(i - 20, 0), 20)
        if i % 2 == 0:
            current = s.decision(i, s.perception(present=20 <= i < 40, box=BOX))
        steps.append(s.step(i, ego=s.ego(speed_mps=speed, acceleration_mps2=decel), decision=current, **truth))
    return s.judge(steps)


def test_braking_for_nothing_is_an_event_and_for_something_is_not(synthetic: ModuleType) -> None:
    verdict = braking(synthetic)
    (event,) = verdict.events
    assert (event.kind, event.cause, event.severity) == ("false_brake", "false vehicle", 4.0)
    assert event.duration_s == pytest.approx(1.0)
    assert kinds(braking(synthetic, lead=LeadTruth(1, 30.0, 15.0, BOX))) == []
    assert kinds(braking(synthetic, lead=LeadTruth(1, 200.0, 25.0, BOX))) == ["false_brake"]
    # who is too small to be asked about asks for braking all the same, unless it drives as fast
    assert kinds(braking(synthetic, ahead=AheadTruth(1, 90.0, 0.0))) == []
    assert kinds(braking(synthetic, ahead=AheadTruth(1, 90.0, 25.0))) == ["false_brake"]
    assert kinds(braking(synthetic, sign=SignTruth("a", 1, 50.0, BOX))) == []
    assert kinds(braking(synthetic, speed_limit_mps=20.0)) == ["speed_limit"]
    # a line asks for it also while its sign is out of view, a green light does not
    assert kinds(braking(synthetic, lines=(LineTruth("a", "stop", 40.0),))) == []
    assert kinds(braking(synthetic, lines=(LineTruth("a", "light", 40.0, "red"),))) == []
    assert kinds(braking(synthetic, lines=(LineTruth("a", "light", 40.0, "green"),))) == ["false_brake"]


@pytest.mark.parametrize(
    ("lower_px", "cause", "share"),
    [
        # the horizon is row 72.72: (80.3 - 72.72) / (82.5 - 72.72) = 0.775
        (82.5, "box error", 0.775),
        (81.3, "box error", 0.883),
        (81.0, "none", None),
        (80.3, "none", None),
        (79.0, "none", None),  # farther than it is: no reason to brake
    ],
)
def test_a_box_that_overlaps_well_and_tells_too_short_a_distance_is_an_error(
    synthetic: ModuleType, lower_px: float, cause: str, share: float | None
) -> None:
    s, steps, current = synthetic, [], None
    for i in range(60):
        decel = -4.0 if 20 <= i < 40 else 0.0
        if i % 2 == 0:
            current = s.decision(i, s.perception(present=True, box=(154.0, 72.5, 165.4, lower_px if i >= 10 else 80.3)))
        lead = LeadTruth(1, 200.0, 25.0, (154.0, 72.5, 165.4, 80.3))
        steps.append(s.step(i, ego=s.ego(speed_mps=25.0, acceleration_mps2=decel), decision=current, lead=lead))
    (event,) = s.judge(steps).events
    assert (event.kind, event.cause) == ("false_brake", cause)
    assert event.detail.get("distance_share") == (None if share is None else pytest.approx(share, abs=0.001))


def test_stopping_behind_a_standing_car_is_asked_for(synthetic: ModuleType) -> None:
    s = synthetic

    def stop(gap_m: float) -> list[str]:
        speeds = [max(0.0, 1.2 - 4.0 * 0.05 * max(0, i - 20)) for i in range(60)]
        steps = [
            s.step(i, ego=s.ego(speed_mps=v, acceleration_mps2=-4.0 * (20 <= i < 26)), ahead=AheadTruth(1, gap_m, 0.0))
            for i, v in enumerate(speeds)
        ]
        return kinds(s.judge(steps))

    assert stop(5.0) == []
    assert stop(12.0) == ["false_brake", "unneeded_stop"]


def test_stopping_for_nothing_and_being_blocked(synthetic: ModuleType) -> None:
    s = synthetic
    steps = [s.step(i, ego=s.ego(speed_mps=max(0.0, 10.0 - 1.5 * i * 0.05))) for i in range(240)]
    verdict = s.judge(steps, blocked_after_s=3.0)
    assert kinds(verdict) == ["unneeded_stop", "blocked"]
