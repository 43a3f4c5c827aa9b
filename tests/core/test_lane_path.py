from __future__ import annotations

import math

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


def test_a_slope_is_a_pitch() -> None:
    points = np.stack([np.arange(50.0), np.zeros(50), 0.04 * np.arange(50.0)], axis=1)
    path = LanePath(points, np.zeros(50), np.full(50, 3.0))
    for s_m in (0.0, 20.0, 49.0):
        assert path.pitch_deg(s_m) == pytest.approx(math.degrees(math.atan(0.04)))
