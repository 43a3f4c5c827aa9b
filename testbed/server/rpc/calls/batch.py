"""Batches: many commands in one call, with follow-ups on the actor that a command has just spawned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from testbed.server.rpc.arguments import integer, optional, sequence
from testbed.server.rpc.calls import actors, vehicles
from testbed.server.rpc.catalogue import method
from testbed.server.simulation.call_error import CallError

if TYPE_CHECKING:
    from testbed.server.rpc.server import Server

SPAWN, DESTROY, LIGHTS, CONSOLE, WALKER_STATE = 0, 1, 18, 20, 7
FUTURE_ACTOR = 0
MAX_DEPTH = 8

_BY_INDEX: dict[int, Callable[..., object]] = {
    2: vehicles.apply_control_to_vehicle,
    3: vehicles.apply_ackermann_control_to_vehicle,
    4: actors.apply_control_to_walker,
    5: vehicles.apply_physics_control,
    6: actors.set_actor_transform,
    8: actors.set_actor_target_velocity,
    9: actors.set_actor_target_angular_velocity,
    10: actors.add_actor_impulse,
    11: actors.add_actor_force,
    12: actors.add_actor_angular_impulse,
    13: actors.add_actor_torque,
    14: actors.set_actor_simulate_physics,
    15: actors.set_actor_enable_gravity,
    16: actors.set_actor_autopilot,
    19: actors.set_actor_location,
    21: actors.set_traffic_light_state,
}


@method("apply_batch")
def apply_batch(server: Server, commands: object, do_tick: object) -> list[object]:
    """Carry out commands in order; each has its own result, ``[[1, actor id]]`` or ``[[0, [text]]]``."""
    results = [_result(server, command) for command in sequence(commands, None, "commands")]
    if do_tick:
        server.tick()
    return results


def _result(server: Server, command: object) -> object:
    try:
        return [[1, _carry_out(server, command, FUTURE_ACTOR, 0)]]
    except CallError as error:
        return [[0, [str(error)]]]


def _carry_out(server: Server, command: object, future: int, depth: int) -> int:
    """Carry out one command and return the id of its actor.

    Args:
        server: Server.
        command: Wire form ``[[index, body]]``.
        future: Actor that id 0 stands for in a follow-up.
        depth: How many spawns this is a follow-up of.
    """
    (inner,) = sequence(command, 1, "command")
    index, body = sequence(inner, 2, "command")
    if depth > MAX_DEPTH:
        raise CallError(f"commands are nested more than {MAX_DEPTH} deep")
    if index == SPAWN:
        return _spawn(server, body, future, depth)
    if index == CONSOLE:
        raise CallError("console commands are not implemented by the embedded CARLA server")
    fields = list(sequence(body, None, "command"))
    if not fields:
        raise CallError("command without an actor id")
    actor_id = integer(fields[0], "actor id")
    if actor_id == FUTURE_ACTOR:
        fields[0] = actor_id = future
    if index == DESTROY:
        server.world.destroy(actor_id)
    elif index == LIGHTS:
        vehicles.set_vehicle_light_state(server, actor_id, fields[1:])
    elif index == WALKER_STATE:
        _, where, _ = sequence(fields, 3, "ApplyWalkerState")
        actors.set_actor_transform(server, actor_id, where)
    elif index == 17:
        vehicles.vehicle_of(server, actor_id)
    else:
        handler = _BY_INDEX.get(integer(index, "command"))
        if handler is None:
            raise CallError(f"command {index} is not known")
        sequence(fields, 2, "command")
        handler(server, *fields)
    return actor_id


def _spawn(server: Server, body: object, future: int, depth: int) -> int:
    what, where, parent, attachment, _, follow_ups = sequence(body, 6, "SpawnActor")
    parent_id = optional(parent, "parent")
    if parent_id is not None and integer(parent_id, "parent id") == FUTURE_ACTOR:
        parent_id = future
    actor = actors.spawn(server, what, where, parent_id or 0, attachment)
    for command in sequence(follow_ups, None, "do_after"):
        _carry_out(server, command, actor.id, depth + 1)
    return actor.id
