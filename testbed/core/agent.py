"""What an agent is to the rest of the testbed: a card that describes it and three methods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from testbed.core.answers import Observation, Perception


@dataclass(frozen=True, slots=True)
class AgentCard:
    """What an agent declares about itself.

    Attributes:
        name: Name under which it is asked for.
        kind: ``dnn``, ``solo``, ``tandem``, ``parallel`` or ``scripted``.
        latency_ms: (p50, p95) of one decision, measured on one thread; charged to the clock by default.
        parameters: Number of parameters over all models.
        weights: File name to sha256 of every weight file.
        figures: Held-out benign figures, for instance ``{"alc_accuracy": 0.97}``.
        trained: How, how long and on what.
        needs_truth: Whether observations must carry ground truth (oracle agents only).
        notes: Limits and anything a reader must know.
    """

    name: str
    kind: str
    latency_ms: tuple[float, float]
    parameters: int = 0
    weights: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    trained: str = ""
    needs_truth: bool = False
    notes: str = ""


@runtime_checkable
class Agent(Protocol):
    """Answers three perception questions per decision; planner and controller are not its business."""

    @property
    def card(self) -> AgentCard:
        """What it is."""

    def reset(self, seed: int) -> None:
        """Forget the last episode; ``seed`` fixes whatever chance it uses."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer the questions for one observation."""
