from __future__ import annotations

import numpy as np
import pytest

from testbed.core.projection import PinholeProjection, box_corners

VIEW = PinholeProjection((0.0, 0.0, 1.5, 0.0, 0.0, 0.0), 320, 160, 90.0)


def test_a_point_straight_ahead_is_the_image_centre() -> None:
    uv = VIEW.pixels(VIEW.to_camera(np.array([[10.0, 0.0, 1.5]])))
    assert uv[0] == pytest.approx([160.0, 80.0])


def test_right_is_right_and_up_is_up() -> None:
    uv = VIEW.pixels(VIEW.to_camera(np.array([[10.0, 10.0, 1.5], [10.0, 0.0, 2.5]])))
    assert uv[0] == pytest.approx([320.0, 80.0])
    assert uv[1] == pytest.approx([160.0, 64.0])


def test_yaw_is_clockwise_seen_from_above() -> None:
    turned = PinholeProjection((0.0, 0.0, 0.0, 0.0, 90.0, 0.0), 320, 160, 90.0)
    assert turned.to_camera(np.array([[0.0, 5.0, 0.0]]))[0] == pytest.approx([5.0, 0.0, 0.0], abs=1e-9)


def test_pitch_up_lowers_what_is_level() -> None:
    up = PinholeProjection((0.0, 0.0, 0.0, 10.0, 0.0, 0.0), 320, 160, 90.0)
    assert up.pixels(up.to_camera(np.array([[10.0, 0.0, 0.0]])))[0, 1] > 80.0


def test_box_is_cut_to_the_image_and_none_behind() -> None:
    corners = box_corners((10.0, 9.0, 0.0, 0.0, 0.0, 0.0), np.array([0.0, 0.0, 1.0]), np.array([1.0, 3.0, 1.0]))
    box = VIEW.box(corners)
    assert box is not None and box[2] == 320.0 and box[0] < 320.0
    assert VIEW.box(corners - (30.0, 0.0, 0.0)) is None


def test_polygon_is_clipped_at_the_camera() -> None:
    patch = np.array([[-5.0, -2.0, 0.0], [20.0, -2.0, 0.0], [20.0, 2.0, 0.0], [-5.0, 2.0, 0.0]])
    mask = VIEW.polygon_mask(patch)
    assert mask[159, 160] and not mask[70].any() and 1000 < mask.sum() < 20000


def test_polygon_behind_covers_nothing() -> None:
    assert not VIEW.polygon_mask(np.array([[-5.0, -2.0, 0.0], [-2.0, -2.0, 0.0], [-2.0, 2.0, 0.0]])).any()
