"""From the JSON of a trace back to the types the judges know."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from testbed.core.types import (
    AheadTruth,
    Arbitration,
    AttackTruth,
    Box,
    Caution,
    Collision,
    Command,
    ConflictTruth,
    Decision,
    EgoState,
    LaneState,
    LeadTruth,
    LineTruth,
    Opinion,
    Perception,
    Relation,
    SignAnswer,
    SignTruth,
    Steering,
    SteeringAnswer,
    Step,
    Truth,
    VehicleAnswer,
)

Json = dict[str, Any]


def _without_head(message: Json, *more: str) -> Json:
    return {name: value for name, value in message.items() if name not in ("frame", "t_s", *more)}


def _box(values: list[float] | None) -> Box | None:
    return None if values is None else (values[0], values[1], values[2], values[3])


def _sign(value: Json) -> SignTruth:
    return SignTruth(value["sign_id"], value["class_id"], value["distance_m"], _box(value["box_px"]) or (0, 0, 0, 0))


def _lead(value: Json | None) -> LeadTruth | None:
    if value is None:
        return None
    box = _box(value["box_px"]) or (0, 0, 0, 0)
    return LeadTruth(value["actor_id"], value["distance_m"], value["speed_mps"], box)


def _steering_answer(value: Json) -> SteeringAnswer:
    probabilities = value["probabilities"]
    return SteeringAnswer(
        steering=None if value["steering"] is None else Steering(value["steering"]),
        confidence=value["confidence"],
        probabilities=None if probabilities is None else (probabilities[0], probabilities[1], probabilities[2]),
        lateral_offset_m=value["lateral_offset_m"],
    )


def _vehicle_answer(value: Json) -> VehicleAnswer:
    return VehicleAnswer(value["present"], _box(value["box_px"]), value["confidence"])


def _sign_answer(value: Json | None) -> SignAnswer | None:
    return None if value is None else SignAnswer(value["class_id"], value["confidence"])


def _opinion(value: Json) -> Opinion:
    return Opinion(
        frame=value["frame"],
        t_s=value["t_s"],
        steering=_steering_answer(value["steering"]),
        vehicle=_vehicle_answer(value["vehicle"]),
        sign=_sign_answer(value["sign"]),
        sign_id=value["sign_id"],
        raw=dict(value["raw"]),
        unparsable=frozenset(value.get("unparsable", ())),
    )


def decision_from(value: Json) -> Decision:
    """Return the decision in a ``/decision`` message."""
    said = value["perception"]
    perception = Perception(
        steering=_steering_answer(said["steering"]),
        vehicle=_vehicle_answer(said["vehicle"]),
        sign=_sign_answer(said["sign"]),
        raw=dict(said["raw"]),
        unparsable=frozenset(said.get("unparsable", ())),
        command=None if said.get("command") is None else Command(**said["command"]),
    )
    return Decision(value["frame"], value["t_s"], value["applied_t_s"], perception, value["inference_ms"])


def arbitrated(decision: Decision, message: Json) -> Decision:
    """Return a decision together with its ``/arbitration`` message."""
    arbitration = Arbitration(
        policy=message["policy"],
        fast=_opinion(message["fast"]),
        slow=None if message["slow"] is None else _opinion(message["slow"]),
        checked=None if message["checked"] is None else _opinion(message["checked"]),
        relations={task: Relation(value) for task, value in message["relations"].items()},
        alarms=tuple(message["alarms"]),
        caution=Caution(message["caution"]),
    )
    perception = dataclasses.replace(decision.perception, arbitration=arbitration)
    return dataclasses.replace(decision, perception=perception)


def step_from(messages: Mapping[str, Json], decisions: Mapping[int, Decision]) -> Step:
    """Return the step that the messages of one frame describe.

    Args:
        messages: Topic to message.
        decisions: Decisions by the frame they looked at.
    """
    traffic, command, attack = messages["/traffic"], messages["/command"], messages.get("/attack")
    truth = Truth(
        ego=EgoState(**_without_head(messages["/ego"])),
        lane=LaneState(**_without_head(messages["/lane"])),
        speed_limit_mps=traffic["speed_limit_mps"],
        lead=_lead(traffic["lead"]),
        sign=None if traffic["sign"] is None else _sign(traffic["sign"]),
        passed_signs=tuple(_sign(value) for value in traffic["passed_signs"]),
        collisions=tuple(Collision(**value) for value in traffic["collisions"]),
        attack=None if attack is None else AttackTruth(**_without_head(attack)),
        # traces of earlier versions know none of these
        lines=tuple(LineTruth(**value) for value in traffic.get("lines", ())),
        conflicts=tuple(ConflictTruth(**value) for value in traffic.get("conflicts", ())),
        ahead=None if traffic.get("ahead") is None else AheadTruth(**traffic["ahead"]),
    )
    in_force = command["decision_frame"]
    return Step(
        frame=command["frame"],
        t_s=command["t_s"],
        truth=truth,
        command=Command(**_without_head(command, "decision_frame")),
        decision=None if in_force is None else decisions[in_force],
    )
