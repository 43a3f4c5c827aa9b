"""An agent behind defences: whatever it is, it is shown altered pictures, and its unsure answers may be withheld."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from testbed.agents.defences.base import Cropping, Defence
from testbed.agents.defences.registry import check_effect, shown
from testbed.core.answer_check import blamed, check_answers
from testbed.core.errors import UsageError
from testbed.core.types import Agent, AgentCard, Box, Observation, Perception, VehicleAnswer


def defended_card(card: AgentCard, defences: Sequence[Defence]) -> AgentCard:
    """Return an agent's card with its defences on it: their weights, their time, their names.

    Raises:
        UsageError: When a parallel agent would be shown other pictures question by question, or parts of them: what its
            slow agent saw earlier could then not be compared with what its fast one sees.
    """
    apart = _chain(defences, "alc") != _chain(defences, "vd")
    if card.kind == "parallel" and (apart or any(isinstance(defence, Cropping) for defence in defences)):
        raise UsageError(
            "agent parallel cannot stand behind defences that crop pictures or tell its questions apart",
            hint="give them to its fast or slow agent, in an agent file of its own",
        )
    asked = 2 if apart else 1
    cost_ms = sum(defence.latency_ms for defence in defences)
    p50_ms, p95_ms = card.latency_ms
    weights = dict(card.weights)
    for defence in defences:
        weights |= defence.weights
    told = "; ".join(describe(defence) for defence in defences)
    return dataclasses.replace(
        card,
        latency_ms=(asked * p50_ms + cost_ms, asked * p95_ms + cost_ms),
        weights=weights,
        notes=f"{card.notes} Behind defences: {told}. Figures are those without them.".strip(),
    )


def describe(defence: Defence) -> str:
    """Return a defence in words, for instance ``jpeg(quality=50) on tsr``."""
    fields = [field.name for field in dataclasses.fields(defence) if field.name != "questions"]
    values = ", ".join(f"{name}={getattr(defence, name)}" for name in fields if getattr(defence, name) is not None)
    return f"{defence.kind or type(defence).__name__}({values}) on {'+'.join(defence.questions)}"


def _chain(defences: Sequence[Defence], question: str) -> tuple[int, ...]:
    """Return which defences alter the picture of a question."""
    return tuple(
        index
        for index, defence in enumerate(defences)
        if question in defence.questions and type(defence).alter is not Defence.alter
    )


class DefendedAgent:
    """Defences in front of an agent.

    Steering and vehicle share the driver's view. Where their defences differ the agent is asked once with each view,
    and its card charges the time for both.

    Args:
        agent: Any agent.
        defences: In the order in which they act.
    """

    def __init__(self, agent: Agent, defences: Sequence[Defence]) -> None:
        """Try every defence on a probe picture; raises `UsageError` for one that changes nothing."""
        for defence in defences:
            check_effect(defence)
        self._agent = agent
        self._defences = tuple(defences)
        self._card = defended_card(agent.card, self._defences)
        self._apart = _chain(self._defences, "alc") != _chain(self._defences, "vd")
        self._seed = 0

    @property
    def card(self) -> AgentCard:
        """What it is, with its defences."""
        return self._card

    @property
    def defences(self) -> tuple[Defence, ...]:
        """The defences in their order."""
        return self._defences

    def reset(self, seed: int) -> None:
        """Begin an episode; chance in the defences follows from this seed and the frame alone."""
        self._seed = seed
        with blamed(self._agent):
            self._agent.reset(seed)

    def perceive(self, observation: Observation) -> Perception:
        """Answer the questions for one observation, seen through the defences."""
        crop = observation.sign_crop
        if crop is not None:
            crop, _ = shown(self._defences, crop, "tsr", self._seed, observation.frame)
        view, part = shown(self._defences, observation.image, "vd", self._seed, observation.frame)
        said = self._ask(dataclasses.replace(observation, image=view, sign_crop=crop))
        steering = said.steering
        raw, unparsable = dict(said.raw), said.unparsable
        if self._apart:
            view, _ = shown(self._defences, observation.image, "alc", self._seed, observation.frame)
            again = self._ask(dataclasses.replace(observation, image=view, sign_crop=None))
            steering = again.steering
            raw |= {key: value for key, value in again.raw.items() if key == "alc"}
            unparsable = (unparsable - {"alc"}) | (again.unparsable & {"alc"})
        vehicle = said.vehicle
        if vehicle.box_px is not None:
            height_px, width_px = observation.image.shape[:2]
            vehicle = dataclasses.replace(vehicle, box_px=_back(vehicle.box_px, part, width_px, height_px))
        if not self._keeps("alc", steering.confidence):
            steering = dataclasses.replace(steering, steering=None)
        if not self._keeps("vd", vehicle.confidence):
            vehicle = VehicleAnswer(None, None, vehicle.confidence)
        sign = said.sign
        if sign is not None and not self._keeps("tsr", sign.confidence):
            sign = dataclasses.replace(sign, class_id=None)
        return dataclasses.replace(said, steering=steering, vehicle=vehicle, sign=sign, raw=raw, unparsable=unparsable)

    def _ask(self, observation: Observation) -> Perception:
        with blamed(self._agent):
            said = self._agent.perceive(observation)
        check_answers(said, self._agent.card.name)
        return said

    def _keeps(self, question: str, confidence: float) -> bool:
        return all(defence.keeps(question, confidence) for defence in self._defences if question in defence.questions)


def _back(box: Box, part: Box, width_px: int, height_px: int) -> Box:
    """Map a box found in a part of the picture, enlarged to its full size, back to the whole picture."""
    x_scale, y_scale = (part[2] - part[0]) / width_px, (part[3] - part[1]) / height_px
    return (
        part[0] + box[0] * x_scale,
        part[1] + box[1] * y_scale,
        part[0] + box[2] * x_scale,
        part[1] + box[3] * y_scale,
    )
