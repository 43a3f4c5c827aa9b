"""What a vehicle is made of, as far as its motion is concerned, and how CARLA's physics control changes it.

How throttle and brake become acceleration
------------------------------------------
A controller can invert the map exactly (dry road, level, rolling forward, no gear change is modelled)::

    a(throttle, v) = throttle * min(F_max, P / max(v, 1)) / m  -  c_rr * g  -  0.5 * rho * Cd * A * v**2 / m
    a(brake, v)    = -brake * F_brake / m                      -  c_rr * g  -  0.5 * rho * Cd * A * v**2 / m

and no axle transmits more than ``mu * load``; ``mu`` is 1.0 on a dry road and falls by 40 % on a wet one. For the
default ego (`vehicle.lincoln.mkz_2020`): m = 1800 kg, F_max = 7920 N (4.4 m/s²), P = 183 kW, F_brake = 16 200 N
(9.0 m/s²), c_rr = 0.012 (0.118 m/s²), 0.5 * rho * Cd * A = 0.49 kg/m. `Chassis.acceleration_mps2` and
`Chassis.pedals` are that map and its inverse.

How steer becomes lateral acceleration
--------------------------------------
The wheel angle is ``steer * max_steer_angle`` (70 degrees in CARLA's own vehicles), through a first-order actuator with
a time constant of 0.05 s and at most 4 rad/s. The steering curve of the physics control is a factor on it by speed in
km/h; it is flat (1.0) unless a client sets another one. Both axles have the same cornering stiffness and share the
load equally, so the car steers neutrally and the steady state is that of the kinematic bicycle at every speed::

    yaw rate = v * tan(wheel angle) / wheelbase        lateral acceleration = v * yaw rate

as long as the demand stays well below ``mu * g``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from testbed.world.assets.vehicle_models import VehicleModel

GRAVITY_MPS2 = 9.81
AIR_DENSITY_KGPM3 = 1.2
ROLLING_RESISTANCE = 0.012
DRY_FRICTION = 1.0
WET_FRICTION_LOSS = 0.4
DEFAULT_TIRE_FRICTION = 3.5
"""CARLA's dimensionless tyre friction that stands for `DRY_FRICTION` here."""

PhysicsControl = list[object]
"""The 17 wire fields of ``VehiclePhysicsControl`` in protocol order."""


@dataclass(slots=True)
class Chassis:
    """Parameters of the bicycle model, derived from a model and its physics control.

    Attributes:
        mass_kg: Mass.
        yaw_inertia_kgm2: Inertia about the vertical axis.
        front_m: Distance from the centre of gravity to the front axle.
        rear_m: Distance from the centre of gravity to the rear axle.
        height_m: Height of the centre of gravity.
        max_steer_rad: Wheel angle at steer = 1.
        stiffness_npr: Cornering stiffness of each axle in N/rad.
        friction: Tyre-road friction coefficient on a dry road.
        drive_n: Largest drive force.
        power_w: Power at the wheels.
        brake_n: Brake force at brake = 1.
        handbrake_n: Extra brake force of the hand brake.
        drag_kgpm: 0.5 * rho * Cd * A.
        steering_curve: (speed in km/h, factor) points.
    """

    mass_kg: float
    yaw_inertia_kgm2: float
    front_m: float
    rear_m: float
    height_m: float
    max_steer_rad: float
    stiffness_npr: float
    friction: float
    drive_n: float
    power_w: float
    brake_n: float
    handbrake_n: float
    drag_kgpm: float
    steering_curve: tuple[tuple[float, float], ...]

    @property
    def wheelbase_m(self) -> float:
        """Distance of the axles."""
        return self.front_m + self.rear_m

    def resistance_mps2(self, speed_mps: float) -> float:
        """Return the deceleration by rolling resistance and drag at a speed."""
        return ROLLING_RESISTANCE * GRAVITY_MPS2 + self.drag_kgpm * speed_mps * speed_mps / self.mass_kg

    def acceleration_mps2(self, throttle: float, brake: float, speed_mps: float) -> float:
        """Return the acceleration of a car that rolls forward on a level, dry road."""
        drive = throttle * min(self.drive_n, self.power_w / max(speed_mps, 1.0)) / self.mass_kg
        return drive - brake * self.brake_n / self.mass_kg - self.resistance_mps2(speed_mps)

    def pedals(self, acceleration_mps2: float, speed_mps: float) -> tuple[float, float]:
        """Return the (throttle, brake) that give an acceleration: the inverse of `acceleration_mps2`."""
        force = (acceleration_mps2 + self.resistance_mps2(speed_mps)) * self.mass_kg
        if force >= 0.0:
            return min(1.0, force / min(self.drive_n, self.power_w / max(speed_mps, 1.0))), 0.0
        return 0.0, min(1.0, -force / self.brake_n)

    def steering_factor(self, speed_mps: float) -> float:
        """Return the factor that the steering curve puts on the wheel angle."""
        curve = self.steering_curve
        speed_kmh = abs(speed_mps) * 3.6
        if not curve or speed_kmh <= curve[0][0]:
            return curve[0][1] if curve else 1.0
        for (x0, y0), (x1, y1) in zip(curve, curve[1:], strict=False):
            if speed_kmh <= x1:
                return y0 + (y1 - y0) * (speed_kmh - x0) / max(x1 - x0, 1e-6)
        return curve[-1][1]


TORQUE_NM = 500.0
FINAL_RATIO = 4.0
WHEEL_RADIUS_M = 0.355


def default_physics(model: VehicleModel) -> PhysicsControl:
    """Return the physics control that describes ``model`` in CARLA's terms (wheel positions in centimetres).

    Two-wheelers have four wheels here as well, in pairs, as CARLA's do.
    """
    brake_nm = 9.0 * model.mass_kg * WHEEL_RADIUS_M / 4.0
    half_track_cm = 100.0 * (model.half_extent_m[1] - 0.25 if model.wheels > 2 else 0.05)
    half_base_cm = 50.0 * model.wheelbase_m
    wheels: list[object] = []
    for x_cm, steer_deg in ((half_base_cm, 70.0), (-half_base_cm, 0.0)):
        for y_cm in (-half_track_cm, half_track_cm):
            handbrake_nm = 0.0 if steer_deg else 2.0 * brake_nm
            position = [x_cm, y_cm, 100.0 * WHEEL_RADIUS_M]
            tyre: list[object] = [DEFAULT_TIRE_FRICTION, 0.25, steer_deg, 100.0 * WHEEL_RADIUS_M, brake_nm]
            wheels.append([*tyre, handbrake_nm, 2.0, 17.0, 1000.0, position])
    gears = [[ratio, 0.5, 0.65] for ratio in (2.85, 2.02, 1.35, 1.0)]
    head: list[object] = [[[0.0, TORQUE_NM], [5000.0, TORQUE_NM]], 5800.0, 1.0, 0.15, 2.0, 0.35, True, 0.5, 10.0]
    curve = [[0.0, 1.0], [120.0, 1.0]]
    return [*head, FINAL_RATIO, gears, model.mass_kg, 0.3, [0.0, 0.0, 0.0], curve, wheels, True]


def build_chassis(model: VehicleModel, physics: PhysicsControl) -> Chassis:
    """Return the bicycle model of ``model`` under a (possibly edited) physics control.

    Honoured fields: torque curve and final ratio (as a factor on the drive force and power), mass, drag coefficient,
    steering curve, tyre friction, steer angle and brake torque of the wheels. The rest is stored and given back.
    """
    reference = default_physics(model)
    mass = max(_number(physics[11], model.mass_kg), 1.0)
    wheels = _rows(physics[15]) or _rows(reference[15])
    torque = _peak(physics[0]) / TORQUE_NM * _number(physics[9], FINAL_RATIO) / FINAL_RATIO
    _, width, height = (2.0 * e for e in model.half_extent_m)
    friction = sum(_number(w[0], DEFAULT_TIRE_FRICTION) for w in wheels) / len(wheels) / DEFAULT_TIRE_FRICTION
    radius = [max(_number(w[3], 35.5) / 100.0, 0.05) for w in wheels]
    return Chassis(
        mass_kg=mass,
        yaw_inertia_kgm2=0.9 * mass * (model.wheelbase_m / 2.0) ** 2,
        front_m=model.wheelbase_m / 2.0,
        rear_m=model.wheelbase_m / 2.0,
        height_m=0.38 * height,
        max_steer_rad=math.radians(min(max(_number(w[2], 0.0) for w in wheels), 85.0)),
        stiffness_npr=95.0 * mass,
        friction=max(DRY_FRICTION * friction, 0.0),
        drive_n=max(model.launch_mps2 * model.mass_kg * torque, 0.0),
        power_w=max(model.power_w * torque, 0.0),
        brake_n=sum(max(_number(w[4], 0.0), 0.0) / r for w, r in zip(wheels, radius, strict=True)),
        handbrake_n=sum(max(_number(w[5], 0.0), 0.0) / r for w, r in zip(wheels, radius, strict=True)),
        drag_kgpm=0.5 * AIR_DENSITY_KGPM3 * max(_number(physics[12], 0.3), 0.0) * 0.85 * width * height,
        steering_curve=tuple((_number(p[0], 0.0), _number(p[1], 1.0)) for p in _rows(physics[14])),
    )


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else default


def _rows(value: object) -> list[list[object]]:
    return [row for row in value if isinstance(row, list) and len(row) >= 2] if isinstance(value, list) else []


def _peak(curve: object) -> float:
    return max((_number(p[1], 0.0) for p in _rows(curve)), default=TORQUE_NM)
