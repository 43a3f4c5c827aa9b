"""Draw another paint onto a vehicle in a picture: its mesh is laid over it, and every part of a pixel finds its texel.

The mesh hides itself (glass, wheels, the far side); what else stands before it the depth camera tells. Where a mesh of
one's own juts out of the body that the server shows, its paint is laid over what is behind, in the light of the nearest
pixel that shows paint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.appearance import dressed, worn_by
from testbed.client.compositing.layers import Light, repainted
from testbed.client.compositing.planar import to_pixels, to_subpixels
from testbed.client.compositing.sunlight import highlight, light_of
from testbed.client.compositing.surfaces import VehicleBody
from testbed.client.compositing.texture_lookup import TRILINEAR, SummedAreaTexture
from testbed.core.body import Body
from testbed.core.projection import NEAR_M, PinholeProjection, rotation
from testbed.core.types import Pose, Skin
from testbed.core.weather import WeatherParameters

SAMPLES = 3
"""Samples per pixel in each direction."""

BILINEAR = 3.0**0.5
"""Width, in texels, of a box that blurs as much as a bilinear lookup among texels that are means themselves: a tent and
a box of one texel have a variance of 1/6 + 1/12, a box of this width 3/12."""

CLEARANCE_M = 0.20
"""What stands this much before the body hides it; less is the body itself."""


SKY_M = 900.0
"""What a depth camera sees beyond this is the sky."""


@dataclass(frozen=True)
class Samples:
    """What the samples of a window of a picture see of a body, nearest first where several things lie on one ray.

    Attributes:
        window: (row0, row1, column0, column1) in pixels.
        at: Index of every sample that sees it, row-major over the window's samples.
        depth_m: Distance along the camera's axis.
        normal: Unit normal of the surface in the world, shape (n, 3), towards the camera.
        sight: Unit line of sight in the world, shape (n, 3), from the camera.
        uv: TargetSurface in the paint atlas, shape (n, 2); NaN where there is no paint.
        slope_uv: Change of that place from one sample to the next, to the right and downwards, shape (n, 2, 2).
    """

    window: tuple[int, int, int, int]
    at: NDArray[np.intp]
    depth_m: NDArray[np.float64]
    normal: NDArray[np.float64]
    sight: NDArray[np.float64]
    uv: NDArray[np.float64]
    slope_uv: NDArray[np.float64]

    @property
    def half_uv(self) -> NDArray[np.float64]:
        """Half of what a sample covers of the atlas, shape (n, 2)."""
        return np.asarray(0.5 * np.abs(self.slope_uv).sum(axis=1))


def look_at_body(camera: PinholeProjection, mesh: Body, pose: Pose, samples: int = SAMPLES) -> Samples | None:
    """Return what a picture's samples, so many a pixel in each direction, see of a body; None when it is out of view.

    Screen positions, and the inverse of depth times anything that is linear on a triangle, are linear in the picture
    (Heckbert, "Survey of texture mapping", 1986).
    """
    world = mesh.triangles_m @ rotation(pose).T + np.array(pose[:3])
    corners_camera = camera.to_camera(world.reshape(-1, 3)).reshape(-1, 3, 3)
    ahead = (corners_camera[..., 0] > NEAR_M).all(axis=1)
    if not ahead.any():
        return None
    corners_camera, uv, normals = corners_camera[ahead], mesh.uv[ahead], mesh.normals[ahead] @ rotation(pose).T
    corners = camera.pixels(corners_camera.reshape(-1, 3)).reshape(-1, 3, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    row0, column0 = max(int(low[:, 1].min()), 0), max(int(low[:, 0].min()), 0)
    row1 = min(int(np.ceil(high[:, 1].max())), camera.height_px)
    column1 = min(int(np.ceil(high[:, 0].max())), camera.width_px)
    if row0 >= row1 or column0 >= column1:
        return None
    fine = (corners - (column0, row0)) * samples - 0.5
    rows, columns = (row1 - row0) * samples, (column1 - column0) * samples
    triangle, x, y = _candidates(fine, rows, columns)
    weights, gradients = _barycentric(fine, triangle, x, y)
    inside = (weights >= 0.0).all(axis=1)
    triangle, x, y, weights, gradients = triangle[inside], x[inside], y[inside], weights[inside], gradients[inside]
    if not len(triangle):
        return None
    inverse = 1.0 / corners_camera[triangle, :, 0]
    nearness = (weights * inverse).sum(axis=1)
    at = y * columns + x
    order = np.lexsort((nearness, at))
    last = np.append(at[order][1:] != at[order][:-1], True)
    won = order[last]
    triangle, weights, gradients, inverse = triangle[won], weights[won], gradients[won], inverse[won]
    depth = 1.0 / nearness[won]
    over = uv[triangle] * inverse[..., None]
    place = (weights[..., None] * over).sum(axis=1) * depth[:, None]
    # d(uv) = (d(uv / z) - uv d(1 / z)) z, along both axes of the picture
    slope = (
        np.einsum("nkd,nkc->ndc", gradients, over)
        - place[:, None, :] * np.einsum("nkd,nk->nd", gradients, inverse)[..., None]
    ) * depth[:, None, None]
    # beyond its border an atlas begins again; rounding is no border
    place = np.where((place < -1e-6) | (place > 1.0 + 1e-6), place - np.floor(place), place)
    normal = (weights[..., None] * inverse[..., None] * normals[triangle]).sum(axis=1)
    column, row = (x[won] + 0.5) / samples + column0, (y[won] + 0.5) / samples + row0
    across, up = (column - camera.width_px / 2.0) / camera.focal_px, (camera.height_px / 2.0 - row) / camera.focal_px
    sight = np.stack([np.ones_like(across), across, up], axis=1) @ rotation(camera.pose).T
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    normal *= np.where((normal * sight).sum(axis=1, keepdims=True) > 0.0, -1.0, 1.0)
    sight /= np.linalg.norm(sight, axis=1, keepdims=True)
    return Samples((row0, row1, column0, column1), at[won], depth, normal, sight, place, slope)


def _candidates(
    corners: NDArray[np.float64], rows: int, columns: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return (triangle, x, y) of every sample in the bounding box of every triangle."""
    low = np.maximum(np.ceil(corners.min(axis=1)), 0).astype(np.intp)
    high = np.minimum(np.floor(corners.max(axis=1)), (columns - 1, rows - 1)).astype(np.intp)
    size = np.maximum(high - low + 1, 0)
    count = size[:, 0] * size[:, 1]
    triangle = np.repeat(np.arange(len(corners)), count)
    number = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    wide = np.maximum(size[triangle, 0], 1)
    return triangle, low[triangle, 0] + number % wide, low[triangle, 1] + number // wide


def _barycentric(
    corners: NDArray[np.float64], triangle: NDArray[np.intp], x: NDArray[np.intp], y: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights (n, 3) of the corners at samples, and their gradients (n, 3, 2) per sample step."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    area = np.where(np.abs(area) < 1e-12, np.inf, area)
    per_x = np.stack([b[:, 1] - c[:, 1], c[:, 1] - a[:, 1], a[:, 1] - b[:, 1]], axis=1) / area[:, None]
    per_y = np.stack([c[:, 0] - b[:, 0], a[:, 0] - c[:, 0], b[:, 0] - a[:, 0]], axis=1) / area[:, None]
    first = corners[triangle, 0]
    dx, dy = (x - first[:, 0])[:, None], (y - first[:, 1])[:, None]
    weights = np.array([1.0, 0.0, 0.0]) + per_x[triangle] * dx + per_y[triangle] * dy
    # a triangle without area covers nothing
    weights = np.where(np.isfinite(area)[triangle, None], weights, -1.0)
    return weights, np.stack([per_x[triangle], per_y[triangle]], axis=2)


class SkinLayer:
    """Paint on a vehicle's body."""

    def __init__(self, skin: Skin, target: VehicleBody, weather: WeatherParameters, *, crisp: bool = False) -> None:
        """Prepare old and new paint for a weather; ``crisp`` pictures have hard edges.

        Raises:
            UnsupportedError: If the vehicle's mesh is not known.
        """
        self._target = target
        self._crisp = crisp
        self._light = light_of(weather)
        self._own = skin.body is not None
        self._mesh = worn_by(skin, target)
        self._old = SummedAreaTexture(self._mesh.atlas)
        self._new = SummedAreaTexture(dressed(self._mesh.atlas, skin.rgb, skin.mask))

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Draw it: ``I + L (new - old)``, with L from each pixel's own paint."""
        shown = np.zeros(depth_m.shape, dtype=np.bool_)
        # a picture with hard edges shows in each pixel what its middle meets, a soft one the mean over its area
        fine = 1 if self._crisp else SAMPLES
        seen = look_at_body(camera, self._mesh, self._target.pose(), fine)
        if seen is None:
            return shown
        row0, row1, column0, column1 = seen.window
        rows, columns = row1 - row0, column1 - column0
        window = (slice(row0, row1), slice(column0, column1))
        before = to_subpixels(depth_m[window].astype(np.float64), fine).ravel()[seen.at]
        kept = np.isfinite(seen.uv[:, 0]) & (seen.depth_m <= before + CLEARANCE_M)
        values = np.zeros((rows * fine * columns * fine, 11))
        at, uv, slope = seen.at[kept], seen.uv[kept], seen.slope_uv[kept] * fine
        lookup = twice if self._crisp else over_area
        values[at, :3], values[at, 3:6] = lookup(self._old, uv, slope), lookup(self._new, uv, slope)
        values[at, 6] = 1.0
        # elsewhere the picture shows what is behind: a mesh of one's own need not be the body that the server shows
        values[at, 10] = before[kept] <= seen.depth_m[kept] + CLEARANCE_M
        normal, sight = seen.normal[kept], seen.sight[kept]
        sun = highlight(self._light, normal, sight, self._mesh.shininess)
        values[at, 7:10] = mirrored(normal, sight, self._mesh.gloss, sun, *surroundings(light, depth_m))
        means = to_pixels(values.reshape(rows * fine, columns * fine, 11), fine)
        old, new, share, told = means[..., :3], means[..., 3:6], means[..., 6], means[..., 10]
        if (share > 0.0).any():
            shine = means[..., 7:10] / np.maximum(share, 1e-6)[..., None]
            on_body = body_light(np.maximum(light[window] - shine, 0.0), old, share, told if self._own else share)
            under = light[window]
            if self._own:
                bare = under * (1.0 - share)[..., None] + on_body * old + means[..., 7:10]
                under = np.where((told < 0.5 * share)[..., None], bare, under)
            light[window] = repainted(under, on_body, old, new, share, self._crisp)
        shown[window] = share >= 0.5
        return shown


def over_area(texture: SummedAreaTexture, uv: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of a texture over what pixels cover of it, shape (n, channels).

    Args:
        texture: The texture.
        uv: Where the middles of the pixels are on it, shape (n, 2).
        slope: Change of uv per pixel to the right and downwards, shape (n, 2, 2).
    """
    half = 0.5 * TRILINEAR * np.abs(slope).sum(axis=1)
    return _around(texture, uv, half)


def twice(texture: SummedAreaTexture, uv: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the embedded renderer reads of a texture, shape (n, channels); arguments as of `over_area`.

    It looks at two places along the longer side of a footprint, each time over a square as wide as the shorter side,
    though no less than half of the longer (``testbed/world/render/sampling.py``).
    """
    size = np.array([texture.columns, texture.rows], dtype=np.float64)
    length = np.linalg.norm(slope * size, axis=2)
    longer = length.max(axis=1)
    shorter = np.maximum(length.min(axis=1), 0.5 * longer)
    step = slope[np.arange(len(slope)), length.argmax(axis=1)]
    step = np.where(((longer > 1.0) & (longer > 1.1 * shorter))[:, None], 0.25 * step, 0.0)
    detail = np.log2(np.maximum(shorter, 1.0))
    level = np.floor(detail)
    coarser = np.clip(2.0 * (detail - level) - 0.5, 0.0, 1.0)
    texel = 2.0**level * np.sqrt(1.0 + 3.0 * coarser)
    half = 0.5 * BILINEAR * texel[:, None] / size
    return 0.5 * (_around(texture, uv - step, half) + _around(texture, uv + step, half))


def _around(texture: SummedAreaTexture, uv: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.clip(uv - half, 0.0, 1.0), np.clip(uv + half, 0.0, 1.0)
    return texture.mean((low[:, 0], low[:, 1], high[:, 0], high[:, 1]))


def mirrored(
    normal: NDArray[np.float64],
    sight: NDArray[np.float64],
    gloss: float,
    sun: NDArray[np.float64],
    sky: NDArray[np.float64],
    ground: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the light that paint mirrors, shape (n, 3): Schlick's approximation for a clear coat (1994).

    Args:
        normal: Unit normals towards the camera, shape (n, 3).
        sight: Unit lines of sight from the camera, shape (n, 3).
        gloss: How much of what a clear coat mirrors the paint mirrors.
        sun: Highlight of the sun, shape (n, 3).
        sky: Light that comes from above, shape (3,).
        ground: Light that comes from below, shape (3,).
    """
    facing = np.clip(-(normal * sight).sum(axis=1), 0.02, 1.0)
    share = gloss * (0.04 + 0.96 * (1.0 - facing) ** 5)
    upwards = sight[:, 2] + 2.0 * facing * normal[:, 2] > 0.0
    return np.asarray(share[:, None] * (sun + np.where(upwards[:, None], sky, ground)))


def surroundings(light: Light, depth_m: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean light of the sky and of the ground in a picture, shape (3,) each; all of it where one is missing.

    Args:
        light: Picture.
        depth_m: What the depth camera saw.
    """
    sky, low = depth_m > SKY_M, np.arange(len(depth_m)) >= 0.6 * len(depth_m)
    ground = ~sky & low[:, None]
    overall = light.mean(axis=(0, 1))
    above, below = (light[part].mean(axis=0) if part.any() else overall for part in (sky, ground))
    return np.asarray(above), np.asarray(below)


def body_light(light: Light, old: Light, share: NDArray[np.float64], told: NDArray[np.float64]) -> Light:
    """Return the light on a painted body, shape (rows, columns, 3): each pixel's light over its paint's albedo.

    Pixels at the border, which show other things, too, take the light of the nearest one that does not.

    Args:
        light: Window of a picture, without what the paint mirrors.
        old: Albedo of the vehicle's own paint in it, weighted with ``share``.
        share: How much of every pixel shows paint.
        told: How much of every pixel shows paint by the picture, too.
    """
    from scipy.ndimage import distance_transform_edt

    whole = told > 0.95 if (told > 0.95).any() else share >= float(share.max())
    albedo = old / np.maximum(share, 1e-6)[..., None]
    ratio = light / np.maximum(albedo, 0.01)
    nearest = distance_transform_edt(~whole, return_distances=False, return_indices=True)
    return np.asarray(ratio[nearest[0], nearest[1]])
