"""Draw artefacts over a camera's picture as if they were in the world.

All that is needed is the colour camera, a depth camera at its pose, and the geometry of what is painted, so it works on
any CARLA server. The rule is the same for every surface: a pixel's light is ``I = L * albedo + R``, so another albedo
changes it by ``L * (new - old)``. What the pixel covers of the texture is a mean over its area, which softens edges;
what stands before the surface is told from the depth camera; L comes from the picture itself, as the ratio of its light
to the albedo that the surface is known to have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.appearance import ROAD_ALBEDO, sign_face, sign_outline
from testbed.client.compositing.film_curve import displayed, linear
from testbed.client.compositing.planar import FINE, Quad, Subpixels, look_at_quad, to_pixels, to_subpixels
from testbed.client.compositing.surfaces import ROAD_CLEARANCE_M, RoadRectangle, SignPlate
from testbed.client.compositing.texture_lookup import TRILINEAR, WHOLE, SummedAreaTexture, widened
from testbed.core.projection import PinholeProjection
from testbed.core.types import Decal, Image, SignFace

PLATE_CLEARANCE_M = 0.15

ROAD_FINE = 2
"""Subpixels per pixel on the road: what a pixel covers of it is a rectangle along the lane, two by two will do."""

PAINT_BRIGHTER = 1.7
"""Light from which, compared with the road around, a pixel is lane paint and tells nothing about asphalt's light."""

LIGHT_WINDOW_PX = (5, 15)
"""Rows and columns of the picture over which the road's light is taken to be the same."""

LEAST_CONTRAST = 0.2
"""Difference of albedo within a plate below which it is of one colour."""

WHOLE_SHARE = 0.95
"""A pixel that a surface covers to this share shows nothing else."""

FEW_PX = 12
"""A plate of fewer pixels than this tells no more than its mean light."""

Light = NDArray[np.float64]
"""Linear light of a picture, shape (height, width, 3)."""


class Layer(Protocol):
    """Something that is drawn over a picture."""

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Draw it into ``light``; return which pixels show it."""


def draw(
    picture: Image, camera: PinholeProjection, depth_m: NDArray[np.float32], layers: Sequence[Layer]
) -> tuple[Image, list[NDArray[np.bool_]]]:
    """Return a picture with layers drawn over it, and for every layer the pixels that show it.

    Args:
        picture: What the colour camera saw.
        camera: The camera that took it.
        depth_m: What the depth camera at its pose saw: metres along the camera's axis, shape (height, width).
        layers: In the order in which they cover each other.
    """
    before = linear(picture)
    light = before.copy()
    shown = [layer.draw(light, camera, depth_m) for layer in layers]
    touched = (light != before).any(axis=2)
    out = picture.copy()
    out[touched] = displayed(light[touched])
    return out, shown


def uncovered(
    camera: PinholeProjection, quad: Quad, subpixels: Subpixels, depth_m: NDArray[np.float32], clearance_m: float
) -> NDArray[np.bool_]:
    """Return which subpixels see a quad: nothing that the depth camera saw stands higher above it than a clearance."""
    row0, row1, column0, column1 = subpixels.window
    normal = np.cross(quad.along_u_m, quad.along_v_m)
    away_m = abs(float((quad.origin_m - np.array(camera.pose[:3])) @ normal)) / float(np.linalg.norm(normal))
    fine = subpixels.depth_m.shape[0] // (row1 - row0)
    before = to_subpixels(depth_m[row0:row1, column0:column1].astype(np.float64), fine)
    free: NDArray[np.bool_] = subpixels.valid & (away_m * (1.0 - before / subpixels.depth_m) <= clearance_m)
    return free


def covering(
    camera: PinholeProjection,
    quads: Sequence[Quad],
    texture: SummedAreaTexture,
    depth_m: NDArray[np.float32],
    clearance_m: float,
    *,
    fine: int = FINE,
    blur: float = 1.0,
    middle: bool = False,
) -> Light:
    """Return the mean of a texture over what every pixel sees of a surface, shape (height, width, channels).

    Args:
        camera: The camera.
        quads: The surface.
        texture: Its texture; what lies outside counts as 0.
        depth_m: What the depth camera saw.
        clearance_m: What stands higher above the surface hides it.
        fine: Subpixels per pixel in each direction.
        blur: Width of the lookups, in subpixels.
        middle: Whether a pixel shows what is at its middle instead of the mean over its area.
    """
    found = np.zeros((camera.height_px, camera.width_px, texture.channels))
    for quad in quads:
        subpixels = look_at_quad(camera, quad, fine)
        if subpixels is None:
            continue
        free = uncovered(camera, quad, subpixels, depth_m, clearance_m)
        row0, row1, column0, column1 = subpixels.window
        # a blurred lookup sees the whole surface, a sharp one only the quad
        within = quad.uv if blur == 1.0 else WHOLE
        u0, v0, u1, v1 = widened(subpixels.rectangle, blur)
        hit = free & (u1 > within[0]) & (v1 > within[1]) & (u0 < within[2]) & (v0 < within[3])
        seen = np.zeros((*free.shape, texture.channels))
        seen[hit] = texture.mean((u0[hit], v0[hit], u1[hit], v1[hit]), within)
        found[row0:row1, column0:column1] += to_pixels(seen, fine, middle=middle)
    return found


def repainted(light: Light, on: Light, old: Light, new: Light, share: NDArray[np.float64], crisp: bool) -> Light:
    """Return what pixels show when their surface takes another colour: ``I + L (new - old)``.

    A picture with hard edges shows one thing per pixel: the surface where it covers the greater part, else something
    else. In a soft one, a pixel that the surface covers in part gives no more light away than it has.

    Args:
        light: Pixels before, shape (..., 3).
        on: Light on the surface.
        old: Its albedo so far, times the share of the pixel that it covers.
        new: The albedo to be, likewise.
        share: That share, shape (...).
        crisp: Whether the picture has hard edges.
    """
    if crisp:
        whole = np.maximum(share, 1e-6)[..., None]
        change = np.where((share >= 0.5)[..., None], on * (new - old) / whole, 0.0)
    else:
        room = np.clip((light / np.maximum(on * old, 1e-6)).min(axis=-1), 0.0, 1.0)
        change = on * (new - old) * np.where(share > WHOLE_SHARE, 1.0, room)[..., None]
    return np.asarray(np.maximum(light + change, 0.0))


class RoadLayer:
    """A patch on the road."""

    def __init__(self, decal: Decal, target: RoadRectangle) -> None:
        """Prepare the patch; its last channel counts what of a pixel it covers at all."""
        whole = np.ones((*decal.rgba.shape[:2], 1), np.float32)
        self._texture = SummedAreaTexture(np.concatenate([decal.rgba, whole], axis=2))
        self._quads = target.quads()

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Draw it: ``I (1 - a) + L rgb``, with L the light on the asphalt around."""
        over = covering(camera, self._quads, self._texture, depth_m, ROAD_CLEARANCE_M, fine=ROAD_FINE)
        shown: NDArray[np.bool_] = over[..., 4] > 0.0
        if shown.any():
            rows, columns = np.nonzero(shown.any(axis=1))[0], np.nonzero(shown.any(axis=0))[0]
            window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            on_road = road_light(light[window], shown[window])
            light[window] = light[window] * (1.0 - over[window][..., 3:4]) + on_road * over[window][..., :3]
        return np.asarray(over[..., 4] >= 0.5)


def road_light(light: Light, on: NDArray[np.bool_]) -> Light:
    """Return the light that falls on the road: the local mean over asphalt, by asphalt's albedo.

    Args:
        light: Window of a picture, shape (rows, columns, 3).
        on: Pixels that show the road, shape (rows, columns).
    """
    from scipy.ndimage import uniform_filter

    grey = light.mean(axis=2)
    usual = np.median(grey[on])
    asphalt = (on & (grey < PAINT_BRIGHTER * usual)).astype(np.float64)
    weight = uniform_filter(asphalt, LIGHT_WINDOW_PX, mode="constant")
    total = np.stack(
        [uniform_filter(light[..., k] * asphalt, LIGHT_WINDOW_PX, mode="constant") for k in range(3)], axis=2
    )
    overall = (light * asphalt[..., None]).sum(axis=(0, 1)) / max(float(asphalt.sum()), 1.0)
    local = np.where(weight[..., None] > 1e-9, total / np.maximum(weight, 1e-9)[..., None], overall)
    return np.asarray(local / ROAD_ALBEDO)


class SignLayer:
    """A picture on the plate of a sign."""

    def __init__(self, face: SignFace, target: SignPlate, *, crisp: bool = False) -> None:
        """Prepare plate, its own face and what covers it; ``crisp`` pictures have hard edges."""
        self._crisp = crisp
        self._quads = target.quads()
        own = sign_face(target.gtsrb_class)
        self._plate = SummedAreaTexture(sign_outline(target.gtsrb_class, own.shape[0])[..., None])
        self._own = SummedAreaTexture(np.concatenate([own, np.ones((*own.shape[:2], 1), np.float32)], axis=2))
        alpha = face.rgba[..., 3:]
        whole = np.ones((*face.rgba.shape[:2], 1), np.float32)
        self._over = SummedAreaTexture(np.concatenate([face.rgba[..., :3] * alpha, alpha, whole], axis=2))

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Draw it: ``I (1 - a) + L rgb + a R``, with L and R, its gloss and haze, from the plate's own pixels."""
        share = covering(camera, self._quads, self._plate, depth_m, PLATE_CLEARANCE_M)[..., 0]
        shown: NDArray[np.bool_] = share > 0.0
        if not shown.any():
            return shown
        own, over = (
            covering(camera, self._quads, texture, depth_m, PLATE_CLEARANCE_M, blur=FINE * TRILINEAR)
            for texture in (self._own, self._over)
        )
        known = own[..., :3] / np.maximum(own[..., 3:], 1e-6)
        fresh = over[..., :4] / np.maximum(over[..., 4:], 1e-6)
        on_plate, haze = plate_light(light, known, share)
        part = (share >= 0.5).astype(np.float64) if self._crisp else share
        if not self._crisp:
            # a pixel that the plate covers in part gives no more light away than it has
            room = np.clip((light / np.maximum(on_plate * known * share[..., None], 1e-6)).min(axis=-1), 0.0, 1.0)
            part = np.where(share > WHOLE_SHARE, 1.0, share * room)
        cover = (part[..., None] * fresh[..., 3:])[shown]
        light[shown] = (
            light[shown] * (1.0 - cover) + part[shown][:, None] * on_plate * fresh[..., :3][shown] + cover * haze
        )
        return np.asarray((share * fresh[..., 3]) >= 0.5)


def plate_light(
    light: Light, albedo: Light, share: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return per channel, shape (3,), the light on a flat plate and the light that its albedo does not change.

    The first is how the pixels' light rises with their albedo, between the means of the brightest and the darkest
    third, which errors of single pixels do not flatten (Wald, "The fitting of straight lines if both variables are
    subject to error", 1940); the second, gloss and haze, is what then remains. A plate of few pixels, or of one colour,
    only tells the ratio of the means.

    Args:
        light: Picture, shape (height, width, 3).
        albedo: What its pixels' albedo is known to be.
        share: How much of every pixel the plate covers, shape (height, width).
    """
    inside = share > WHOLE_SHARE if (share > WHOLE_SHARE).sum() >= FEW_PX else share > 0.5 * float(share.max())
    seen, known = light[inside], albedo[inside]
    found = seen.sum(axis=0) / np.maximum(known.sum(axis=0), 1e-6)
    third = len(seen) // 3
    for channel in range(3 if len(seen) >= FEW_PX else 0):
        order = np.argsort(known[:, channel], kind="stable")
        low, high = order[:third], order[-third:]
        contrast = float(known[high, channel].mean() - known[low, channel].mean())
        if contrast > LEAST_CONTRAST:
            # gloss and haze only add: the slope is never above the ratio but for noise
            slope = float(seen[high, channel].mean() - seen[low, channel].mean()) / contrast
            found[channel] = min(max(slope, 0.0), found[channel])
    return found, np.maximum(seen.mean(axis=0) - found * known.mean(axis=0), 0.0)
