"""Questions with their right answers about the pictures of a data set, drawn so that no answer can be guessed.

Kinds come equally often, and so do the answers of a kind, as far as the pictures show them. A kind of which the
pictures show one answer alone is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import DatasetError, UsageError, suggest
from testbed.core.geometry import Box
from testbed.core.perception_tasks import IMAGE_WIDTH_PX, MIN_SIGN_PX
from testbed.training.data.exchange.conversations import box_px_words
from testbed.training.data.format import Split
from testbed.training.data.questions import unanswerable
from testbed.training.data.questions.kind import CANNOT_TELL, SORT_OF_TASK, QuestionKind, facts_of
from testbed.training.data.questions.registry import KINDS, PUBLISHED
from testbed.training.data.questions.rewording import reworded
from testbed.training.data.questions.vehicle_kinds import A_VEHICLE

UNANSWERABLE_SHARE = 0.2
"""Share of questions that the picture does not answer."""

WRONG_PICTURE, BLANK = "wrong picture", "blank"
REASONS: tuple[str, ...] = (WRONG_PICTURE, BLANK, unanswerable.UNKNOWABLE, unanswerable.NONSENSE)
"""Why a question has no answer: each equally often."""

PUBLISHED_SHARE = 0.5
"""Share of the questions about a wrong or a blank picture that are of a published kind, as those on the road are."""

T = TypeVar("T")


@dataclass(frozen=True)
class QuestionAnswer:
    """A question about one picture and its right answer.

    Attributes:
        kind: Name of the kind of question; ``unknowable`` or ``nonsense`` for those that no picture answers.
        question: In words.
        answer: One of the kind's closed set, or `CANNOT_TELL`.
        task: Data set of the picture.
        row: Picture within its split.
        answerable: Whether the picture answers the question.
        box: Where the vehicle is that the answer tells of, in px of the picture; None without one.
        blank: What is shown in place of the picture, one of `testbed.training.data.questions.unanswerable.BLANKS`, of
            the same size; empty where the picture itself is shown.
    """

    kind: str
    question: str
    answer: str
    task: str
    row: int
    answerable: bool = True
    box: Box | None = None
    blank: str = ""

    @property
    def spoken(self) -> str:
        """The answer in full: a box follows as published, centre and size as fractions of the picture."""
        return self.answer if self.box is None else f"{self.answer} {box_px_words(self.box)}"


class QuestionPool:
    """All that can be asked about some pictures of one split.

    Args:
        split: Of any task; its name decides the wordings, so that those held out are for ``test`` alone.
        rows: Which pictures; None for all.
        kinds: Names of the kinds to ask; None for all that fit.

    Attributes:
        split: The split.
        answers: Kind to answer to the rows that show it; only kinds with two answers or more.

    Raises:
        UsageError: There is no such kind.
        DatasetError: The pictures leave nothing to ask.
    """

    def __init__(self, split: Split, rows: Sequence[int] | None = None, kinds: Sequence[str] | None = None) -> None:
        """Answer every question about every picture."""
        self.split = split
        self._rows = np.arange(len(split)) if rows is None else np.asarray(rows, np.int64)
        self._of_row: dict[int, dict[str, str]] = {int(row): {} for row in self._rows}
        self._signless: dict[int, None] = {}
        asked = [KINDS[name] for name in _known(kinds)]
        self._foreign = tuple(kind for kind in KINDS.values() if kind.only_there and kind.sort != self.sort)
        fitting = [kind for kind in asked if kind.sort == self.sort]
        found: dict[str, dict[str, list[int]]] = {kind.name: {} for kind in fitting}
        for row, told in self._of_row.items():
            facts = facts_of(split, row)
            if self.sort == "sign" or float(facts["sign_px"]) < MIN_SIGN_PX:
                self._signless[row] = None
            for kind in fitting:
                answer = kind.answer(facts)
                if answer is not None:
                    told[kind.name] = answer
                    found[kind.name].setdefault(answer, []).append(row)
        self.answers = {name: shown for name, shown in found.items() if len(shown) > 1}
        if not self.answers:
            raise DatasetError(
                f"the {split.name} split of {split.task} answers no question in more than one way",
                hint="take more pictures, or other kinds of question",
            )

    @property
    def sort(self) -> str:
        """Sort of its pictures, see `testbed.training.data.questions.kind.PictureSort`."""
        return SORT_OF_TASK[self.split.task]

    def answer(self, kind: str, row: int) -> str | None:
        """Return the answer to a question about one of the pictures, None where it cannot be told."""
        return self._of_row[row].get(kind)

    def rarity(self, kind: str, row: int) -> float:
        """Return how much rarer the answer about a picture is than if all answers of the kind were equally frequent."""
        shown = self.answers[kind]
        return sum(len(rows) for rows in shown.values()) / (len(shown) * len(shown[self._of_row[row][kind]]))

    def picture(self, question: QuestionAnswer) -> NDArray[np.uint8]:
        """Return the picture that a question is asked about, shape (h, w, 3), RGB uint8."""
        image = self.split.image(question.row)
        if not question.blank:
            return image
        return unanswerable.blank_picture(question.blank, image.shape[0], image.shape[1], question.row)

    def draw(
        self, rng: np.random.Generator, count: int, *, unanswerable_share: float = UNANSWERABLE_SHARE
    ) -> list[QuestionAnswer]:
        """Return `count` questions in random order, kinds and the answers of each equally often.

        Args:
            rng: Source of chance; equal ones give equal questions.
            count: How many.
            unanswerable_share: Share that the picture does not answer, for each of `REASONS` equally often.
        """
        without = round(unanswerable_share * count)
        kinds = _in_turn(list(self.answers), rng)
        shown = {name: _in_turn(list(of), rng) for name, of in self.answers.items()}
        drawn: list[QuestionAnswer] = []
        for _ in range(count - without):
            name = next(kinds)
            rows = self.answers[name][next(shown[name])]
            drawn.append(self.ask(name, rows[int(rng.integers(len(rows)))], rng))
        reasons = _in_turn(list(REASONS), rng)
        drawn += [self.ask_in_vain(next(reasons), self._random_row(rng), rng) for _ in range(without)]
        return [drawn[int(index)] for index in rng.permutation(len(drawn))]

    def ask(self, kind: str, row: int, rng: np.random.Generator) -> QuestionAnswer:
        """Return a question of a kind about a picture that answers it, in one of the split's wordings.

        Raises:
            UsageError: The picture does not answer it.
        """
        answer = self.answer(kind, row)
        if answer is None:
            raise UsageError(f"picture {row} of {self.split.task} does not answer {kind!r}")
        wording = _worded(KINDS[kind], self.split.name, rng)
        return QuestionAnswer(kind, wording, answer, self.split.task, row, True, self.box(answer, row))

    def ask_evenly(self, kind: str, rng: np.random.Generator) -> QuestionAnswer:
        """Return a question of a kind about one of the pictures, each of its answers equally probable."""
        answers = list(self.answers[kind])
        rows = self.answers[kind][answers[int(rng.integers(len(answers)))]]
        return self.ask(kind, rows[int(rng.integers(len(rows)))], rng)

    def box(self, answer: str, row: int) -> Box | None:
        """Return the box in px that goes with an answer about a picture; None for answers without one."""
        return self.split.lead_box_px(row) if answer == A_VEHICLE else None

    def ask_in_vain(self, reason: str, row: int, rng: np.random.Generator) -> QuestionAnswer:
        """Return a question that is not answered, for one of `REASONS`.

        A sign is asked about in a driver's view only where none is in sight; if there is no such view, something else
        that no picture answers is asked.
        """
        task, name = self.split.task, self.split.name
        if reason == WRONG_PICTURE and not (self._foreign and self._signless):
            reason = unanswerable.UNKNOWABLE
        if reason == WRONG_PICTURE:
            row = row if row in self._signless else list(self._signless)[int(rng.integers(len(self._signless)))]
            kind = _any_kind(self._foreign, rng)
            return QuestionAnswer(kind.name, _worded(kind, name, rng), CANNOT_TELL, task, row, False)
        if reason == BLANK:
            kind = _any_kind([KINDS[kind] for kind in self.answers], rng)
            blank = unanswerable.BLANKS[int(rng.integers(len(unanswerable.BLANKS)))]
            return QuestionAnswer(kind.name, _worded(kind, name, rng), CANNOT_TELL, task, row, False, blank=blank)
        if reason == unanswerable.UNKNOWABLE:
            texts = unanswerable.unknowable(name)
            question = texts[int(rng.integers(len(texts)))]
        else:
            question = unanswerable.nonsense(name, rng)
        if name == "train":
            question = reworded(question, rng)
        return QuestionAnswer(reason, question, CANNOT_TELL, task, row, False)

    def _random_row(self, rng: np.random.Generator) -> int:
        return int(self._rows[int(rng.integers(len(self._rows)))])


def sample(
    split: Split, rows: Sequence[int] | None, rng: np.random.Generator, count: int | None = None
) -> list[QuestionAnswer]:
    """Return balanced questions about some pictures of a split; see `QuestionPool`, which is faster for many draws.

    Args:
        split: Of any task.
        rows: Which pictures; None for all.
        rng: Source of chance.
        count: How many questions; None for one per picture.
    """
    pool = QuestionPool(split, rows)
    return pool.draw(rng, count if count is not None else len(split) if rows is None else len(rows))


def mirrored(question: QuestionAnswer, width_px: int = IMAGE_WIDTH_PX) -> QuestionAnswer:
    """Return the question about a driver's view that is mirrored left to right.

    A question about one side becomes the one about the other side, with the same answer; of all others, left and right
    change places in the answer, and the box is mirrored.

    Raises:
        UsageError: It asks about a sign, which says something else when it is mirrored.
    """
    kind = KINDS.get(question.kind)
    if SORT_OF_TASK[question.task] == "sign":
        raise UsageError("the picture of a sign cannot be mirrored", hint="mirror driver's views alone")
    if not question.answerable or kind is None:
        return question
    if kind.counterpart:
        return replace(question, kind=kind.counterpart, question=_swapped(question.question))
    box = question.box
    turned = None if box is None else (width_px - box[2], box[1], width_px - box[0], box[3])
    return replace(question, answer=_swapped(question.answer), box=turned)


def _swapped(text: str) -> str:
    """Return a text in which left and right have changed places."""
    for one, other in (("left", "right"), ("Left", "Right")):
        text = text.replace(one, "\0").replace(other, one).replace("\0", other)
    return text


def _any_kind(kinds: Sequence[QuestionKind], rng: np.random.Generator) -> QuestionKind:
    """Return one of some kinds, a published one in `PUBLISHED_SHARE` of the cases if there is one."""
    published = [kind for kind in kinds if kind in PUBLISHED.values()]
    among = published if published and rng.random() < PUBLISHED_SHARE else kinds
    return among[int(rng.integers(len(among)))]


def _worded(kind: QuestionKind, split: str, rng: np.random.Generator) -> str:
    """Return one of the wordings for a split, in training most of them in other words."""
    texts = kind.wordings(split)
    text = texts[int(rng.integers(len(texts)))]
    return reworded(text, rng, frozenset(kind.held_out)) if split == "train" else text


def _in_turn(items: list[T], rng: np.random.Generator) -> Iterator[T]:
    """Yield items for ever, each once per round, every round in another order."""
    while True:
        for index in rng.permutation(len(items)):
            yield items[int(index)]


def _known(kinds: Sequence[str] | None) -> Sequence[str]:
    for name in kinds or ():
        if name not in KINDS:
            raise UsageError(
                f"unknown kind of question {name!r}", hint=f"{suggest(name, KINDS)}known: {', '.join(KINDS)}"
            )
    return list(KINDS) if kinds is None else kinds


def counts(questions: Sequence[QuestionAnswer]) -> Mapping[str, Mapping[str, int]]:
    """Return how often every answer of every kind occurs."""
    found: dict[str, dict[str, int]] = {}
    for item in questions:
        of_kind = found.setdefault(item.kind, {})
        of_kind[item.answer] = of_kind.get(item.answer, 0) + 1
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}
