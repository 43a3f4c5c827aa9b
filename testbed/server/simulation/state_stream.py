"""The world-observer message: one packed record per living actor, the truth behind every getter of the client.

Layout: sensor header (48 bytes) + episode header (36 bytes) + 119 bytes per actor (LibCarla's SensorHeaderSerializer,
EpisodeStateSerializer and ActorDynamicState).
"""

from __future__ import annotations

import struct

from testbed.server.simulation.actors import ActorKind, SimulatedActor, TrafficLight, Vehicle, Walker
from testbed.server.simulation.world import World

WORLD_OBSERVER = 17
ACTIVE = 1

SENSOR_HEADER = struct.Struct("<QQd6f")
EPISODE_HEADER = struct.Struct("<Qdf3iI")
COMMON = struct.Struct("<IB6f3f3f3f")
VEHICLE = struct.Struct("<fff???ifB?IB24x")
WALKER = struct.Struct("<4f?37x")
LIGHT = struct.Struct("<32s4fI?B")
SIGN = struct.Struct("<32s22x")
NOTHING = bytes(54)


def encode(world: World, platform_s: float) -> bytes:
    """Return the state message of the last frame.

    Args:
        world: World to describe; its state bits are sent once.
        platform_s: Platform time stamp.
    """
    parts = [
        SENSOR_HEADER.pack(WORLD_OBSERVER, world.frame, world.elapsed_s, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        EPISODE_HEADER.pack(world.episode_id, platform_s, world.step_s, 0, 0, 0, world.state_bits),
    ]
    world.state_bits = 0
    pack = COMMON.pack
    for actor in world.actors.values():
        parts.append(
            pack(
                actor.id, ACTIVE, *actor.pose, *actor.velocity_mps, *actor.angular_deg_s, *actor.acceleration_mps2
            )
        )  # fmt: skip
        parts.append(_detail(actor))
    return b"".join(parts)


def _detail(actor: SimulatedActor) -> bytes:
    if actor.vehicle is not None:
        return _vehicle(actor.vehicle)
    if actor.walker is not None:
        return _walker(actor.walker)
    if actor.kind is not ActorKind.TRAFFIC:
        return NOTHING
    signal = actor.signal_id.encode("utf-8", "replace")[:31]
    return SIGN.pack(signal) if actor.light is None else _light(actor.light, signal)


def _vehicle(vehicle: Vehicle) -> bytes:
    throttle, steer, brake, hand_brake, reverse, manual, gear = vehicle.control
    shown = gear if manual else (-1 if reverse else _gear(vehicle.motion.vx_mps))
    light, state = vehicle.traffic_light_id, vehicle.traffic_light_state
    return VEHICLE.pack(
        throttle, steer, brake, hand_brake, reverse, manual, shown, vehicle.speed_limit_kmh, state, light > 0, light, 0
    )


def _gear(speed_mps: float) -> int:
    """Return the gear that an automatic box would be in: only for display, the drive train has no gears."""
    return 1 + (speed_mps > 5.0) + (speed_mps > 11.0) + (speed_mps > 18.0)


def _walker(walker: Walker) -> bytes:
    return WALKER.pack(*walker.direction, walker.speed_mps, walker.jump)


def _light(light: TrafficLight, signal: bytes) -> bytes:
    return LIGHT.pack(
        signal, light.green_s, light.yellow_s, light.red_s, light.elapsed_s, light.pole, light.frozen, light.state
    )
