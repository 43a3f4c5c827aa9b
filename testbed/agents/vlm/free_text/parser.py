"""One entrance to the strict readers of the three questions."""

from __future__ import annotations

from testbed.agents.vlm.free_text.answer import ParsedAnswer, unparsable
from testbed.agents.vlm.free_text.boxes import NOTATIONS, Notation
from testbed.agents.vlm.free_text.signs import parse_sign
from testbed.agents.vlm.free_text.steering import parse_steering
from testbed.agents.vlm.free_text.vehicle import parse_vehicle
from testbed.core.errors import AgentError

LONGEST = 4000
"""Characters beyond which a text is no answer to a question of one line."""


def parse(task: str, text: str, image_size_px: tuple[int, int], *, notation: Notation = "auto") -> ParsedAnswer:
    """Read an answer in words, strictly; no text makes it raise.

    Args:
        task: ``tsr``, ``alc`` or ``vd``.
        text: What the model said to this question alone.
        image_size_px: (width, height) of the picture as the model counts it; matters for boxes in pixels.
        notation: How the model writes boxes (`testbed.agents.vlm.free_text.boxes`); ``auto`` takes what can be read in
            one way only.

    Raises:
        AgentError: For a task or notation that does not exist.
    """
    if notation != "auto" and notation not in NOTATIONS:
        raise AgentError(f"notation {notation!r} does not exist", hint=f"known: auto, {', '.join(NOTATIONS)}")
    if task not in ("tsr", "alc", "vd"):
        raise AgentError(f"task {task!r} does not exist", hint="tasks are tsr, alc and vd")
    if not text.strip():
        return unparsable("says nothing")
    if len(text) > LONGEST:
        return unparsable(f"is {len(text)} characters long")
    if task == "tsr":
        return parse_sign(text)
    return parse_steering(text) if task == "alc" else parse_vehicle(text, image_size_px, notation)
