"""Actors in general, walkers and traffic lights: spawn, destroy, place, push, ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.core.geometry import Vector
from testbed.core.types import Pose
from testbed.server import carla_types
from testbed.server.rpc.arguments import bounded_or_zero, description, integer, number, sequence, text, vector
from testbed.server.rpc.arguments import pose as pose_argument
from testbed.server.rpc.catalogue import method
from testbed.server.simulation import lights
from testbed.server.simulation.actors import SimulatedActor, TrafficLight, Walker
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.mover import apply_impulse, halt, place, set_velocity
from testbed.server.simulation.transforms import ORIGIN

if TYPE_CHECKING:
    from testbed.server.rpc.server import Server

MAX_WALKER_SPEED_MPS = 20.0


def find(server: Server, actor_id: object) -> SimulatedActor:
    """Return a living or recently destroyed actor; CallError if there is none."""
    return server.world.get(integer(actor_id, "actor id"))


# Life


@method("get_actors_by_id")
def get_actors_by_id(server: Server, ids: object) -> list[object]:
    """Answer the living actors among the ids."""
    actors = server.world.actors
    wanted = [integer(item, "actor id") for item in sequence(ids, None, "actor ids")]
    return [carla_types.actor(actors[item], server.stream_port) for item in wanted if item in actors]


@method("get_spectator")
def get_spectator(server: Server) -> list[object]:
    """Answer the spectator."""
    return carla_types.actor(server.world.spectator, server.stream_port)


def spawn(server: Server, what: object, where: object, parent: object = 0, attachment: object = 0) -> SimulatedActor:
    """Create an actor from wire arguments."""
    type_id, attributes = description(what)
    return server.world.spawn(
        type_id, attributes, pose_argument(where), integer(parent, "parent id"), integer(attachment, "attachment")
    )


@method("spawn_actor")
def spawn_actor(server: Server, what: object, where: object) -> list[object]:
    """Create an actor."""
    return carla_types.actor(spawn(server, what, where), server.stream_port)


@method("spawn_actor_with_parent")
def spawn_actor_with_parent(
    server: Server, what: object, where: object, parent: object, attachment: object, socket: object = ""
) -> list[object]:
    """Create an actor attached to another; sockets do not exist here."""
    text(socket)
    return carla_types.actor(spawn(server, what, where, parent, attachment), server.stream_port)


@method("destroy_actor")
def destroy_actor(server: Server, actor_id: object) -> bool:
    """Destroy an actor."""
    server.world.destroy(integer(actor_id, "actor id"))
    return True


@method("set_actor_dead")
def set_actor_dead(server: Server, actor_id: object) -> None:
    """Let a walker lie still."""
    actor = find(server, actor_id)
    halt(actor)
    if actor.walker is not None:
        actor.walker = Walker()


# Place and motion


def move(server: Server, actor: SimulatedActor, where: Pose) -> None:
    """Teleport an actor with everything attached to it; an attached one moves relative to its parent."""
    parent = server.world.actors.get(actor.parent_id)
    actor.relative = where
    if parent is None:
        actor.pose = where
        place(actor)
        server.world.refresh(actor)
    else:
        server.world.refresh(parent)


@method("set_actor_location")
def set_actor_location(server: Server, actor_id: object, location: object) -> None:
    """Teleport without turning."""
    actor = find(server, actor_id)
    kept = actor.relative if actor.parent_id else actor.pose
    move(server, actor, (*vector(location), *kept[3:]))


@method("set_actor_transform")
def set_actor_transform(server: Server, actor_id: object, where: object) -> None:
    """Teleport."""
    move(server, find(server, actor_id), pose_argument(where))


@method("set_actor_target_velocity")
def set_actor_target_velocity(server: Server, actor_id: object, velocity: object) -> None:
    """Give an actor a world velocity."""
    set_velocity(find(server, actor_id), vector(velocity))


@method("set_actor_target_angular_velocity")
def set_actor_target_angular_velocity(server: Server, actor_id: object, velocity: object) -> None:
    """Give a vehicle a yaw rate (degrees per second about z)."""
    actor, turn = find(server, actor_id), vector(velocity)
    actor.angular_deg_s = turn
    if actor.vehicle is not None:
        actor.vehicle.motion.yaw_rate_rad_s = turn[2] * 0.017453292519943295


@method("enable_actor_constant_velocity")
def enable_actor_constant_velocity(server: Server, actor_id: object, velocity: object) -> None:
    """Hold a vehicle at a velocity in its own frame."""
    actor = find(server, actor_id)
    if actor.vehicle is not None:
        actor.vehicle.constant_velocity = vector(velocity)


@method("disable_actor_constant_velocity")
def disable_actor_constant_velocity(server: Server, actor_id: object) -> None:
    """Let the dynamics take over again."""
    actor = find(server, actor_id)
    if actor.vehicle is not None:
        actor.vehicle.constant_velocity = None


@method("add_actor_impulse")
def add_actor_impulse(server: Server, actor_id: object, impulse: object) -> None:
    """Push with a world impulse in N s."""
    apply_impulse(find(server, actor_id), vector(impulse))


@method("add_actor_force")
def add_actor_force(server: Server, actor_id: object, force: object) -> None:
    """Push with a world force in N during the next step."""
    actor, added = find(server, actor_id), vector(force)
    if actor.vehicle is not None:
        fx, fy, fz = actor.vehicle.force_n
        actor.vehicle.force_n = (fx + added[0], fy + added[1], fz + added[2])


@method("add_actor_angular_impulse")
def add_actor_angular_impulse(server: Server, actor_id: object, impulse: object) -> None:
    """Turn with an angular impulse about z in N m s."""
    actor, value = find(server, actor_id), vector(impulse)
    if actor.vehicle is not None and actor.physics:
        actor.vehicle.motion.yaw_rate_rad_s += value[2] / actor.vehicle.chassis.yaw_inertia_kgm2


@method("add_actor_torque")
def add_actor_torque(server: Server, actor_id: object, torque: object) -> None:
    """Turn with a torque about z in N m during the next step."""
    actor, value = find(server, actor_id), vector(torque)
    if actor.vehicle is not None:
        actor.vehicle.torque_nm += value[2]


@method("add_actor_impulse_at_location")
def add_actor_impulse_at_location(server: Server, actor_id: object, impulse: object, location: object) -> None:
    """Push at a world point."""
    actor, value, at = find(server, actor_id), vector(impulse), vector(location)
    apply_impulse(actor, value)
    if actor.vehicle is not None and actor.physics:
        spin = _moment(actor, value, at)
        actor.vehicle.motion.yaw_rate_rad_s += spin / actor.vehicle.chassis.yaw_inertia_kgm2


@method("add_actor_force_at_location")
def add_actor_force_at_location(server: Server, actor_id: object, force: object, location: object) -> None:
    """Push at a world point during the next step."""
    actor, value, at = find(server, actor_id), vector(force), vector(location)
    if actor.vehicle is not None:
        fx, fy, fz = actor.vehicle.force_n
        actor.vehicle.force_n = (fx + value[0], fy + value[1], fz + value[2])
        actor.vehicle.torque_nm += _moment(actor, value, at)


def _moment(actor: SimulatedActor, force: Vector, at: Vector) -> float:
    return (at[0] - actor.pose[0]) * force[1] - (at[1] - actor.pose[1]) * force[0]


@method("set_actor_simulate_physics")
def set_actor_simulate_physics(server: Server, actor_id: object, enabled: object) -> None:
    """Let the simulation move an actor, or freeze it where it is."""
    actor = find(server, actor_id)
    if actor.physics and not enabled:
        halt(actor)
    actor.physics = bool(enabled)


@method("set_actor_collisions")
def set_actor_collisions(server: Server, actor_id: object, enabled: object) -> None:
    """Let others collide with an actor, or pass through it."""
    find(server, actor_id).collides = bool(enabled)


@method("set_actor_enable_gravity")
def set_actor_enable_gravity(server: Server, actor_id: object, enabled: object) -> None:
    """Let an actor fall, or float."""
    find(server, actor_id).gravity = bool(enabled)


@method("set_actor_autopilot")
def set_actor_autopilot(server: Server, actor_id: object, enabled: object) -> None:
    """Accept: the autopilot is the client's own traffic manager."""
    find(server, actor_id)


# Questions


@method("get_actor_bounding_box")
def get_actor_bounding_box(server: Server, actor_id: object) -> list[object]:
    """Answer the bounding box in the actor's frame."""
    actor = find(server, actor_id)
    return carla_types.box(actor.box, actor.id)


@method("get_actor_component_names")
def get_actor_component_names(server: Server, actor_id: object) -> list[str]:
    """Answer the one component there is."""
    find(server, actor_id)
    return ["root"]


@method("get_actor_bone_names")
def get_actor_bone_names(server: Server, actor_id: object) -> list[str]:
    """Answer the one bone there is."""
    find(server, actor_id)
    return ["root"]


@method("get_actor_socket_names")
def get_actor_socket_names(server: Server, actor_id: object) -> list[str]:
    """Answer that there are no sockets."""
    find(server, actor_id)
    return []


@method("get_actor_component_world_transform")
def get_actor_component_world_transform(server: Server, actor_id: object, name: object) -> list[object]:
    """Answer where the component is."""
    text(name)
    return carla_types.transform(find(server, actor_id).pose)


@method("get_actor_component_relative_transform")
def get_actor_component_relative_transform(server: Server, actor_id: object, name: object) -> list[object]:
    """Answer that the component is the actor."""
    text(name)
    find(server, actor_id)
    return carla_types.transform(ORIGIN)


@method("get_actor_bone_world_transforms")
def get_actor_bone_world_transforms(server: Server, actor_id: object) -> list[object]:
    """Answer where the bone is."""
    return [carla_types.transform(find(server, actor_id).pose)]


@method("get_actor_bone_relative_transforms")
def get_actor_bone_relative_transforms(server: Server, actor_id: object) -> list[object]:
    """Answer that the bone is the actor."""
    find(server, actor_id)
    return [carla_types.transform(ORIGIN)]


@method("get_actor_socket_world_transforms")
def get_actor_socket_world_transforms(server: Server, actor_id: object) -> list[object]:
    """Answer that there are no sockets."""
    find(server, actor_id)
    return []


@method("get_actor_socket_relative_transforms")
def get_actor_socket_relative_transforms(server: Server, actor_id: object) -> list[object]:
    """Answer that there are no sockets."""
    find(server, actor_id)
    return []


# Walkers


@method("apply_control_to_walker")
def apply_control_to_walker(server: Server, actor_id: object, control: object) -> None:
    """Let a walker walk."""
    actor = find(server, actor_id)
    direction, speed, jump = sequence(control, 3, "WalkerControl")
    if actor.walker is not None:
        x, y, z = (bounded_or_zero(item, -1e6, 1e6) for item in sequence(direction, 3, "direction"))
        actor.walker = Walker((x, y, z), bounded_or_zero(speed, 0.0, MAX_WALKER_SPEED_MPS), bool(jump))


@method("get_bones_transform")
def get_bones_transform(server: Server, actor_id: object) -> list[object]:
    """Answer the one bone of a walker."""
    here = carla_types.transform(find(server, actor_id).pose)
    return [[["crl_root", here, carla_types.transform(ORIGIN), carla_types.transform(ORIGIN)]]]


@method("set_bones_transform")
def set_bones_transform(server: Server, actor_id: object, bones: object) -> None:
    """Accept: walkers here are rigid."""
    find(server, actor_id)


@method("blend_pose")
def blend_pose(server: Server, actor_id: object, blend: object) -> None:
    """Accept: walkers here are rigid."""
    find(server, actor_id)


@method("get_pose_from_animation")
def get_pose_from_animation(server: Server, actor_id: object) -> None:
    """Accept: walkers here are rigid."""
    find(server, actor_id)


# Traffic lights


def _light(server: Server, actor_id: object) -> TrafficLight:
    light = find(server, actor_id).light
    if light is None:
        raise CallError(f"actor {actor_id} is not a traffic light")
    return light


@method("set_traffic_light_state")
def set_traffic_light_state(server: Server, actor_id: object, state: object) -> None:
    """Switch a light."""
    wanted = integer(state, "traffic light state")
    if not lights.RED <= wanted <= lights.UNKNOWN:
        raise CallError(f"traffic light state {wanted} is not between 0 and 4")
    lights.set_state(_light(server, actor_id), wanted)


@method("set_traffic_light_green_time")
def set_traffic_light_green_time(server: Server, actor_id: object, seconds: object) -> None:
    """Set how long a light stays green."""
    _light(server, actor_id).green_s = max(0.0, number(seconds))


@method("set_traffic_light_yellow_time")
def set_traffic_light_yellow_time(server: Server, actor_id: object, seconds: object) -> None:
    """Set how long a light stays yellow."""
    _light(server, actor_id).yellow_s = max(0.0, number(seconds))


@method("set_traffic_light_red_time")
def set_traffic_light_red_time(server: Server, actor_id: object, seconds: object) -> None:
    """Set how long a light stays red."""
    _light(server, actor_id).red_s = max(0.0, number(seconds))


@method("freeze_traffic_light")
def freeze_traffic_light(server: Server, actor_id: object, frozen: object) -> None:
    """Stop or resume a light's programme."""
    _light(server, actor_id).frozen = bool(frozen)


@method("freeze_all_traffic_lights")
def freeze_all_traffic_lights(server: Server, frozen: object) -> None:
    """Stop or resume all programmes."""
    for actor in server.world.lights():
        assert actor.light is not None
        actor.light.frozen = bool(frozen)


@method("reset_all_traffic_lights")
def reset_all_traffic_lights(server: Server) -> None:
    """Start all programmes anew."""
    for actor in server.world.lights():
        assert actor.light is not None
        lights.restart(actor.light)


@method("reset_traffic_light_group")
def reset_traffic_light_group(server: Server, actor_id: object) -> None:
    """Start the programme of a light's group anew."""
    for member in get_group_traffic_lights(server, actor_id):
        lights.restart(_light(server, member))


@method("get_group_traffic_lights")
def get_group_traffic_lights(server: Server, actor_id: object) -> list[int]:
    """Answer the lights of the same junction; a light on its own is its own group."""
    light = _light(server, actor_id)
    if not light.group:
        return [integer(actor_id)]
    return [actor.id for actor in server.world.lights() if actor.light is not None and actor.light.group == light.group]


@method("get_light_boxes")
def get_light_boxes(server: Server, actor_id: object) -> list[object]:
    """Answer the box of the light in the world."""
    actor = find(server, actor_id)
    return [carla_types.world_box(actor.pose, actor.box, actor.id)]
