"""The body of a vehicle as triangles: what a picture's pixels of a vehicle are found on, and where its paint is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Body:
    """A vehicle's surface in its own frame (CARLA axes, origin on the ground).

    Attributes:
        triangles_m: Corners of every triangle, shape (t, 3, 3), float64.
        normals: Unit normals at those corners, shape (t, 3, 3), pointing outwards.
        uv: Their places in the paint atlas, u right and v down in [0, 1], shape (t, 3, 2); NaN where there is no paint
            (glass, wheels, lamps). What lies beyond [0, 1] is the atlas again.
        atlas: Linear albedo of its own paint, shape (rows, columns, 3), float32, row 0 at v = 0.
        gloss: How much of what a clear coat mirrors its paint mirrors, 0-1.
        shininess: Exponent of its highlight (Blinn and Phong).
        name: File that a body of one's own was read from; empty for those that are known here.
        plain: Whether the atlas is nothing but one colour, which a server may know better.
        floating: Whether its origin is merely the middle of its footprint, so that it is to stand where the vehicle's
            bounding box does.
    """

    triangles_m: NDArray[np.float64]
    normals: NDArray[np.float64]
    uv: NDArray[np.float64]
    atlas: NDArray[np.float32]
    gloss: float
    shininess: float
    name: str = ""
    plain: bool = False
    floating: bool = False

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Length, width and height."""
        corners = self.triangles_m.reshape(-1, 3)
        length, width, height = (float(side) for side in corners.max(axis=0) - corners.min(axis=0))
        return length, width, height
