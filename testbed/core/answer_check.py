"""The agent protocol at the door: cards and answers of the right type, in range and finite, whoever asks for them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from testbed.core.agent import Agent, AgentCard
from testbed.core.answers import Perception, SignAnswer, Steering, SteeringAnswer, VehicleAnswer
from testbed.core.command import Command
from testbed.core.errors import AgentError, TestbedError

TASKS = ("tsr", "alc", "vd")


@contextmanager
def blamed(agent: Agent) -> Iterator[None]:
    """Make whatever an agent raises a failure of the agent: one of another package cannot speak for the testbed.

    Raises:
        AgentError: In place of it; errors of the testbed's own agents pass as they are.
    """
    ours = type(agent).__module__.partition(".")[0] == __name__.partition(".")[0]
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, AgentError) or (ours and isinstance(error, TestbedError)):
            raise
        raise AgentError(f"agent {agent.card.name!r} failed: {type(error).__name__}: {error}") from error


def check_answers(perception: Perception, name: str) -> None:
    """Hold an agent to its protocol.

    Raises:
        AgentError: If an answer is of the wrong type, out of range or not finite.
    """
    if not isinstance(perception, Perception):
        raise AgentError(f"agent {name!r} answered {type(perception).__name__}, not a Perception")
    for field, kind in (("steering", SteeringAnswer), ("vehicle", VehicleAnswer), ("sign", SignAnswer)):
        answer = getattr(perception, field)
        if not isinstance(answer, kind) and not (field == "sign" and answer is None):
            raise AgentError(f"agent {name!r} answered {answer!r} for {field}, not a {kind.__name__}")
    for answer in (perception.steering, perception.vehicle, perception.sign):
        if answer is not None and not _is_probability(answer.confidence):
            raise AgentError(f"agent {name!r} answered the confidence {answer.confidence!r}", hint="it lies in 0-1")
    _check_sign(perception.sign, name)
    _check_steering(perception.steering, name)
    _check_vehicle(perception.vehicle, name)
    _check_command(perception.command, name)
    if not isinstance(perception.raw, dict) or not all(isinstance(said, str) for said in perception.raw.values()):
        raise AgentError(f"agent {name!r} answered raw words {perception.raw!r}", hint="they are text per task")
    if not isinstance(perception.unparsable, frozenset) or not perception.unparsable <= set(TASKS):
        raise AgentError(f"agent {name!r} answered unparsable {perception.unparsable!r}", hint="a frozenset of tasks")


def _check_command(command: Command | None, name: str) -> None:
    if command is None:
        return
    if not isinstance(command, Command) or not _are_numbers((command.steer, command.acceleration_mps2), 2):
        raise AgentError(f"agent {name!r} wants {command!r} of the vehicle", hint="a Command of two finite numbers")
    if not -1.0 <= command.steer <= 1.0:
        raise AgentError(f"agent {name!r} wants the steering {command.steer!r}", hint="it lies in -1 to 1")


def _check_sign(sign: SignAnswer | None, name: str) -> None:
    if sign is None or sign.class_id is None:
        return
    if not _is_whole(sign.class_id) or not 0 <= sign.class_id <= 42:
        raise AgentError(
            f"agent {name!r} answered sign class {sign.class_id!r}", hint="classes are 0-42, or None to abstain"
        )


def _check_steering(steering: SteeringAnswer, name: str) -> None:
    if not isinstance(steering.steering, Steering | None):
        raise AgentError(f"agent {name!r} answered the steering {steering.steering!r}", hint="a Steering, or None")
    chances = steering.probabilities
    if chances is not None and not (_are_numbers(chances, 3) and all(_is_probability(one) for one in chances)):
        raise AgentError(f"agent {name!r} answered the probabilities {chances!r}", hint="three numbers in 0-1")
    if steering.lateral_offset_m is not None and not _is_number(steering.lateral_offset_m):
        raise AgentError(f"agent {name!r} answered the lateral offset {steering.lateral_offset_m!r}")


def _check_vehicle(vehicle: VehicleAnswer, name: str) -> None:
    if not isinstance(vehicle.present, bool | np.bool_ | None):
        raise AgentError(f"agent {name!r} answered {vehicle.present!r} for the vehicle", hint="True, False, or None")
    box = vehicle.box_px
    if box is not None and not (_are_numbers(box, 4) and box[0] <= box[2] and box[1] <= box[3]):
        raise AgentError(f"agent {name!r} answered the box {box!r}", hint="boxes are (x_min, y_min, x_max, y_max)")


def check_card(card: Any, name: str) -> None:
    """Hold an agent's card to its protocol.

    Raises:
        AgentError: If it is none, or states a latency that cannot be charged.
    """
    if not isinstance(card, AgentCard):
        raise AgentError(f"the card of agent {name!r} is {type(card).__name__}, not an AgentCard")
    latency = card.latency_ms
    if not _are_numbers(latency, 2) or not 0.0 <= latency[0] <= latency[1]:
        raise AgentError(
            f"the card of agent {name!r} states the latency {latency!r}",
            hint="latency_ms is (p50, p95) in ms, p95 not below p50",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_probability(value: Any) -> bool:
    return _is_number(value) and 0.0 <= value <= 1.0


def _are_numbers(values: Any, count: int) -> bool:
    return isinstance(values, tuple | list) and len(values) == count and all(_is_number(value) for value in values)
