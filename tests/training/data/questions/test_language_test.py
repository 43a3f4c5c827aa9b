"""The language test: six conditions on the same held-out pictures, each with what is right."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from testbed.core.errors import DatasetError
from testbed.core.perception_tasks import PROMPTS
from testbed.training.data.format import COLUMNS, Split, unknown
from testbed.training.data.questions import CANNOT_TELL, CONDITIONS, KINDS, PUBLISHED, language_test
from testbed.training.data.questions.kind import facts_of

from . import pictures


@pytest.mark.parametrize("task", ["tsr", "alc", "vd"])
def test_each_condition_changes_one_thing(task: str) -> None:
    split = pictures.split_of(task, "test", 150)
    test = language_test(split, 86, seed=4)
    kind = PUBLISHED[task]
    assert tuple(test.items) == CONDITIONS and {len(items) for items in test.items.values()} == {len(test)} == {86}
    for index, right in enumerate(test.items["right"]):
        items = {name: test.items[name][index] for name in CONDITIONS}
        assert right.question == PROMPTS[task] and right.answer == kind.answer(facts_of(split, right.row))
        assert items["paraphrase"].question in kind.held_out
        assert (items["paraphrase"].answer, items["paraphrase"].box) == (right.answer, right.box)
        assert all(items[name].row == right.row for name in CONDITIONS if name != "other_picture")
        assert items["nonsense"].answer == items["blank"].answer == CANNOT_TELL
        assert items["blank"].question == right.question and items["blank"].blank
        assert not np.array_equal(test.picture(items["blank"]), test.picture(right))
        other = items["other_question"]
        assert other.question in set(PROMPTS.values()) - {PROMPTS[task]}
        expected = CANNOT_TELL if task == "tsr" else KINDS[other.kind].answer(facts_of(split, right.row))
        assert other.answer == expected and other.answerable == (task != "tsr")
        elsewhere = items["other_picture"]
        assert elsewhere.question == right.question and elsewhere.answer != right.answer
        assert elsewhere.answer == kind.answer(facts_of(split, elsewhere.row))
        assert np.array_equal(test.picture(elsewhere), split.image(elsewhere.row))


def test_pictures_come_once_and_answers_equally_often() -> None:
    test = language_test(pictures.split_of("alc", "test", 300), 60)
    assert len({item.row for item in test.items["right"]}) == 60
    assert set(Counter(item.answer for item in test.items["right"]).values()) == {20}
    assert len({item.question for item in test.items["paraphrase"]}) == len(PUBLISHED["alc"].held_out)
    assert len({item.blank for item in test.items["blank"]}) == 3


def test_equal_arguments_give_equal_questions() -> None:
    split = pictures.split_of("vd", "test", 100)
    assert language_test(split, 40, seed=1).items == language_test(split, 40, seed=1).items
    assert language_test(split, 40, seed=1).items != language_test(split, 40, seed=2).items
    assert len(language_test(split, 1000)) <= 100


def test_pictures_that_cannot_answer_another_question_are_refused() -> None:
    split = pictures.split_of("vd", "test", 60)
    lanes = COLUMNS["vd"][3:10]
    old = Split(
        "vd", "test", split.pixels, {**split.labels, **{name: unknown("vd", name, 60) for name in lanes}}, split.card
    )
    with pytest.raises(DatasetError, match="do not answer another task's question.*dataset vd"):
        language_test(old, 10)
    with pytest.raises(DatasetError, match="held-out pictures, not about the train split"):
        language_test(pictures.split_of("vd", "train", 60), 10)
