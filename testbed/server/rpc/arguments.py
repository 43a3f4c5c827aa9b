"""Checked decoding of call arguments: everything that arrives is suspect.

Each function returns a value of exactly the promised shape with finite numbers, or raises `CallError`. Controls
are the exception: CARLA's traffic manager sends NaN now and then, so there a value that is not finite counts as zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from testbed.core.geometry import Vector
from testbed.core.types import Pose
from testbed.server.simulation.call_error import CallError

FAR_M = 1e6
"""Positions beyond this are refused: float32 on the wire could not resolve them anyway."""


def number(value: Any, what: str = "number") -> float:
    """Return a finite float."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise CallError(f"{what} must be a finite number, not {_shown(value)}")
    return float(value)


def bounded_or_zero(value: Any, low: float, high: float) -> float:
    """Return a float within [low, high]; what is no finite number becomes 0."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return min(max(float(value), low), high)


def integer(value: Any, what: str = "number") -> int:
    """Return an integer of at most 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**64:
        raise CallError(f"{what} must be an integer, not {_shown(value)}")
    return value


def text(value: Any, what: str = "text", limit: int = 4096) -> str:
    """Return a string of at most ``limit`` characters."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str) or len(value) > limit:
        raise CallError(f"{what} must be a string of at most {limit} characters")
    return value


def sequence(value: Any, length: int | None, what: str = "argument") -> Sequence[Any]:
    """Return a list, of exactly ``length`` elements where that is given."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        wanted = "an array" if length is None else f"an array of {length}"
        raise CallError(f"{what} must be {wanted}, not {_shown(value)}")
    return value


def vector(value: Any, what: str = "vector") -> Vector:
    """Return three finite floats of at most 1e6."""
    x, y, z = (number(item, what) for item in sequence(value, 3, what))
    if max(abs(x), abs(y), abs(z)) > FAR_M:
        raise CallError(f"{what} ({x:g}, {y:g}, {z:g}) is out of range")
    return (x, y, z)


def pose(value: Any, what: str = "transform") -> Pose:
    """Return a transform as six finite floats; angles are reduced to (-180, 180]."""
    location, rotation = sequence(value, 2, what)
    pitch, yaw, roll = (number(item, what) for item in sequence(rotation, 3, what))
    return (*vector(location, what), _turn(pitch), _turn(yaw), _turn(roll))


def optional(value: Any, what: str = "optional") -> Any | None:
    """Return the content of an optional, or None."""
    if isinstance(value, list) and value and value[0] is True and len(value) == 2:
        return value[1]
    if isinstance(value, list) and len(value) == 1 and value[0] is False:
        return None
    raise CallError(f"{what} must be an optional, not {_shown(value)}")


def description(value: Any) -> tuple[str, list[list[object]]]:
    """Return (type id, attribute triples) of an ActorDescription."""
    _, type_id, attributes = sequence(value, 3, "actor description")
    triples: list[list[object]] = []
    for item in sequence(attributes, None, "attributes"):
        name, kind, content = sequence(item, 3, "attribute")
        triples.append([text(name), integer(kind), text(content)])
        if len(triples) > 256:
            raise CallError("Spawn failed because of invalid actor description: more than 256 attributes")
    return text(type_id, "type id"), triples


def _turn(angle_deg: float) -> float:
    return angle_deg if -180.0 < angle_deg <= 180.0 else 180.0 - (180.0 - angle_deg) % 360.0


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
