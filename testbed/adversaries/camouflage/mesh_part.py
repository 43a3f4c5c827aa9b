"""One material's faces in a user's own car, as the file readers hand them out: the file's axes and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PLAIN_RGB = (0.80, 0.80, 0.80)


@dataclass(frozen=True, eq=False)
class MeshPart:
    """All faces of one material, as triangles.

    Attributes:
        name: Material, or ``default`` where the file names none.
        vertices: (V, 3), the file's axes and units.
        normals: (V, 3), unit length, or None.
        uv: (V, 2), v from the top of the picture, or None if any face lacks them.
        triangles: (T, 3) int.
        colour: Linear base colour.
        picture: Base colour texture, (h, w, 3) uint8 sRGB, or None.
    """

    name: str
    vertices: Floats
    normals: Floats | None
    uv: Floats | None
    triangles: NDArray[np.int64]
    colour: tuple[float, float, float] = PLAIN_RGB
    picture: NDArray[np.uint8] | None = None

    @property
    def area(self) -> float:
        """Its surface in square units of the file."""
        a, b, c = (self.vertices[self.triangles[:, k]] for k in range(3))
        return float(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())
