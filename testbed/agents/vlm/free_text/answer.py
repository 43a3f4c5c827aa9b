"""What strict reading of a text comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from testbed.core.geometry import Box

Status = Literal["answered", "cannot_tell", "unparsable"]
"""``answered``: a choice was named; ``cannot_tell``: the text declines to answer; ``unparsable``: neither."""


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """One answer in words, read.

    Attributes:
        status: Which of the three outcomes it is.
        choice: ``tsr``: GTSRB class 0-42; ``alc``: index into `STEERING_CLASSES`; ``vd``: 1 with a car, 0 without.
            None unless answered.
        box: (centre x, centre y, height, width) as fractions of the picture, ``vd`` only; None where no box was given.
        why: What the outcome rests on, for people.
    """

    status: Status
    choice: int | None = None
    box: Box | None = None
    why: str = ""


def answered(choice: int, why: str, box: Box | None = None) -> ParsedAnswer:
    """Return an answer that names a choice."""
    return ParsedAnswer("answered", choice, box, why)


def cannot_tell(why: str) -> ParsedAnswer:
    """Return an answer that declines."""
    return ParsedAnswer("cannot_tell", why=why)


def unparsable(why: str) -> ParsedAnswer:
    """Return what is no answer."""
    return ParsedAnswer("unparsable", why=why)
