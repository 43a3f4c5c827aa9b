"""One tick of an episode: the answer in force, the command that was given, the truth after it."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.core.answers import Perception
from testbed.core.command import Command
from testbed.core.truth import Truth


@dataclass(frozen=True, slots=True)
class Decision:
    """An agent's answer together with when it was asked and when it takes effect."""

    frame: int
    t_s: float
    applied_t_s: float
    perception: Perception
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Step:
    """One tick as judges see it: truth after the tick, the command that led to it, the answer in force."""

    frame: int
    t_s: float
    truth: Truth
    command: Command
    decision: Decision | None
