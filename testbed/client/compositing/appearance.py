"""What is known about surfaces without asking a server: the road's albedo, the faces of signs, the bodies of vehicles.

The embedded server draws its world from these very assets. On another server they are what a sign or vehicle of that
type ought to look like.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.surfaces import VehicleBody
from testbed.core.body import Body
from testbed.core.errors import UnsupportedError
from testbed.core.types import Skin

ROAD_ALBEDO = 0.16
"""Linear albedo of dry asphalt: the mean of the embedded maps', and within what is published for worn asphalt."""


@functools.cache
def sign_face(gtsrb_class: int) -> NDArray[np.float32]:
    """Return the linear albedo of a sign's face over the plate's bounding square, shape (n, n, 3), float32."""
    from testbed.world.assets import sign_asset

    asset = sign_asset(gtsrb_class)
    return np.asarray(next(iter(asset.textures.values())), dtype=np.float32)


@functools.cache
def sign_outline(gtsrb_class: int, size_px: int = 256) -> NDArray[np.float32]:
    """Return which part of its bounding square a sign's plate covers, shape (size_px, size_px), float32, 0-1."""
    from PIL import Image, ImageDraw

    from testbed.world.assets.sign_faces import OUTLINES, outline_name

    over = 4
    mask = Image.new("L", (over * size_px, over * size_px))
    half = over * size_px / 2.0
    ImageDraw.Draw(mask).polygon(
        [(half + half * x, half + half * y) for x, y in OUTLINES[outline_name(gtsrb_class)]], 255
    )
    fine = np.asarray(mask, dtype=np.float32).reshape(size_px, over, size_px, over)
    return np.asarray(fine.mean(axis=(1, 3)) / 255.0, dtype=np.float32)


@functools.lru_cache(maxsize=16)
def body(type_id: str, colour: tuple[int, int, int]) -> Body:
    """Return the body of an embedded vehicle.

    Args:
        type_id: Blueprint.
        colour: Its paint, sRGB bytes.

    Raises:
        UnsupportedError: If no mesh of that blueprint is known.
    """
    from testbed.world.assets import vehicle_asset
    from testbed.world.assets.vehicle_models import VEHICLE_BY_ID

    model = VEHICLE_BY_ID.get(type_id)
    if model is None:
        raise UnsupportedError(
            f"the body of {type_id} is not known here, so nothing can be painted onto its picture",
            hint=f"known: {', '.join(sorted(VEHICLE_BY_ID))}",
        )
    asset = vehicle_asset(type_id, colour, extent_m=model.half_extent_m, wheelbase_m=model.wheelbase_m)
    paint = asset.parts[0]
    material = asset.materials[paint.material]
    assert material.texture is not None
    corners = [np.asarray(part.vertices_m, dtype=np.float64)[part.triangles] for part in asset.parts]
    uv = [
        np.asarray(part.uv, dtype=np.float64)[part.triangles]
        if part.material == paint.material
        else np.full((len(part.triangles), 3, 2), np.nan)
        for part in asset.parts
    ]
    atlas = np.asarray(asset.textures[material.texture], dtype=np.float32) * np.asarray(material.albedo, np.float32)
    normals = [np.asarray(part.normals, dtype=np.float64)[part.triangles] for part in asset.parts]
    return Body(
        np.concatenate(corners),
        np.concatenate(normals),
        np.concatenate(uv),
        np.ascontiguousarray(atlas[..., :3]),
        material.specular,
        material.shininess,
    )


def worn_by(skin: Skin, target: VehicleBody) -> Body:
    """Return the body that a vehicle's paint is on, in the vehicle's frame.

    Where a mesh of one's own brings no picture its paint has the colour that the server says, if it says one.

    Raises:
        UnsupportedError: If the paint comes without a mesh and none of that blueprint is known.
    """
    from testbed.world.assets.textures import linear_rgb

    if skin.body is None:
        return body(target.type_id, target.colour or (0, 0, 0))
    own, seat, atlas = skin.body, np.zeros(3), skin.body.atlas
    if own.floating:
        seat = target.centre_m - (0.0, 0.0, float(target.half_m[2]))
    if own.plain and target.colour is not None:
        atlas = np.full_like(atlas, linear_rgb(target.colour))
    return replace(own, triangles_m=own.triangles_m + seat, atlas=atlas)


def dressed(
    atlas: NDArray[np.float32], rgb: NDArray[np.float32], mask: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return a paint atlas with an attacker's paint on the masked texels, in the finer of both sizes."""
    rows, columns = max(atlas.shape[0], rgb.shape[0]), max(atlas.shape[1], rgb.shape[1])
    new = resized(rgb, rows, columns)
    if mask is None:
        return new
    share = resized(mask[..., None], rows, columns)
    return np.asarray(resized(atlas, rows, columns) * (1.0 - share) + new * share, dtype=np.float32)


def resized(pixels: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Return an enlarged picture, bilinear, shape (rows, columns, channels)."""
    if pixels.shape[:2] == (rows, columns):
        return pixels
    high, wide = pixels.shape[:2]
    y = np.clip((np.arange(rows) + 0.5) * high / rows - 0.5, 0, high - 1)
    x = np.clip((np.arange(columns) + 0.5) * wide / columns - 0.5, 0, wide - 1)
    top, left = y.astype(int), x.astype(int)
    bottom, right = np.minimum(top + 1, high - 1), np.minimum(left + 1, wide - 1)
    dy, dx = (y - top)[:, None, None], (x - left)[None, :, None]
    upper = pixels[top][:, left] * (1 - dx) + pixels[top][:, right] * dx
    lower = pixels[bottom][:, left] * (1 - dx) + pixels[bottom][:, right] * dx
    return np.asarray(upper * (1 - dy) + lower * dy, dtype=np.float32)
