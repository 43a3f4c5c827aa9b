"""How truth and answers are marked in pictures, wherever they are drawn: colours and words."""

from __future__ import annotations

from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.types import Decision

Rgb = tuple[int, int, int]

TRUTH_RGB: Rgb = (90, 220, 120)
ANSWER_RGB: Rgb = (255, 190, 60)
ARTEFACT_RGB: Rgb = (230, 60, 200)


def answers_in_words(decision: Decision) -> str:
    """Return an agent's answers in a line of text."""
    perception = decision.perception
    steering = perception.steering.steering
    words = [f"steer: {steering.value if steering is not None else 'abstains'}"]
    present = perception.vehicle.present
    words.append("car: " + ("abstains" if present is None else "yes" if present else "no"))
    if perception.sign is not None:
        class_id = perception.sign.class_id
        words.append("sign: " + ("abstains" if class_id is None else SIGN_NAMES[class_id]))
    return "  ".join(words)
