"""Procedural textures: seamless noise for ground and walls, colour conversions. Everything is seeded and exact.

Textures of the scene are linear; colours are written here as sRGB bytes, as one reads them off a picture.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from testbed.core.colour import srgb_to_linear

Pixels = NDArray[np.float32]
Rgb8 = tuple[int, int, int]


def linear(srgb: ArrayLike) -> Pixels:
    """Return linear float32 values of sRGB bytes (0-255), any shape (IEC 61966-2-1)."""
    value = np.asarray(srgb, np.float64) / 255.0
    return srgb_to_linear(value).astype(np.float32)


def linear_rgb(srgb: Rgb8) -> tuple[float, float, float]:
    """Return one colour as linear floats."""
    r, g, b = linear(srgb).tolist()
    return r, g, b


def noise(size: int, seed: int, slope: float = 1.0, *, low: float = 1.0, high: float = 1e9) -> NDArray[np.float64]:
    """Return seamless noise (size, size) with zero mean and unit deviation.

    Args:
        size: Side in pixels.
        seed: Seed of the generator.
        slope: Amplitude falls with frequency to this power; 0 is white, 1 cloudy, 2 very smooth.
        low: Lowest frequency in cycles per tile.
        high: Highest frequency in cycles per tile.
    """
    generator = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(generator.standard_normal((size, size)))
    frequency = np.hypot(np.fft.fftfreq(size, 1.0 / size)[:, None], np.fft.rfftfreq(size, 1.0 / size)[None])
    keep = (frequency >= low) & (frequency <= high)
    spectrum *= np.where(keep, np.maximum(frequency, 1.0) ** -slope, 0.0)
    field: NDArray[np.float64] = np.fft.irfft2(spectrum, s=(size, size))
    field = (field - field.mean()) / max(float(field.std()), 1e-12)
    return field


def tinted(base: Rgb8, *layers: tuple[NDArray[np.float64], tuple[float, float, float]]) -> Pixels:
    """Return a linear texture: an sRGB colour plus noise fields, each with its amplitude per channel in bytes."""
    srgb = np.asarray(base, np.float64) + sum(field[..., None] * np.asarray(gain) for field, gain in layers)
    return linear(np.clip(srgb, 0.0, 255.0))


def from_image(image: Image.Image) -> Pixels:
    """Return a Pillow image as a linear texture (h, w, 3)."""
    table = linear(np.arange(256))
    pixels: Pixels = table[np.asarray(image.convert("RGB"))]
    return pixels


@cache
def grass() -> Pixels:
    """Return mown roadside grass, 256 x 256 px, made to repeat every 6 m."""
    return tinted((108, 112, 72), (noise(256, 11, 0.5, low=8), (13, 13, 10)), (noise(256, 12, 1.2, high=12), (9, 7, 5)))


@cache
def meadow(kind: int) -> Pixels:
    """Return fields: 0 meadow, 1 ripe grain, 2 young crop, 3 ploughed earth; 128 x 128 px, repeats every 40 m."""
    base: Rgb8 = ((106, 114, 72), (170, 154, 104), (98, 114, 70), (128, 110, 88))[kind]
    rows = np.sin(np.arange(128) * 2 * np.pi * 16 / 128)[None, :] * np.ones((128, 1)) * (0.0 if kind == 0 else 1.0)
    return tinted(
        base,
        (noise(128, 20 + kind, 0.7, low=4), (9, 9, 7)),
        (noise(128, 30 + kind, 1.5, high=5), (6, 6, 4)),
        (rows, (4, 4, 3)),
    )


@cache
def leaves(kind: int) -> Pixels:
    """Return tree crowns: 0 broadleaf, 1 lighter broadleaf, 2 conifer; 128 x 128 px."""
    base: Rgb8 = ((74, 86, 50), (94, 104, 60), (56, 68, 48))[kind]
    blobs = noise(128, 40 + kind, 0.8, low=5, high=26)
    return tinted(base, (blobs, (22, 24, 14)), (noise(128, 50 + kind, 0.2, low=20), (10, 11, 7)))


@cache
def bark() -> Pixels:
    """Return tree trunks, 32 x 32 px."""
    return tinted((84, 68, 54), (noise(32, 60, 0.5), (12, 10, 8)))


@cache
def concrete() -> Pixels:
    """Return concrete with dirt, 128 x 128 px, made to repeat every 4 m."""
    return tinted((160, 156, 148), (noise(128, 70, 0.6, low=3), (6, 6, 6)), (noise(128, 71, 1.6, high=6), (9, 9, 9)))


@cache
def paving() -> Pixels:
    """Return sidewalk slabs, 128 x 128 px, made to repeat every 2 m."""
    pixels = tinted((150, 146, 140), (noise(128, 72, 0.4, low=6), (8, 8, 8)))
    pixels[::32] *= 0.6
    pixels[:, ::32] *= 0.6
    return pixels


@cache
def steel() -> Pixels:
    """Return galvanised steel, 64 x 64 px."""
    return tinted((150, 154, 158), (noise(64, 80, 0.8, low=2), (7, 7, 7)))


@cache
def facade(kind: int) -> Pixels:
    """Return house walls with windows: 0 plaster, 1 brick, 2 factory hall; 128 x 128 px, made to repeat every 6 m."""
    base: Rgb8 = ((214, 204, 184), (156, 104, 84), (176, 180, 184))[kind]
    pixels = tinted(
        base, (noise(128, 90 + kind, 0.4, low=8), (5, 5, 5)), (noise(128, 93 + kind, 1.6, high=6), (6, 6, 6))
    )
    if kind == 2:
        pixels[:, ::8] *= 0.86
        pixels[20:44, :] = linear((74, 84, 96))
        pixels[20:44, ::32] = linear((180, 184, 188))
    else:
        for row in (14, 78):
            for column in (18, 82):
                pixels[row - 3 : row + 41, column - 3 : column + 31] = linear((232, 230, 224))
                pixels[row : row + 38, column : column + 28] = linear((58, 66, 78))
                pixels[row + 18 : row + 20, column : column + 28] = linear((232, 230, 224))
                pixels[row : row + 38, column + 13 : column + 15] = linear((232, 230, 224))
    return pixels


@cache
def tiles() -> Pixels:
    """Return roof tiles, 64 x 64 px, made to repeat every 3 m."""
    pixels = tinted((138, 74, 58), (noise(64, 97, 0.4, low=6), (10, 7, 6)))
    pixels[::8] *= 0.72
    return pixels


@cache
def slate() -> Pixels:
    """Return dark roofs of town houses, 64 x 64 px, made to repeat every 3 m."""
    pixels = tinted((88, 86, 88), (noise(64, 98, 0.4, low=6), (8, 8, 8)))
    pixels[::8] *= 0.75
    return pixels


@cache
def gravel() -> Pixels:
    """Return a farm track, evenly stony; 128 x 128 px, made to repeat every 4 m."""
    stones, patches = noise(128, 99, 0.3, low=10), noise(128, 100, 1.4, low=3)
    return tinted((158, 146, 124), (stones, (14, 13, 11)), (patches, (9, 8, 7)))


STREET_FACADES, SHOP_FRONTS = 6, 3
_STREET_WALLS: tuple[Rgb8, ...] = (
    (216, 206, 186), (198, 176, 142), (160, 108, 88), (206, 204, 200), (178, 190, 186), (212, 184, 164),
)  # fmt: skip
_SHOP_SIGNS: tuple[Rgb8, ...] = ((150, 40, 36), (34, 78, 62), (40, 60, 110))


@cache
def street_facade(kind: int) -> Pixels:
    """Return upper floors of town houses, 128 x 128 px: two windows wide, two floors high, repeats every 6 m."""
    grain, stains = noise(128, 110 + kind, 0.4, low=8), noise(128, 120 + kind, 1.6, low=3)
    pixels = tinted(_STREET_WALLS[kind], (grain, (5, 5, 5)), (stains, (5, 5, 5)))
    frame = linear((236, 234, 228) if kind != 4 else (110, 92, 76))
    for row in (12, 76):
        for column in (16, 80):
            pixels[row - 3 : row + 40, column - 3 : column + 31] = frame
            for pane in (0, 15):
                pixels[row : row + 37, column + pane : column + pane + 13] = linear((62, 72, 84))
            pixels[row + 11 : row + 13, column : column + 28] = frame
            pixels[row + 40 : row + 43, column - 5 : column + 33] *= 0.7
    pixels[::64] *= 0.85
    return pixels


@cache
def shop_front(kind: int) -> Pixels:
    """Return the ground floor of a town house, 128 x 64 px for 6 m by 3.2 m: a sign band, two panes, a door."""
    pixels = tinted((172, 166, 156), (noise(128, 130 + kind, 0.4, low=8), (5, 5, 5)))[:64]
    pixels[8:18, 4:124] = linear(_SHOP_SIGNS[kind])
    pixels[11:15, 24:104:3] = linear((226, 222, 210))
    for left, right in ((6, 44), (48, 86)):
        pixels[21:54, left:right] = linear((56, 66, 76))
        pixels[21:54, left : left + 2] = linear((200, 200, 196))
        pixels[40:54, left + 4 : right - 4] = linear((104, 98, 90))
    pixels[21:64, 94:118] = linear((92, 72, 56))
    pixels[25:44, 99:113] = linear((66, 76, 86))
    return pixels
