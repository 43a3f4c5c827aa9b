"""How a flat surface lies in a picture: which of its parts every pixel, and every quarter of a pixel, covers.

A surface is cut into planks across its length so that it can follow a road over hills; a plate is a single plank. Rays
through the corners of a grid finer than the pixels meet the planks; what lies between four corners is one rectangle in
the surface's own coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.texture_lookup import Rectangle
from testbed.core.projection import View, rotation

FINE = 4
"""Cells per pixel in each direction."""


@dataclass(frozen=True)
class Plank:
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
class Cells:
    """Cells of a window of a picture that look at a plank.

    Attributes:
        window: (row0, row1, column0, column1) in pixels.
        rectangle: u0, v0, u1, v1 of every cell, shape (rows * fine, columns * fine) each; not yet cut to the plank.
        depth_m: Distance along the camera's axis at the middle of every cell.
        valid: Cells whose rays meet the plank's plane before the camera, not grazing.
    """

    window: tuple[int, int, int, int]
    rectangle: Rectangle
    depth_m: NDArray[np.float64]
    valid: NDArray[np.bool_]


def window_of(view: View, corners_m: NDArray[np.float64]) -> tuple[int, int, int, int] | None:
    """Return the pixels around a polygon in the world as (row0, row1, column0, column1), None when out of view."""
    uv = view.clipped(corners_m)
    if len(uv) < 3:
        return None
    (u0, v0), (u1, v1) = np.floor(uv.min(axis=0)) - 1, np.ceil(uv.max(axis=0)) + 1
    row0, row1 = max(int(v0), 0), min(int(v1), view.height_px)
    column0, column1 = max(int(u0), 0), min(int(u1), view.width_px)
    return (row0, row1, column0, column1) if row0 < row1 and column0 < column1 else None


def look_at(view: View, plank: Plank, fine: int = FINE) -> Cells | None:
    """Return the cells of a picture, ``fine`` x ``fine`` a pixel, that look at a plank, None when it is out of view."""
    window = window_of(view, plank.corners_m())
    if window is None:
        return None
    row0, row1, column0, column1 = window
    rows = np.arange(row0 * fine, row1 * fine + 1) / fine
    columns = np.arange(column0 * fine, column1 * fine + 1) / fine
    across = (columns - view.width_px / 2.0) / view.focal_px
    up = (view.height_px / 2.0 - rows) / view.focal_px
    axes = rotation(view.pose)
    rays = axes[:, 0] + across[None, :, None] * axes[:, 1] + up[:, None, None] * axes[:, 2]
    normal = np.cross(plank.along_u_m, plank.along_v_m)
    eye = np.array(view.pose[:3])
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = float((plank.origin_m - eye) @ normal) / (rays @ normal)
    valid = np.isfinite(depth) & (depth > 0.05)
    depth = np.where(valid, depth, 1e4)
    local = eye - plank.origin_m + rays * depth[..., None]
    u0, v0, u1, v1 = plank.uv
    u = u0 + (u1 - u0) * (local @ plank.along_u_m) / float(plank.along_u_m @ plank.along_u_m)
    v = v0 + (v1 - v0) * (local @ plank.along_v_m) / float(plank.along_v_m @ plank.along_v_m)
    corner = _corners(valid)
    return Cells(
        window,
        (_corners(u).min(axis=0), _corners(v).min(axis=0), _corners(u).max(axis=0), _corners(v).max(axis=0)),
        _corners(depth).mean(axis=0),
        np.asarray(corner.all(axis=0), dtype=np.bool_),
    )


def pixels_of(cells: NDArray[np.float64], fine: int = FINE, *, middle: bool = False) -> NDArray[np.float64]:
    """Return the means over the cells of every pixel, or over those around its middle, (rows, columns, channels)."""
    rows, columns = cells.shape[0] // fine, cells.shape[1] // fine
    grouped = cells.reshape(rows, fine, columns, fine, *cells.shape[2:])
    if middle:
        around = slice(fine // 2 - 1, fine // 2 + 1)
        grouped = grouped[:, around, :, around]
    return np.asarray(grouped.mean(axis=(1, 3)))


def cells_of(pixels: NDArray[np.float64], fine: int = FINE) -> NDArray[np.float64]:
    """Return the value of its pixel for every cell."""
    return pixels.repeat(fine, axis=0).repeat(fine, axis=1)


def _corners(grid: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the four corners of every cell of a grid of corners, shape (4, rows, columns)."""
    return np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]])
