"""The shared driver on the server's own vehicle dynamics: does a steering class suffice to keep a lane?"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from testbed.core.gtsrb import STOP
from testbed.core.perception_tasks import STEERING_CLASSES, steering_class
from testbed.core.types import (
    Arbitration,
    Caution,
    Observation,
    Opinion,
    Perception,
    SignAnswer,
    Steering,
    SteeringAnswer,
    VehicleAnswer,
)
from testbed.driver.controller import Driver
from testbed.server.simulation.chassis import build_chassis, default_physics
from testbed.server.simulation.dynamics import ControlInput, PlanarMotion, advance
from testbed.world.assets.vehicle_models import VEHICLE_BY_ID

IMAGE = np.zeros((160, 320, 3), np.uint8)
MODEL = VEHICLE_BY_ID["vehicle.lincoln.mkz_2020"]
CHASSIS = build_chassis(MODEL, default_physics(MODEL))


def observe(t_s: float, speed_mps: float = 25.0, **sign: object) -> Observation:
    return Observation(0, t_s, IMAGE, speed_mps, **sign)  # type: ignore[arg-type]


def perceive(
    steering: Steering | None = Steering.STRAIGHT,
    box: tuple[float, float, float, float] | None = None,
    sign: int | None = None,
) -> Perception:
    return Perception(
        SteeringAnswer(steering, 1.0),
        VehicleAnswer(box is not None, box, 1.0),
        SignAnswer(sign, 0.9) if sign is not None else None,
    )


def largest_offset_m(radius_m: float, latency_s: float) -> float:
    """Drive 10 s along a left curve with true classes at 10 Hz."""
    motion, driver, pending, worst = PlanarMotion(0.0, -0.1, 0.0, vx_mps=25.0), Driver(), [], 0.0
    for tick in range(200):
        t_s = 0.05 * tick
        along = math.atan2(motion.x_m, motion.y_m + radius_m) + 25.0 / radius_m
        worst = max(worst, abs(radius_m - math.hypot(motion.x_m, motion.y_m + radius_m)))
        dx = radius_m * math.sin(along) - motion.x_m
        dy = radius_m * (math.cos(along) - 1.0) - motion.y_m
        preview_m = dx * math.sin(motion.yaw_rad) - dy * math.cos(motion.yaw_rad)
        if tick % 2 == 0:
            pending.append((t_s + latency_s, observe(t_s), perceive(STEERING_CLASSES[steering_class(preview_m)])))
        while pending and pending[0][0] <= t_s + 1e-9:
            driver.hear(*pending.pop(0)[1:])
        command = driver.command(t_s, motion.vx_mps)
        throttle, brake = CHASSIS.pedals(command.acceleration_mps2, motion.vx_mps)
        advance(motion, CHASSIS, ControlInput(throttle, brake, command.steer), 0.05, 1.0, 0.0)
    return worst


def test_true_classes_keep_the_lane_and_latency_loses_it() -> None:
    assert largest_offset_m(600.0, 0.04) < 0.45
    assert largest_offset_m(600.0, 0.5) > 1.0


def test_wrong_class_leaves_the_lane() -> None:
    motion, driver = PlanarMotion(0.0, 0.0, 0.0, vx_mps=25.0), Driver()
    for tick in range(40):
        driver.hear(observe(0.05 * tick), perceive(Steering.LEFT))
        command = driver.command(0.05 * tick, motion.vx_mps)
        advance(motion, CHASSIS, ControlInput(0.1, 0.0, command.steer), 0.05, 1, 0)
    assert command.steer < 0.0
    assert motion.y_m < -0.736


def test_a_limit_begins_at_the_sign_and_the_larger_crops_win() -> None:
    driver = Driver()
    small, large = np.zeros((10, 10, 3), np.uint8), np.zeros((24, 24, 3), np.uint8)
    driver.hear(observe(0.0, sign_id="a", sign_crop=small, sign_distance_m=30.0), perceive(sign=1))
    driver.hear(observe(0.1, sign_id="a", sign_crop=large, sign_distance_m=10.0), perceive(sign=5))
    assert driver.believed_limit_mps is None
    driver.hear(observe(0.6), perceive())
    assert driver.believed_limit_mps == pytest.approx(80.0 / 3.6)
    assert -1.6 < driver.command(0.6, 25.0).acceleration_mps2 < -0.5


def box_at(gap_m: float) -> tuple[float, float, float, float]:
    depth = gap_m + 1.85
    bottom = 80.0 + 208.5 * math.tan(math.atan(1.45 / depth) - math.radians(2.0))
    return (150.0, 70.0, 170.0, bottom)


def test_a_lead_that_stands_is_braked_for_and_a_ghost_of_one_frame_is_not() -> None:
    driver, gap_m = Driver(), 55.0
    driver.hear(observe(0.0), perceive(box=box_at(20.0)))
    driver.hear(observe(0.1), perceive())
    assert driver.command(0.1, 25.0).acceleration_mps2 > -0.5
    worst = 0.0
    for tick in range(8):
        driver.hear(observe(0.2 + 0.1 * tick), perceive(box=box_at(gap_m - 2.5 * tick)))
        worst = min(worst, driver.command(0.2 + 0.1 * tick, 25.0).acceleration_mps2)
    assert worst < -4.0


def test_gap_from_box_is_the_true_gap() -> None:
    assert Driver()._gap(box_at(30.0)) == pytest.approx(30.0, abs=0.1)


def test_stop_sign_is_approached_and_left() -> None:
    driver, speed, distance, t_s = Driver(), 12.0, 40.0, 0.0
    crop = np.zeros((20, 20, 3), np.uint8)
    stopped_at_m = None
    for _ in range(400):
        driver.hear(observe(t_s, speed, sign_id="s", sign_crop=crop, sign_distance_m=distance), perceive(sign=STOP))
        acceleration = driver.command(t_s, speed).acceleration_mps2
        speed = max(0.0, speed + 0.05 * acceleration)
        distance -= 0.05 * speed
        t_s += 0.05
        if stopped_at_m is None and speed < 0.1:
            stopped_at_m = distance
        if stopped_at_m is not None and speed > 1.0:
            break
    assert stopped_at_m is not None and 0.0 < stopped_at_m < 2.5
    assert speed > 1.0


def test_abstention_holds_the_last_answer_then_goes_straight() -> None:
    driver = Driver()
    driver.hear(observe(0.0), perceive(Steering.RIGHT))
    driver.hear(observe(0.1), perceive(None))
    assert driver.command(0.1, 25.0).steer > 0.0
    assert driver.command(10.0, 25.0).steer == 0.0


def cautious(caution: Caution) -> Perception:
    opinion = Opinion(0, 0.0, SteeringAnswer(Steering.STRAIGHT, 1.0), VehicleAnswer(False, None, 1.0))
    return dataclasses.replace(perceive(), arbitration=Arbitration("x", opinion, None, None, {}, ("alc",), caution))


def driven(cautions: list[tuple[float, Caution]], seconds: float) -> list[tuple[float, float]]:
    """Drive straight on; return time and speed of every tick. Each caution holds from its time on."""
    motion, driver, found = PlanarMotion(0.0, 0.0, 0.0, vx_mps=25.0), Driver(), []
    for tick in range(round(seconds / 0.05)):
        t_s = 0.05 * tick
        caution = [each for begun_s, each in cautions if begun_s <= t_s + 1e-9][-1]
        driver.hear(observe(t_s, motion.vx_mps), cautious(caution))
        command = driver.command(t_s, motion.vx_mps)
        throttle, brake = CHASSIS.pedals(command.acceleration_mps2, motion.vx_mps)
        advance(motion, CHASSIS, ControlInput(throttle, brake, command.steer), 0.05, 1.0, 0.0)
        found.append((t_s, motion.vx_mps))
    return found


def test_an_agent_that_asks_for_it_is_driven_slowly_and_then_on() -> None:
    found = driven([(0.0, Caution.NONE), (1.0, Caution.SLOW), (12.0, Caution.NONE)], 24.0)
    speeds = {round(t_s, 2): speed for t_s, speed in found}
    assert speeds[0.95] == pytest.approx(25.0, abs=0.5)
    assert speeds[11.95] == pytest.approx(12.5, abs=0.5)
    assert min(b - a for (_, a), (_, b) in itertools.pairwise(found)) > -0.05 * 2.0, "no harder than a driver brakes"
    assert speeds[23.95] == pytest.approx(25.0, abs=1.0)


def test_an_agent_that_asks_for_a_stop_stands_within_the_deceleration_of_a_minimal_risk_manoeuvre() -> None:
    found = driven([(0.0, Caution.NONE), (1.0, Caution.STOP)], 10.0)
    stood_s = next(t_s for t_s, speed in found if speed < 0.1)
    assert 25.0 / 4.5 < stood_s - 1.0 < 25.0 / 3.0
    assert all(speed < 0.1 for t_s, speed in found if t_s > stood_s)


def test_caution_ends_with_the_answer_that_asks_for_none_and_with_the_episode() -> None:
    driver = Driver()
    driver.hear(observe(0.0), cautious(Caution.STOP))
    assert driver.command(0.0, 25.0).acceleration_mps2 == -4.0
    driver.hear(observe(0.1), perceive())
    assert driver.command(0.1, 25.0).acceleration_mps2 == pytest.approx(0.0)
    driver.hear(observe(0.2), cautious(Caution.STOP))
    driver.reset()
    assert driver.command(0.0, 25.0).acceleration_mps2 == pytest.approx(0.0)
