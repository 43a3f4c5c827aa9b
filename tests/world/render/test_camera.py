"""CARLA's conventions: x ahead, y to the right, z up, angles in degrees, pinhole through the image centre."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.world.render import PinholeCamera, pose_matrix
from testbed.world.render.primitives import box_mesh
from testbed.world.render.renderer import Renderer


def test_pose_matrix_is_carlas():
    carla = pytest.importorskip("carla")
    pose = (3.0, -2.0, 1.0, 10.0, 70.0, -25.0)
    transform = carla.Transform(carla.Location(*pose[:3]), carla.Rotation(pitch=10.0, yaw=70.0, roll=-25.0))
    assert np.allclose(pose_matrix(pose), transform.get_matrix(), atol=1e-5)


def test_directions():
    camera = PinholeCamera(200, 100, 90.0, (0, 0, 0, 0, 0, 0))
    assert np.allclose(camera.project([1.0, 0.0, 0.0]), [100.0, 50.0, 1.0])
    assert np.allclose(camera.project([1.0, 0.5, 0.25]), [150.0, 25.0, 1.0])  # right of the centre, above it
    turned = PinholeCamera(200, 100, 90.0, (0, 0, 0, 0, 90.0, 0))  # yaw is clockwise from above: now looks along +y
    assert np.allclose(turned.project([0.0, 2.0, 0.0]), [100.0, 50.0, 2.0])
    assert np.allclose(turned.project([-1.0, 2.0, 0.0]), [150.0, 50.0, 2.0])
    nodding = PinholeCamera(200, 100, 90.0, (0, 0, 0, 10.0, 0, 0))  # positive pitch looks up
    assert nodding.project([1.0, 0.0, 0.0])[1] > 50.0


@pytest.mark.parametrize("pose", [(0, 0, 1.45, -2, 0, 0), (5, -3, 2, 4, -40, 7), (-8, 20, 3, 0, 155, -10)])
def test_drawn_where_projected(empty, pose):
    """A small cube lands on the pixel that the projection names."""
    camera = PinholeCamera(320, 160, 75.0, pose)
    for k, local in enumerate(([8.0, 2.0, 1.0, 1.0], [15.0, -6.0, -2.0, 1.0])):
        x, y, z, _ = pose_matrix(pose) @ local
        empty.add_object(
            f"cube{k}", box_mesh((0.3, 0.3, 0.3), "grey"), (x, y, z - 0.15, 0, 0, 0), tag=20, instance_id=k + 1
        )
    frame = Renderer(empty).render(camera, want=frozenset({"instance", "depth_m"}))
    for k, local in enumerate(([8.0, 2.0, 1.0], [15.0, -6.0, -2.0])):
        u_px, v_px = 160 + camera.focal_px * local[1] / local[0], 80 - camera.focal_px * local[2] / local[0]
        rows, columns = np.nonzero(frame.instance == k + 1)
        assert abs(columns.mean() + 0.5 - u_px) < 0.7 and abs(rows.mean() + 0.5 - v_px) < 0.7
        assert abs(np.median(frame.depth_m[rows, columns]) - local[0]) < 0.3


def test_refuses_impossible_cameras():
    with pytest.raises(ValueError, match="field of view"):
        PinholeCamera(320, 160, 180.0, (0, 0, 0, 0, 0, 0))
    with pytest.raises(ValueError, match="image"):
        PinholeCamera(0, 160, 90.0, (0, 0, 0, 0, 0, 0))
