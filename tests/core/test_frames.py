"""One rotation convention: the client's, the server's, the renderer's and CARLA's own."""

from __future__ import annotations

import carla
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.core.frames import rotation_matrix
from testbed.core.projection import rotation
from testbed.world.render.camera import pose_matrix

ANGLES_DEG = st.floats(-360.0, 360.0)


@given(ANGLES_DEG, ANGLES_DEG, ANGLES_DEG)
def test_everybody_turns_alike(pitch_deg: float, yaw_deg: float, roll_deg: float) -> None:
    matrix = np.array(rotation_matrix(pitch_deg, yaw_deg, roll_deg))
    pose = (1.0, 2.0, 3.0, pitch_deg, yaw_deg, roll_deg)
    assert np.array_equal(rotation(pose), matrix)
    assert np.array_equal(pose_matrix(pose)[:3, :3], matrix)
    theirs = carla.Transform(carla.Location(), carla.Rotation(pitch_deg, yaw_deg, roll_deg)).get_matrix()
    assert matrix == pytest.approx(np.array(theirs)[:3, :3], abs=1e-5)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)


def test_yaw_turns_right_and_pitch_up() -> None:
    assert np.array(rotation_matrix(0.0, 90.0, 0.0))[:, 0] == pytest.approx([0.0, 1.0, 0.0])
    assert np.array(rotation_matrix(90.0, 0.0, 0.0))[:, 0] == pytest.approx([0.0, 0.0, 1.0])
