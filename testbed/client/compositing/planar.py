"""How a flat surface lies in a picture: which of its parts every pixel, and every quarter of a pixel, covers.

A surface is cut into quads across its length so that it can follow a road over hills; a plate is a single quad. Rays
through the corners of a grid finer than the pixels meet the quads; what lies between four corners is one rectangle in
the surface's own coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.texture_lookup import UvRectangle
from testbed.core.projection import PinholeProjection, rotation

FINE = 4
"""Subpixels per pixel in each direction."""


@dataclass(frozen=True)
class Quad:
    """A rectangle in the world.

    Attributes:
        origin_m: The corner where (u, v) is (u0, v0), shape (3,).
        along_u_m: From there to (u1, v0).
        along_v_m: From there to (u0, v1).
        uv: (u0, v0, u1, v1).
    """

    origin_m: NDArray[np.float64]
    along_u_m: NDArray[np.float64]
    along_v_m: NDArray[np.float64]
    uv: tuple[float, float, float, float]

    def corners_m(self) -> NDArray[np.float64]:
        """Return its corners, shape (4, 3), in order."""
        a, b, c = self.origin_m, self.along_u_m, self.along_v_m
        return np.stack([a, a + b, a + b + c, a + c])


@dataclass(frozen=True)
class Subpixels:
    """Subpixels of a window of a picture that look at a quad.

    Attributes:
        window: (row0, row1, column0, column1) in pixels.
        rectangle: u0, v0, u1, v1 of every subpixel, shape (rows * fine, columns * fine) each; not cut to the quad.
        depth_m: Distance along the camera's axis at the middle of every subpixel.
        valid: Subpixels whose rays meet the quad's plane before the camera, not grazing.
    """

    window: tuple[int, int, int, int]
    rectangle: UvRectangle
    depth_m: NDArray[np.float64]
    valid: NDArray[np.bool_]


def window_of(camera: PinholeProjection, corners_m: NDArray[np.float64]) -> tuple[int, int, int, int] | None:
    """Return the pixels around a polygon in the world as (row0, row1, column0, column1), None when out of view."""
    uv = camera.clipped(corners_m)
    if len(uv) < 3:
        return None
    (u0, v0), (u1, v1) = np.floor(uv.min(axis=0)) - 1, np.ceil(uv.max(axis=0)) + 1
    row0, row1 = max(int(v0), 0), min(int(v1), camera.height_px)
    column0, column1 = max(int(u0), 0), min(int(u1), camera.width_px)
    return (row0, row1, column0, column1) if row0 < row1 and column0 < column1 else None


def look_at_quad(camera: PinholeProjection, quad: Quad, fine: int = FINE) -> Subpixels | None:
    """Return the subpixels of a picture, ``fine`` x ``fine`` a pixel, that look at a quad, None when out of view."""
    window = window_of(camera, quad.corners_m())
    if window is None:
        return None
    row0, row1, column0, column1 = window
    rows = np.arange(row0 * fine, row1 * fine + 1) / fine
    columns = np.arange(column0 * fine, column1 * fine + 1) / fine
    across = (columns - camera.width_px / 2.0) / camera.focal_px
    up = (camera.height_px / 2.0 - rows) / camera.focal_px
    axes = rotation(camera.pose)
    rays = axes[:, 0] + across[None, :, None] * axes[:, 1] + up[:, None, None] * axes[:, 2]
    normal = np.cross(quad.along_u_m, quad.along_v_m)
    eye = np.array(camera.pose[:3])
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = float((quad.origin_m - eye) @ normal) / (rays @ normal)
    valid = np.isfinite(depth) & (depth > 0.05)
    depth = np.where(valid, depth, 1e4)
    local = eye - quad.origin_m + rays * depth[..., None]
    u0, v0, u1, v1 = quad.uv
    u = u0 + (u1 - u0) * (local @ quad.along_u_m) / float(quad.along_u_m @ quad.along_u_m)
    v = v0 + (v1 - v0) * (local @ quad.along_v_m) / float(quad.along_v_m @ quad.along_v_m)
    corner = _corners(valid)
    return Subpixels(
        window,
        (_corners(u).min(axis=0), _corners(v).min(axis=0), _corners(u).max(axis=0), _corners(v).max(axis=0)),
        _corners(depth).mean(axis=0),
        np.asarray(corner.all(axis=0), dtype=np.bool_),
    )


def to_pixels(subpixels: NDArray[np.float64], fine: int = FINE, *, middle: bool = False) -> NDArray[np.float64]:
    """Return the means over every pixel's subpixels, or those around its middle, shape (rows, columns, channels)."""
    rows, columns = subpixels.shape[0] // fine, subpixels.shape[1] // fine
    grouped = subpixels.reshape(rows, fine, columns, fine, *subpixels.shape[2:])
    if middle:
        around = slice(fine // 2 - 1, fine // 2 + 1)
        grouped = grouped[:, around, :, around]
    return np.asarray(grouped.mean(axis=(1, 3)))


def to_subpixels(pixels: NDArray[np.float64], fine: int = FINE) -> NDArray[np.float64]:
    """Return the value of its pixel for every subpixel."""
    return pixels.repeat(fine, axis=0).repeat(fine, axis=1)


def _corners(grid: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the four corners of every subpixel of a grid of corners, shape (4, rows, columns)."""
    return np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]])
