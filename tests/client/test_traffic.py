"""Road users that move by plan: where they are at a time, computed by hand."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest

from testbed.client.scripted_traffic import ScriptedActor
from testbed.client.truth.right_of_way import find_conflict
from testbed.core.lane_path import LanePath
from testbed.scenario.schema import Actor


def lane(x_m: float, y_m: float, yaw_deg: float, length_m: int = 100, slope: float = 0.0) -> LanePath:
    along = np.arange(length_m + 1, dtype=float)
    yaw = math.radians(yaw_deg)
    points = np.stack([x_m + along * math.cos(yaw), y_m + along * math.sin(yaw), slope * along], axis=1)
    return LanePath(points, np.full(len(along), yaw_deg), np.full(len(along), 3.5))


def scripted(path: LanePath, start_s_m: float = 0.0, **plan: object) -> ScriptedActor:
    actor = Actor.model_validate({"id": "other", "ahead_m": 0.0, **plan})
    return ScriptedActor(7, actor, path, start_s_m)


def test_it_stands_until_it_starts_and_brakes_with_six() -> None:
    car = scripted(lane(0, 0, 0), 10.0, speed_mps=12.0, starts_at_s=1.0, stops_at_s=3.0)
    assert astuple(car.motion(0.5)) == (10.0, 0.0, 0.0, 0.0)
    assert astuple(car.motion(2.0)) == (22.0, 0.0, 12.0, 0.0)
    # 24 m until it brakes, then 12² / (2 · 6) = 12 m in 2 s
    assert astuple(car.motion(9.0)) == pytest.approx((46.0, 0.0, 0.0, 0.0))
    assert astuple(car.motion(4.0)) == pytest.approx((10.0 + 24.0 + 12.0 - 3.0, 0.0, 6.0, 0.0))


def test_a_walker_crosses_to_the_left_and_stays_there() -> None:
    walker = scripted(
        lane(0, 0, 0),
        40.0,
        blueprint="walker.pedestrian.0001",
        lateral_m=-3.0,
        crosses_to_m=5.0,
        speed_mps=2.0,
        starts_at_s=1.0,
    )
    assert astuple(walker.motion(0.0))[:2] == (40.0, -3.0)
    # CARLA's y grows to the right: left of a lane along +x is negative y
    x, y, _, _, yaw, _ = walker.pose(2.0)
    assert (x, y, yaw) == pytest.approx((40.0, 1.0, -90.0))
    assert walker.velocity(2.0) == pytest.approx((0.0, -2.0))
    assert astuple(walker.motion(5.0))[:2] == (40.0, 5.0) and walker.velocity(5.5) == (0.0, 0.0)


def test_a_vehicle_is_pitched_as_its_lane_is() -> None:
    car = scripted(lane(0, 0, 0, slope=0.05), 50.0, speed_mps=10.0)
    assert car.pose(0.0)[3] == pytest.approx(math.degrees(math.atan(0.05)), abs=0.01)
    assert car.pose(1.0)[2] == pytest.approx(3.0)


def test_a_car_turned_to_the_left_looks_that_way() -> None:
    assert scripted(lane(0, 0, 0), 50.0, turned_deg=45.0).pose(0.0)[4] == pytest.approx(-45.0)


def test_crossing_ways_share_an_area() -> None:
    ego = lane(0.0, 0.0, 0.0)
    # it comes from the right (y = +40) and crosses the ego's lane 50 m ahead
    other = scripted(lane(50.0, 40.0, -90.0), speed_mps=10.0)
    area = find_conflict(other, ego, ego_half_width_m=1.0, other_half_width_m=0.9)
    assert area is not None
    assert (area.ego_s_m, area.other_s_m) == pytest.approx((50.0, 40.0), abs=0.6)
    # ego with its middle at 10 m, 2.5 m to the bumper: 50 - 0.9 - 0.3 - 12.5
    truth = area.truth(7, 1.0, 10.0, 2.5, 2.0)
    assert truth.enter_m == pytest.approx(36.3, abs=0.6)
    assert truth.clear_m == pytest.approx(50.0 + 1.2 + 2.5 - 10.0, abs=0.6)
    # the other has gone 10 m of 40, half its length is 2 m and the ego takes 1.3 m to either side
    assert truth.other_enter_m == pytest.approx(40.0 - 10.0 - 2.0 - 1.3, abs=0.6)
    assert truth.other_clear_m == pytest.approx(40.0 - 10.0 + 2.0 + 1.3, abs=0.6)
    assert truth.other_speed_mps == 10.0


def test_oncoming_and_leading_vehicles_and_walkers_cross_nothing() -> None:
    ego = lane(0.0, 0.0, 0.0)
    assert find_conflict(scripted(lane(90.0, -3.5, 180.0), speed_mps=9.0), ego, 1.0, 0.9) is None
    assert find_conflict(scripted(ego, 30.0, speed_mps=9.0), ego, 1.0, 0.9) is None
    walker = scripted(lane(50.0, 40.0, -90.0), blueprint="walker.pedestrian.0001", speed_mps=1.0)
    assert find_conflict(walker, ego, 1.0, 0.3) is None


def test_an_actor_has_one_place() -> None:
    with pytest.raises(ValueError, match="exactly one of `ahead_m` and `spawn`"):
        Actor.model_validate({"id": "a"})
    with pytest.raises(ValueError, match="has its lane in `spawn`"):
        Actor.model_validate({"id": "a", "spawn": {"road": 1, "lane": 1, "s_m": 3}, "lane": 2})
    with pytest.raises(ValueError, match="stops before it starts"):
        Actor.model_validate({"id": "a", "ahead_m": 3, "starts_at_s": 3, "stops_at_s": 1})
