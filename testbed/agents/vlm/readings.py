"""What is asked of a V²LM and what it answered: the same words for every model and every way to answer.

Confidence has one meaning everywhere: the probability that the model gives to its answer among the closed set of
answers of the task and `CANNOT_TELL`, renormalised over them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from testbed.agents.vlm.free_text import Status
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.perception_tasks import PROMPTS, STEERING_CLASSES
from testbed.core.types import Box, Image

CHOICES: dict[str, tuple[str, ...]] = {
    "tsr": SIGN_NAMES,
    "alc": tuple(steering.value for steering in STEERING_CLASSES),
    "vd": ("No car", "A car at"),
}
"""Closed set of answers per task; the second one about vehicles goes on with a box."""

CANNOT_TELL = "I cannot tell"
"""What is answered to a question that the picture does not answer; a member of every closed set."""


@dataclass(frozen=True)
class ImagePrompt:
    """One image-prompt pair.

    Attributes:
        task: Whose closed set answers: ``tsr``, ``alc`` or ``vd``.
        image: Picture as the camera gave it, (h, w, 3) RGB uint8.
        question: Words of the question; None for the published ones of the task.
        shown_as: Task whose part of the picture is shown; None for the task's own.
    """

    task: str
    image: Image
    question: str | None = None
    shown_as: str | None = None

    @property
    def words(self) -> str:
        """The question as it is asked."""
        return PROMPTS[self.task] if self.question is None else self.question


@dataclass(frozen=True)
class Reading:
    """What a model answered to one question.

    Attributes:
        task: ``tsr``, ``alc`` or ``vd``.
        status: Whether it is an answer.
        choice: Index into `CHOICES` of the task; None without an answer.
        confidence: Probability of the answer, 0 to 1; 0 without one.
        text: What the model said.
        probabilities: Of the closed set, shape (choices,), float64; what they lack to 1 is that of `CANNOT_TELL`. None
            where the model does not tell.
        box: (centre x, centre y, height, width) as fractions of the picture, only ever with ``vd``.
    """

    task: str
    status: Status
    choice: int | None
    confidence: float
    text: str
    probabilities: NDArray[np.float64] | None = None
    box: Box | None = None

    @classmethod
    def of(cls, task: str, probabilities: NDArray[np.float64], box: Box | None = None) -> Reading:
        """Return the most probable answer of a closed set in the testbed's own words.

        Args:
            task: ``tsr``, ``alc`` or ``vd``.
            probabilities: (choices,), or (choices + 1,) with that of `CANNOT_TELL` at the end; sum 1.
            box: Box that goes with the answer that there is a vehicle.
        """
        words = CHOICES[task]
        choice = int(probabilities.argmax())
        inside = probabilities[: len(words)]
        if choice == len(words):
            return cls(task, "cannot_tell", None, 0.0, CANNOT_TELL, inside)
        told = task == "vd" and choice == 1 and box is not None
        text = f"{words[choice]} {box_words(box)}" if told and box is not None else words[choice]
        return cls(task, "answered", choice, float(probabilities[choice]), text, inside, box)

    def box_px(self, width_px: int, height_px: int) -> Box | None:
        """Return the box in pixels of the picture, clipped to it."""
        if self.box is None:
            return None
        x, y, h, w = self.box
        x_min, x_max = (float(np.clip(x + side * w / 2, 0.0, 1.0)) * width_px for side in (-1, 1))
        y_min, y_max = (float(np.clip(y + side * h / 2, 0.0, 1.0)) * height_px for side in (-1, 1))
        return x_min, y_min, x_max, y_max


class ConversationReader(Protocol):
    """A model with its way to answer."""

    @abstractmethod
    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        """Answer several conversations that ask the same."""

    def read(self, questions: Sequence[ImagePrompt]) -> list[Reading]:
        """Answer the questions of one conversation, in their order."""
        return self.read_batch([questions])[0]


def box_words(box: Box) -> str:
    """Return a box in the published words: ``(0.531, 0.402), H 0.101, W 0.082``, fractions of the picture."""
    return f"({box[0]:.3f}, {box[1]:.3f}), H {box[2]:.3f}, W {box[3]:.3f}"
