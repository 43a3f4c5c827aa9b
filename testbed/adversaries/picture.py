"""Pictures between files and linear light."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.core import colour
from testbed.core.errors import ArtefactError


def encode_albedo(added_albedo: NDArray[np.float32], max_added_albedo: float) -> NDArray[np.uint8]:
    """Return added linear albedo as 8-bit grey, 255 = ``max_added_albedo``; values beyond the budget are an error.

    Raises:
        ValueError: If a value is negative or exceeds the budget by more than rounding.
    """
    scaled = np.asarray(added_albedo, dtype=np.float64) / max_added_albedo * 255.0
    if scaled.size and (scaled.min() < -1e-3 or scaled.max() > 255.0 + 1e-3):
        raise ValueError(f"added albedo spans {np.min(added_albedo):.4f} to {np.max(added_albedo):.4f}")
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def decode_albedo(pixels: NDArray[np.uint8], max_added_albedo: float) -> NDArray[np.float32]:
    """Return the added linear albedo of 8-bit grey."""
    return pixels.astype(np.float32) * np.float32(max_added_albedo / 255.0)


def srgb_to_linear(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 8-bit sRGB as linear light in [0, 1] (IEC 61966-2-1)."""
    return colour.srgb_to_linear(pixels.astype(np.float64) / 255.0).astype(np.float32)


def linear_to_srgb(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return linear light in [0, 1] as 8-bit sRGB (IEC 61966-2-1)."""
    value = np.clip(np.asarray(linear, dtype=np.float64), 0.0, 1.0)
    return np.rint(255.0 * colour.linear_to_srgb(value)).astype(np.uint8)


def encode_srgb(linear: NDArray[np.float32], mask: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
    """Return linear colour and coverage as the 8-bit picture that camouflage and sign faces are stored as.

    Args:
        linear: Shape (rows, columns, 3), 0-1.
        mask: Shape (rows, columns), 0-1, 1 where the artefact covers its target; None covers everything.

    Returns:
        Shape (rows, columns, 4), uint8, straight alpha.
    """
    alpha = np.ones(linear.shape[:2]) if mask is None else np.clip(mask, 0.0, 1.0)
    return np.concatenate([linear_to_srgb(linear), np.rint(255.0 * alpha).astype(np.uint8)[..., None]], axis=2)


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels as a PNG file, the same bytes every time."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def read_pixels(path: Path, content: bytes, *, grey: bool) -> NDArray[np.uint8]:
    """Return the pixels of a picture file.

    Args:
        path: Named in errors.
        content: The file.
        grey: Whether it must be 8-bit grey; otherwise it is read as RGBA.

    Raises:
        ArtefactError: If it is no picture, or not grey where it must be.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            if grey and image.mode != "L":
                raise ArtefactError(f"{path}: added_albedo_gray8 needs an 8-bit grey picture, this is {image.mode}")
            return np.array(image if grey else image.convert("RGBA"), dtype=np.uint8)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ArtefactError(f"{path}: not a picture that can be read: {error}") from error
