"""The agent protocol at the door: what no driver, judge or report could make sense of is the agent's failure."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from testbed.core.agent import AgentCard
from testbed.core.answer_check import check_answers, check_card
from testbed.core.errors import AgentError
from testbed.core.types import Perception, SignAnswer, Steering, SteeringAnswer, VehicleAnswer

SOUND = Perception(
    SteeringAnswer(Steering.LEFT, 0.9, (0.9, 0.1, 0.0), 0.2),
    VehicleAnswer(True, (1.0, 2.0, 3.0, 4.0), 0.8),
    SignAnswer(14, 0.7),
    {"alc": "Left"},
)


def test_sound_answers_pass_in_whatever_number_types() -> None:
    check_answers(SOUND, "mine")
    check_answers(dataclasses.replace(SOUND, sign=None), "mine")
    check_answers(
        Perception(
            SteeringAnswer(None, np.float32(0.5)),
            VehicleAnswer(np.bool_(False), None, 1),
            SignAnswer(np.int64(3), np.float64(0.1)),
        ),
        "mine",
    )


@pytest.mark.parametrize("said", [None, "Left", 3, {"steering": "Left"}])
def test_what_is_no_perception_is_refused(said: Any) -> None:
    with pytest.raises(AgentError, match="agent 'mine' answered .*, not a Perception"):
        check_answers(said, "mine")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("steering", None, "for steering, not a SteeringAnswer"),
        ("steering", "Left", "for steering, not a SteeringAnswer"),
        ("vehicle", 3, "for vehicle, not a VehicleAnswer"),
        ("sign", 14, "for sign, not a SignAnswer"),
        ("steering", SteeringAnswer("Left", 0.5), "the steering 'Left'"),  # type: ignore[arg-type]
        ("steering", SteeringAnswer(Steering.LEFT, "high"), "the confidence 'high'"),  # type: ignore[arg-type]
        ("steering", SteeringAnswer(Steering.LEFT, float("nan")), "the confidence nan"),
        ("steering", SteeringAnswer(Steering.LEFT, True), "the confidence True"),
        ("steering", SteeringAnswer(Steering.LEFT, 0.5, (0.5, 0.5)), "the probabilities"),  # type: ignore[arg-type]
        ("steering", SteeringAnswer(Steering.LEFT, 0.5, None, float("inf")), "the lateral offset inf"),
        ("vehicle", VehicleAnswer("yes", None, 0.5), "'yes' for the vehicle"),  # type: ignore[arg-type]
        ("vehicle", VehicleAnswer(True, (1.0, 2.0, 3.0, 4.0, 5.0), 0.5), "the box"),  # type: ignore[arg-type]
        ("vehicle", VehicleAnswer(True, (1.0, 2.0, float("nan"), 4.0), 0.5), "the box"),
        ("vehicle", VehicleAnswer(True, (3.0, 2.0, 1.0, 4.0), 0.5), "the box"),
        ("vehicle", VehicleAnswer(True, "abcd", 0.5), "the box 'abcd'"),  # type: ignore[arg-type]
        ("sign", SignAnswer(3.0, 0.5), "sign class 3.0"),  # type: ignore[arg-type]
        ("sign", SignAnswer(43, 0.5), "sign class 43"),
        ("sign", SignAnswer(True, 0.5), "sign class True"),
        ("raw", {"alc": 3}, "raw words"),
        ("raw", None, "raw words"),
        ("unparsable", frozenset({"steering"}), "unparsable"),
        ("unparsable", ["alc"], "unparsable"),
    ],
)
def test_what_nobody_could_drive_on_is_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(AgentError, match=f"agent 'mine' answered.*{words}"):
        check_answers(dataclasses.replace(SOUND, **{field: value}), "mine")


@pytest.mark.parametrize(
    "latency", [(float("nan"), 1.0), ("fast", 1.0), (20.0, 10.0), (-1.0, 1.0), (20.0,), None, 20.0]
)
def test_a_card_states_a_latency_that_can_be_charged(latency: Any) -> None:
    with pytest.raises(AgentError, match="the card of agent 'mine' states the latency"):
        check_card(AgentCard("mine", "dnn", latency), "mine")
    check_card(AgentCard("mine", "dnn", (0.0, 0.0)), "mine")
    with pytest.raises(AgentError, match="is dict, not an AgentCard"):
        check_card({}, "mine")
