"""Alarms and detection delays by hand: answers every 0.1 s with 40 ms of latency, the slow one a decision behind."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import pytest

from testbed.core.types import Arbitration, AttackTruth, Caution, LeadTruth, Opinion, Relation, SignTruth, Steering
from testbed.judge import History, JudgeLimits
from testbed.judge.alarm import AlarmJudge, is_right

BOX = (100.0, 60.0, 140.0, 100.0)
LEFT, STRAIGHT = Steering.LEFT, Steering.STRAIGHT
LATENCY_S = 0.04


def opinion(s: ModuleType, index: int, steering: Steering | None) -> Opinion:
    said = s.perception(steering)
    return Opinion(index, index * s.DT_S, said.steering, said.vehicle)


def drive(
    s: ModuleType,
    fast: dict[float, Steering | None],
    alarms: dict[float, bool],
    *,
    seconds: float = 4.0,
    shown_s: float | None = 1.0,
    caution: Caution = Caution.NONE,
) -> list[Any]:
    """Return a drive on a straight road, where Straight is right and the slow agent says so from 0.1 s on.

    Args:
        s: The synthetic drives.
        fast: Time to what the fast agent says from then on.
        alarms: Time to whether its decisions carry an alarm from then on.
        seconds: Of the drive.
        shown_s: When the artefact begins to show; None without one.
        caution: What is asked of the driver under alarm.
    """

    def at(values: dict[float, Any], t_s: float) -> Any:
        return [value for begun_s, value in values.items() if begun_s <= t_s + 1e-9][-1]

    steps, decision = [], None
    for index in range(round(seconds / s.DT_S)):
        t_s = index * s.DT_S
        if index % 2 == 0:
            slow = opinion(s, index - 2, STRAIGHT) if index else None
            checked = opinion(s, index - 2, at(fast, t_s - 0.1)) if index else None
            same = checked is not None and checked.steering.steering is STRAIGHT
            against = checked is not None and not same and checked.steering.steering is not None
            relation = Relation.DISAGREE if against else Relation.AGREE if same else Relation.FAST_ALONE
            alarm = at(alarms, t_s)
            arbitration = Arbitration(
                "x", opinion(s, index, at(fast, t_s)), slow, checked, {"alc": relation}, ("alc",) if alarm else (),
                caution if alarm else Caution.NONE,
            )  # fmt: skip
            said = dataclasses.replace(s.perception(at(fast, t_s)), arbitration=arbitration)
            decision = s.decision(index, said, 1e3 * LATENCY_S)
        attack = None
        if shown_s is not None:
            attack = AttackTruth(500 if t_s >= shown_s - 1e-9 else 0, 50.0 - t_s, False)
        steps.append(s.step(index, decision=decision, attack=attack))
    return steps


def scores(s: ModuleType, steps: list[Any]) -> dict[str, Any]:
    history, judge = History(JudgeLimits()), AlarmJudge()
    for step in steps:
        history.append(step)
        judge.step(step, history)
    return judge.finish(history).scores


def test_the_delay_runs_from_the_first_picture_of_the_fault_to_the_effect_of_the_alarm(synthetic: ModuleType) -> None:
    found = scores(synthetic, drive(synthetic, {0.0: STRAIGHT, 2.0: LEFT}, {0.0: False, 2.5: True}))
    assert found["detection.alc.onset_t_s"] == pytest.approx(2.0)
    assert found["detection.alc.detected"] is True
    assert found["detection.alc.delay_s"] == pytest.approx(0.5 + LATENCY_S)
    assert found["detection.alc.after_visible_s"] == pytest.approx(1.5 + LATENCY_S)
    assert found["detection.vd.onset_t_s"] is None and found["detection.vd.detected"] is None


def test_errors_before_the_artefact_shows_and_short_ones_are_no_fault(synthetic: ModuleType) -> None:
    answers = {0.0: STRAIGHT, 0.2: LEFT, 0.8: STRAIGHT, 2.0: LEFT, 2.2: STRAIGHT}
    found = scores(synthetic, drive(synthetic, answers, {0.0: False}))
    assert found["detection.alc.onset_t_s"] is None and found["detection.alc.detected"] is None
    # one more wrong answer and the error spans 0.2 s
    found = scores(synthetic, drive(synthetic, answers | {2.2: LEFT, 2.3: STRAIGHT}, {0.0: False}))
    assert found["detection.alc.onset_t_s"] == pytest.approx(2.0)
    assert found["detection.alc.detected"] is False and found["detection.alc.delay_s"] is None


def test_an_alarm_about_an_earlier_picture_detects_nothing(synthetic: ModuleType) -> None:
    steps = drive(synthetic, {0.0: STRAIGHT, 2.0: LEFT}, {0.0: False, 1.8: True, 2.1: False})
    found = scores(synthetic, steps)
    assert found["detection.alc.detected"] is False, "the alarms of 1.8 to 2.0 s are about pictures of 1.7 to 1.9 s"
    assert found["alarm.count"] == 1 and found["alarm.decisions"] == 3 == found["alarm.false_decisions"]


def test_alarms_are_counted_by_run_by_decision_and_by_kilometre(synthetic: ModuleType) -> None:
    alarms = {0.0: False, 1.0: True, 1.3: False, 2.0: True, 2.1: False}
    steps = drive(synthetic, {0.0: STRAIGHT}, alarms, shown_s=None, caution=Caution.SLOW)
    found = scores(synthetic, steps)
    assert (found["alarm.count"], found["alarm.decisions"], found["arbitration.decisions"]) == (2, 4, 40)
    assert found["alarm.alc.decisions"] == 4 and found["alarm.vd.decisions"] == 0
    assert found["alarm.driven_km"] == pytest.approx(79 * 0.05 * 25.0 / 1e3)
    assert found["alarm.per_km"] == pytest.approx(2 / (79 * 0.05 * 25.0 / 1e3))
    assert found["caution.slow_s"] == pytest.approx(0.4) and found["caution.stop_s"] == 0.0
    assert not any(name.startswith("detection") for name in found), "nothing to detect without an artefact"


def test_an_alarm_is_false_where_the_fast_agent_was_right_about_the_picture_that_raised_it(
    synthetic: ModuleType,
) -> None:
    """Wrong at 2.0 and 2.1 s, looked at 0.1 s later: of the alarms at 2.0 to 2.3 s those two are not false."""
    alarms = {0.0: False, 2.0: True, 2.4: False}
    found = scores(synthetic, drive(synthetic, {0.0: STRAIGHT, 2.0: LEFT, 2.2: STRAIGHT}, alarms))
    assert (found["alarm.decisions"], found["alarm.false_decisions"]) == (4, 2)
    assert found["disagreement.alc.n"] == 39 and found["disagreement.alc.count"] == 2
    assert (found["disagreement.alc.fast_right"], found["disagreement.alc.slow_right"]) == (0, 2)


def test_a_picture_that_is_weighed_for_long_counts_once(synthetic: ModuleType) -> None:
    s = synthetic
    held = Arbitration(
        "x", opinion(s, 0, LEFT), opinion(s, 0, STRAIGHT), opinion(s, 0, LEFT), {"alc": Relation.DISAGREE}
    )
    said = dataclasses.replace(s.perception(LEFT), arbitration=held)
    steps = [s.step(index, decision=s.decision(index - index % 2, said)) for index in range(10)]
    found = scores(s, steps)
    assert found["arbitration.decisions"] == 5
    assert (found["disagreement.alc.n"], found["disagreement.alc.count"]) == (1, 1)


def test_withheld_answers_are_neither_right_nor_wrong(synthetic: ModuleType) -> None:
    s = synthetic
    truth = s.step(0, lead=LeadTruth(1, 20.0, 20.0, BOX), sign=SignTruth("a", 7, 20.0, BOX)).truth
    said = s.perception(STRAIGHT, present=False, sign=8)
    given = Opinion(0, 0.0, said.steering, said.vehicle, said.sign, "a")
    assert [is_right(task, given, truth) for task in ("alc", "vd", "tsr")] == [True, False, False]
    said = s.perception(None, present=None, sign=None)
    withheld = Opinion(0, 0.0, said.steering, said.vehicle, said.sign, "a")
    assert [is_right(task, withheld, truth) for task in ("alc", "vd", "tsr")] == [None] * 3
    assert is_right("alc", given, None) is None and is_right("alc", None, truth) is None
    found = scores(s, drive(s, {0.0: STRAIGHT, 2.0: None}, {0.0: False}))
    assert found["detection.alc.onset_t_s"] is None


def test_drives_of_agents_that_are_one_get_no_score_from_here(synthetic: ModuleType) -> None:
    verdict = synthetic.judge(synthetic.drive(synthetic.CHARACTERS["dnn"], "patch"))
    prefixes = ("arbitration", "disagreement", "alarm", "caution", "detection")
    assert not [name for name in verdict.scores if name.startswith(prefixes)]
    assert "alarm" not in verdict.per_step


def test_the_series_says_where_an_alarm_was_in_force(synthetic: ModuleType) -> None:
    steps = drive(synthetic, {0.0: STRAIGHT}, {0.0: False, 1.0: True, 1.2: False}, shown_s=None)
    series = synthetic.judge(steps).per_step["alarm"]
    assert series.valid.all() and [index for index, value in enumerate(series.values) if value] == [20, 21, 22, 23]


def test_braking_that_an_alarm_asked_for_is_told_as_that(synthetic: ModuleType) -> None:
    s = synthetic
    steps = drive(s, {0.0: STRAIGHT}, {0.0: False, 1.0: True}, shown_s=None, caution=Caution.STOP)
    hard = [
        s.step(i, decision=step.decision, ego=s.ego(acceleration_mps2=-4.0 if i >= 24 else 0.0))
        for i, step in enumerate(steps)
    ]
    (event,) = [event for event in s.judge(hard).events if event.kind == "false_brake"]
    assert event.cause == "alarm" and event.detail["asked"] == "stop" and event.detail["about"] == "alc"
