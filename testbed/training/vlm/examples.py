"""What is learnt from: conversations of pictures and questions with their right answers.

They come from the testbed's own data sets, asked in many wordings (`testbed.training.data.questions`), or from a file
of conversations as LLaVA and others take them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image as PilImage

from testbed.agents.vlm.how_asked import WHOLE, Fractions
from testbed.agents.vlm.readings import ImagePrompt
from testbed.core.errors import DatasetError
from testbed.core.types import Box
from testbed.training.data.format import TASKS, load_split
from testbed.training.data.questions import (
    PUBLISHED,
    QuestionAnswer,
    QuestionPool,
    about_one_picture,
    tandem,
    unanswerable,
)

AS_PUBLISHED = 0.5
"""Share of questions that are a task's published one."""
NONSENSE = 0.08
"""Share of questions in words without meaning: who forgives a strange word must still know when all are."""
OTHER_TASKS = 0.15
"""Share of single questions that are the published one of another task about pictures of the same sort."""
TANDEM = 0.35
"""Share of conversations about several pictures."""
ALONE = 0.85
"""Share of one question among the conversations about one picture."""
SIGNLESS = 0.4
"""Share of tandem conversations without a sign."""
LEFT_OF_BOX = 0.5
"""Share of a box that must lie in the part of the picture that is shown."""


@dataclass(frozen=True)
class RightAnswer:
    """What is right.

    Attributes:
        words: In words, without a box.
        box: (centre x, centre y, height, width) as fractions of what is shown; None without one.
    """

    words: str
    box: Box | None = None


@dataclass(frozen=True)
class Example:
    """One conversation.

    Attributes:
        questions: Image-prompt pairs.
        answers: One per question.
        keys: What tells the picture of each question from all others, so that it need be seen only once.
    """

    questions: tuple[ImagePrompt, ...]
    answers: tuple[RightAnswer, ...]
    keys: tuple[tuple[Any, ...], ...]


class ExampleSource(Protocol):
    """Where examples come from."""

    def __len__(self) -> int:
        """Return the number of pictures, or of questions where they are given."""

    def draw(self, count: int, rng: np.random.Generator) -> list[Example]:
        """Return `count` conversations with equally many questions each."""


class AskedPictures:
    """Questions about the pictures of the testbed's data sets.

    Args:
        data: Folder with ``tsr``, ``alc`` and ``vd``, or those of `tasks`.
        split: ``train`` or ``test``.
        tasks: Whose pictures; all three make tandem conversations too.
        windows: Task to the part of its pictures that is shown.
        published: Share of conversations that ask the published question of the task.
        nonsense: Share of questions in words without meaning.
        tandem_share: Share of tandem conversations, where all three tasks are there; None for a third.
    """

    def __init__(
        self,
        data: Path,
        split: str,
        tasks: Sequence[str],
        windows: Mapping[str, Fractions],
        *,
        published: float = AS_PUBLISHED,
        nonsense: float = NONSENSE,
        tandem_share: float | None = None,
    ) -> None:
        """Open the data sets and answer every question about every picture."""
        self.pools = {task: QuestionPool(load_split(data / task, split, task=task)) for task in tasks}
        self._windows = dict(windows)
        self._published, self._nonsense = published, nonsense
        self._tandem = 0.0 if len(self.pools) < len(TASKS) else TANDEM if tandem_share is None else tandem_share

    def draw(self, count: int, rng: np.random.Generator) -> list[Example]:
        """Return conversations of one sort: one question, several about one picture, or tandem's three."""
        several = rng.random() < self._tandem
        alone = rng.random() < ALONE
        # no sign in view: tandem asks about the driver's views alone
        together = TASKS[1:] if rng.random() < SIGNLESS else TASKS
        found: list[Example] = []
        size = int(rng.integers(2, 5))
        while len(found) < count:
            if several:
                asked = tandem(self.pools, rng, published=bool(rng.random() < self._published), tasks=together)
                asked = [self._garbled(item, rng) if rng.random() < self._nonsense else item for item in asked]
            elif alone:
                asked = [self._one(rng)]
            else:
                asked = about_one_picture(self._pool(rng), rng, most=5)
                if len(asked) < size:
                    continue
                asked = asked[:size]
            example = self._example(asked)
            if example is not None:
                found.append(example)
        return found

    def __len__(self) -> int:
        """Return the number of pictures."""
        return sum(len(pool.split) for pool in self.pools.values())

    def _pool(self, rng: np.random.Generator) -> QuestionPool:
        names = list(self.pools)
        return self.pools[names[int(rng.integers(len(names)))]]

    def _one(self, rng: np.random.Generator) -> QuestionAnswer:
        pool = self._pool(rng)
        if rng.random() < self._nonsense:
            return pool.ask_in_vain(unanswerable.NONSENSE, int(rng.integers(len(pool.split))), rng)
        kind = PUBLISHED[pool.split.task].name
        sort = rng.random()
        if sort > 1 - OTHER_TASKS:
            others = [one.name for one in PUBLISHED.values() if one.sort == pool.sort and one.name != kind]
            kind = others[int(rng.integers(len(others)))] if others else kind
        if (sort < self._published or sort > 1 - OTHER_TASKS) and kind in pool.answers:
            return pool.ask_evenly(kind, rng)
        return pool.draw(rng, 1, unanswerable_share=float(rng.random() < 0.3))[0]

    def _garbled(self, item: QuestionAnswer, rng: np.random.Generator) -> QuestionAnswer:
        """Return nonsense about the picture of a question."""
        return self.pools[item.task].ask_in_vain(unanswerable.NONSENSE, item.row, rng)

    def _example(self, asked: Sequence[QuestionAnswer]) -> Example | None:
        """Return the conversation; None where a box lies outside of what is shown."""
        questions, answers, keys = [], [], []
        for item in asked:
            image = self.pools[item.task].picture(item)
            box = None
            if item.box is not None:
                box = within(item.box, self._windows.get(item.task, WHOLE), image.shape[1], image.shape[0])
                if box is None:
                    return None
            # the closed set is not asked in training, so any task will do that says what is shown
            questions.append(ImagePrompt(item.task, image, item.question, item.task))
            answers.append(RightAnswer(item.answer, box))
            keys.append((item.task, item.row, item.blank))
        return Example(tuple(questions), tuple(answers), tuple(keys))


def within(box_px: Box, window: Fractions, width_px: int, height_px: int) -> Box | None:
    """Return a box as (centre x, centre y, height, width) of a part of the picture, None where too little is shown.

    Args:
        box_px: (x_min, y_min, x_max, y_max) in the whole picture.
        window: Part that is shown, fractions.
        width_px: Of the whole picture.
        height_px: Of the whole picture.
    """
    spans = []
    for low, high, begin, end, size in (
        (box_px[0], box_px[2], window[0], window[2], width_px),
        (box_px[1], box_px[3], window[1], window[3], height_px),
    ):
        first, last = ((edge / size - begin) / (end - begin) for edge in (low, high))
        inside = max(0.0, first), min(1.0, last)
        if inside[1] - inside[0] < LEFT_OF_BOX * (last - first):
            return None
        spans.append(inside)
    (left, right), (top, bottom) = spans
    return (left + right) / 2, (top + bottom) / 2, bottom - top, right - left


class Conversations:
    """Conversations in a JSON file: ``[{"id", "image", "conversations": [{"from", "value"}, …]}]``.

    Args:
        path: The file; pictures are relative to its folder.

    Raises:
        DatasetError: If an entry is malformed or a picture is missing.
    """

    def __init__(self, path: Path) -> None:
        """Read all turns, pictures not yet."""
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path} holds no conversations: {error}") from error
        if not isinstance(entries, list) or not entries:
            raise DatasetError(f"{path} holds no list of conversations")
        self._turns = [turn for place, entry in enumerate(entries) for turn in _turns(path, place, entry)]

    def draw(self, count: int, rng: np.random.Generator) -> list[Example]:
        """Return conversations of one question each."""
        return [self._example(*self._turns[int(rng.integers(len(self._turns)))]) for _ in range(count)]

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self._turns)

    @staticmethod
    def _example(picture: Path, question: str, answer: str) -> Example:
        image = np.asarray(PilImage.open(picture).convert("RGB"))
        prompt = ImagePrompt("vd", image, question)
        return Example((prompt,), (RightAnswer(answer),), ((str(picture),),))


def _turns(path: Path, place: int, entry: Any) -> list[tuple[Path, str, str]]:
    """Return (picture, question, answer) of each exchange of an entry."""
    try:
        picture = path.parent / entry["image"]
        said = [(str(turn["from"]), turn["value"]) for turn in entry["conversations"]]
    except KeyError as error:
        raise DatasetError(f"{path}: entry {place} has no {error}", hint="it needs image and conversations") from error
    except TypeError:
        raise DatasetError(
            f"{path}: entry {place} is no conversation", hint="it needs image and conversations, a list of turns"
        ) from None
    if not picture.is_file():
        raise DatasetError(f"{path}: entry {place} names the picture {picture}, which is not there")
    roles = [role for role, _ in said]
    if roles != ["human", "gpt"] * (len(said) // 2) or not said:
        raise DatasetError(f"{path}: entry {place} has the roles {roles}", hint="human and gpt take turns")
    if not all(isinstance(text, str) for _, text in said):
        raise DatasetError(f"{path}: entry {place} has a turn whose value is no text")
    if sum(text.count("<image>") for _, text in said) > 1:
        raise DatasetError(f"{path}: entry {place} shows several pictures", hint="one picture per entry, one <image>")
    texts = [text.replace("<image>", "").strip() for _, text in said]
    return [(picture, question, answer) for question, answer in zip(texts[::2], texts[1::2], strict=True)]
