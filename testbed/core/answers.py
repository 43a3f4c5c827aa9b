"""What an agent is shown and what it answers: images in, three answers with their confidence out."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from testbed.core.command import Command
from testbed.core.errors import AgentError
from testbed.core.geometry import Box
from testbed.core.truth import Truth

Image = NDArray[np.uint8]
"""Colour image, shape (height, width, 3), RGB, dtype uint8."""

LEFT_OUT: Mapping[str, bool] = {"left_out": True}
"""Metadata of a field that traces mention only where it has another value than its default."""


class Steering(enum.StrEnum):
    """The three answers to "at which direction should you turn the steering wheel?"."""

    LEFT = "Left"
    STRAIGHT = "Straight"
    RIGHT = "Right"

    @property
    def sign(self) -> int:
        """+1 for left, 0 for straight, -1 for right: the sign of the lateral acceleration it asks for."""
        return {"Left": 1, "Straight": 0, "Right": -1}[self.value]


@dataclass(frozen=True, slots=True)
class SignAnswer:
    """Traffic sign recognition of one crop.

    Attributes:
        class_id: GTSRB class 0-42, or None when the agent abstains.
        confidence: Probability of the answer, 0-1.
    """

    class_id: int | None
    confidence: float


@dataclass(frozen=True, slots=True)
class SteeringAnswer:
    """Automated lane centring answer.

    Attributes:
        steering: Left, Straight or Right, or None when the agent abstains.
        confidence: Probability of the answer, 0-1.
        probabilities: Probabilities of (Left, Straight, Right) where the agent has them.
        lateral_offset_m: Preview offset of the lane centre, positive left, where the agent measures it; reported,
            never driven on.
    """

    steering: Steering | None
    confidence: float
    probabilities: tuple[float, float, float] | None = None
    lateral_offset_m: float | None = None


@dataclass(frozen=True, slots=True)
class VehicleAnswer:
    """Vehicle detection answer: is there a vehicle ahead in the ego's way, and where.

    Attributes:
        present: True, False, or None when the agent abstains.
        box_px: Box of that vehicle in the observation's image; None when absent.
        confidence: Probability of the presence answer, 0-1.
    """

    present: bool | None
    box_px: Box | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """One agent's answers, beside another's, and which picture they are about.

    Attributes:
        frame: Simulation frame of the picture.
        t_s: Simulation time of the picture.
        steering: Its answer.
        vehicle: Its answer.
        sign: Its answer; None when no sign was in view.
        sign_id: Which sign that answer is about.
        raw: What it literally said per task.
        unparsable: Tasks whose answer was said but could not be read; it is withheld.
    """

    frame: int
    t_s: float
    steering: SteeringAnswer
    vehicle: VehicleAnswer
    sign: SignAnswer | None = None
    sign_id: str | None = None
    raw: dict[str, str] = field(default_factory=dict)
    unparsable: frozenset[str] = field(default=frozenset(), metadata=LEFT_OUT)


class Relation(enum.StrEnum):
    """How the answers of a fast and a slow agent to one question about one picture stand to each other."""

    AGREE = "agree"
    DISAGREE = "disagree"
    FAST_ALONE = "fast alone"
    SLOW_ALONE = "slow alone"
    NOBODY = "nobody"


class Caution(enum.StrEnum):
    """What an agent asks of the driver besides acting on its answers."""

    NONE = "none"
    SLOW = "slow"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Arbitration:
    """How the answers of two agents became one, and how far the driver should trust them.

    Attributes:
        policy: Name of the arbiter's policy.
        fast: What the agent said that is asked at every decision.
        slow: The newest answers that the other one had ready; None before the first.
        checked: What the fast agent had said about the picture of the slow one's answers; None without any.
        relations: Task (``tsr``, ``alc``, ``vd``) to how the two stand to each other; only what was asked.
        alarms: Tasks on which they have disagreed for so long that it is an alarm.
        caution: What is asked of the driver.
    """

    policy: str
    fast: Opinion
    slow: Opinion | None
    checked: Opinion | None
    relations: dict[str, Relation]
    alarms: tuple[str, ...] = ()
    caution: Caution = Caution.NONE


@dataclass(frozen=True, slots=True)
class Perception:
    """All answers of one decision.

    Attributes:
        steering: Always asked.
        vehicle: Always asked.
        sign: None when no sign was in view, so that nothing was asked.
        raw: What the model literally said per task ("tsr", "alc", "vd"), for the report.
        unparsable: Tasks whose answer was said but could not be read; it is withheld like an abstention and counted
            apart from one.
        arbitration: Where the answers come from two agents, how they were made one; None for every other agent.
        command: What an agent that drives by itself wants of the vehicle until its next answer, in place of planner and
            controller; its answers to the questions are then neither acted on nor scored. None for every other agent.
    """

    steering: SteeringAnswer
    vehicle: VehicleAnswer
    sign: SignAnswer | None = None
    raw: dict[str, str] = field(default_factory=dict)
    unparsable: frozenset[str] = field(default=frozenset(), metadata=LEFT_OUT)
    arbitration: Arbitration | None = None
    command: Command | None = field(default=None, metadata=LEFT_OUT)

    @classmethod
    def driven(cls, command: Command) -> Perception:
        """Return what an agent that drives by itself answers: no questions, but what the vehicle is to do.

        Raises:
            AgentError: It is no command.
        """
        if not isinstance(command, Command):
            raise AgentError(f"{command!r} is no Command", hint="an agent that drives by itself wants one every time")
        return cls(SteeringAnswer(None, 0.0), VehicleAnswer(None, None, 0.0), command=command)


@dataclass(frozen=True, slots=True)
class Observation:
    """What an agent may see, and nothing else.

    Attributes:
        frame: Simulation frame of the image.
        t_s: Simulation time of the image.
        image: Driver's view, shape (160, 320, 3) by default, RGB uint8.
        sign_crop: Crop of the nearest readable sign, shape (h, w, 3) uint8, or None.
        sign_id: Identifier of that sign, so that answers over several frames can be put together; None without a crop.
        sign_distance_m: Distance along the road to that sign; None without a crop.
        speed_mps: Ego speed.
        route_command: High-level route command ("lane_follow", "left", "right", "straight").
        truth: Ground truth, only ever set for agents whose card declares ``needs_truth`` (the scripted oracle).
    """

    frame: int
    t_s: float
    image: Image
    speed_mps: float
    sign_crop: Image | None = None
    sign_id: str | None = None
    sign_distance_m: float | None = None
    route_command: str = "lane_follow"
    truth: Truth | None = None
