"""Vehicles: controls, physics, telemetry, lights. Controls survive NaN, everything else refuses it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from testbed.server import carla_types
from testbed.server.rpc.arguments import bounded_or_zero, integer, number, sequence
from testbed.server.rpc.calls.actors import find
from testbed.server.rpc.catalogue import method
from testbed.server.simulation.actors import Ackermann, Vehicle
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.chassis import WHEEL_RADIUS_M, build_chassis
from testbed.server.simulation.dynamics import ControlInput

if TYPE_CHECKING:
    from testbed.server.rpc.server import Server

_PHYSICS_LISTS = (0, 10, 14, 15)
"""Fields of VehiclePhysicsControl that are lists of rows: torque curve, gears, steering curve, wheels."""
_ROW_LENGTH = {0: 2, 10: 3, 14: 2, 15: 10}


def vehicle_of(server: Server, actor_id: object) -> Vehicle:
    """Return the vehicle part of an actor; CallError if it has none."""
    vehicle = find(server, actor_id).vehicle
    if vehicle is None:
        raise CallError(f"actor {actor_id} is not a vehicle")
    return vehicle


@method("apply_control_to_vehicle")
def apply_control_to_vehicle(server: Server, actor_id: object, control: object) -> None:
    """Set throttle, steer, brake, hand brake, reverse, manual shift and gear until the next control."""
    vehicle = vehicle_of(server, actor_id)
    throttle, steer, brake, hand_brake, reverse, manual, gear = sequence(control, 7, "VehicleControl")
    control_input = ControlInput(
        bounded_or_zero(throttle, 0.0, 1.0),
        bounded_or_zero(brake, 0.0, 1.0),
        bounded_or_zero(steer, -1.0, 1.0),
        bool(hand_brake),
        bool(reverse) or (bool(manual) and isinstance(gear, int) and gear < 0),
        bool(manual) and gear == 0,
    )
    shown = int(bounded_or_zero(gear, -1, 8))
    vehicle.control_input = control_input
    vehicle.ackermann = None
    vehicle.control = [
        control_input.throttle,
        control_input.steer,
        control_input.brake,
        control_input.hand_brake,
        bool(reverse),
        bool(manual),
        shown,
    ]


@method("apply_ackermann_control_to_vehicle")
def apply_ackermann_control_to_vehicle(server: Server, actor_id: object, control: object) -> None:
    """Follow a wheel angle and a speed until the next control."""
    vehicle = vehicle_of(server, actor_id)
    values = [bounded_or_zero(item, -1e3, 1e3) for item in sequence(control, 5, "VehicleAckermannControl")]
    vehicle.ackermann = Ackermann(*values)


@method("get_ackermann_controller_settings")
def get_ackermann_controller_settings(server: Server, actor_id: object) -> list[float]:
    """Answer the gains."""
    return vehicle_of(server, actor_id).ackermann_settings


@method("apply_ackermann_controller_settings")
def apply_ackermann_controller_settings(server: Server, actor_id: object, settings: object) -> None:
    """Keep the gains for the client; the Ackermann controller here inverts the vehicle model and needs none."""
    values = [number(item) for item in sequence(settings, 6, "AckermannControllerSettings")]
    vehicle_of(server, actor_id).ackermann_settings = values


@method("get_physics_control")
def get_physics_control(server: Server, actor_id: object) -> list[object]:
    """Answer the physics control."""
    return vehicle_of(server, actor_id).physics


@method("apply_physics_control")
def apply_physics_control(server: Server, actor_id: object, physics: object) -> None:
    """Replace the physics control and derive the vehicle model anew."""
    vehicle = vehicle_of(server, actor_id)
    checked = _physics(sequence(physics, 17, "VehiclePhysicsControl"))
    vehicle.chassis = build_chassis(vehicle.model, checked)
    vehicle.physics = checked


def _physics(fields: Any) -> list[object]:
    checked: list[object] = []
    for index, value in enumerate(fields):
        if index in _PHYSICS_LISTS:
            rows = sequence(value, None, "VehiclePhysicsControl")
            if len(rows) > 64:
                raise CallError("VehiclePhysicsControl: a list of more than 64 rows")
            checked.append([_row(row, _ROW_LENGTH[index]) for row in rows])
        elif index == 13:
            checked.append([number(item) for item in sequence(value, 3, "center_of_mass")])
        elif isinstance(value, bool):
            checked.append(value)
        else:
            checked.append(number(value, "VehiclePhysicsControl"))
    return checked


def _row(row: object, length: int) -> list[object]:
    values: list[object] = []
    for item in sequence(row, length, "VehiclePhysicsControl"):
        if isinstance(item, list):
            values.append([number(part) for part in sequence(item, 3, "wheel position")])
        else:
            values.append(number(item, "VehiclePhysicsControl"))
    return values


@method("get_telemetry_data")
def get_telemetry_data(server: Server, actor_id: object) -> list[object]:
    """Answer speed, controls and a wheel record per wheel, as far as the bicycle model knows them."""
    vehicle = vehicle_of(server, actor_id)
    motion, chassis, control_input = vehicle.motion, vehicle.chassis, vehicle.control_input
    load = chassis.mass_kg * 9.81 / vehicle.model.wheels
    force = chassis.mass_kg * motion.drive_mps2 / vehicle.model.wheels
    side = chassis.mass_kg * motion.vx_mps * motion.yaw_rate_rad_s / vehicle.model.wheels
    slip = math.atan2(motion.vy_mps, max(abs(motion.vx_mps), 1.0))
    wheel = [
        chassis.friction, slip, 0.0, motion.vx_mps / WHEEL_RADIUS_M, load, 1.0, force * WHEEL_RADIUS_M, force, side,
        force / load, side / load,
    ]  # fmt: skip
    rpm = 800.0 + 200.0 * (abs(motion.vx_mps) % 20.0)
    drag = chassis.drag_kgpm * motion.vx_mps * motion.vx_mps
    gear = vehicle.control[6] if vehicle.control[5] else (-1 if control_input.reverse else 1)
    head = [abs(motion.vx_mps), control_input.steer, control_input.throttle, control_input.brake, rpm, gear, drag]
    return [*head, [list(wheel) for _ in range(vehicle.model.wheels)]]


@method("get_wheel_steer_angle")
def get_wheel_steer_angle(server: Server, actor_id: object, wheel: object) -> float:
    """Answer the angle of a wheel in degrees; 0 and 1 are the front wheels."""
    vehicle = vehicle_of(server, actor_id)
    return math.degrees(vehicle.motion.wheel_rad) if integer(wheel, "wheel") < 2 else 0.0


@method("get_wheel_pitch_angle")
def get_wheel_pitch_angle(server: Server, actor_id: object, wheel: object) -> float:
    """Answer that wheels do not turn visibly."""
    vehicle_of(server, actor_id)
    return 0.0


@method("get_vehicle_bone_world_transforms")
def get_vehicle_bone_world_transforms(server: Server, actor_id: object) -> list[object]:
    """Answer the one bone there is."""
    return [carla_types.transform(find(server, actor_id).pose)]


@method("get_vehicle_light_state")
def get_vehicle_light_state(server: Server, actor_id: object) -> list[int]:
    """Answer the light bitmask."""
    return [vehicle_of(server, actor_id).lights]


@method("set_vehicle_light_state")
def set_vehicle_light_state(server: Server, actor_id: object, state: object) -> None:
    """Switch lights."""
    (mask,) = sequence(state, 1, "VehicleLightState")
    vehicle_of(server, actor_id).lights = integer(mask, "light mask") & 0xFFFFFFFF


@method("get_vehicle_light_states")
def get_vehicle_light_states(server: Server) -> list[list[int]]:
    """Answer the bitmasks of all vehicles."""
    return [[a.id, a.vehicle.lights] for a in server.world.actors.values() if a.vehicle is not None]


def _accept(name: str) -> None:
    """Register a method that concerns a vehicle and changes nothing here (doors, debug text, other physics engines)."""

    def accept(server: Server, actor_id: object, *_: object) -> None:
        vehicle_of(server, actor_id)

    method(name)(accept)


for _name in (
    "open_vehicle_door", "close_vehicle_door", "set_wheel_steer_direction", "set_wheel_pitch_angle",
    "show_vehicle_debug_telemetry", "enable_carsim", "use_carsim_road", "enable_chrono_physics",
    "restore_physx_physics",
):  # fmt: skip
    _accept(_name)
