"""The trace's channels and their JSON schemas: ours, in which Foxglove plots any number, and those that it draws."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from testbed.core.records import Event
from testbed.core.types import (
    AheadTruth,
    Arbitration,
    AttackTruth,
    Command,
    ConflictTruth,
    Decision,
    EgoState,
    LaneState,
    LeadTruth,
    LineTruth,
    Perception,
    SignTruth,
)
from testbed.store.foxglove_schemas import FOXGLOVE

TRACE_VERSION = 2
LIBRARY_NAME = "v2lm-testbed trace"
LIBRARY = f"{LIBRARY_NAME} {TRACE_VERSION}"

TOPICS: dict[str, str] = {
    "/ego": "testbed.Ego",
    "/lane": "testbed.Lane",
    "/traffic": "testbed.Traffic",
    "/attack": "testbed.Attack",
    "/command": "testbed.Command",
    "/decision": "testbed.Decision",
    "/event": "testbed.Event",
    "/log": "foxglove.Log",
    "/tf": "foxglove.FrameTransform",
    "/camera": "foxglove.CompressedImage",
    "/camera/annotations": "foxglove.ImageAnnotations",
}
"""Topic to schema name, in the order of the channel ids."""

OPTIONAL_TOPICS: dict[str, str] = {
    "/arbitration": "testbed.Arbitration",
    "/tf_static": "foxglove.FrameTransform",
    "/camera/calibration": "foxglove.CameraCalibration",
    "/scene/standing": "foxglove.SceneUpdate",
    "/scene/moving": "foxglove.SceneUpdate",
    "/location": "foxglove.LocationFix",
}
"""The same for what not every drive holds: declared with the first message, so that others hold no word of it."""

TOLD: dict[str, str] = {
    "testbed.Ego": "World frame, right-handed: x forward, y left, z up in metres; yaw_deg counter-clockwise seen from "
    "above; accelerations and yaw rate positive to the left; steer as CARLA has it, -1 full left, +1 full right.",
    "testbed.Lane": "Relative to the lane and its direction, positive to the left.",
    "testbed.Command": "steer as CARLA has it, -1 full left, +1 full right.",
    "testbed.Event": "As it began; location_xyz_m in the right-handed world frame: x forward, y left, z up.",
}
"""Schema name to what its numbers are relative to."""

APART: dict[Any, tuple[str, ...]] = {Perception: ("arbitration",)}
"""Fields that have a topic of their own."""

_PLAIN: dict[Any, dict[str, Any]] = {
    float: {"type": "number"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
}
_HEAD: dict[str, Any] = {"frame": {"type": "integer"}, "t_s": {"type": "number"}}


def _schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a core type."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = [
            each.name
            for each in dataclasses.fields(kind)
            if "left_out" not in each.metadata and each.name not in APART.get(kind, ())
        ]
        return {"type": "object", "properties": {name: _schema_of(hints[name]) for name in names}}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = [_schema_of(argument) for argument in arguments if argument is not type(None)]
        return inner[0] if len(inner) == 1 else {"anyOf": inner}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(arguments[1])}
    return {"type": "string"}


def _of_event() -> dict[str, Any]:
    """Return the schema of an event; pydantic's own has tuples and unions that Foxglove does not read."""
    hints = typing.get_type_hints(Event)
    return {"type": "object", "properties": {name: _schema_of(hints[name]) for name in Event.model_fields}}


def _with_head(kind: Any) -> dict[str, Any]:
    schema = _schema_of(kind)
    return schema | {"properties": _HEAD | schema["properties"]}


def _all() -> dict[str, dict[str, Any]]:
    collision = _schema_of(tuple[dict[str, float], ...])
    traffic = {
        "speed_limit_mps": {"type": "number"},
        "lead": _schema_of(LeadTruth),
        "sign": _schema_of(SignTruth),
        "passed_signs": {"type": "array", "items": _schema_of(SignTruth)},
        "collisions": collision | {"items": {"type": "object"}},
        "lines": {"type": "array", "items": _schema_of(LineTruth)},
        "conflicts": {"type": "array", "items": _schema_of(ConflictTruth)},
        "ahead": _schema_of(AheadTruth),
    }
    command = _with_head(Command)
    command["properties"]["decision_frame"] = {"type": "integer"}
    ours = {
        "testbed.Ego": _with_head(EgoState),
        "testbed.Lane": _with_head(LaneState),
        "testbed.Traffic": {"type": "object", "properties": _HEAD | traffic},
        "testbed.Attack": _with_head(AttackTruth),
        "testbed.Command": command,
        "testbed.Decision": {"type": "object", "properties": _HEAD | {"decision": _schema_of(Decision)}},
        "testbed.Arbitration": _with_head(Arbitration),
        "testbed.Event": _of_event(),
    }
    return {name: schema | ({"description": TOLD[name]} if name in TOLD else {}) for name, schema in ours.items()}


SCHEMAS: dict[str, dict[str, Any]] = _all() | FOXGLOVE
"""Schema name to JSON schema."""
