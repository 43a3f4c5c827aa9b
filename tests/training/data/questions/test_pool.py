"""Drawn questions: balanced, right, the same for equal seeds, and answered in vain where there is no answer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from testbed.core.errors import DatasetError, UsageError
from testbed.training.data.format import Split
from testbed.training.data.questions import (
    CANNOT_TELL,
    KINDS,
    PUBLISHED,
    QuestionAnswer,
    QuestionPool,
    about_one_picture,
    counts,
    mirrored,
    sample,
    tandem,
)
from testbed.training.data.questions.kind import facts_of
from testbed.training.data.questions.pool import BLANK, REASONS, WRONG_PICTURE

from . import pictures

TASKS = ("tsr", "alc", "vd")


@pytest.fixture(scope="module")
def splits() -> dict[tuple[str, str], Split]:
    return {(task, name): pictures.split_of(task, name, 200) for task in TASKS for name in ("train", "test")}


@pytest.fixture(scope="module")
def pools(splits: dict[tuple[str, str], Split]) -> dict[tuple[str, str], QuestionPool]:
    return {key: QuestionPool(split) for key, split in splits.items()}


def drawn(pools: dict[tuple[str, str], QuestionPool], task: str, name: str, count: int = 1500) -> list[QuestionAnswer]:
    return pools[task, name].draw(np.random.default_rng(5), count)


@pytest.mark.parametrize("task", TASKS)
def test_kinds_and_their_answers_come_equally_often(pools: dict[tuple[str, str], QuestionPool], task: str) -> None:
    questions = drawn(pools, task, "train", 3000)
    answered = counts([item for item in questions if item.answerable])
    totals = [sum(answers.values()) for answers in answered.values()]
    assert max(totals) - min(totals) <= 1
    for kind, answers in answered.items():
        assert max(answers.values()) - min(answers.values()) <= 1, kind
        assert max(answers.values()) <= 0.7 * sum(answers.values()), kind
    vain = [item for item in questions if not item.answerable]
    assert len(vain) == 600 and all(item.answer == CANNOT_TELL for item in vain)


@pytest.mark.parametrize("task", TASKS)
def test_every_answer_is_that_of_its_picture(
    splits: dict[tuple[str, str], Split], pools: dict[tuple[str, str], QuestionPool], task: str
) -> None:
    split = splits[task, "train"]
    for item in drawn(pools, task, "train"):
        assert item.task == task
        if item.answerable:
            assert item.answer == KINDS[item.kind].answer(facts_of(split, item.row))
            assert (item.box is not None) == (item.answer == "A car at")
            if item.box is not None:
                assert item.box == tuple(float(value) for value in split.labels["lead_box_px"][item.row])
                assert item.spoken.startswith("A car at (0.") and ", H 0." in item.spoken
            else:
                assert item.spoken == item.answer


def test_wordings_held_out_are_never_learnt(pools: dict[tuple[str, str], QuestionPool]) -> None:
    held_out = {text for kind in KINDS.values() for text in kind.held_out}
    rng = np.random.default_rng(2)
    learnt = [item for task in TASKS for item in drawn(pools, task, "train", 3000)]
    learnt += [item for task in TASKS for _ in range(200) for item in about_one_picture(pools[task, "train"], rng)]
    for item in learnt:
        assert not any(text in item.question for text in held_out), item.question
    tested = {item.question for task in TASKS for item in drawn(pools, task, "test", 3000) if item.kind in KINDS}
    assert tested <= held_out | {kind.wording for kind in KINDS.values()}
    assert len(tested & held_out) > 0.9 * len(held_out)


def test_equal_seeds_give_equal_questions(splits: dict[tuple[str, str], Split]) -> None:
    split = splits["vd", "train"]
    one, again = (sample(split, range(0, 200, 2), np.random.default_rng(9), 300) for _ in range(2))
    other = sample(split, range(0, 200, 2), np.random.default_rng(10), 300)
    assert one == again and one != other
    assert all(item.row % 2 == 0 for item in one)
    assert len(sample(split, range(50), np.random.default_rng(0))) == 50
    assert len(sample(split, None, np.random.default_rng(0))) == 200


@pytest.mark.parametrize("task", TASKS)
def test_questions_without_an_answer_say_why(
    splits: dict[tuple[str, str], Split], pools: dict[tuple[str, str], QuestionPool], task: str
) -> None:
    split, pool = splits[task, "train"], pools[task, "train"]
    vain = [item for item in drawn(pools, task, "train", 4000) if not item.answerable]
    why = Counter(BLANK if item.blank else item.kind if item.kind in REASONS else WRONG_PICTURE for item in vain)
    assert set(why) == set(REASONS) and max(why.values()) - min(why.values()) <= 1
    for blank in (True, False):
        asked = [item.kind in {kind.name for kind in PUBLISHED.values()}
                 for item in vain if item.kind in KINDS and bool(item.blank) == blank]  # fmt: skip
        assert 0.4 < np.mean(asked) < 0.75
    for item in vain:
        if item.blank:
            picture = pool.picture(item)
            assert picture.shape == split.image(item.row).shape
            assert item.blank == "noise" or np.ptp(picture) == 0
            continue
        assert np.array_equal(pool.picture(item), split.image(item.row))
        if item.kind in KINDS:
            assert KINDS[item.kind].sort != pool.sort and KINDS[item.kind].only_there
            assert task == "tsr" or split.labels["sign_px"][item.row] < 10, "a sign can be read there"


def test_a_question_decides_what_is_answered_under_one_picture(pools: dict[tuple[str, str], QuestionPool]) -> None:
    """Both driver's views answer both published questions: the picture does not give away which is asked."""
    for task in ("alc", "vd"):
        pool = pools[task, "train"]
        both = [row for row in range(200) if pool.answer("steering", row) and pool.answer("vehicle", row)]
        assert len(both) > 150
        rng = np.random.default_rng(0)
        assert pool.ask("steering", both[0], rng).answer in PUBLISHED["alc"].answers
        assert pool.ask("vehicle", both[0], rng).answer in PUBLISHED["vd"].answers


def test_a_kind_with_one_answer_is_not_asked(splits: dict[tuple[str, str], Split]) -> None:
    split = splits["vd", "train"]
    there = np.flatnonzero(split.labels["present"] & split.labels["lead_known"])
    pool = QuestionPool(split, there.tolist())
    assert "vehicle" not in pool.answers and "steering" in pool.answers
    with pytest.raises(DatasetError, match="no question in more than one way"):
        QuestionPool(split, there.tolist(), kinds=["vehicle"])
    with pytest.raises(UsageError, match="unknown kind of question 'wether'.*did you mean 'weather'"):
        QuestionPool(split, kinds=["wether"])
    with pytest.raises(UsageError, match="does not answer 'lead_kind'"):
        QuestionPool(split, kinds=["steering"]).ask("lead_kind", 0, np.random.default_rng(0))


def test_several_questions_are_about_one_picture(pools: dict[tuple[str, str], QuestionPool]) -> None:
    rng = np.random.default_rng(3)
    talks = [about_one_picture(pools["alc", "train"], rng) for _ in range(200)]
    assert {len(talk) for talk in talks} == {2, 3, 4}
    for talk in talks:
        assert len({item.row for item in talk}) == 1 and not any(item.blank for item in talk)
        kinds = [item.kind for item in talk if item.answerable]
        assert len(set(kinds)) == len(kinds) >= 1
    vain = sum(not item.answerable for talk in talks for item in talk)
    assert 0.03 < vain / sum(len(talk) for talk in talks) < 0.25


def test_rare_answers_are_not_lost_in_long_conversations(pools: dict[tuple[str, str], QuestionPool]) -> None:
    rng = np.random.default_rng(6)
    pool = pools["tsr", "train"]
    told = counts([item for _ in range(1500) for item in about_one_picture(pool, rng) if item.answerable])
    for kind, answers in told.items():
        in_all = sum(answers.values())
        assert max(answers.values()) <= 0.7 * in_all, (kind, answers)
        rows = {answer: len(found) for answer, found in pool.answers[kind].items()}
        if len(rows) == 2:
            rare = min(rows, key=lambda answer: rows[answer])
            assert answers[rare] / in_all > rows[rare] / sum(rows.values()) or rows[rare] == max(rows.values())


def test_tandem_asks_about_three_pictures(pools: dict[tuple[str, str], QuestionPool]) -> None:
    own = {task: pools[task, "train"] for task in TASKS}
    rng = np.random.default_rng(3)
    for _ in range(60):
        talk = tandem(own, rng)
        assert [item.kind for item in talk] == [PUBLISHED[task].name for task in TASKS]
        assert [item.task for item in talk] == list(TASKS) and all(item.answerable for item in talk)
    mixed = [tandem(own, rng, published=False) for _ in range(200)]
    assert len({tuple(item.task for item in talk) for talk in mixed}) == 6
    assert all(sorted(item.task for item in talk) == sorted(TASKS) for talk in mixed)
    assert 0.1 < np.mean([not item.answerable for talk in mixed for item in talk]) < 0.35
    assert len({item.kind for talk in mixed for item in talk}) > 25
    with pytest.raises(UsageError, match="vd is missing"):
        tandem({task: own[task] for task in ("tsr", "alc")}, rng)


def test_a_mirrored_view_changes_sides(pools: dict[tuple[str, str], QuestionPool]) -> None:
    for item in drawn(pools, "vd", "train"):
        other = mirrored(item)
        assert mirrored(other) == item
        sides = {"lane_left": "lane_right", "line_left": "line_right"}
        counterpart = (sides | {right: left for left, right in sides.items()}).get(item.kind)
        if counterpart is not None and item.answerable:
            assert other.kind == counterpart and other.answer == item.answer
            assert ("left" in item.question.lower()) == ("right" in other.question.lower())
        elif item.answerable:
            assert other.question == item.question and other.answer in KINDS[item.kind].answers
            assert ("left" in item.answer.lower()) == ("right" in other.answer.lower())
        if item.box is not None:
            assert other.box is not None and other.box[0] == 320 - item.box[2] and other.box[1] == item.box[1]
    with pytest.raises(UsageError, match="a sign cannot be mirrored"):
        mirrored(drawn(pools, "tsr", "train")[0])
