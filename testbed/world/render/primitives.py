"""A few plain shapes as meshes: lattices and boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from testbed.world.render.mesh import Mesh


def grid_points(u: ArrayLike, v: ArrayLike) -> NDArray[np.float64]:
    """Return all pairs of two lists of numbers, shape (len(u), len(v), 2)."""
    return np.stack(np.meshgrid(np.asarray(u, np.float64), np.asarray(v, np.float64), indexing="ij"), axis=-1)


def grid_mesh(points_m: ArrayLike, uv: ArrayLike, material: str, tag: int = 0) -> Mesh:
    """Return a smooth surface over a lattice of points.

    Args:
        points_m: Shape (n, m, 3).
        uv: Shape (n, m, 2).
        material: Key of the material.
        tag: Semantic tag of the part, 0 for the object's.
    """
    points = np.asarray(points_m, np.float64)
    n, m = points.shape[:2]
    i, j = np.meshgrid(np.arange(n - 1), np.arange(m - 1), indexing="ij")
    a = (i * m + j).ravel()
    triangles = np.concatenate([np.stack([a, a + m, a + 1], 1), np.stack([a + 1, a + m, a + m + 1], 1)])
    flat = points.reshape(-1, 3)
    face = np.cross(flat[triangles[:, 1]] - flat[triangles[:, 0]], flat[triangles[:, 2]] - flat[triangles[:, 0]])
    normals = np.zeros_like(flat)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], face)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Mesh(
        flat.astype(np.float32),
        normals.astype(np.float32),
        np.asarray(uv, np.float32).reshape(-1, 2),
        triangles.astype(np.int32),
        material,
        tag,
    )


def box_mesh(size_m: tuple[float, float, float], material: str, tag: int = 0) -> list[Mesh]:
    """Return the six faces of a box standing on z = 0, centred on x = y = 0; every face has the whole texture."""
    scale = np.array([size_m[0] / 2.0, size_m[1] / 2.0, size_m[2]])
    st = grid_points([-1.0, 1.0], [-1.0, 1.0])
    faces = []
    for axis in range(3):
        for side in (-1.0, 1.0):
            points = np.insert(st, axis, side, axis=2)
            points[..., 2] = 0.5 * (points[..., 2] + 1.0)
            uv = np.stack([0.5 * (st[..., 0] + 1.0), 0.5 * (1.0 - st[..., 1])], axis=-1)
            faces.append(grid_mesh(points * scale, uv, material, tag))
    return faces
