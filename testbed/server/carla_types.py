"""From simulation objects to the arrays that CARLA's client expects (LibCarla's carla/rpc and carla/geom)."""

from __future__ import annotations

import struct

from testbed.core.semantic_tags import SemanticTag
from testbed.core.types import Pose
from testbed.server.simulation.actors import SimulatedActor
from testbed.server.simulation.bounding_boxes import BoundingBox
from testbed.server.simulation.settings import Settings
from testbed.server.simulation.transforms import compose

_TOKEN = struct.Struct("<IHBB16x")
_TCP = 1
_SAME_HOST = 0
"""Address type by which the client connects to the host that it was given."""

_SCENERY_KIND: dict[int, str] = {
    SemanticTag.ROADS: "road",
    SemanticTag.BUILDINGS: "building",
    SemanticTag.WALLS: "wall",
    SemanticTag.FENCES: "fence",
    SemanticTag.POLES: "pole",
    SemanticTag.VEGETATION: "vegetation",
    SemanticTag.TERRAIN: "terrain",
    SemanticTag.GUARD_RAIL: "guardrail",
}


def transform(pose: Pose) -> list[object]:
    """Return a Transform."""
    return [list(pose[:3]), list(pose[3:])]


def token(stream_id: int, port: int) -> bytes:
    """Return the 24 bytes that let a client subscribe to a stream."""
    return _TOKEN.pack(stream_id, port, _TCP, _SAME_HOST)


def box(value: BoundingBox, actor_id: int = 0) -> list[object]:
    """Return a BoundingBox in its owner's frame."""
    return [list(value.centre_m), list(value.extent_m), list(value.rotation_deg), actor_id]


def world_box(pose: Pose, value: BoundingBox, actor_id: int = 0) -> list[object]:
    """Return a BoundingBox in the world frame."""
    placed = compose(pose, (*value.centre_m, *value.rotation_deg))
    return [list(placed[:3]), list(value.extent_m), list(placed[3:]), actor_id]


def actor(value: SimulatedActor, port: int) -> list[object]:
    """Return an Actor; its token is empty unless it has a stream."""
    return [
        value.id,
        value.parent_id,
        [value.uid, value.type_id, value.attributes],
        box(value.box, value.id),
        value.tags,
        token(value.stream_id, port) if value.stream_id else b"",
    ]


def scenery_actor(name: str, tag: int) -> list[object]:
    """Return the stand-in by which a collision with scenery names what was hit: id 0, type ``static.<what>``."""
    type_id = f"static.{_SCENERY_KIND.get(tag, 'other')}"
    return [0, 0, [0, type_id, [["name", 4, name]]], box(BoundingBox()), bytes([tag]), b""]


def settings(value: Settings) -> list[object]:
    """Return EpisodeSettings."""
    delta: list[object] = [False] if value.fixed_delta_s is None else [True, value.fixed_delta_s]
    return [
        value.synchronous,
        value.no_rendering,
        delta,
        value.substepping,
        value.max_substep_s,
        value.max_substeps,
        value.max_culling_distance,
        value.deterministic_ragdolls,
        value.tile_stream_distance,
        value.actor_active_distance,
        value.spectator_as_ego,
    ]
