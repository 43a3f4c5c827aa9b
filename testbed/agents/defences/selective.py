"""Selective prediction: an answer that the agent itself is not sure of is withheld, and the driver falls back.

Sources: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017. What the driver does
without an answer (hold the last one, then go straight and coast) stands in `testbed.driver.controller`.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.agents.defences.base import Defence
from testbed.core.gtsrb import SIGN_NAMES

LEAST_CONFIDENCE: dict[str, float] = {"tsr": 1.0 / len(SIGN_NAMES), "alc": 1.0 / 3.0, "vd": 0.5}
"""No answer is less sure than chance, so a threshold up to here withholds nothing."""


@dataclass(frozen=True, kw_only=True)
class Selective(Defence):
    """Abstain below a threshold.

    Attributes:
        below: Confidence under which an answer is withheld.
    """

    kind = "selective"

    below: float = 0.8

    def __post_init__(self) -> None:
        """Check the settings."""
        self.need_float("below", 0.0, 1.0)
        idle = [question for question in self.questions if self.below <= LEAST_CONFIDENCE[question]]
        if idle:
            floors = ", ".join(f"{question} {LEAST_CONFIDENCE[question]:.3f}" for question in idle)
            raise self.refuse("below", self.below, f"changes nothing for {floors}, the confidence of a mere guess")

    def keeps(self, question: str, confidence: float) -> bool:
        """Tell whether the answer is sure enough."""
        return confidence >= self.below
