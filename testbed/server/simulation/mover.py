"""One tick of one vehicle or walker: demands in, pose and velocities out."""

from __future__ import annotations

import math

from testbed.core.geometry import Vector
from testbed.server.simulation.actors import SimulatedActor, Vehicle, Walker
from testbed.server.simulation.chassis import GRAVITY_MPS2
from testbed.server.simulation.dynamics import PlanarMotion, advance
from testbed.server.simulation.ground import Ground
from testbed.server.simulation.transforms import ZERO, wrap_deg

MAX_SPEED_MPS = 300.0
MAX_YAW_RATE_RAD_S = 30.0


def _bound(actor: SimulatedActor, motion: PlanarMotion) -> None:
    """Keep velocities in a range that the integration survives, whatever impulses a client adds up."""
    motion.vx_mps = max(-MAX_SPEED_MPS, min(MAX_SPEED_MPS, motion.vx_mps))
    motion.vy_mps = max(-MAX_SPEED_MPS, min(MAX_SPEED_MPS, motion.vy_mps))
    motion.yaw_rate_rad_s = max(-MAX_YAW_RATE_RAD_S, min(MAX_YAW_RATE_RAD_S, motion.yaw_rate_rad_s))
    actor.fall_mps = max(-MAX_SPEED_MPS, min(MAX_SPEED_MPS, actor.fall_mps))


def place(actor: SimulatedActor) -> None:
    """Make the motion state of a vehicle agree with the pose it was put to; velocities stay."""
    if actor.vehicle is not None:
        motion = actor.vehicle.motion
        motion.x_m, motion.y_m = actor.pose[0], actor.pose[1]
        motion.yaw_rad = math.radians(actor.pose[4])
    actor.fall_mps = 0.0


def halt(actor: SimulatedActor) -> None:
    """Take all velocity from an actor."""
    actor.velocity_mps = actor.angular_deg_s = actor.acceleration_mps2 = ZERO
    actor.fall_mps = 0.0
    if actor.vehicle is not None:
        motion = actor.vehicle.motion
        motion.vx_mps = motion.vy_mps = motion.yaw_rate_rad_s = 0.0


def set_velocity(actor: SimulatedActor, velocity_mps: Vector) -> None:
    """Give an actor a world velocity."""
    actor.velocity_mps = velocity_mps
    if actor.vehicle is not None:
        motion = actor.vehicle.motion
        cos, sin = math.cos(motion.yaw_rad), math.sin(motion.yaw_rad)
        motion.vx_mps = velocity_mps[0] * cos + velocity_mps[1] * sin
        motion.vy_mps = velocity_mps[1] * cos - velocity_mps[0] * sin
    actor.fall_mps = velocity_mps[2]


def apply_impulse(actor: SimulatedActor, impulse_ns: Vector) -> None:
    """Apply a world impulse at the centre of gravity."""
    if actor.vehicle is None or not actor.physics:
        return
    motion, mass = actor.vehicle.motion, actor.vehicle.chassis.mass_kg
    cos, sin = math.cos(motion.yaw_rad), math.sin(motion.yaw_rad)
    motion.vx_mps += (impulse_ns[0] * cos + impulse_ns[1] * sin) / mass
    motion.vy_mps += (impulse_ns[1] * cos - impulse_ns[0] * sin) / mass
    actor.fall_mps += impulse_ns[2] / mass


def step_vehicle(actor: SimulatedActor, vehicle: Vehicle, step_s: float, ground: Ground, friction: float) -> None:
    """Move a vehicle by one tick.

    Args:
        actor: The actor of the vehicle.
        vehicle: Its vehicle part.
        step_s: Tick length.
        ground: Heights.
        friction: Factor of the road's state on tyre friction.
    """
    if not actor.physics:
        # A client moves it by set_transform; the velocity is what that client says with set_target_velocity.
        actor.acceleration_mps2 = ZERO
        return
    motion = vehicle.motion
    before = actor.velocity_mps
    if vehicle.force_n != ZERO or vehicle.torque_nm:
        fx, fy, fz = vehicle.force_n
        apply_impulse(actor, (fx * step_s, fy * step_s, fz * step_s))
        motion.yaw_rate_rad_s += vehicle.torque_nm * step_s / vehicle.chassis.yaw_inertia_kgm2
        vehicle.force_n, vehicle.torque_nm = ZERO, 0.0
    _bound(actor, motion)
    if vehicle.ackermann is not None:
        _follow_ackermann(vehicle, step_s)
    surface = ground.surface(motion.x_m, motion.y_m, motion.yaw_rad, vehicle.chassis.front_m, actor.id)
    airborne = actor.pose[2] > surface.z_m + 0.3
    if vehicle.constant_velocity is not None:
        _glide(vehicle, motion, step_s)
    elif airborne:
        _fly(motion, step_s)
    else:
        grade = math.sin(math.radians(surface.pitch_deg))
        advance(motion, vehicle.chassis, vehicle.control_input, step_s, friction, grade)
    surface = ground.surface(motion.x_m, motion.y_m, motion.yaw_rad, vehicle.chassis.front_m, actor.id)
    z = _fall(actor, surface.z_m, step_s)
    grounded = z <= surface.z_m + 0.3
    pitch, roll = (surface.pitch_deg, surface.roll_deg) if grounded else (actor.pose[3], actor.pose[5])
    actor.pose = (motion.x_m, motion.y_m, z, pitch, wrap_deg(math.degrees(motion.yaw_rad)), roll)
    cos, sin = math.cos(motion.yaw_rad), math.sin(motion.yaw_rad)
    climb = motion.vx_mps * math.sin(math.radians(pitch)) if grounded else 0.0
    actor.velocity_mps = (
        motion.vx_mps * cos - motion.vy_mps * sin,
        motion.vx_mps * sin + motion.vy_mps * cos,
        actor.fall_mps + climb,
    )
    actor.angular_deg_s = (0.0, 0.0, math.degrees(motion.yaw_rate_rad_s))
    if step_s > 0.0:
        vx, vy, vz = actor.velocity_mps
        actor.acceleration_mps2 = ((vx - before[0]) / step_s, (vy - before[1]) / step_s, (vz - before[2]) / step_s)


def step_walker(actor: SimulatedActor, walker: Walker, step_s: float, ground: Ground) -> None:
    """Move a walker in its direction at its speed, turned the way it walks, on the ground."""
    if not actor.physics:
        actor.velocity_mps = ZERO
        return
    dx, dy, _ = walker.direction
    length = math.hypot(dx, dy)
    speed = walker.speed_mps if length > 1e-6 else 0.0
    x, y, z, pitch, yaw, roll = actor.pose
    if speed:
        yaw = math.degrees(math.atan2(dy, dx))
        vx, vy = dx / length * speed, dy / length * speed
    else:
        vx = vy = 0.0
    x, y = x + vx * step_s, y + vy * step_s
    half_height = actor.box.extent_m[2]
    z = _fall(actor, ground.height_m(x, y, actor.id) + half_height, step_s)
    actor.pose = (x, y, z, pitch, yaw, roll)
    before = actor.velocity_mps
    actor.velocity_mps = (vx, vy, actor.fall_mps)
    if step_s > 0.0:
        actor.acceleration_mps2 = ((vx - before[0]) / step_s, (vy - before[1]) / step_s, 0.0)


def _fall(actor: SimulatedActor, floor_m: float, step_s: float) -> float:
    """Return the new height of an actor that stands on, or falls towards, the ground."""
    z = actor.pose[2]
    if not actor.gravity:
        return z + actor.fall_mps * step_s
    if z <= floor_m + 0.3 and actor.fall_mps <= 0.0:
        # Suspension and small drops: reach the ground smoothly within a few ticks instead of bouncing.
        actor.fall_mps = 0.0
        gap = floor_m - z
        return floor_m if abs(gap) < 1e-3 or gap > 0.0 else z + gap * min(1.0, 20.0 * step_s)
    actor.fall_mps -= GRAVITY_MPS2 * step_s
    z += actor.fall_mps * step_s
    if z <= floor_m:
        actor.fall_mps = 0.0
        return floor_m
    return z


def _glide(vehicle: Vehicle, motion: PlanarMotion, step_s: float) -> None:
    """Move with the constant local velocity a client asked for; steering still turns the car."""
    assert vehicle.constant_velocity is not None
    motion.vx_mps, motion.vy_mps = vehicle.constant_velocity[0], vehicle.constant_velocity[1]
    motion.wheel_rad = vehicle.control_input.steer * vehicle.chassis.max_steer_rad
    motion.yaw_rate_rad_s = motion.vx_mps * math.tan(motion.wheel_rad) / vehicle.chassis.wheelbase_m
    _drift(motion, step_s)


def _fly(motion: PlanarMotion, step_s: float) -> None:
    """Keep the world velocity: nothing holds a car in the air."""
    cos, sin = math.cos(motion.yaw_rad), math.sin(motion.yaw_rad)
    vx, vy = motion.vx_mps * cos - motion.vy_mps * sin, motion.vx_mps * sin + motion.vy_mps * cos
    motion.x_m += vx * step_s
    motion.y_m += vy * step_s
    motion.yaw_rad += motion.yaw_rate_rad_s * step_s
    cos, sin = math.cos(motion.yaw_rad), math.sin(motion.yaw_rad)
    motion.vx_mps, motion.vy_mps = vx * cos + vy * sin, vy * cos - vx * sin


def _drift(motion: PlanarMotion, step_s: float) -> None:
    yaw = motion.yaw_rad + 0.5 * motion.yaw_rate_rad_s * step_s
    cos, sin = math.cos(yaw), math.sin(yaw)
    motion.x_m += (motion.vx_mps * cos - motion.vy_mps * sin) * step_s
    motion.y_m += (motion.vx_mps * sin + motion.vy_mps * cos) * step_s
    motion.yaw_rad += motion.yaw_rate_rad_s * step_s


def _follow_ackermann(vehicle: Vehicle, step_s: float) -> None:
    """Turn an Ackermann demand into pedals and a steer through the inverse of the pedal map.

    The speed error is closed at 2 1/s, within the demanded acceleration where one is given; the wheel angle moves at
    the demanded steering speed. CARLA runs two PID loops instead and needs several seconds to settle.
    """
    demand = vehicle.ackermann
    assert demand is not None
    control_input, chassis, speed = vehicle.control_input, vehicle.chassis, vehicle.motion.vx_mps
    target = max(-1.0, min(1.0, demand.steer_rad / max(chassis.max_steer_rad, 1e-6)))
    if demand.steer_speed_rad_s > 0.0:
        limit = demand.steer_speed_rad_s * step_s / max(chassis.max_steer_rad, 1e-6)
        target = control_input.steer + max(-limit, min(limit, target - control_input.steer))
    control_input.steer = target
    control_input.reverse = demand.speed_mps < 0.0
    sense = -1.0 if control_input.reverse else 1.0
    wanted = 2.0 * (demand.speed_mps - speed) * sense
    bound = abs(demand.acceleration_mps2)
    if bound > 0.0:
        wanted = max(-bound, min(bound, wanted))
    if demand.speed_mps == 0.0 and abs(speed) < 0.1:
        control_input.throttle, control_input.brake = 0.0, 1.0
    else:
        control_input.throttle, control_input.brake = chassis.pedals(wanted, abs(speed))
    vehicle.control[0:3] = [control_input.throttle, control_input.steer, control_input.brake]
    vehicle.control[4] = control_input.reverse
