"""The constant agent gives one steering answer and sees nothing else, whatever it is shown: the lower bound."""

from __future__ import annotations

from testbed.core.errors import UsageError
from testbed.core.types import AgentCard, Observation, Perception, SignAnswer, Steering, SteeringAnswer, VehicleAnswer

__all__ = ["ConstantAgent", "build", "card"]


class ConstantAgent:
    """Answer one direction and "no vehicle", and withhold an answer to any sign.

    Args:
        steering: The direction: ``Left``, ``Straight`` or ``Right``.
    """

    def __init__(self, steering: str = "Straight") -> None:
        """Remember the answer."""
        try:
            self._steering = Steering(steering)
        except ValueError:
            raise UsageError(f"steering is Left, Straight or Right, not {steering!r}") from None

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return card()

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer the same to every observation."""
        return Perception(
            steering=SteeringAnswer(self._steering, 1.0),
            vehicle=VehicleAnswer(False, None, 1.0),
            sign=SignAnswer(None, 0.0) if observation.sign_crop is not None else None,
        )


def build(steering: str = "Straight") -> ConstantAgent:
    """Return the agent; option as in `ConstantAgent`."""
    return ConstantAgent(steering)


def card() -> AgentCard:
    """Return the agent's card."""
    return AgentCard(
        name="constant", kind="scripted", latency_ms=(0.0, 0.0), notes="Looks at nothing: the lower bound."
    )
