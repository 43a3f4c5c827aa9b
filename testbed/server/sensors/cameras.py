"""Cameras: which outputs of the renderer each kind needs and how they become CARLA's BGRA pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.pixels import swap_red_and_blue
from testbed.core.types import Pose
from testbed.server.sensors.headers import IMAGE_HEADER, Instant, Message, header
from testbed.server.simulation.actors import SimulatedActor
from testbed.world.render.renderer import RenderedFrame

DEPTH, NORMALS, RGB, SEMANTIC, INSTANCE = 1, 2, 13, 14, 15
DEPTH_RANGE_M = 1000.0

Pixels = NDArray[np.uint8]
"""Shape (height, width, 4), uint8, BGRA."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What decides a picture; cameras with equal requests share one rendering.

    Attributes:
        width_px: Image width.
        height_px: Image height.
        fov_deg: Horizontal field of view.
        pose: World pose of the camera.
        hidden_id: Actor whose body is left out because the camera sits inside it; 0 for none.
        age_frames: Frames since the camera was spawned, which decide where rain streaks fall: an episode in rain looks
            the same on a fresh server and on one that ran for hours. 0 when it does not rain.
    """

    width_px: int
    height_px: int
    fov_deg: float
    pose: Pose
    hidden_id: int = 0
    age_frames: int = 0


def encode_rgb(frame: RenderedFrame) -> Pixels:
    """Return the colour image."""
    assert frame.rgb is not None
    out = _opaque(frame.rgb.shape[:2])
    swap_red_and_blue(frame.rgb, out)
    return out


def encode_depth(frame: RenderedFrame) -> Pixels:
    """Return depth with 24 bits: ``metres / 1000 * (2^24 - 1) = R + 256 G + 65536 B``."""
    assert frame.depth_m is not None
    scaled = np.clip(frame.depth_m.astype(np.float64) / DEPTH_RANGE_M, 0.0, 1.0) * (2**24 - 1)
    code = np.rint(scaled).astype(np.uint32)
    out = _opaque(code.shape)
    out[..., 2] = code & 255
    out[..., 1] = (code >> 8) & 255
    out[..., 0] = (code >> 16) & 255
    return out


def encode_semantic(frame: RenderedFrame) -> Pixels:
    """Return the semantic tag in the red channel; the others are 0."""
    assert frame.tag is not None
    out = _opaque(frame.tag.shape)
    out[..., :2] = 0
    out[..., 2] = frame.tag
    return out


def encode_instance(frame: RenderedFrame) -> Pixels:
    """Return the tag in red and the lower 16 bits of the instance id in green (low byte) and blue (high byte)."""
    assert frame.tag is not None and frame.instance is not None
    out = _opaque(frame.tag.shape)
    out[..., 2] = frame.tag
    out[..., 1] = frame.instance & 255
    out[..., 0] = (frame.instance >> 8) & 255
    return out


def encode_normals(frame: RenderedFrame) -> Pixels:
    """Return world normals, each component mapped from [-1, 1] to [0, 255]; x in red."""
    assert frame.normal is not None
    out = _opaque(frame.normal.shape[:2])
    scaled = np.rint(np.clip(frame.normal * 0.5 + 0.5, 0.0, 1.0) * 255.0).astype(np.uint8)
    swap_red_and_blue(scaled, out)
    return out


@dataclass(frozen=True, slots=True)
class Encoding:
    """Renderer outputs that a kind of camera needs, and the function that turns them into pixels."""

    want: frozenset[str]
    encode: Callable[[RenderedFrame], Pixels]


ENCODINGS: dict[int, Encoding] = {
    RGB: Encoding(frozenset({"rgb"}), encode_rgb),
    DEPTH: Encoding(frozenset({"depth_m"}), encode_depth),
    SEMANTIC: Encoding(frozenset({"tag"}), encode_semantic),
    INSTANCE: Encoding(frozenset({"tag", "instance"}), encode_instance),
    NORMALS: Encoding(frozenset({"normal"}), encode_normals),
}
"""By stream type id."""


def image_size(actor: SimulatedActor) -> tuple[int, int]:
    """Return (width, height) of a camera in pixels."""
    return int(actor.number("image_size_x", 800)), int(actor.number("image_size_y", 600))


def message(actor: SimulatedActor, type_id: int, instant: Instant, pixels: Pixels) -> Message:
    """Return an image message; the pixels travel without a copy."""
    height_px, width_px = pixels.shape[:2]
    head = header(actor, type_id, instant) + IMAGE_HEADER.pack(width_px, height_px, actor.number("fov", 90.0))
    return (head, pixels.data.cast("B"))


def _opaque(shape: tuple[int, ...]) -> Pixels:
    out = np.empty((*shape[:2], 4), np.uint8)
    out[..., 3] = 255
    return out
