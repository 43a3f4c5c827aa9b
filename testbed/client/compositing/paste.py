"""Paste artefacts into a picture the way published sample images do: same pixels, plain light, nothing before them.

A road patch always shows as from seven metres, a vehicle as from ten, straight ahead on a flat road, whatever the ego
does. What is on a sign fills the box of its plate, which is the same place in every crop that a sign model is asked
about. Beside ``world`` or ``composite`` it shows what such pictures hide: perspective, occlusion, light.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.appearance import dressed, sign_outline, worn_by
from testbed.client.compositing.film_curve import displayed, linear
from testbed.client.compositing.layers import Layer, Light, covering
from testbed.client.compositing.surfaces import RoadRectangle, SignPlate, TargetSurface, VehicleBody
from testbed.client.compositing.texture_lookup import SummedAreaTexture
from testbed.client.compositing.vehicle_paint import SAMPLES, look_at_body
from testbed.core.projection import PinholeProjection
from testbed.core.types import Decal, Payload, Pose, Shade, SignFace, Skin

PLAIN_LIGHT = 1.0
"""Light of a clear noon, in the units of the film curve."""

ROAD_AHEAD_M = 7.0
VEHICLE_AHEAD_M = 10.0
EYE_M = 1.45
EYE_PITCH_DEG = -2.0
DARK = 0.03
"""Albedo of what is not paint on a pasted vehicle: glass, wheels."""


def paste_layer(payload: Payload, target: TargetSurface) -> Layer:
    """Return what pastes an artefact into pictures."""
    if isinstance(payload, Decal):
        assert isinstance(target, RoadRectangle)
        return _RoadPaste(payload)
    if isinstance(payload, Skin):
        assert isinstance(target, VehicleBody)
        return _VehiclePaste(payload, target)
    assert isinstance(target, SignPlate)
    return _SignPaste(payload, target) if isinstance(payload, SignFace) else _ShadePaste(payload, target)


def _nominal(camera: PinholeProjection) -> PinholeProjection:
    """Return the same camera at the origin of a flat world."""
    return PinholeProjection(
        (0.0, 0.0, EYE_M, EYE_PITCH_DEG, 0.0, 0.0), camera.width_px, camera.height_px, camera.fov_deg
    )


def _nothing_before(camera: PinholeProjection) -> NDArray[np.float32]:
    return np.full((camera.height_px, camera.width_px), np.inf, dtype=np.float32)


class _RoadPaste:
    def __init__(self, decal: Decal) -> None:
        whole = np.ones((*decal.rgba.shape[:2], 1), np.float32)
        self._texture = SummedAreaTexture(np.concatenate([decal.rgba, whole], axis=2))
        pose: Pose = (ROAD_AHEAD_M + decal.length_m / 2.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        self._quads = RoadRectangle(pose, decal.length_m, decal.width_m, 0.0, np.zeros(2)).quads()

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Paste it."""
        over = covering(_nominal(camera), self._quads, self._texture, _nothing_before(camera), 1.0)
        light[:] = light * (1.0 - over[..., 3:4]) + PLAIN_LIGHT * over[..., :3]
        return np.asarray(over[..., 4] >= 0.5)


class _VehiclePaste:
    def __init__(self, skin: Skin, target: VehicleBody) -> None:
        self._mesh = worn_by(skin, target)
        self._paint = SummedAreaTexture(dressed(self._mesh.atlas, skin.rgb, skin.mask))
        self._pose: Pose = (VEHICLE_AHEAD_M + float(target.half_m[0]), 0.0, 0.0, 0.0, 0.0, 0.0)

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Paste it."""
        shown = np.zeros(light.shape[:2], dtype=np.bool_)
        seen = look_at_body(_nominal(camera), self._mesh, self._pose)
        if seen is None:
            return shown
        row0, row1, column0, column1 = seen.window
        rows, columns = row1 - row0, column1 - column0
        uv, half = seen.uv, seen.half_uv
        rectangle = (uv[:, 0] - half[:, 0], uv[:, 1] - half[:, 1], uv[:, 0] + half[:, 0], uv[:, 1] + half[:, 1])
        painted = np.isfinite(uv[:, 0])
        albedo = np.full((len(uv), 3), DARK)
        albedo[painted] = self._paint.mean(tuple(side[painted] for side in rectangle))  # type: ignore[arg-type]
        values = np.zeros((rows * SAMPLES * columns * SAMPLES, 4))
        values[seen.at, :3], values[seen.at, 3] = PLAIN_LIGHT * albedo, 1.0
        means = values.reshape(rows, SAMPLES, columns, SAMPLES, 4).mean(axis=(1, 3))
        window = (slice(row0, row1), slice(column0, column1))
        light[window] = light[window] * (1.0 - means[..., 3:]) + means[..., :3]
        shown[window] = means[..., 3] >= 0.5
        return shown


def _fitted(camera: PinholeProjection, target: SignPlate, texture: SummedAreaTexture) -> NDArray[np.float64]:
    """Return a texture stretched over the image box of a plate, shape (height, width, channels); 0 outside of it."""
    out = np.zeros((camera.height_px, camera.width_px, texture.channels))
    corners = target.quads()[0].corners_m()
    if (camera.to_camera(corners)[:, 0] <= 0.2).any():
        return out
    edges = camera.pixels(camera.to_camera(corners))
    (x0, y0), (x1, y1) = edges.min(axis=0), edges.max(axis=0)
    u = (np.arange(camera.width_px + 1) - x0) / max(x1 - x0, 1e-6)
    v = (np.arange(camera.height_px + 1) - y0) / max(y1 - y0, 1e-6)
    rectangle = np.broadcast_arrays(u[None, :-1], v[:-1, None], u[None, 1:], v[1:, None])
    return texture.mean((rectangle[0], rectangle[1], rectangle[2], rectangle[3]))


class _SignPaste:
    def __init__(self, face: SignFace, target: SignPlate) -> None:
        self._target = target
        rgb, alpha = face.rgba[..., :3], face.rgba[..., 3:]
        self._texture = SummedAreaTexture(np.concatenate([rgb * alpha, alpha], axis=2))

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Paste it."""
        over = _fitted(camera, self._target, self._texture)
        light[:] = light * (1.0 - over[..., 3:]) + PLAIN_LIGHT * over[..., :3]
        return np.asarray(over[..., 3] >= 0.5)


class _ShadePaste:
    def __init__(self, shade: Shade, target: SignPlate) -> None:
        from PIL import Image, ImageDraw
        from scipy.ndimage import gaussian_filter

        size = 224
        picture = Image.new("L", (size, size))
        ImageDraw.Draw(picture).polygon([(float(x) * size, float(y) * size) for x, y in shade.polygon], 255)
        mask = gaussian_filter(np.asarray(picture, np.float32) / 255.0, shade.blur_px / 2.0, mode="nearest")
        self._texture = SummedAreaTexture((mask * sign_outline(target.gtsrb_class, size))[..., None])
        self._left, self._target = shade.light_left, target

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Paste it: LAB lightness falls to its share, colour stays (Zhong et al., CVPR 2022)."""
        over = _fitted(camera, self._target, self._texture)
        dark = over[..., 0] > 0.0
        darker = _dimmed(displayed(light[dark]), self._left)
        share = over[dark]
        light[dark] = light[dark] * (1.0 - share) + linear(darker) * share
        return np.asarray(over[..., 0] >= 0.5)


def _dimmed(pixels: NDArray[np.uint8], left: float) -> NDArray[np.uint8]:
    """Return sRGB pixels (n, 3) with their LAB lightness scaled; a and b stay."""
    from PIL import Image, ImageCms

    if not len(pixels):
        return pixels
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    there = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    back = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    image = ImageCms.applyTransform(Image.fromarray(pixels[None]), there)
    assert image is not None
    values = np.array(image)
    values[..., 0] = np.rint(values[..., 0] * left).astype(np.uint8)
    done = ImageCms.applyTransform(Image.fromarray(values, "LAB"), back)
    assert done is not None
    shown: NDArray[np.uint8] = np.asarray(done, dtype=np.uint8)[0]
    return shown
