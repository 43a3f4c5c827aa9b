"""The oracle answers every question from ground truth: what planner and controller do with perfect perception."""

from __future__ import annotations

from testbed.core.errors import AgentError
from testbed.core.perception_tasks import STEERING_CLASSES, steering_class
from testbed.core.types import AgentCard, Observation, Perception, SignAnswer, SteeringAnswer, VehicleAnswer

__all__ = ["OracleAgent", "build", "card"]


class OracleAgent:
    """Upper bound of perception; needs observations with ground truth."""

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return card()

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer from ``observation.truth``.

        Raises:
            AgentError: When the observation carries no truth, or a sign crop without the sign it shows.
        """
        truth = observation.truth
        if truth is None:
            raise AgentError("the scripted oracle got an observation without ground truth")
        sign = None
        if observation.sign_crop is not None:
            if truth.sign is None:
                raise AgentError("the scripted oracle got a sign crop but no truth about a sign")
            sign = SignAnswer(truth.sign.class_id, 1.0)
        preview_m, lead = truth.lane.preview_offset_m, truth.lead
        return Perception(
            steering=SteeringAnswer(STEERING_CLASSES[steering_class(preview_m)], 1.0, lateral_offset_m=preview_m),
            vehicle=VehicleAnswer(lead is not None, None if lead is None else lead.box_px, 1.0),
            sign=sign,
        )


def build() -> OracleAgent:
    """Return the agent."""
    return OracleAgent()


def card() -> AgentCard:
    """Return the agent's card."""
    return AgentCard(
        name="scripted",
        kind="scripted",
        latency_ms=(0.0, 0.0),
        needs_truth=True,
        figures={"alc_accuracy": 1.0, "tsr_accuracy": 1.0, "vd_presence": 1.0, "vd_mean_iou": 1.0},
        notes="Answers from ground truth: the upper bound, not a perception system.",
    )
