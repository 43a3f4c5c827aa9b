"""Where a shadow lies on a sign: soft-edged polygons, and the outline of the plate that they are cut to.

Polygons are given in plate units: x to the right, y down, the square around the plate is [0, 1]², corners may lie
outside. A crop shows that square with a margin (``testbed.core.perception_tasks.SIGN_CROP_MARGIN``) on every side.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from testbed.core.perception_tasks import SIGN_CROP_MARGIN
from testbed.world.assets.sign_faces import OUTLINES, outline_name

FloatArray = NDArray[np.float32]


def cover(polygons: FloatArray, points: FloatArray, blur: float) -> FloatArray:
    """Return how much of each point polygons cover, from 0 to 1.

    The edge is a linear ramp of width ``blur`` across the border.

    Args:
        polygons: (P, n, 2), n >= 3; corners of polygons with more than three are taken in the given order, and where
            the border crosses itself the even-odd rule says what is inside.
        points: (M, 2).
        blur: Width of the ramp, in units of the points, > 0.

    Returns:
        (P, M) float32.
    """
    if polygons.shape[1] == 3:
        inside = _depth_in_triangles(polygons, points)
    else:
        inside = _depth_in_polygons(polygons, points)
    inside *= np.float32(1.0 / blur)
    inside += np.float32(0.5)
    return np.clip(inside, 0.0, 1.0, out=inside)


def _depth_in_triangles(triangles: FloatArray, points: FloatArray) -> FloatArray:
    """Return the least distance to the three edge lines, positive inside, (P, M)."""
    edges = np.roll(triangles, -1, axis=1) - triangles
    normals = np.stack([-edges[..., 1], edges[..., 0]], axis=-1)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    around = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    normals *= np.where(around < 0.0, -1.0, 1.0)[:, None, None].astype(np.float32)
    offsets = (normals * triangles).sum(-1)
    depth: FloatArray = normals[:, 0] @ points.T
    depth -= offsets[:, 0, None]
    for k in (1, 2):
        other = normals[:, k] @ points.T
        other -= offsets[:, k, None]
        np.minimum(depth, other, out=depth)
    return depth


def _depth_in_polygons(polygons: FloatArray, points: FloatArray) -> FloatArray:
    """Return the distance to the border, positive inside by the even-odd rule, (P, M)."""
    nearest = np.full((len(polygons), len(points)), np.inf, np.float32)
    odd = np.zeros(nearest.shape, bool)
    for k in range(polygons.shape[1]):
        a, b = polygons[:, k - 1, None], polygons[:, k, None]
        along, to_point = b - a, points[None] - a
        share = (to_point * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
        foot = to_point - np.clip(share, 0.0, 1.0)[..., None] * along
        np.minimum(nearest, np.hypot(foot[..., 0], foot[..., 1]), out=nearest)
        spans = (a[..., 1] > points[:, 1]) != (b[..., 1] > points[:, 1])
        rise = np.where(along[..., 1] == 0.0, 1e-12, along[..., 1])
        odd ^= spans & (points[:, 0] < a[..., 0] + to_point[..., 1] * along[..., 0] / rise)
    return np.where(odd, nearest, -nearest)


def untangled(polygons: FloatArray) -> FloatArray:
    """Return polygons (P, n, 2) with their corners ordered by angle around their middle, so that no edges cross."""
    if polygons.shape[1] == 3:
        return polygons
    middle = polygons.mean(axis=1, keepdims=True)
    angle = np.arctan2(polygons[..., 1] - middle[..., 1], polygons[..., 0] - middle[..., 0])
    return np.take_along_axis(polygons, np.argsort(angle, axis=1, kind="stable")[..., None], axis=1)


def crop_points(height_px: int, width_px: int) -> FloatArray:
    """Return the pixel centres of a crop in plate units, (height * width, 2), row by row."""
    margin = SIGN_CROP_MARGIN
    across = (np.arange(width_px, dtype=np.float32) + 0.5) / width_px * (1.0 + 2.0 * margin) - margin
    down = (np.arange(height_px, dtype=np.float32) + 0.5) / height_px * (1.0 + 2.0 * margin) - margin
    x, y = np.meshgrid(across, down)
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def outline(class_id: int) -> FloatArray:
    """Return the outline of a class's plate in plate units, (n, 2)."""
    return (0.5 + 0.5 * np.array(OUTLINES[outline_name(class_id)])).astype(np.float32)


@lru_cache(maxsize=4096)
def plate_mask(class_id: int, height_px: int, width_px: int) -> NDArray[np.bool_]:
    """Return which pixels of a crop show the plate of a class, (h, w)."""
    points = crop_points(height_px, width_px)
    inside: NDArray[np.bool_] = cover(outline(class_id)[None], points, 1e-6)[0] > 0.5
    return inside.reshape(height_px, width_px)


def area_on_plate(polygon: NDArray[np.floating], class_id: int, resolution_px: int = 128) -> float:
    """Return which share of a class's plate a polygon (n, 2) covers."""
    points = crop_points(resolution_px, resolution_px)
    plate = plate_mask(class_id, resolution_px, resolution_px).ravel()
    covered = cover(np.asarray(polygon, np.float32)[None], points[plate], 1e-6)[0]
    return float((covered > 0.5).mean())
