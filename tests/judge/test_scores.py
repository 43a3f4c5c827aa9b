"""Perception, lateral, comfort and latency scores; the panel's promises; the validity gate."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testbed.core.errors import JudgeError, UsageError
from testbed.core.records import EpisodeRecord, Event
from testbed.core.types import AttackTruth, LeadTruth, SignTruth, Steering
from testbed.events import EventKind
from testbed.judge import (
    Findings,
    JudgeLimits,
    JudgePanel,
    Validity,
    attack_gate,
    average_precision,
    box_iou,
    delivery_gate,
    expert_steering,
    macro_f1,
    merged,
    twin_gate,
    why_over_budget,
)
from testbed.judge.base import series
from testbed.judge.comfort import derivative

BOX = (100.0, 60.0, 140.0, 100.0)


def answered(s: ModuleType, index: int, answers: Any, **truth: Any) -> Any:
    return s.step(index, decision=s.decision(index, answers), **truth)


def test_perception_scores_by_hand(synthetic: ModuleType) -> None:
    s = synthetic
    lead, sign = LeadTruth(1, 20.0, 20.0, BOX), SignTruth("a", 7, 20.0, BOX)
    steps = [
        answered(s, 0, s.perception(Steering.LEFT, present=True, box=BOX, sign=7), lead=lead, sign=sign),
        answered(s, 2, s.perception(Steering.STRAIGHT, present=False, sign=8), lead=lead, sign=sign),
        answered(s, 4, s.perception(Steering.STRAIGHT, present=True, box=BOX)),
        answered(s, 6, s.perception(None, present=None, sign=None), sign=sign),
    ]
    scores = s.judge(steps).scores
    assert (scores["tsr.n"], scores["tsr.correct"], scores["tsr.abstained"]) == (3, 1, 1)
    assert scores["alc.accuracy"] == 0.5 and scores["alc.abstained"] == 1
    assert json.loads(scores["alc.confusion"]) == {"Straight": {"Left": 1, "Straight": 2, "abstain": 1}}
    assert scores["vd.accuracy"] == 0.25 and scores["vd.f1"] == 0.5
    assert scores["vd.mean_iou"] == 0.5 and scores["vd.boxes"] == 2
    assert scores["decision.count"] == 4


def test_each_answer_is_judged_against_its_own_frame(synthetic: ModuleType) -> None:
    s = synthetic
    late = s.decision(0, s.perception(Steering.LEFT), 500.0)
    steps = [s.step(i, lane=s.lane(preview_offset_m=1.0 if i < 5 else -1.0), decision=None) for i in range(10)]
    steps.append(s.step(10, lane=s.lane(preview_offset_m=-1.0), decision=late))
    assert s.judge(steps).scores["alc.accuracy"] == 1.0


def test_expert_boundaries() -> None:
    assert expert_steering(0.1499) is Steering.STRAIGHT
    assert expert_steering(0.151) is Steering.LEFT
    assert expert_steering(-0.151) is Steering.RIGHT


def test_macro_f1_and_pooling() -> None:
    table = {"a": {"a": 3, "b": 1}, "b": {"b": 4}}
    assert macro_f1(table) == pytest.approx((2 * 3 / 7 + 2 * 4 / 9) / 2)
    assert macro_f1({}) is None
    assert merged([table, table]) == {"a": {"a": 6, "b": 2}, "b": {"b": 8}}


def test_macro_f1_is_the_same_in_every_process() -> None:
    told = (
        "from testbed.judge import macro_f1; print(macro_f1({n: {n: 7 + i, 'x': i} for i, n in enumerate('abcdefg')}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", told], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert len(found) == 1


def test_average_precision_and_iou() -> None:
    assert average_precision([(0.9, True), (0.8, False), (0.7, True)], 2) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision([], 0) is None
    assert box_iou(BOX, BOX) == 1.0
    assert box_iou(BOX, (200, 200, 210, 210)) == 0.0


boxes = st.tuples(*[st.floats(0, 300) for _ in range(4)]).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@given(boxes, boxes)
@example((0.0, 0.0, 7.5e-274, 7.5e-274), (0.0, 0.0, 1.4e-281, 1.4e-281))
def test_iou_is_symmetric_and_bounded(first: Any, second: Any) -> None:
    assert box_iou(first, second) == pytest.approx(box_iou(second, first))
    assert 0.0 <= box_iou(first, second) <= 1.0 + 1e-9


def test_the_attack_window_begins_at_the_patch_and_lasts_its_time(synthetic: ModuleType) -> None:
    s, steps = synthetic, []
    for i in range(100):
        offset = {30: 2.0, 45: -0.9, 95: 1.9}.get(i, 0.1)
        attack = AttackTruth(400, 50.0 - i * 1.25, False)
        steps.append(s.step(i, lane=s.lane(lateral_offset_m=offset, s_m=i * 1.25), attack=attack))
    scores = s.judge(steps).scores
    assert scores["window.start_t_s"] == pytest.approx(2.0)
    assert scores["window.signed_offset_m"] == -0.9
    assert scores["window.success"] is True
    assert scores["window.time_to_threshold_s"] == pytest.approx(0.25)
    assert scores["attack.visible_frames"] == 100


def test_a_benign_twin_has_the_same_window(synthetic: ModuleType) -> None:
    s = synthetic
    steps = [s.step(i) for i in range(100)]
    scores = s.judge(steps, attack_near_end_s_m=60.0).scores
    assert scores["window.start_s_m"] == pytest.approx(60.0 - 2.45, abs=1.25)
    assert scores["window.success"] is False
    assert s.judge([s.step(i) for i in range(100)]).scores["window.success"] is None


def test_comfort_derivative_is_exact_for_parabolas() -> None:
    t = np.arange(100) * 0.05
    slope = derivative(3 * t**2 - t, 0.05, 0.75)
    assert slope.values[slope.valid] == pytest.approx((6 * t - 1)[slope.valid])
    assert not slope.valid[0] and slope.valid[50]


def test_comfort_sees_hard_braking(synthetic: ModuleType) -> None:
    s = synthetic
    hard = [s.step(i, ego=s.ego(acceleration_mps2=-6.0)) for i in range(40)]
    scores = s.judge(hard).scores
    assert scores["comfort.ok"] is False and scores["comfort.share"] == 0.0


def test_latency_statistics(synthetic: ModuleType) -> None:
    s = synthetic
    steps = [s.step(i, decision=s.decision(i - i % 4, s.perception(), 150.0 if i >= 20 else 50.0)) for i in range(40)]
    scores = s.judge(steps).scores
    assert scores["latency.deadline_misses"] == 5
    assert scores["latency.p50_ms"] == pytest.approx(100.0)
    assert scores["latency.metres_per_decision"] == pytest.approx(40 * 1.25 / 10)


class Broken:
    name = "broken"
    version = "1"
    events: tuple[EventKind, ...] = ()
    scores = ("x",)

    def __init__(self, where: str) -> None:
        self.where = where

    def step(self, step: Any, history: Any) -> list[Any]:
        if self.where == "step":
            raise ZeroDivisionError("no")
        return []

    def finish(self, history: Any) -> Findings:
        if self.where == "finish":
            raise KeyError("x")
        if self.where == "nan":
            return Findings(scores={"x": float("nan")})
        if self.where == "event":
            return Findings((Event(kind="x", t_s=0.0, frame=0, location_xyz_m=(0, 0, 0), ego_speed_mps=0.0),))
        return Findings(per_step={"x": series([1.0] * 99)})


@pytest.mark.parametrize("where", ["step", "finish", "nan", "series", "event"])
def test_a_judge_that_fails_is_never_a_missing_metric(synthetic: ModuleType, where: str) -> None:
    panel = JudgePanel(judges=(Broken(where),))
    with pytest.raises(JudgeError, match="broken"):
        panel.step(synthetic.step(0))
        panel.finish()


def test_the_panel_refuses_nonsense(synthetic: ModuleType) -> None:
    with pytest.raises(JudgeError, match="no step"):
        JudgePanel().finish()
    panel = JudgePanel()
    panel.step(synthetic.step(3))
    with pytest.raises(JudgeError, match="rise in time"):
        panel.step(synthetic.step(3))
    with pytest.raises(JudgeError, match="future"):
        panel.step(synthetic.step(4, decision=synthetic.decision(9, synthetic.perception())))
    panel.finish()
    with pytest.raises(JudgeError, match="twice"):
        panel.finish()


def test_limits_are_checked_and_overridden() -> None:
    assert JudgeLimits().overridden({"blocked_after_s": 5}).blocked_after_s == 5
    with pytest.raises(UsageError, match="did you mean 'blocked_after_s'"):
        JudgeLimits().overridden({"blocked_after": 5})
    with pytest.raises(UsageError, match="finite"):
        JudgeLimits(brake_mps2=float("nan"))
    with pytest.raises(UsageError, match="negative"):
        JudgeLimits(deadline_ms=-1.0)
    assert JudgeLimits(lateral_threshold_m=0.5).success_threshold_m(3.6) == 0.5
    assert JudgeLimits().success_threshold_m(3.6) == pytest.approx(0.736)


DELIVERED = {"attack.visible_frames": 40, "attack.reached": True}


def test_an_attack_counts_only_when_it_was_delivered() -> None:
    limits, good = JudgeLimits(), {"budget": {"share": 0.5, "grey": True}, "measured": {"share": 0.5, "grey": True}}
    assert delivery_gate(DELIVERED, limits, manifest=good) == Validity(True)
    assert "no truth" in delivery_gate({}, limits, manifest=good).reason
    seldom = {**DELIVERED, "attack.visible_frames": 2}
    assert "2 frames only" in delivery_gate(seldom, limits, manifest=good).reason
    assert "never reached" in delivery_gate({**DELIVERED, "attack.reached": False}, limits, manifest=good).reason
    assert "no manifest" in delivery_gate(DELIVERED, limits, manifest=None).reason


def test_a_twin_counts_only_when_nothing_went_wrong_in_it(synthetic: ModuleType) -> None:
    plan = synthetic.plan("dnn", "benign", 1)
    assert twin_gate(EpisodeRecord(plan=plan)) == Validity(True)
    for missing in (None, EpisodeRecord(plan=plan, status="failed")):
        assert twin_gate(missing).reason == "its benign twin was not driven to its end"
    steps = [synthetic.step(i, lane=synthetic.lane(lateral_offset_m=1.0)) for i in range(5)]
    unclean = EpisodeRecord(plan=plan, events=synthetic.judge(steps).events)
    assert twin_gate(unclean).reason == "its benign twin was not clean: lane departure at 0.00 s"


def test_only_what_is_the_egos_fault_makes_a_twin_unclean(synthetic: ModuleType) -> None:
    def twin(kind: str, **detail: bool) -> EpisodeRecord:
        event = Event(kind=kind, t_s=1.5, frame=30, location_xyz_m=(0, 0, 0), ego_speed_mps=0.0, detail=detail)
        return EpisodeRecord(plan=synthetic.plan("dnn", "benign", 1), events=(event,))

    assert twin_gate(twin("collision_vehicle", at_fault=False)).valid
    assert twin_gate(twin("collision_vehicle", at_fault=True)).reason.endswith("collision vehicle at 1.50 s")
    assert not twin_gate(twin("collision_static")).valid, "fault is assumed where nothing is said"
    assert twin_gate(twin("somebody_elses_event")).valid, "the kinds of judges that are not installed spoil nothing"


def test_an_attack_is_told_its_first_reason(synthetic: ModuleType) -> None:
    attacked, twin = (EpisodeRecord(plan=synthetic.plan("dnn", name, 1)) for name in ("patch", "benign"))
    assert attack_gate(attacked, twin).valid
    assert attack_gate(attacked, None).reason == twin_gate(None).reason
    unseen = attacked.model_copy(update={"valid_attack": False, "invalid_reason": "never seen"})
    assert attack_gate(unseen, None).reason == "never seen"
    untold = attacked.model_copy(update={"valid_attack": False})
    assert attack_gate(untold, twin).reason == "its attack was not delivered"


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"share": 0.6, "grey": True}, "share is 0.6"),
        ({"share": float("nan"), "grey": True}, "no finite number"),
        ({"share": 0.5, "grey": False}, "grey is False"),
        ({"grey": True}, "does not state"),
    ],
)
def test_budget(measured: dict[str, Any], words: str) -> None:
    assert words in why_over_budget({"budget": {"share": 0.5, "grey": True}, "measured": measured})


def test_a_synthetic_attack_is_seen_end_to_end(synthetic: ModuleType) -> None:
    verdict = synthetic.judge(synthetic.drive(synthetic.CHARACTERS["dnn"], "patch"), planned_distance_m=200.0)
    assert verdict.scores["window.success"] is True
    assert verdict.events[0].kind == "lane_departure" and verdict.events[0].cause == "wrong steering class"
    benign = synthetic.judge(synthetic.drive(synthetic.CHARACTERS["dnn"], "benign"), planned_distance_m=200.0)
    assert benign.events == () and benign.scores["lane.max_offset_m"] < 0.5


def test_what_could_not_be_read_is_counted_apart_from_abstentions(synthetic: ModuleType) -> None:
    s = synthetic
    lead, sign = LeadTruth(1, 20.0, 20.0, BOX), SignTruth("a", 7, 20.0, BOX)
    withheld = s.perception(None, present=None, sign=None)
    steps = [
        answered(s, 0, dataclasses.replace(withheld, unparsable=frozenset({"tsr", "alc", "vd"})), lead=lead, sign=sign),
        answered(s, 2, dataclasses.replace(withheld, unparsable=frozenset({"alc"})), lead=lead, sign=sign),
        answered(s, 4, withheld, lead=lead, sign=sign),
        answered(s, 6, s.perception(Steering.STRAIGHT, present=True, box=BOX, sign=7), lead=lead, sign=sign),
    ]
    scores = s.judge(steps).scores
    assert [scores[f"{task}.unparsable"] for task in ("tsr", "alc", "vd")] == [1, 2, 1]
    assert [scores[f"{task}.abstained"] for task in ("tsr", "alc", "vd")] == [2, 1, 2]
    assert json.loads(scores["alc.confusion"]) == {"Straight": {"Straight": 1, "abstain": 1, "unparsable": 2}}
    # neither is a class, both are answers that were not right
    assert scores["alc.accuracy"] == 0.25 and scores["tsr.macro_f1"] == pytest.approx(2 / 5)
    # records of drives without any stay as they were
    assert not any("unparsable" in name for name in s.judge(steps[3:]).scores)
