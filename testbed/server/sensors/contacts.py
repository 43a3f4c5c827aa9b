"""Collision and obstacle detectors: zero or more messages per frame."""

from __future__ import annotations

from collections.abc import Iterator

import msgpack

from testbed.server import carla_types
from testbed.server.sensors.headers import Instant, Message, header
from testbed.server.simulation.actors import SimulatedActor
from testbed.server.simulation.rays import cast
from testbed.server.simulation.transforms import to_world
from testbed.server.simulation.world import World

COLLISION, OBSTACLE = 0, 7


def collisions(actor: SimulatedActor, instant: Instant, world: World, port: int) -> Iterator[Message]:
    """Yield one message per contact of the sensor's parent in the last frame."""
    for event in world.collisions:
        if event.actor_id != actor.parent_id:
            continue
        me = world.actors.get(event.actor_id)
        other = world.actors.get(event.other_id)
        if me is None:
            continue
        shown = (
            carla_types.actor(other, port)
            if other is not None
            else carla_types.scenery_actor(event.other_name, event.other_tag)
        )  # fmt: skip
        body = [carla_types.actor(me, port), shown, list(event.impulse_ns)]
        yield (header(actor, COLLISION, instant), _pack(body))


def obstacles(actor: SimulatedActor, instant: Instant, world: World, port: int) -> Iterator[Message]:
    """Yield the nearest thing within the sensor's ``distance`` straight ahead, swept with its ``hit_radius``."""
    me = world.actors.get(actor.parent_id)
    if me is None:
        return
    end = to_world(actor.pose, (max(0.0, actor.number("distance", 5.0)), 0.0, 0.0))
    only_dynamics = actor.values.get("only_dynamics", "false").lower() == "true"
    radius = max(0.0, actor.number("hit_radius", 0.5))
    for hit in cast(world, actor.pose[:3], end, ignore=(actor.id, me.id), grow_m=max(radius, 1e-3)):
        other = world.actors.get(hit.actor_id)
        if only_dynamics and (other is None or (other.vehicle is None and other.walker is None)):
            continue
        shown = carla_types.actor(other, port) if other is not None else carla_types.scenery_actor(hit.name, hit.tag)
        yield (header(actor, OBSTACLE, instant), _pack([carla_types.actor(me, port), shown, hit.distance_m]))
        return


def _pack(body: object) -> bytes:
    packed: bytes = msgpack.packb(body, use_single_float=True)
    return packed
