"""How questions become a conversation: image-prompt pairs in one user turn, numbered when there are several.

Solo asks one pair and the reply is the answer. Tandem asks several pairs at once; each question carries its number, and
the reply is one line per question with the same number, so that it can be split per task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.agents.vlm.free_text import numbered_lines
from testbed.agents.vlm.readings import ImagePrompt

HOW_TO_REPLY = "Answer every question on a line of its own that begins with its number."
"""What follows the pairs of a tandem conversation."""


def asked_words(questions: Sequence[ImagePrompt]) -> list[str]:
    """Return the words that go with each picture."""
    if len(questions) == 1:
        return [questions[0].words]
    return [f"{label(place, len(questions))}{question.words}" for place, question in enumerate(questions)]


def label(place: int, count: int) -> str:
    """Return what the line of one of `count` answers begins with: nothing when it is the only one."""
    return "" if count == 1 else f"{place + 1}. "


def messages(questions: Sequence[ImagePrompt]) -> list[dict[str, Any]]:
    """Return the conversation as chat templates want it: one user turn of pictures and words."""
    parts: list[dict[str, Any]] = []
    for words in asked_words(questions):
        parts += [{"type": "image"}, {"type": "text", "text": words}]
    if len(questions) > 1:
        parts.append({"type": "text", "text": HOW_TO_REPLY})
    return [{"role": "user", "content": parts}]


def plain_text(questions: Sequence[ImagePrompt], prompt: str, image_token: str) -> str:
    """Return the conversation for a checkpoint without a chat template.

    Args:
        questions: Image-prompt pairs.
        prompt: Words of one pair with ``{image}`` and ``{question}``.
        image_token: What stands for a picture.
    """
    text = "".join(
        prompt.replace("{image}", image_token).replace("{question}", words) for words in asked_words(questions)
    )
    return text if len(questions) == 1 else f"{text}{HOW_TO_REPLY}\n"


def split_reply(text: str, count: int) -> list[str | None]:
    """Return the reply to each of `count` questions; None for one whose line is missing or stands there twice."""
    if count == 1:
        return [text]
    spans = numbered_lines(text, count)
    return [None if span is None else text[slice(*span)].strip() for span in spans]
