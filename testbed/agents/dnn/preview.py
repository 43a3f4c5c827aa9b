"""Where the lane centre 25 m ahead shows in the driver's view, differentiable in its column."""

from __future__ import annotations

from torch import Tensor

from testbed.core.ground_plane import metres_per_pixel as metres_per_pixel
from testbed.core.ground_plane import row_of_distance as row_of_distance
from testbed.core.perception_tasks import IMAGE_WIDTH_PX, PREVIEW_M

PREVIEW_ROW_PX = row_of_distance(PREVIEW_M)
PREVIEW_METRES_PER_PIXEL = metres_per_pixel(PREVIEW_ROW_PX)


def preview_offset_of_x(x_px: Tensor) -> Tensor:
    """Turn the lane centre's image x at `PREVIEW_ROW_PX` into its lateral offset in m, positive left."""
    return (IMAGE_WIDTH_PX / 2 - x_px) * PREVIEW_METRES_PER_PIXEL
