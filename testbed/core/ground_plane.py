"""The known camera above level road: which ground point an image row shows.

Camera frame: u to the right and v down from the principal point, in focal lengths. With the optical axis pitched down
by p, the ray of v meets the road, h below, at the forward distance ``h (cos p - v sin p) / (sin p + v cos p)``, and a
lateral distance of ``h u / (sin p + v cos p)``. All numbers are those of `testbed.core.perception_tasks`.
"""

from __future__ import annotations

import math

from testbed.core.perception_tasks import CAMERA_PITCH_DEG, CAMERA_X_M, CAMERA_Z_M, FOCAL_PX, IMAGE_HEIGHT_PX

_PITCH_DOWN_RAD = -math.radians(CAMERA_PITCH_DEG)


def row_of_distance(ahead_of_ego_m: float) -> float:
    """Return the image row (continuous) that shows level ground this far ahead of the ego origin."""
    forward_m = ahead_of_ego_m - CAMERA_X_M
    angle_rad = math.atan2(CAMERA_Z_M, forward_m) - _PITCH_DOWN_RAD
    return IMAGE_HEIGHT_PX / 2 + FOCAL_PX * math.tan(angle_rad)


def metres_per_pixel(row_px: float) -> float:
    """Return how many metres of level road one pixel of this row is wide.

    Raises:
        ValueError: When the row lies at or above the horizon.
    """
    v = (row_px - IMAGE_HEIGHT_PX / 2) / FOCAL_PX
    down = math.sin(_PITCH_DOWN_RAD) + v * math.cos(_PITCH_DOWN_RAD)
    if down <= 0.0:
        raise ValueError(f"row {row_px} shows no ground")
    return CAMERA_Z_M / down / FOCAL_PX
