"""Honest wear of a road: tar patches, stains, crack sealing, worn and rain-washed areas. Nothing here means harm."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from testbed.core.types import Pose
from testbed.world.render.scene import Scene

SLOTS = 6
KINDS: tuple[str, ...] = ("tar patch", "stain", "crack sealing", "worn patch", "skid marks")


def wear_texture(kind: str, rng: np.random.Generator) -> tuple[NDArray[np.float32], float, float]:
    """Return a premultiplied linear RGBA picture (64, 64, 4) of some wear, and its length and width in m."""
    size = 64
    v, u = np.meshgrid(np.linspace(-1.0, 1.0, size), np.linspace(-1.0, 1.0, size), indexing="ij")
    noise = _smooth(rng, size, 6)
    grain = _smooth(rng, size, 24)
    if kind == "tar patch":
        alpha = ((np.abs(u) < 0.93 + 0.04 * noise) & (np.abs(v) < 0.93 + 0.04 * grain)) * rng.uniform(0.35, 0.9)
        tone, length_m, width_m = rng.uniform(0.015, 0.09), rng.uniform(1.0, 14.0), rng.uniform(0.6, 3.4)
    elif kind == "stain":
        alpha = np.clip(1.2 - 1.4 * np.hypot(u, v) + 0.8 * noise, 0.0, 1.0) * rng.uniform(0.2, 0.7)
        tone, length_m, width_m = rng.uniform(0.01, 0.06), rng.uniform(0.5, 6.0), rng.uniform(0.4, 2.5)
    elif kind == "crack sealing":
        wave = 0.5 * np.cumsum(rng.normal(0.0, 0.08, size)).clip(-1.6, 1.6)[:, None]
        alpha = (np.abs(u - wave) < 0.05) * rng.uniform(0.5, 0.95)
        tone, length_m, width_m = 0.015, rng.uniform(4.0, 20.0), rng.uniform(0.5, 1.5)
    elif kind == "worn patch":
        alpha = np.clip(0.6 + 0.9 * noise - np.maximum(np.abs(u), np.abs(v)) ** 6, 0.0, 1.0) * rng.uniform(0.1, 0.5)
        tone, length_m, width_m = rng.uniform(0.15, 0.45), rng.uniform(2.0, 24.0), rng.uniform(0.8, 3.4)
    else:
        alpha = ((np.abs(np.abs(u) - 0.75) < 0.14) * np.clip(0.7 + 0.6 * grain, 0.0, 1.0)) * rng.uniform(0.3, 0.8)
        tone, length_m, width_m = 0.012, rng.uniform(6.0, 25.0), 1.9
    alpha = np.asarray(alpha, np.float32)
    colour = tone * (1.0 + 0.3 * grain)
    rgba = np.stack([colour * alpha, colour * alpha, 0.97 * colour * alpha, alpha], -1)
    return np.clip(rgba, 0.0, 1.0).astype(np.float32), float(length_m), float(width_m)


def _smooth(rng: np.random.Generator, size: int, cells: int) -> NDArray[np.float64]:
    """Return bilinear noise (size, size) with standard deviation of about 0.5."""
    coarse = rng.normal(0.0, 0.7, (cells + 1, cells + 1))
    at = np.linspace(0.0, cells - 1e-6, size)
    low = at.astype(int)
    w = at - low
    rows = coarse[low] * (1.0 - w)[:, None] + coarse[low + 1] * w[:, None]
    out: NDArray[np.float64] = rows[:, low] * (1.0 - w) + rows[:, low + 1] * w
    return out


class RoadWear:
    """A few pieces of wear that are thrown on the road anew for every picture.

    Args:
        scene: Where they lie.
    """

    def __init__(self, scene: Scene) -> None:
        """Start with a clean road."""
        self._scene = scene
        self._handles: list[int] = []

    def remove(self) -> None:
        """Take all pieces off the road."""
        for handle in self._handles:
            self._scene.remove(handle)
        self._handles = []

    def renew(self, rng: np.random.Generator) -> None:
        """Replace all pieces by newly drawn ones, out of sight."""
        self.remove()
        for slot in range(SLOTS):
            rgba, length_m, width_m = wear_texture(KINDS[rng.integers(len(KINDS))], rng)
            pose: Pose = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            handle = self._scene.add_decal(f"wear_{slot}", pose, length_m, width_m, rgba)
            self._scene.set_visible(handle, False)
            self._handles.append(handle)

    def scatter(self, rng: np.random.Generator, ego: Pose) -> None:
        """Show some pieces on the road ahead of the ego and hide the others."""
        shown = int(rng.integers(0, len(self._handles) + 1)) if rng.random() < 0.6 else 0
        yaw_rad = math.radians(ego[4])
        for index, handle in enumerate(self._handles):
            self._scene.set_visible(handle, index < shown)
            if index < shown:
                ahead, left = float(rng.uniform(4.0, 45.0)), float(rng.normal(0.0, 3.0))
                x_m = ego[0] + ahead * math.cos(yaw_rad) + left * math.sin(yaw_rad)
                y_m = ego[1] + ahead * math.sin(yaw_rad) - left * math.cos(yaw_rad)
                turn = float(rng.normal(0.0, 3.0))
                self._scene.set_pose(handle, (x_m, y_m, 0.0, 0.0, ego[4] + turn, 0.0))
