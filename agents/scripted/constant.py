"""The constant answer: looks at nothing, the lower bound of perception."""

from __future__ import annotations

from testbed.core.types import AgentCard, Observation, Perception, SignAnswer, Steering, SteeringAnswer, VehicleAnswer


class ConstantAgent:
    """Answers "Straight", "no vehicle" and nothing to signs, whatever it sees: the lower bound.

    Args:
        steering: The steering answer it always gives.
    """

    def __init__(self, steering: str = "Straight") -> None:
        """Build the card."""
        self._steering = Steering(steering)
        self._card = AgentCard(
            name="constant",
            kind="scripted",
            latency_ms=(0.0, 0.0),
            notes="Looks at nothing: the lower bound.",
        )

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer the same to every observation; a sign in view gets an abstention."""
        return Perception(
            steering=SteeringAnswer(self._steering, 1.0),
            vehicle=VehicleAnswer(False, None, 1.0),
            sign=SignAnswer(None, 0.0) if observation.sign_crop is not None else None,
        )


def build(steering: str = "Straight") -> ConstantAgent:
    """Return the constant agent."""
    return ConstantAgent(steering)


def card() -> AgentCard:
    """Return the constant agent's card."""
    return ConstantAgent().card
