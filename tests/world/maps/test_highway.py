"""The shipped map is what the generator writes, and the real CARLA client reads it the way the reader does."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from testbed.world.maps import MapBundle, available_maps, load_map
from testbed.world.maps.highway import DATA_FILE, LENGTH_M, SIGNS, highway_xodr

carla = pytest.importorskip("carla")


@pytest.fixture(scope="module")
def bundle() -> MapBundle:
    return load_map("highway")


@pytest.fixture(scope="module")
def client_map(bundle: MapBundle) -> carla.Map:
    return carla.Map("highway", bundle.xodr)


def test_the_shipped_file_is_what_the_generator_writes() -> None:
    assert highway_xodr() == DATA_FILE.read_text(encoding="utf-8")
    assert highway_xodr() == highway_xodr()
    assert available_maps() == ["highway", "rural", "town"]


def test_lane_centres_agree_with_the_client_to_a_millimetre(bundle: MapBundle, client_map: carla.Map) -> None:
    for road, lane in ((1, -1), (1, -2), (1, -3), (2, 1), (2, 2)):
        for s in np.linspace(0.5, LENGTH_M - 0.5, 120):
            waypoint = client_map.get_waypoint_xodr(road, lane, float(s))
            x, y, _, _, yaw, _ = bundle.network.lane_centre(road, lane, float(s))
            where = waypoint.transform.location
            assert math.hypot(where.x - x, where.y - y) < 1e-3
            assert abs((waypoint.transform.rotation.yaw - yaw + 180) % 360 - 180) < 1e-3


def test_locate_agrees_with_the_client(bundle: MapBundle, client_map: carla.Map) -> None:
    generator = random.Random(7)
    for _ in range(400):
        road, s = generator.choice((1, 2)), generator.uniform(1.0, LENGTH_M - 1.0)
        lane, offset = generator.choice((1, 2)), generator.uniform(-1.5, 1.5)
        lane = -lane if road == 1 else lane
        left, right = bundle.network.road(road).lane_bounds(s, lane)
        x, y, *_ = bundle.network.road(road).pose(s, 0.5 * (left + right) + offset)
        point = bundle.network.locate(x, y)
        assert point is not None and (point.road_id, point.lane_id) == (road, lane)
        assert point.s_m == pytest.approx(s, abs=1e-4)
        assert point.lateral_offset_m == pytest.approx(offset if lane < 0 else -offset, abs=1e-5)
        waypoint = client_map.get_waypoint(carla.Location(x, y, 0.0))
        assert (waypoint.road_id, waypoint.lane_id) == (road, lane)
        where, yaw = waypoint.transform.location, math.radians(point.yaw_deg)
        # The client projects on chords, so its station is off by up to some decimetres; across the lane it is exact.
        across = (x - where.x) * math.sin(yaw) - (y - where.y) * math.cos(yaw)
        assert across == pytest.approx(point.lateral_offset_m, abs=0.02)


def test_the_client_finds_lanes_marks_signs_and_topology(client_map: carla.Map) -> None:
    slow = client_map.get_waypoint_xodr(1, -2, 300.0)
    assert slow.lane_width == pytest.approx(3.6, abs=1e-6) and slow.lane_type == carla.LaneType.Driving
    assert slow.left_lane_marking.type == carla.LaneMarkingType.Broken
    assert slow.right_lane_marking.type == carla.LaneMarkingType.Solid
    assert slow.get_left_lane().lane_id == -1 and slow.get_right_lane().lane_type == carla.LaneType.Shoulder
    limits = [mark for mark in client_map.get_all_landmarks() if mark.type == "274"]
    assert len(limits) == sum(sign.type == "274" for sign in SIGNS)
    assert {mark.value for mark in limits} == {60.0, 80.0, 100.0, 120.0}
    ego = client_map.get_waypoint_xodr(1, -2, 40.0)
    first = min((mark for mark in ego.get_landmarks(400.0) if mark.type == "274"), key=lambda mark: mark.distance)
    assert (first.value, round(first.distance)) == (100.0, 110)
    assert {(a.road_id, a.lane_id) for a, _ in client_map.get_topology()} == {(1, -1), (1, -2), (2, 1), (2, 2)}


def test_spawn_points_start_with_the_slow_lane_of_the_main_carriageway(bundle: MapBundle) -> None:
    points = bundle.network.spawn_points()
    assert len(points) > 200
    for x, y, z, _, yaw, _ in points:
        found = bundle.network.locate(x, y)
        assert found is not None and abs(found.lateral_offset_m) < 1e-5 and z == 0.0
        assert abs((found.yaw_deg - yaw + 180) % 360 - 180) < 1e-4
    first = bundle.network.locate(points[0][0], points[0][1])
    assert first is not None and (first.road_id, first.lane_id) == (1, -2)
