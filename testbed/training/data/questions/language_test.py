"""Does a model read the question and look at the picture? Six conditions on the same held-out pictures.

=================  ================================================  ================================================
condition          what is asked under which picture                 what is right
=================  ================================================  ================================================
right              the published question                            its answer
paraphrase         the same in words that training never saw         the same answer
other_question     another task's question under the same picture    that task's answer; `CANNOT_TELL` about a sign crop
nonsense           invented words under the same picture             `CANNOT_TELL`
blank              the published question under a blank picture      `CANNOT_TELL`
other_picture      the published question under another picture      the other picture's answer, which is another one
=================  ================================================  ================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import DatasetError
from testbed.training.data.format import Split
from testbed.training.data.questions import unanswerable
from testbed.training.data.questions.kind import CANNOT_TELL, QuestionKind
from testbed.training.data.questions.pool import QuestionAnswer, QuestionPool
from testbed.training.data.questions.registry import PUBLISHED

CONDITIONS: tuple[str, ...] = ("right", "paraphrase", "other_question", "nonsense", "blank", "other_picture")

OTHER_TASKS: Mapping[str, tuple[str, ...]] = {"tsr": ("alc", "vd"), "alc": ("vd",), "vd": ("alc",)}
"""Task to those whose questions are asked under its pictures, in turn."""


@dataclass(frozen=True)
class LanguageTest:
    """The six conditions for the pictures of one task.

    Attributes:
        task: Whose published question is the right one.
        pool: Gives the pictures.
        items: Condition to one question per picture, in the same order in all conditions.
    """

    task: str
    pool: QuestionPool
    items: Mapping[str, tuple[QuestionAnswer, ...]]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.items[CONDITIONS[0]])

    def picture(self, question: QuestionAnswer) -> NDArray[np.uint8]:
        """Return the picture that a question is asked about, shape (h, w, 3), RGB uint8."""
        return self.pool.picture(question)


def language_test(split: Split, count: int, *, seed: int = 0) -> LanguageTest:
    """Return the language test of one task on held-out pictures; equal arguments give equal questions.

    Args:
        split: The ``test`` split of a task.
        count: Number of pictures, answers of the published question equally often as far as they occur; fewer where
            there are fewer.
        seed: Of all chance.

    Raises:
        DatasetError: It is no held-out split, or its pictures cannot answer the questions.
    """
    if split.name != "test":
        raise DatasetError(f"the language test asks about held-out pictures, not about the {split.name} split")
    task, kind = split.task, PUBLISHED[split.task]
    rng = np.random.default_rng([seed, 91, len(split)])
    pool = QuestionPool(split)
    if kind.name not in pool.answers:
        raise DatasetError(f"the test split of {task} answers the published question in one way alone")
    rows = _chosen(pool, kind, count, rng)
    items = [_conditions(pool, kind, row, index, rng) for index, row in enumerate(rows)]
    return LanguageTest(task, pool, {name: tuple(item[name] for item in items) for name in CONDITIONS})


def _chosen(pool: QuestionPool, kind: QuestionKind, count: int, rng: np.random.Generator) -> list[int]:
    """Return rows that answer the published questions of all tasks of their sort, each row once, answers in turn."""
    others = [PUBLISHED[task].name for task in OTHER_TASKS[pool.split.task] if PUBLISHED[task].sort == pool.sort]
    usable = {
        answer: [row for row in rng.permutation(rows).tolist() if all(pool.answer(other, row) for other in others)]
        for answer, rows in pool.answers[kind.name].items()
    }
    if sum(bool(rows) for rows in usable.values()) < 2:
        raise DatasetError(
            f"the pictures of {pool.split.task} do not answer another task's question",
            hint=f"make them again: python -m testbed dataset {pool.split.task}",
        )
    chosen: list[int] = []
    while len(chosen) < count and any(usable.values()):
        for rows in usable.values():
            if rows and len(chosen) < count:
                chosen.append(rows.pop())
    return chosen


def _conditions(
    pool: QuestionPool, kind: QuestionKind, row: int, index: int, rng: np.random.Generator
) -> dict[str, QuestionAnswer]:
    split = pool.split
    answer = pool.answer(kind.name, row)
    assert answer is not None

    def asked(question: str, of_row: int = row) -> QuestionAnswer:
        told = pool.answer(kind.name, of_row)
        assert told is not None
        return QuestionAnswer(kind.name, question, told, split.task, of_row, True, pool.box(told, of_row))

    def unanswered(name: str, question: str, blank: str = "") -> QuestionAnswer:
        return QuestionAnswer(name, question, CANNOT_TELL, split.task, row, False, None, blank)

    wordings: Sequence[str] = kind.held_out
    others = [told for told in pool.answers[kind.name] if told != answer]
    other_rows = pool.answers[kind.name][others[int(rng.integers(len(others)))]]
    return {
        "right": asked(kind.wording),
        "paraphrase": asked(wordings[index % len(wordings)]),
        "other_question": _other_question(pool, row, index),
        "nonsense": unanswered(unanswerable.NONSENSE, unanswerable.nonsense("test", rng)),
        "blank": unanswered(kind.name, kind.wording, unanswerable.BLANKS[index % len(unanswerable.BLANKS)]),
        "other_picture": asked(kind.wording, other_rows[int(rng.integers(len(other_rows)))]),
    }


def _other_question(pool: QuestionPool, row: int, index: int) -> QuestionAnswer:
    """Return another task's published question under a picture, with that task's answer if the picture gives one."""
    tasks = OTHER_TASKS[pool.split.task]
    kind = PUBLISHED[tasks[index % len(tasks)]]
    answer = pool.answer(kind.name, row)
    if answer is None:
        return QuestionAnswer(kind.name, kind.wording, CANNOT_TELL, pool.split.task, row, False)
    return QuestionAnswer(kind.name, kind.wording, answer, pool.split.task, row, True, pool.box(answer, row))
