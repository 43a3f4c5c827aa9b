"""Pinhole camera and rigid transforms in CARLA's left-handed world (x forward, y right, z up, degrees)."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from testbed.core.frames import rotation_matrix
from testbed.core.geometry import Pose


def pose_matrix(pose: Pose | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 4x4 matrix from the local frame of ``pose`` to the world, as ``carla.Transform.get_matrix`` does."""
    x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg = (float(value) for value in pose)
    rows = rotation_matrix(pitch_deg, yaw_deg, roll_deg)
    return np.array([[*rows[0], x_m], [*rows[1], y_m], [*rows[2], z_m], [0.0, 0.0, 0.0, 1.0]])


def mounted(body: Pose, x_m: float, z_m: float, pitch_deg: float = 0.0) -> Pose:
    """Return the world pose of a camera fixed to a body, in its plane of symmetry and pitched against it."""
    x, y, z, _ = pose_matrix(body) @ np.array([x_m, 0.0, z_m, 1.0])
    return (float(x), float(y), float(z), body[3] + pitch_deg, body[4], body[5])


@dataclass(frozen=True)
class PinholeCamera:
    """A CARLA camera: square pixels, optical axis through the image centre.

    Attributes:
        width_px: Image width.
        height_px: Image height.
        fov_deg: Horizontal field of view.
        pose: Pose of the camera in the world; it looks along its x axis.
    """

    width_px: int
    height_px: int
    fov_deg: float
    pose: Pose

    def __post_init__(self) -> None:
        """Refuse images and lenses that do not exist."""
        if self.width_px < 1 or self.height_px < 1:
            raise ValueError(f"camera image of {self.width_px} x {self.height_px} px")
        if not 0.0 < self.fov_deg < 180.0:
            raise ValueError(f"camera field of view {self.fov_deg} deg is not between 0 and 180")

    @property
    def focal_px(self) -> float:
        """Focal length in pixels, equal in both directions."""
        return self.width_px / (2.0 * tan(radians(self.fov_deg) / 2.0))

    def project(self, points_world_m: ArrayLike) -> NDArray[np.float64]:
        """Project world points, shape (..., 3), to (u_px, v_px, depth_m), shape (..., 3).

        (0, 0) is the top-left corner of the image, so the centre of its first pixel is (0.5, 0.5). Depth is measured
        along the optical axis; u and v mean nothing where it is not positive.
        """
        to_world = pose_matrix(self.pose)
        local = (np.asarray(points_world_m, dtype=np.float64) - to_world[:3, 3]) @ to_world[:3, :3]
        depth_m = local[..., 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            u_px = self.width_px / 2.0 + self.focal_px * local[..., 1] / depth_m
            v_px = self.height_px / 2.0 - self.focal_px * local[..., 2] / depth_m
        return np.stack([u_px, v_px, depth_m], axis=-1)
