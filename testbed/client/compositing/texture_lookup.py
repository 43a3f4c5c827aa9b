"""Area-filtered lookups in textures: what a patch of a picture shows is the mean of the texels that it covers.

Means over rectangles come from an integral image (Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984), so a
rectangle of any size costs four lookups. Beyond its border a texture is transparent, which gives soft edges for free.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRILINEAR = 2.0**0.5
"""Width, in pixels, of a box that together with the pixel's own blurs as much as trilinear filtering in mip maps does:
a box and a tent of one pixel have a variance of 1/12 + 1/6, two boxes of widths 1 and sqrt(2) 1/12 + 2/12."""

UvRectangle = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

WHOLE = (0.0, 0.0, 1.0, 1.0)


class SummedAreaTexture:
    """A texture ready for area lookups.

    Args:
        pixels: Shape (rows, columns, channels); u runs over columns, v over rows, both 0-1.
    """

    def __init__(self, pixels: NDArray[np.float32]) -> None:
        """Sum it up."""
        rows, columns, channels = pixels.shape
        self.rows, self.columns = rows, columns
        self.channels = channels
        self._sums = np.zeros((rows + 1, columns + 1, channels))
        self._sums[1:, 1:] = np.cumsum(np.cumsum(pixels, axis=0, dtype=np.float64), axis=1)

    def mean(self, rectangle: UvRectangle, within: tuple[float, float, float, float] = WHOLE) -> NDArray[np.float64]:
        """Return the mean over rectangles, shape (..., channels); what lies outside counts as 0.

        Args:
            rectangle: (u0, v0, u1, v1), arrays of one shape.
            within: The part of the texture that counts, (u0, v0, u1, v1).
        """
        rows, columns = self.rows, self.columns
        u0, v0, u1, v1 = rectangle
        u1, v1 = np.maximum(u1, u0 + 1e-6), np.maximum(v1, v0 + 1e-6)
        left, right = (np.clip(u, within[0], within[2]) * columns for u in (u0, u1))
        top, bottom = (np.clip(v, within[1], within[3]) * rows for v in (v0, v1))
        total = self._at(bottom, right) - self._at(top, right) - self._at(bottom, left) + self._at(top, left)
        return np.asarray(total / ((u1 - u0) * columns * (v1 - v0) * rows)[..., None])

    def _at(self, row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the integral up to a place between texels."""
        rows, columns = self.rows, self.columns
        row, column = np.clip(row, 0.0, rows), np.clip(column, 0.0, columns)
        top = np.minimum(row.astype(np.intp), rows - 1)
        left = np.minimum(column.astype(np.intp), columns - 1)
        dy, dx = (row - top)[..., None], (column - left)[..., None]
        sums = self._sums
        upper = sums[top, left] * (1.0 - dx) + sums[top, left + 1] * dx
        lower = sums[top + 1, left] * (1.0 - dx) + sums[top + 1, left + 1] * dx
        return np.asarray(upper * (1.0 - dy) + lower * dy)


def widened(rectangle: UvRectangle, factor: float) -> UvRectangle:
    """Return rectangles scaled about their middles."""
    u0, v0, u1, v1 = rectangle
    grow_u, grow_v = 0.5 * (factor - 1.0) * (u1 - u0), 0.5 * (factor - 1.0) * (v1 - v0)
    return u0 - grow_u, v0 - grow_v, u1 + grow_u, v1 + grow_v
