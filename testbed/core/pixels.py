"""Pixels on their way between CARLA's BGRA and everybody else's RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def swap_red_and_blue(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Copy three channels of a picture (height, width, 3 or more), the first and the third in each other's place.

    A plane at a time: numpy copies a reversed last axis one element after the other, six times slower.
    """
    for channel in range(3):
        target[..., channel] = source[..., 2 - channel]
