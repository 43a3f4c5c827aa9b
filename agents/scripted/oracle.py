"""The oracle: answers every question from ground truth, the upper bound of perception."""

from __future__ import annotations

from testbed.core.errors import AgentError
from testbed.core.questions import STEERING_CLASSES, steering_class
from testbed.core.types import AgentCard, Observation, Perception, SignAnswer, SteeringAnswer, VehicleAnswer


class OracleAgent:
    """Answers every question from ground truth: what planner and controller do with perfect perception."""

    def __init__(self) -> None:
        """Build the card."""
        self._card = AgentCard(
            name="scripted",
            kind="scripted",
            latency_ms=(0.0, 0.0),
            needs_truth=True,
            figures={"alc_accuracy": 1.0, "tsr_accuracy": 1.0, "vd_presence": 1.0, "vd_mean_iou": 1.0},
            notes="Answers from ground truth: the upper bound, not a perception system.",
        )

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer from ``observation.truth``.

        Raises:
            AgentError: When the observation carries no truth.
        """
        truth = observation.truth
        if truth is None:
            raise AgentError("the scripted oracle got an observation without ground truth")
        preview_m = truth.lane.preview_offset_m
        steering = STEERING_CLASSES[steering_class(preview_m)]
        lead = truth.lead
        # A crop is asked about; which sign it shows is known only for the nearest one, which is the one that is cut.
        asked = observation.sign_crop is not None and truth.sign is not None
        return Perception(
            steering=SteeringAnswer(steering, 1.0, lateral_offset_m=preview_m),
            vehicle=VehicleAnswer(lead is not None, lead.box_px if lead is not None else None, 1.0),
            sign=SignAnswer(truth.sign.class_id, 1.0) if asked and truth.sign is not None else None,
        )


def build() -> OracleAgent:
    """Return the oracle."""
    return OracleAgent()


def card() -> AgentCard:
    """Return the oracle's card."""
    return OracleAgent().card
