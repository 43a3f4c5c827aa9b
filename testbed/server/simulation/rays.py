"""Rays against the ground plane, scenery boxes and actors: obstacle detectors, ``cast_ray`` and ``project_point``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from testbed.core.geometry import Vector
from testbed.core.semantic_tags import SemanticTag
from testbed.server.simulation.actors import ActorKind, SimulatedActor
from testbed.server.simulation.bounding_boxes import Footprint, footprint
from testbed.server.simulation.world import World

STEP_M = 12.0


@dataclass(frozen=True, slots=True)
class RayHit:
    """Where a ray met something.

    Attributes:
        distance_m: Distance from the start of the ray.
        tag: CARLA semantic tag of what was hit.
        actor_id: Actor hit; 0 for scenery and ground.
        name: Scenery name; empty for actors and ground.
    """

    distance_m: float
    tag: int
    actor_id: int = 0
    name: str = ""


def ray_box(origin: Vector, direction: Vector, length_m: float, box: Footprint, grow_m: float = 0.0) -> float | None:
    """Return the distance at which a ray enters a box, 0 when it starts inside, None when it misses.

    Args:
        origin: Start in the world.
        direction: Unit vector.
        length_m: Length of the ray.
        box: Box.
        grow_m: Makes the box larger on all sides (a sphere sweep instead of a ray).
    """
    dx, dy = origin[0] - box.x_m, origin[1] - box.y_m
    middle, half_z = 0.5 * (box.z_min_m + box.z_max_m), 0.5 * (box.z_max_m - box.z_min_m)
    start = (dx * box.cos + dy * box.sin, dy * box.cos - dx * box.sin, origin[2] - middle)
    way = (
        direction[0] * box.cos + direction[1] * box.sin,
        direction[1] * box.cos - direction[0] * box.sin,
        direction[2],
    )
    near, far = 0.0, length_m
    for s, d, half in zip(start, way, (box.half_length_m, box.half_width_m, half_z), strict=True):
        half += grow_m
        if abs(d) < 1e-12:
            if abs(s) > half:
                return None
            continue
        enter, leave = (-half - s) / d, (half - s) / d
        if enter > leave:
            enter, leave = leave, enter
        near, far = max(near, enter), min(far, leave)
        if near > far:
            return None
    return near


def cast(world: World, start: Vector, end: Vector, *, ignore: Iterable[int] = (), grow_m: float = 0.0) -> list[RayHit]:
    """Return everything that a segment of the world meets, nearest first: actors, scenery boxes, the ground.

    Args:
        world: World.
        start: Start of the segment.
        end: End of the segment.
        ignore: Actors that the ray passes through.
        grow_m: Radius of the swept sphere.
    """
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    if length < 1e-9:
        return []
    direction = (dx / length, dy / length, dz / length)
    hits = _actor_hits(world.actors.values(), start, direction, length, set(ignore), grow_m)
    seen: set[int] = set()
    for step in range(min(int(length / STEP_M) + 1, 2048)):
        # Walk along the ray through the grid, one circle of scenery at a time.
        along = min((step + 0.5) * STEP_M, length)
        x, y = start[0] + direction[0] * along, start[1] + direction[1] * along
        probe = Footprint(x, y, 1.0, 0.0, STEP_M, STEP_M, 0.0, 0.0, STEP_M + grow_m)
        for box in world.statics.near(probe):
            if id(box) not in seen:
                seen.add(id(box))
                distance = ray_box(start, direction, length, box.shape, grow_m)
                if distance is not None:
                    hits.append(RayHit(distance, box.tag, 0, box.name))
    ground = _ground_hit(world, start, direction, length)
    if ground is not None and grow_m == 0.0:
        hits.append(ground)
    return sorted(hits, key=lambda hit: (hit.distance_m, hit.actor_id, hit.name))


def _actor_hits(
    actors: Iterable[SimulatedActor], start: Vector, direction: Vector, length: float, ignored: set[int], grow_m: float
) -> list[RayHit]:
    hits = []
    for actor in actors:
        if actor.id in ignored or actor.kind not in (
            ActorKind.VEHICLE,
            ActorKind.WALKER,
            ActorKind.STATIC,
            ActorKind.TRAFFIC,
        ):
            continue
        if actor.box.extent_m[0] <= 0.0 or actor.parent_id:
            continue
        distance = ray_box(start, direction, length, footprint(actor.pose, actor.box), grow_m)
        if distance is not None:
            hits.append(RayHit(distance, actor.tags[0] if actor.tags else 0, actor.id))
    return hits


def _ground_hit(world: World, start: Vector, direction: Vector, length: float) -> RayHit | None:
    """Return where the ray goes through the ground: the road's height below the crossing, found in a few steps."""
    if direction[2] >= -1e-9:
        return None
    along = 0.0
    for _ in range(4):
        x, y = start[0] + direction[0] * along, start[1] + direction[1] * along
        along = (start[2] - world.ground.height_m(x, y)) / -direction[2]
        if not 0.0 <= along <= length:
            return None
    lane = world.ground.lane(start[0] + direction[0] * along, start[1] + direction[1] * along)
    on_road = lane is not None and lane.distance_m < 0.5
    return RayHit(along, SemanticTag.ROADS if on_road else SemanticTag.TERRAIN)
