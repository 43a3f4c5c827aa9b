from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from testbed.core.lane_path import LanePath


def straight() -> LanePath:
    n = 101
    points = np.stack([np.arange(n, dtype=float), np.zeros(n), np.zeros(n)], axis=1)
    return LanePath(points, np.zeros(n), np.full(n, 3.6))


def left_curve(radius_m: float = 200.0) -> LanePath:
    angle = np.arange(0.0, 1.0, 1.0 / radius_m)
    # y grows to the right in CARLA: a left curve goes towards negative y
    points = np.stack([radius_m * np.sin(angle), radius_m * (np.cos(angle) - 1.0), np.zeros_like(angle)], axis=1)
    return LanePath(points, -np.degrees(angle), np.full(len(angle), 3.6))


def test_left_of_a_straight_lane_is_positive() -> None:
    assert straight().locate(40.0, -1.0) == pytest.approx((40.0, 1.0))
    assert straight().locate(40.0, 1.5) == pytest.approx((40.0, -1.5))


def test_beyond_the_ends_distance_goes_on() -> None:
    assert straight().locate(-3.0, 0.5) == pytest.approx((-3.0, -0.5))
    assert straight().locate(104.0, 0.0) == pytest.approx((104.0, 0.0))


def test_curving_left_is_positive_curvature() -> None:
    assert left_curve().curvature_1pm(100.0) == pytest.approx(1.0 / 200.0, rel=1e-3)


def test_pose_and_locate_are_inverse() -> None:
    path = left_curve()
    x, y, *_ = path.pose(80.0, 1.25)
    s_m, lateral_offset_m = path.locate(x, y, near_s_m=75.0)
    assert lateral_offset_m == pytest.approx(1.25, abs=0.01)
    assert s_m == pytest.approx(80.0, abs=0.6)


def test_preview_of_a_left_curve_is_to_the_left() -> None:
    path = left_curve()
    forward, left = path.in_ego_frame(25.0, 0.0, 0.0, 0.0)
    assert forward == pytest.approx(200.0 * math.sin(0.125), abs=0.05)
    assert left == pytest.approx(200.0 * (1.0 - math.cos(0.125)), abs=0.05)


@pytest.fixture(scope="module")
def town() -> Any:
    """The town as the client's own map, without a server."""
    import carla

    from testbed.world.maps import load_map

    return carla.Map("town", load_map("town").xodr)


# roads on y = -110, y = -230 and x = 260 (CARLA's y grows to the south), with the crossings they lead over
@pytest.mark.parametrize(
    "road, lane, s_m, heading_deg, over",
    [(4, -1, 40.0, 0.0, 130.0), (8, -1, 40.0, 0.0, 260.0), (14, -1, 40.0, -90.0, -110.0), (5, 1, 60.0, 180.0, 130.0)],
)
def test_the_way_leads_straight_over_junctions(
    town: Any, road: int, lane: int, s_m: float, heading_deg: float, over: float
) -> None:
    path = LanePath.follow(town, road, lane, s_m, 120.0)
    assert path.length_m == pytest.approx(119.0, abs=2.0)
    turned = [(math.degrees(path.yaw_rad(s)) - heading_deg + 180.0) % 360.0 - 180.0 for s in range(0, 115, 5)]
    assert np.abs(turned).max() < 2.0
    axis = 1 if abs(heading_deg) == 90.0 else 0
    places = [path.pose(s)[axis] for s in (0.0, 115.0)]
    assert min(places) < over < max(places)


def test_where_nothing_leads_straight_on_the_way_turns(town: Any) -> None:
    # the stem of the T at (260, -230)
    path = LanePath.follow(town, 15, -1, 60.0, 90.0)
    assert abs(math.degrees(path.yaw_rad(85.0)) + 90.0) == pytest.approx(90.0, abs=1.0)


def test_a_slope_is_a_pitch() -> None:
    points = np.stack([np.arange(50.0), np.zeros(50), 0.04 * np.arange(50.0)], axis=1)
    path = LanePath(points, np.zeros(50), np.full(50, 3.0))
    for s_m in (0.0, 20.0, 49.0):
        assert path.pitch_deg(s_m) == pytest.approx(math.degrees(math.atan(0.04)))
