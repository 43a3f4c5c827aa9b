"""JSON schemas of the trace's channels.

Foxglove plots any number in them; its own two schemas drive its 3D and image panels
(https://docs.foxglove.dev/docs/visualization/message-schemas).
"""

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

TRACE_VERSION = 1
LIBRARY = f"v2lm-testbed trace {TRACE_VERSION}"

TOPICS: dict[str, str] = {
    "/ego": "testbed.Ego",
    "/lane": "testbed.Lane",
    "/traffic": "testbed.Traffic",
    "/attack": "testbed.Attack",
    "/command": "testbed.Command",
    "/decision": "testbed.Decision",
    "/event": "testbed.Event",
    "/camera": "foxglove.CompressedImage",
    "/tf": "foxglove.FrameTransform",
}
"""Topic to schema name, in the order of the channel ids."""

OPTIONAL_TOPICS: dict[str, str] = {"/arbitration": "testbed.Arbitration"}
"""The same for what most drives hold nothing of: declared with the first message, so that their bytes stay as they are.
"""

APART: dict[Any, tuple[str, ...]] = {Perception: ("arbitration",)}
"""Fields that have a topic of their own."""

_PLAIN: dict[Any, dict[str, Any]] = {
    float: {"type": "number"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
}
_HEAD: dict[str, Any] = {"frame": {"type": "integer"}, "t_s": {"type": "number"}}
_TIME: dict[str, Any] = {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}


def _numbers(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "number"} for name in names}}


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
    image = {
        "timestamp": _TIME,
        "frame_id": {"type": "string"},
        "format": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
    }
    transform = {
        "timestamp": _TIME,
        "parent_frame_id": {"type": "string"},
        "child_frame_id": {"type": "string"},
        "translation": _numbers("x", "y", "z"),
        "rotation": _numbers("x", "y", "z", "w"),
    }
    return {
        "testbed.Ego": _with_head(EgoState),
        "testbed.Lane": _with_head(LaneState),
        "testbed.Traffic": {"type": "object", "properties": _HEAD | traffic},
        "testbed.Attack": _with_head(AttackTruth),
        "testbed.Command": command,
        "testbed.Decision": {"type": "object", "properties": _HEAD | {"decision": _schema_of(Decision)}},
        "testbed.Arbitration": _with_head(Arbitration),
        "testbed.Event": Event.model_json_schema(),
        "foxglove.CompressedImage": {"title": "foxglove.CompressedImage", "type": "object", "properties": image},
        "foxglove.FrameTransform": {"title": "foxglove.FrameTransform", "type": "object", "properties": transform},
    }


SCHEMAS: dict[str, dict[str, Any]] = _all()
"""Schema name to JSON schema."""
