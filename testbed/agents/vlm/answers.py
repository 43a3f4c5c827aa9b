"""From a model's readings to the testbed's perception answers, with the option to abstain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from testbed.agents.vlm.readings import ImagePrompt, Reading
from testbed.core.errors import AgentError
from testbed.core.perception_tasks import STEERING_CLASSES
from testbed.core.types import Observation, Perception, SignAnswer, SteeringAnswer, VehicleAnswer


@dataclass(frozen=True)
class Abstention:
    """Probabilities below which an answer is withheld; 0 never abstains.

    Attributes:
        tsr: For signs.
        alc: For the steering direction.
        vd: For the presence of a vehicle.
    """

    tsr: float = 0.0
    alc: float = 0.0
    vd: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        for task in ("tsr", "alc", "vd"):
            value = getattr(self, task)
            if not 0.0 <= value <= 1.0:
                raise AgentError(f"abstain_below.{task} is {value!r}; it must be a probability, 0 to 1")

    @classmethod
    def parse(cls, value: float | Mapping[str, float] | None) -> Abstention:
        """Read one number for all tasks, or a mapping from task to number; None never abstains."""
        if value is None:
            return cls()
        if isinstance(value, Mapping):
            unknown = sorted(set(value) - {"tsr", "alc", "vd"})
            if unknown:
                raise AgentError(f"abstain_below knows tsr, alc and vd, not {unknown[0]!r}")
            return cls(**{task: float(number) for task, number in value.items()})
        return cls(float(value), float(value), float(value))


def questions(observation: Observation) -> list[ImagePrompt]:
    """Return the image-prompt pairs of an observation: sign crop (when one is in view), view, view."""
    asked = [] if observation.sign_crop is None else [ImagePrompt("tsr", observation.sign_crop)]
    return [*asked, ImagePrompt("alc", observation.image), ImagePrompt("vd", observation.image)]


def perception(observation: Observation, readings: Iterable[Reading], abstention: Abstention) -> Perception:
    """Put readings of the questions of an observation into one `Perception`.

    Args:
        observation: What was asked about; box answers are in pixels of its image.
        readings: Answers, ``alc`` and ``vd`` always among them.
        abstention: When to withhold an answer.
    """
    by_task = {reading.task: reading for reading in readings}
    alc, vd, tsr = by_task["alc"], by_task["vd"], by_task.get("tsr")
    steering, present = _kept(alc, abstention.alc), _kept(vd, abstention.vd)
    probabilities = None if alc.probabilities is None else tuple(float(value) for value in alc.probabilities)
    height_px, width_px = observation.image.shape[:2]
    return Perception(
        steering=SteeringAnswer(
            None if steering is None else STEERING_CLASSES[steering],
            alc.confidence,
            cast(tuple[float, float, float] | None, probabilities),
        ),
        vehicle=VehicleAnswer(
            None if present is None else bool(present),
            vd.box_px(width_px, height_px) if present else None,
            vd.confidence,
        ),
        sign=None if tsr is None else SignAnswer(_kept(tsr, abstention.tsr), tsr.confidence),
        raw={task: reading.text for task, reading in by_task.items()},
        unparsable=frozenset(task for task, reading in by_task.items() if reading.status == "unparsable"),
    )


def _kept(reading: Reading, least: float) -> int | None:
    """Return an answer that is sure enough; None for any other, and for none."""
    return reading.choice if reading.confidence >= least else None
