"""Where things are in the driver's view: pinhole projection of points, boxes and polygons.

CARLA's camera looks along +x of its pose, y to the right, z up; pixel (0, 0) is the top left corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from PIL import ImageDraw

from testbed.core.frames import rotation_matrix
from testbed.core.types import Box, Pose

NEAR_M = 0.2


def rotation(pose: Pose) -> NDArray[np.float64]:
    """Return the matrix whose columns are the pose's forward, right and up axes in the world frame, shape (3, 3).

    The convention is that of ``testbed.core.frames``.
    """
    return np.array(rotation_matrix(*pose[3:]))


@dataclass(frozen=True)
class PinholeProjection:
    """A pinhole camera at a pose, and where things are in its picture.

    Attributes:
        pose: Camera pose in the world.
        width_px: Image width.
        height_px: Image height.
        fov_deg: Horizontal field of view.
    """

    pose: Pose
    width_px: int
    height_px: int
    fov_deg: float

    @property
    def focal_px(self) -> float:
        """Focal length in pixels, the same in both directions."""
        return self.width_px / 2.0 / math.tan(math.radians(self.fov_deg) / 2.0)

    def to_camera(self, points_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return world points (n, 3) in the camera frame: columns forward, right, up in metres."""
        turned: NDArray[np.float64] = (np.asarray(points_m) - np.array(self.pose[:3])) @ rotation(self.pose)
        return turned

    def pixels(self, camera_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return image coordinates (n, 2) of camera-frame points in front of the near plane."""
        depth = camera_m[:, 0]
        u = self.width_px / 2.0 + self.focal_px * camera_m[:, 1] / depth
        v = self.height_px / 2.0 - self.focal_px * camera_m[:, 2] / depth
        return np.stack([u, v], axis=1)

    def box(self, corners_m: NDArray[np.float64]) -> Box | None:
        """Return the image box around world corners (n, 3), cut to the image; None when behind or outside."""
        camera = self.to_camera(corners_m)
        if (camera[:, 0] < NEAR_M).any():
            return None
        uv = self.pixels(camera)
        x0, y0 = uv.min(axis=0)
        x1, y1 = uv.max(axis=0)
        box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(self.width_px)), min(y1, float(self.height_px)))
        if box[2] - box[0] < 1e-6 or box[3] - box[1] < 1e-6:
            return None
        return (float(box[0]), float(box[1]), float(box[2]), float(box[3]))

    def polygon_mask(self, corners_m: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which pixels a flat world polygon (n, 3) covers, shape (height, width), occlusion left aside."""
        mask = PilImage.new("1", (self.width_px, self.height_px))
        outline = self.clipped(corners_m)
        if len(outline) >= 3:
            ImageDraw.Draw(mask).polygon([(float(u), float(v)) for u, v in outline], fill=1)
        return np.asarray(mask, dtype=np.bool_)

    def clipped(self, corners_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the image corners (m, 2) of what of a flat world polygon (n, 3) lies before the near plane."""
        return self.pixels(_clip_near(self.to_camera(corners_m)))


def box_corners(pose: Pose, centre_m: NDArray[np.float64], half_extent_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 8 world corners (8, 3) of a box given in the frame of ``pose``."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    corners: NDArray[np.float64] = (centre_m + signs * half_extent_m) @ rotation(pose).T + np.array(pose[:3])
    return corners


def _clip_near(camera_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a polygon in the camera frame at the near plane (Sutherland and Hodgman, 1974)."""
    kept: list[NDArray[np.float64]] = []
    for index, point in enumerate(camera_m):
        previous = camera_m[index - 1]
        inside, was_inside = point[0] >= NEAR_M, previous[0] >= NEAR_M
        if inside != was_inside:
            share = (NEAR_M - previous[0]) / (point[0] - previous[0])
            kept.append(previous + share * (point - previous))
        if inside:
            kept.append(point)
    return np.array(kept).reshape(-1, 3)
