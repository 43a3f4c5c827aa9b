"""Motion of one vehicle: a dynamic bicycle with saturating tyres that turns into a kinematic one at low speed.

State in the body frame (x forward, y right, yaw clockwise): ``vx``, ``vy``, yaw rate ``r``, wheel angle ``delta``
(positive right). Substeps of 5 ms (10 ms at speed), semi-implicit Euler::

    alpha_f = delta - atan2(vy + a r, vx)       alpha_r = -atan2(vy - b r, vx)
    Fy      = D sin(C atan(C_alpha alpha / (C D)))            D = sqrt((mu Fz)^2 - Fx^2)   (friction circle)
    m (dvx/dt - vy r) = Fx - Fyf sin(delta)
    m (dvy/dt + vx r) = Fyf cos(delta) + Fyr
    Iz dr/dt          = a Fyf cos(delta) - b Fyr

Sources: Rajamani, Vehicle Dynamics and Control (2012), ch. 2; Pacejka, Tire and Vehicle Dynamics (2012), ch. 4.
Slip angles are meaningless near standstill and in reverse: there the lateral velocity and the yaw rate move towards the
values of a car that rolls without slip, as fast as friction allows; between 2 and 4 m/s both are blended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from testbed.server.simulation.chassis import GRAVITY_MPS2, ROLLING_RESISTANCE, Chassis

SUBSTEP_S = 0.005
FAST_SUBSTEP_S = 0.01
FAST_ABOVE_MPS = 8.0
"""Above this speed the lateral motion has no time constant below 40 ms, so longer substeps are as good."""

STEER_LAG_S = 0.05
STEER_RATE_RAD_S = 4.0
SHAPE = 1.4
KINEMATIC_BELOW_MPS = 2.0
DYNAMIC_ABOVE_MPS = 4.0


@dataclass(slots=True)
class PlanarMotion:
    """Planar state of a vehicle.

    Attributes:
        x_m: World x of the origin (centre of the footprint, also the centre of gravity).
        y_m: World y of the origin.
        yaw_rad: World yaw, clockwise seen from above.
        vx_mps: Velocity forward.
        vy_mps: Velocity to the right.
        yaw_rate_rad_s: Yaw rate, clockwise.
        wheel_rad: Front wheel angle, positive right.
        drive_mps2: Longitudinal acceleration by the tyres in the last substep (load transfer, telemetry).
    """

    x_m: float
    y_m: float
    yaw_rad: float
    vx_mps: float = 0.0
    vy_mps: float = 0.0
    yaw_rate_rad_s: float = 0.0
    wheel_rad: float = 0.0
    drive_mps2: float = 0.0

    def at_rest(self) -> bool:
        """Tell whether nothing moves."""
        return self.vx_mps == 0.0 and self.vy_mps == 0.0 and self.yaw_rate_rad_s == 0.0


@dataclass(slots=True)
class ControlInput:
    """What the driver asks for; all finite and in range.

    Attributes:
        throttle: 0 to 1.
        brake: 0 to 1.
        steer: -1 (left) to 1 (right).
        hand_brake: Whether the hand brake is pulled.
        reverse: Whether the reverse gear is in.
        neutral: Whether a manual gear shift put the gear box to neutral.
    """

    throttle: float = 0.0
    brake: float = 0.0
    steer: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    neutral: bool = False


def advance(
    motion: PlanarMotion,
    chassis: Chassis,
    control_input: ControlInput,
    duration_s: float,
    friction: float,
    grade: float,
) -> None:
    """Move a vehicle by ``duration_s``.

    Args:
        motion: State, changed in place.
        chassis: Vehicle parameters.
        control_input: Driver demand, constant over the duration.
        duration_s: Time to move by; cut into substeps.
        friction: Factor of the road on the tyres' friction (1 dry).
        grade: Slope along the heading, positive uphill (sine of the angle).
    """
    if (
        motion.at_rest()
        and (control_input.throttle == 0.0 or control_input.neutral)
        and abs(grade) < ROLLING_RESISTANCE
    ):
        _steer(motion, chassis, control_input.steer, duration_s)
        motion.drive_mps2 = 0.0
        return
    longest = FAST_SUBSTEP_S if motion.vx_mps > FAST_ABOVE_MPS else SUBSTEP_S
    count = max(1, math.ceil(duration_s / longest - 1e-9))
    step = duration_s / count
    for _ in range(count):
        _substep(motion, chassis, control_input, step, friction, grade)


def _steer(motion: PlanarMotion, chassis: Chassis, steer: float, step: float) -> None:
    target = steer * chassis.max_steer_rad * chassis.steering_factor(motion.vx_mps)
    change = (target - motion.wheel_rad) * (1.0 - math.exp(-step / STEER_LAG_S))
    limit = STEER_RATE_RAD_S * step
    motion.wheel_rad += max(-limit, min(limit, change))


def _substep(
    motion: PlanarMotion, chassis: Chassis, control_input: ControlInput, step: float, friction: float, grade: float
) -> None:
    vx, vy, rate = motion.vx_mps, motion.vy_mps, motion.yaw_rate_rad_s
    mass, front, rear = chassis.mass_kg, chassis.front_m, chassis.rear_m
    base = front + rear
    _steer(motion, chassis, control_input.steer, step)
    delta = motion.wheel_rad
    mu = chassis.friction * friction

    shift = mass * motion.drive_mps2 * chassis.height_m / base
    load_front = max(mass * GRAVITY_MPS2 * rear / base - shift, 0.0)
    load_rear = max(mass * GRAVITY_MPS2 * front / base + shift, 0.0)
    grip_front, grip_rear = mu * load_front, mu * load_rear

    drive = 0.0
    if control_input.throttle > 0.0 and not control_input.neutral:
        drive = control_input.throttle * min(chassis.drive_n, chassis.power_w / max(abs(vx), 1.0))
        if control_input.reverse:
            drive = -0.5 * drive
    brake = control_input.brake * chassis.brake_n
    hand = chassis.handbrake_n if control_input.hand_brake else 0.0
    share = load_front / (load_front + load_rear + 1e-9)
    rolling = -1.0 if vx > 0.0 else 1.0 if vx < 0.0 else 0.0

    # A brake can hold a car but never push it: below the speed it can take away in one substep it simply stops it.
    held = min(brake * share, grip_front) + min(brake * (1.0 - share) + hand, grip_rear)
    force_front = _clip(drive * 0.5 + rolling * brake * share, grip_front)
    force_rear = _clip(drive * 0.5 + rolling * (brake * (1.0 - share) + hand), grip_rear)
    resist = min(ROLLING_RESISTANCE, mu) * mass * GRAVITY_MPS2
    drag = chassis.drag_kgpm * vx * abs(vx)
    pull = -grade * mass * GRAVITY_MPS2 - drag
    free = vx + ((_clip(drive * 0.5, grip_front) + _clip(drive * 0.5, grip_rear) + pull) / mass + vy * rate) * step
    stop = (held + resist) / mass * step
    if abs(free) <= stop:
        new_vx = 0.0
        motion.drive_mps2 = -vx / step
    else:
        tyre = force_front + force_rear
        motion.drive_mps2 = tyre / mass
        # Rolling resistance acts against the motion, and against the push when the car stands.
        against = rolling if rolling else (-1.0 if free > 0.0 else 1.0)
        new_vx = vx + ((tyre + pull + against * resist) / mass + vy * rate) * step

    blend = (vx - KINEMATIC_BELOW_MPS) / (DYNAMIC_ABOVE_MPS - KINEMATIC_BELOW_MPS)
    blend = 0.0 if blend < 0.0 else 1.0 if blend > 1.0 else blend
    new_vy = new_rate = 0.0
    if blend > 0.0:
        side_front = _tyre(delta - math.atan2(vy + front * rate, vx), chassis.stiffness_npr, grip_front, force_front)
        side_rear = _tyre(-math.atan2(vy - rear * rate, vx), chassis.stiffness_npr, grip_rear, force_rear)
        cos = math.cos(delta)
        new_vx -= blend * side_front * math.sin(delta) / mass * step
        new_vy = vy + ((side_front * cos + side_rear) / mass - vx * rate) * step
        new_rate = rate + (front * side_front * cos - rear * side_rear) / chassis.yaw_inertia_kgm2 * step
    if blend < 1.0:
        limit = max(mu, 0.05) * GRAVITY_MPS2 * step
        spin_limit = limit * mass * base / 2.0 / chassis.yaw_inertia_kgm2
        roll_rate = vx * math.tan(delta) / base
        slip_vy = vy + _clip(rear * roll_rate - vy, limit)
        slip_rate = rate + _clip(roll_rate - rate, spin_limit)
        new_vy = blend * new_vy + (1.0 - blend) * slip_vy
        new_rate = blend * new_rate + (1.0 - blend) * slip_rate
        if new_vx == 0.0 and abs(new_vy) < 1e-4 and abs(new_rate) < 1e-4:
            new_vy = new_rate = 0.0

    yaw = motion.yaw_rad + 0.5 * new_rate * step
    cos, sin = math.cos(yaw), math.sin(yaw)
    motion.x_m += (new_vx * cos - new_vy * sin) * step
    motion.y_m += (new_vx * sin + new_vy * cos) * step
    motion.yaw_rad += new_rate * step
    motion.vx_mps, motion.vy_mps, motion.yaw_rate_rad_s = new_vx, new_vy, new_rate


def _tyre(slip_rad: float, stiffness_npr: float, grip_n: float, longitudinal_n: float) -> float:
    """Return the side force of an axle by the magic formula, with what the friction circle leaves for it."""
    side_n = math.sqrt(max(grip_n * grip_n - longitudinal_n * longitudinal_n, 0.01 * grip_n * grip_n))
    if side_n < 1.0:
        return 0.0
    return side_n * math.sin(SHAPE * math.atan(stiffness_npr * slip_rad / (SHAPE * side_n)))


def _clip(value: float, limit: float) -> float:
    return limit if value > limit else -limit if value < -limit else value
