"""Between linear light and pictures: the sRGB transfer function and the film curve, once for all rooms.

Every function keeps the precision of what it is given: float32 stays float32. Torch has twins of its own, because this
room knows numpy alone: `testbed.world.render.rerender.to_srgb` and `testbed.adversaries.camouflage.search.linear_of`;
a test holds them to these.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", np.float32, np.float64)


def srgb_to_linear(encoded: NDArray[F]) -> NDArray[F]:
    """Return sRGB values in [0, 1], any shape, as linear light in [0, 1] (IEC 61966-2-1)."""
    linear: NDArray[F] = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear


def linear_to_srgb(linear: NDArray[F]) -> NDArray[F]:
    """Return linear light in [0, 1], any shape, as sRGB values in [0, 1] (IEC 61966-2-1); not clipped."""
    encoded: NDArray[F] = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1.0 / 2.4) - 0.055)
    return encoded


def film_curve(linear: NDArray[F]) -> NDArray[F]:
    """Return exposed linear light of at least 0, any shape, as sRGB values in [0, 1].

    Narkowicz's fit of the ACES film curve (2015), then the sRGB transfer function: what the embedded server shows, and
    close to the filmic curve of CARLA's engine.
    """
    x: NDArray[F] = 0.72 * linear
    film: NDArray[F] = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)
    return linear_to_srgb(film)
