"""The vehicle model against closed forms: pedal map, neutral steering, friction limits, contacts."""

from __future__ import annotations

import math

import pytest

from testbed.server.simulation.bounding_boxes import BoundingBox, footprint, overlap
from testbed.server.simulation.chassis import Chassis, build_chassis, default_physics
from testbed.server.simulation.dynamics import ControlInput, PlanarMotion, advance
from testbed.world.assets.vehicle_models import VEHICLE_BY_ID, VEHICLES


@pytest.fixture
def chassis() -> Chassis:
    model = VEHICLE_BY_ID["vehicle.lincoln.mkz_2020"]
    return build_chassis(model, default_physics(model))


def drive(
    motion: PlanarMotion, chassis: Chassis, control_input: ControlInput, seconds: float, friction: float = 1.0
) -> None:
    for _ in range(round(seconds / 0.05)):
        advance(motion, chassis, control_input, 0.05, friction, 0.0)


@pytest.mark.parametrize("wanted", [2.0, 0.5, -0.05, -3.0, -8.0])
@pytest.mark.parametrize("speed", [5.0, 15.0, 25.0])
def test_pedal_map_and_inverse_hold_in_motion(chassis: Chassis, wanted: float, speed: float) -> None:
    throttle, brake = chassis.pedals(wanted, speed)
    assert chassis.acceleration_mps2(throttle, brake, speed) == pytest.approx(wanted)
    motion = PlanarMotion(0.0, 0.0, 0.0, vx_mps=speed)
    advance(motion, chassis, ControlInput(throttle, brake), 0.05, 1.0, 0.0)
    assert (motion.vx_mps - speed) / 0.05 == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("speed", [3.0, 10.0, 25.0])
def test_steering_is_neutral(chassis: Chassis, speed: float) -> None:
    motion = PlanarMotion(0.0, 0.0, 0.0, vx_mps=speed)
    wheel = math.atan(2.85 * 1.8 / speed**2)
    throttle, _ = chassis.pedals(0.0, speed)
    drive(motion, chassis, ControlInput(throttle, 0.0, wheel / chassis.max_steer_rad), 3.0)
    assert motion.yaw_rate_rad_s == pytest.approx(motion.vx_mps * math.tan(wheel) / 2.85, rel=0.02)


def test_lateral_response_time_at_motorway_speed(chassis: Chassis) -> None:
    motion = PlanarMotion(0.0, 0.0, 0.0, vx_mps=25.0)
    wheel = math.atan(2.85 * 1.8 / 625.0)
    seconds = 0.0
    while motion.vx_mps * motion.yaw_rate_rad_s < 0.63 * 1.8:
        advance(motion, chassis, ControlInput(0.3, 0.0, wheel / chassis.max_steer_rad), 0.01, 1.0, 0.0)
        seconds += 0.01
    assert seconds < 0.2


def test_tyres_saturate(chassis: Chassis) -> None:
    for friction in (1.0, 0.6):
        motion = PlanarMotion(0.0, 0.0, 0.0, vx_mps=25.0)
        peak = 0.0
        for _ in range(40):
            advance(motion, chassis, ControlInput(0.3, 0.0, 0.15), 0.05, friction, 0.0)
            peak = max(peak, abs(motion.vx_mps * motion.yaw_rate_rad_s))
        assert abs(motion.yaw_rate_rad_s * motion.vx_mps) < 1.1 * 9.81 * friction


@pytest.mark.parametrize(("friction", "expected"), [(1.0, 9.2), (0.6, 6.0)])
def test_braking_is_bounded_by_friction(chassis: Chassis, friction: float, expected: float) -> None:
    motion = PlanarMotion(0.0, 0.0, 0.0, vx_mps=20.0)
    drive(motion, chassis, ControlInput(brake=1.0), 1.0, friction)
    assert 20.0 - motion.vx_mps == pytest.approx(expected, abs=0.25)
    drive(motion, chassis, ControlInput(brake=1.0), 4.0, friction)
    assert motion.vx_mps == 0.0


def test_reverse_and_hand_brake(chassis: Chassis) -> None:
    motion = PlanarMotion(0.0, 0.0, 0.0)
    drive(motion, chassis, ControlInput(throttle=0.5, reverse=True), 2.0)
    assert motion.vx_mps < -1.0
    drive(motion, chassis, ControlInput(hand_brake=True), 3.0)
    assert motion.vx_mps == 0.0 and motion.x_m < 0.0


def test_parked_car_stays(chassis: Chassis) -> None:
    motion = PlanarMotion(3.0, 4.0, 1.0)
    drive(motion, chassis, ControlInput(), 5.0)
    assert (motion.x_m, motion.y_m, motion.yaw_rad) == (3.0, 4.0, 1.0)


@pytest.mark.parametrize("model", VEHICLES, ids=lambda model: model.type_id)
def test_every_vehicle_drives_straight_and_stays_finite(model: object) -> None:
    chassis = build_chassis(model, default_physics(model))  # type: ignore[arg-type]
    motion = PlanarMotion(0.0, 0.0, 0.0)
    drive(motion, chassis, ControlInput(throttle=1.0), 5.0)
    assert motion.vx_mps > 1.0 and motion.y_m == 0.0
    drive(motion, chassis, ControlInput(throttle=1.0, steer=-1.0), 5.0)
    assert all(math.isfinite(value) for value in (motion.x_m, motion.y_m, motion.vx_mps, motion.yaw_rate_rad_s))


def test_boxes_touch_exactly_when_they_overlap() -> None:
    box = BoundingBox((0.0, 0.0, 0.5), (2.0, 1.0, 0.5))
    fixed = footprint((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), box)
    assert overlap(footprint((3.99, 0.0, 0.0, 0.0, 0.0, 0.0), box), fixed) is not None
    assert overlap(footprint((4.01, 0.0, 0.0, 0.0, 0.0, 0.0), box), fixed) is None
    assert overlap(footprint((0.0, 0.0, 1.01, 0.0, 0.0, 0.0), box), fixed) is None
    turned = footprint((0.0, 2.9, 0.0, 0.0, 90.0, 0.0), box)
    contact = overlap(turned, fixed)
    assert contact is not None
    assert (contact.normal_x, contact.normal_y) == pytest.approx((0.0, 1.0))
    assert contact.depth_m == pytest.approx(0.1)
