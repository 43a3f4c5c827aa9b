"""Conversations of several questions: about one picture, and about three as tandem is asked them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from testbed.core.errors import UsageError
from testbed.training.data.format import TASKS
from testbed.training.data.questions.pool import REASONS, UNANSWERABLE_SHARE, QuestionAnswer, QuestionPool
from testbed.training.data.questions.registry import PUBLISHED

MOST_QUESTIONS = 4
"""Questions about one picture in one conversation."""


def about_one_picture(
    pool: QuestionPool, rng: np.random.Generator, *, most: int = MOST_QUESTIONS
) -> list[QuestionAnswer]:
    """Return two to `most` questions of different kinds about one picture, some without an answer.

    The first is drawn as alone, so that rare answers come as often as others; of what the picture answers besides, rare
    answers are preferred as much as they are rare. Nothing in one conversation is blank: a picture is the same for all
    its questions.
    """
    first = pool.draw(rng, 1, unanswerable_share=0.0)[0]
    asked = [first]
    others = [name for name in pool.answers if name != first.kind and pool.answer(name, first.row) is not None]
    for index in _rare_first(pool, first.row, others, rng)[: int(rng.integers(1, most))]:
        if rng.random() < UNANSWERABLE_SHARE:
            found = pool.ask_in_vain(_not_blank(rng), first.row, rng)
            if found.row == first.row:
                asked.append(found)
                continue
        asked.append(pool.ask(others[index], first.row, rng))
    return [asked[int(index)] for index in rng.permutation(len(asked))]


def _rare_first(pool: QuestionPool, row: int, kinds: Sequence[str], rng: np.random.Generator) -> list[int]:
    """Return the places of kinds in random order, those whose answer is rare probably before others."""
    waits = [rng.exponential() / pool.rarity(kind, row) for kind in kinds]
    return [int(place) for place in np.argsort(waits, kind="stable")]


def tandem(
    pools: Mapping[str, QuestionPool],
    rng: np.random.Generator,
    *,
    published: bool = True,
    tasks: Sequence[str] = TASKS,
) -> list[QuestionAnswer]:
    """Return questions about a sign and two driver's views, or about the views alone, as tandem asks them at once.

    Args:
        pools: Task to its pictures: ``tsr``, ``alc`` and ``vd``.
        rng: Source of chance.
        published: The published questions, in wordings of the split, in the published order; else pictures in any order
            with questions of any kind, some without an answer.
        tasks: Whose pictures, one each.

    Raises:
        UsageError: A task is missing, or its pictures do not answer the published question in two ways.
    """
    _check(pools, published)
    if published:
        return [pools[task].ask_evenly(PUBLISHED[task].name, rng) for task in tasks]
    asked = [pools[task].draw(rng, 1, unanswerable_share=float(rng.random() < UNANSWERABLE_SHARE))[0] for task in tasks]
    return [asked[int(index)] for index in rng.permutation(len(asked))]


def _not_blank(rng: np.random.Generator) -> str:
    reasons: Sequence[str] = [reason for reason in REASONS if reason != "blank"]
    return reasons[int(rng.integers(len(reasons)))]


def _check(pools: Mapping[str, QuestionPool], published: bool) -> None:
    for task in TASKS:
        if task not in pools:
            raise UsageError(f"tandem asks about tsr, alc and vd; {task} is missing")
        if published and PUBLISHED[task].name not in pools[task].answers:
            raise UsageError(f"the pictures of {task} answer the published question in one way alone")
