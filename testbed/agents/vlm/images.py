"""From pictures to the model's pixels: which window of a picture a task looks at, and the one size all images have.

All images of a batch have one size because the three images of a tandem question go through the vision tower together.
The steering question looks at the road part of the driver's view at full resolution (lane geometry is a matter of
single pixels), the vehicle question at the whole view, the sign question at the whole crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from testbed.core.types import Box, Image

IMAGE_SIZE = (96, 256)
"""(height_px, width_px) of the default small model's input."""


@dataclass(frozen=True)
class Window:
    """Part of a picture, as fractions of its width and height, maxima exclusive."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    def pixels(self, width_px: int, height_px: int) -> Box:
        """Return the window of a picture of that size in pixels."""
        return self.x_min * width_px, self.y_min * height_px, self.x_max * width_px, self.y_max * height_px


ROAD = (0.1, 0.4, 0.9, 1.0)
"""Part of the driver's view that the steering question looks at: lane geometry is a matter of single pixels."""
WHOLE = Window(0.0, 0.0, 1.0, 1.0)
WINDOWS: dict[str, Window] = {"tsr": WHOLE, "alc": Window(*ROAD), "vd": WHOLE}
"""Task to window. In a 320 x 160 view the steering window is 256 x 96 px, so nothing is resampled."""


def fit(image: Image, window: Window = WHOLE, size: tuple[int, int] = IMAGE_SIZE) -> NDArray[np.uint8]:
    """Cut a window out of a picture and resize it (bilinear, antialiased when shrinking).

    Args:
        image: (h, w, 3) RGB uint8.
        window: Part to look at.
        size: (height_px, width_px) wanted.

    Returns:
        (height, width, 3) uint8.
    """
    height_px, width_px = image.shape[:2]
    box = window.pixels(width_px, height_px)
    whole_pixels = all(float(edge).is_integer() for edge in box)
    if whole_pixels and (box[3] - box[1], box[2] - box[0]) == size:
        x_min, y_min, x_max, y_max = (int(edge) for edge in box)
        return np.ascontiguousarray(image[y_min:y_max, x_min:x_max])
    resized = PilImage.fromarray(image).resize((size[1], size[0]), PilImage.Resampling.BILINEAR, box=box)
    return np.asarray(resized)
