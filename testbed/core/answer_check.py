"""The agent protocol at the door: answers of the right type, in range and finite, whoever asks for them."""

from __future__ import annotations

import math

from testbed.core.answers import Perception
from testbed.core.errors import AgentError


def check_answers(perception: Perception, name: str) -> None:
    """Hold an agent to its protocol.

    Raises:
        AgentError: If an answer is of the wrong type, out of range or not finite.
    """
    if not isinstance(perception, Perception):
        raise AgentError(f"agent {name!r} answered {type(perception).__name__}, not a Perception")
    confidences = [perception.steering.confidence, perception.vehicle.confidence]
    if perception.sign is not None:
        confidences.append(perception.sign.confidence)
        class_id = perception.sign.class_id
        if class_id is not None and not 0 <= class_id <= 42:
            raise AgentError(
                f"agent {name!r} answered sign class {class_id}", hint="classes are 0-42, or None to abstain"
            )
    if not all(math.isfinite(value) and 0.0 <= value <= 1.0 for value in confidences):
        raise AgentError(f"agent {name!r} answered a confidence outside 0-1: {confidences}")
    box = perception.vehicle.box_px
    if box is not None and not (all(math.isfinite(value) for value in box) and box[0] <= box[2] and box[1] <= box[3]):
        raise AgentError(f"agent {name!r} answered the box {box}", hint="boxes are (x_min, y_min, x_max, y_max)")
