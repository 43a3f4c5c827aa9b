"""Figures computed by hand: k/n, macro F1, boxes, attack success, McNemar, breakdowns, selective prediction."""

from __future__ import annotations

import math

import pytest

from testbed import selective, stats
from testbed.evaluate.answers import PictureAnswer
from testbed.evaluate.score import loss, paired, score, untouched_by
from testbed.selective import Judged


def answer(name: str, truth: str, said: str, iou: float | None = None, confidence: float = 0.9) -> PictureAnswer:
    return PictureAnswer(name, name[0], truth, said, confidence, iou)


BENIGN = [answer("a1", "1", "1"), answer("a2", "1", "1"), answer("b1", "2", "2"), answer("b2", "2", "1")]
ATTACKED = [answer("a1", "1", "2"), answer("a2", "1", "1"), answer("b1", "2", "abstain"), answer("b2", "2", "2")]


def test_accuracy_and_macro_f1() -> None:
    found = score(BENIGN)
    assert (found.accuracy.k, found.accuracy.n) == (3, 4)
    # class 1: two hits, true 2, said 3 -> 4/5; class 2: one hit, true 2, said 1 -> 2/3
    assert found.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found.abstained == 0 and score(ATTACKED).abstained == 1
    unread = score([*ATTACKED, answer("c1", "1", "unparsable")])
    assert (unread.abstained, unread.unparsable, unread.accuracy.n, found.unparsable) == (1, 1, 5, 0)
    assert found.mean_iou is None and found.ap50 is None


def test_attack_success_counts_benign_correct_answers_only() -> None:
    found = loss(BENIGN, ATTACKED)
    # right before: a1, a2, b1; wrong now: a1 and the abstention b1
    assert (found.success.k, found.success.n) == (2, 3)
    assert found.drop_points == pytest.approx(25.0)
    assert (found.test.only_first, found.test.only_second, found.test.pairs) == (2, 1, 4)
    assert found.test.p_value == pytest.approx(1.0)


def test_pictures_that_were_not_attacked_are_left_out() -> None:
    found = loss(BENIGN, ATTACKED[:1])
    assert (found.success.k, found.success.n, found.test.pairs) == (1, 1, 1)
    assert found.drop_interval is None, "one group has no interval"
    assert [first.id for first, _ in paired(BENIGN, ATTACKED[2:])] == ["b1", "b2"]
    with pytest.raises(ValueError, match="share no picture"):
        loss(BENIGN, [answer("z9", "1", "1")])


def test_boxes() -> None:
    answers = [
        answer("a", "vehicle", "vehicle", 0.8, 0.9),
        answer("b", "vehicle", "vehicle", 0.3, 0.8),
        answer("c", "vehicle", "none", 0.0, 0.7),
        answer("d", "none", "vehicle", None, 0.6),
    ]
    found = score(answers)
    assert (found.accuracy.k, found.accuracy.n) == (2, 4)
    assert found.mean_iou == pytest.approx((0.8 + 0.3 + 0.0) / 3)
    # ranked: hit, miss, miss: precision 1 at recall 1/3, nothing beyond
    assert found.ap50 == pytest.approx(1 / 3)


def test_views_without_a_vehicle_stay_in_macro_f1() -> None:
    benign = [answer(name, "vehicle", "vehicle", 0.9) for name in "abcd"] + [answer("e", "none", "none")]
    attacked = [answer(name, "vehicle", "none" if name == "a" else "vehicle", 0.9) for name in "abcd"]
    rest = untouched_by(benign, attacked)
    assert [one.id for one in rest] == ["e"]
    found = score(attacked, rest)
    assert (found.accuracy.k, found.accuracy.n) == (3, 4)
    # vehicle: 2·3/(4+3); none: one hit, said twice, true once
    assert found.macro_f1 == pytest.approx((6 / 7 + 2 / 3) / 2)
    assert not untouched_by(BENIGN, ATTACKED[:1]), "signs that are too dark are no class of their own"


def test_paired_difference_is_newcombe_s() -> None:
    # Newcombe 1998, table II, method 10: 36, 12, 2, 0 of 50 -> 0.2 with 0.0569 to 0.3404
    first = [True] * 36 + [True] * 12 + [False] * 2
    second = [True] * 36 + [False] * 12 + [True] * 2
    found = stats.paired_difference(second, first)
    assert (found.low, found.high) == (pytest.approx(0.0569, abs=2e-4), pytest.approx(0.3404, abs=2e-4))
    assert stats.paired_difference([], []) == stats.Interval(-1.0, 1.0, 0.95, "newcombe")
    with pytest.raises(ValueError, match="cannot be paired"):
        stats.paired_difference([True], [])


def test_selective_prediction_by_hand() -> None:
    answers = [Judged(0.9, True), Judged(0.8, False), Judged(0.8, True), Judged(0.6, True), Judged(0.5, True, False)]
    points = selective.curve(answers)
    # equal confidences are one point; the withheld answer is never covered
    assert [(p.threshold, p.coverage, p.risk) for p in points] == [
        (0.9, 0.2, 0.0),
        (0.8, pytest.approx(0.6), pytest.approx(1 / 3)),
        (0.6, pytest.approx(0.8), 0.25),
    ]
    assert selective.aurc(answers) == pytest.approx(100 * (0.2 * 0 + 0.4 / 3 + 0.2 * 0.25) / 0.8)
    assert selective.coverage_at(answers, 0.01) == 0.2
    assert selective.coverage_at(answers, 0.30) == pytest.approx(0.8)
    assert selective.reliability(answers, 0.0, 1.0) == pytest.approx((3 - 1) / 5)
    assert selective.reliability(answers, 0.85, 10.0) == pytest.approx(1 / 5)
    assert selective.best_threshold(answers, 10.0) == 0.9
    assert math.isinf(selective.best_threshold([Judged(0.9, False)], 1.0))
    assert selective.aurc([]) is None and selective.reliability([], 0.5, 1.0) is None
