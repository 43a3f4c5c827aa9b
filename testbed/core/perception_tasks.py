"""What the three perception questions mean, for data sets, judges, oracles and the driving loop alike.

The driver's view, where a steering class begins, which vehicle counts as the one ahead, and how a sign is cut out of
the view: one definition, so that what is trained on is what is asked on the road.
"""

from __future__ import annotations

import math

from testbed.core.geometry import Box
from testbed.core.types import Steering

PROMPTS: dict[str, str] = {
    "tsr": "Identify this traffic sign.",
    "alc": "As a car driver, at which direction should you turn the steering wheel?",
    "vd": "If a car is detected, provide the center coordinates and the dimensions of the bounding box for the car",
}
"""The published questions, word for word."""

# The driving camera: what an agent sees in the loop. Mount relative to the ego origin (centre of the footprint).
IMAGE_WIDTH_PX = 320
IMAGE_HEIGHT_PX = 160
CAMERA_FOV_DEG = 75.0
CAMERA_X_M = 0.6
CAMERA_Z_M = 1.45
CAMERA_PITCH_DEG = -2.0
FOCAL_PX = IMAGE_WIDTH_PX / 2 / math.tan(math.radians(CAMERA_FOV_DEG) / 2)
EGO_HALF_LENGTH_M = 2.45

# Lane labels.
STEERING_CLASSES: tuple[Steering, ...] = (Steering.LEFT, Steering.STRAIGHT, Steering.RIGHT)
PREVIEW_M = 25.0
PREVIEW_SPEED_MPS = 25.0
STRAIGHT_BELOW_MPS2 = 0.3
STRAIGHT_BELOW_M = STRAIGHT_BELOW_MPS2 * PREVIEW_M**2 / (2 * PREVIEW_SPEED_MPS**2)
LANE_LINES: tuple[str, ...] = ("neighbour_left", "ego_left", "ego_right", "neighbour_right")
LANE_ROWS_PX: tuple[float, ...] = tuple(float(y) for y in range(76, 160, 2))
"""Row anchors in continuous image coordinates (pixel i covers [i, i + 1)); the level road's horizon is at y = 72.7."""

# Vehicle labels.
LEAD_RANGE_M = 60.0
MIN_VEHICLE_PX = 6
MIN_VISIBLE_FRACTION = 0.4

# Sign labels. In the loop a sign is asked about only when its crop is at least this wide.
MIN_SIGN_PX = 10
SIGN_CROP_MARGIN = 0.125
"""A crop is the plate's box grown by this fraction of its size on every side."""


def steering_class(preview_offset_m: float) -> int:
    """Return the index into `STEERING_CLASSES` of the pure-pursuit demand ``a = 2 y v^2 / L^2`` at a preview offset."""
    demand_mps2 = 2.0 * preview_offset_m * PREVIEW_SPEED_MPS**2 / PREVIEW_M**2
    if abs(demand_mps2) < STRAIGHT_BELOW_MPS2:
        return 1
    return 0 if demand_mps2 > 0 else 2


def sign_crop_box(
    box_px: Box, width_px: int = IMAGE_WIDTH_PX, height_px: int = IMAGE_HEIGHT_PX
) -> tuple[int, int, int, int] | None:
    """Return the pixel rectangle (x_min, y_min, x_max, y_max; maxima exclusive) to cut for a plate, or None.

    None means that the sign is not asked about: its crop would be narrower than `MIN_SIGN_PX` or leaves the image.

    Args:
        box_px: Box of the plate in the image.
        width_px: Image width.
        height_px: Image height.
    """
    x_min, y_min, x_max, y_max = box_px
    margin_x, margin_y = SIGN_CROP_MARGIN * (x_max - x_min), SIGN_CROP_MARGIN * (y_max - y_min)
    left, top = math.floor(x_min - margin_x), math.floor(y_min - margin_y)
    right, bottom = math.ceil(x_max + margin_x), math.ceil(y_max + margin_y)
    if right - left < MIN_SIGN_PX or left < 0 or top < 0 or right > width_px or bottom > height_px:
        return None
    return left, top, right, bottom
