"""Means over classes by hand, and intervals that resample scenes."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.evaluate.answers import PictureAnswer
from testbed.evaluate.macro import drop_draws, macro_scores, span_of
from testbed.judge import macro_f1
from testbed.judge.perception import confusion_of


def answers(said: str, truth: str, scenes: str) -> list[PictureAnswer]:
    """One letter per picture."""
    words = {"-": "abstain"}
    return [
        PictureAnswer(f"{index}", scene, right, words.get(given, given), 0.9)
        for index, (given, right, scene) in enumerate(zip(said, truth, scenes, strict=True))
    ]


def test_precision_recall_and_f1_by_hand() -> None:
    found = macro_scores(answers("aab-cx", "abbbcc", "112233"))
    assert found is not None
    # classes a b c x: hits 1 1 1 0, said 2 1 1 1, true 1 3 2 0
    assert found.precision.value == pytest.approx((1 / 2 + 1 + 1 + 0) / 4)
    assert found.recall.value == pytest.approx((1 + 1 / 3 + 1 / 2 + 0) / 4)
    assert found.f1.value == pytest.approx((2 / 3 + 2 / 4 + 2 / 3 + 0) / 4)
    assert macro_scores([]) is None


def test_it_is_the_judge_s_f1() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        said, truth = ("".join(rng.choice(list("abcde-"[: 6 - k]), 30)) for k in (0, 1))
        made = answers(said, truth, truth)
        found = macro_scores(made)
        assert found is not None
        assert found.f1.value == pytest.approx(macro_f1(confusion_of((one.truth, one.said) for one in made)))


def test_intervals_resample_scenes_not_pictures() -> None:
    rng = np.random.default_rng(5)
    truth = "".join(rng.choice(list("ab"), 200))
    said = "".join(one if rng.random() < 0.8 else {"a": "b", "b": "a"}[one] for one in truth)
    apart = "".join(chr(0x4E00 + index) for index in range(200))
    alone = macro_scores(answers(said, truth, apart))
    # every picture four times in the same scene tells nothing new: the interval stays as wide
    fourfold = macro_scores(answers(said * 4, truth * 4, apart * 4))
    as_if_new = macro_scores(answers(said * 4, truth * 4, "".join(chr(0x4E00 + index) for index in range(800))))
    assert alone is not None and fourfold is not None and as_if_new is not None
    spans = [one.f1.interval for one in (alone, fourfold, as_if_new)]
    widths = [span.high - span.low for span in spans if span is not None]
    assert len(widths) == 3 and widths[1] == pytest.approx(widths[0], rel=1e-9) and widths[2] < 0.6 * widths[0]
    assert spans[0] is not None and spans[0].low < alone.f1.value < spans[0].high
    one_scene = macro_scores(answers("ab", "ab", "11"))
    assert one_scene is not None and one_scene.f1.interval is None, "one scene has no interval"
    all_right = macro_scores(answers("abab", "abab", "1234"))
    assert all_right is not None and all_right.f1.value == 1.0
    assert all_right.f1.interval is None, "no certainty from four pictures"


def test_a_drop_is_paired_and_seeded() -> None:
    before, after = answers("aabb", "aabb", "1234"), answers("abbb", "aabb", "1234")
    found = drop_draws(list(zip(before, after, strict=True)), "drop vd")
    assert found.accuracy == pytest.approx(25.0)
    # under attack a: 2·1/(2+1), b: 2·2/(2+3)
    assert found.f1 == pytest.approx(100.0 * (1.0 - (2 / 3 + 4 / 5) / 2))
    again = drop_draws(list(zip(before, after, strict=True)), "drop vd")
    other = drop_draws(list(zip(before, after, strict=True)), "drop alc")
    assert np.array_equal(found.accuracy_draws, again.accuracy_draws)
    assert not np.array_equal(found.accuracy_draws, other.accuracy_draws)
    span = span_of(found.accuracy_draws)
    assert span is not None and span.low == 0.0 and 50.0 <= span.high <= 100.0
    unharmed = drop_draws(list(zip(before, before, strict=True)), "drop vd")
    assert not unharmed.accuracy_draws.any() and not unharmed.f1_draws.any()
