"""Textures of a scene on the device: one long array of texels with every mip pyramid in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from testbed.world.render.lighting import asphalt, clouds
from testbed.world.render.scene import Scene, SceneTexture
from testbed.world.render.structs import (
    MAX_LEVELS,
    WRAP_CLAMP,
    WRAP_REPEAT,
    WRAP_ZERO,
    TextureArrays,
    TextureRow,
    table_dtype,
)

WRAPS = {"repeat": WRAP_REPEAT, "clamp": WRAP_CLAMP, "zero": WRAP_ZERO}


def pyramid(rgba: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the mip levels of an image, halved by 2 x 2 means down to one texel; odd sides repeat their last texel.

    Raises:
        ValueError: If the image is larger than the table of levels allows.
    """
    levels = [rgba]
    while max(levels[-1].shape[:2]) > 1:
        image = levels[-1]
        if image.shape[0] % 2:
            image = np.concatenate([image, image[-1:]], axis=0)
        if image.shape[1] % 2:
            image = np.concatenate([image, image[:, -1:]], axis=1)
        levels.append(
            (image[0::2, 0::2] + image[1::2, 0::2] + image[0::2, 1::2] + image[1::2, 1::2]) * np.float32(0.25)
        )
    if len(levels) > MAX_LEVELS:
        raise ValueError(f"texture of {rgba.shape[1]} x {rgba.shape[0]} px, at most {2 ** (MAX_LEVELS - 1)} a side")
    return levels


class TextureStore:
    """Texels, table of textures and table of level offsets; rows 0 and 1 are the built-in asphalt and clouds.

    Attributes:
        rows: Row of the table for every texture of the scene, by name.
        arrays: For the shader; ``offsets`` leads from (row, level) to a first texel, MAX_LEVELS a row.
    """

    def __init__(self, device: str) -> None:
        """Start with the built-in textures."""
        self.device = device
        self._cuda = device != "cpu"
        self._host = np.zeros((1 << 20, 4), np.float32)
        self._used = 0
        self._table = np.zeros(64, table_dtype(TextureRow))
        self._offsets = np.zeros((64, MAX_LEVELS), np.int32)
        self._seen: dict[str, SceneTexture] = {}
        self._free: list[int] = []
        self._version = -1
        self.rows: dict[str, int] = {}
        self._texels: Any = None
        self.arrays = TextureArrays()
        self._put(0, SceneTexture(0, asphalt(), "repeat", 1))
        self._put(1, SceneTexture(0, clouds(), "repeat", 1))
        self._rows_used = 2
        self._upload()

    def follow(self, scene: Scene) -> None:
        """Upload what is new or changed, forget what is gone."""
        if scene.texture_version == self._version:
            return
        self._version = scene.texture_version
        for name in [name for name in self._seen if name not in scene.textures]:
            del self._seen[name]
            self._free.append(self.rows.pop(name))
        for name, texture in scene.textures.items():
            old = self._seen.get(name)
            if old is texture:
                continue
            if old is None:
                self.rows[name] = self._take_row()
            self._put(self.rows[name], texture, old)
            self._seen[name] = texture
        self._upload()

    def _take_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = self._rows_used
        self._rows_used += 1
        if row == len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            self._offsets = np.concatenate([self._offsets, np.zeros_like(self._offsets)])
        return row

    def _put(self, row: int, texture: SceneTexture, old: SceneTexture | None = None) -> None:
        levels = pyramid(texture.rgba_linear)
        height, width = texture.rgba_linear.shape[:2]
        if old is None or old.rgba_linear.shape != texture.rgba_linear.shape:
            sizes = [level.shape[0] * level.shape[1] for level in levels]
            start = self._reserve(sum(sizes))
            self._offsets[row] = 0
            self._offsets[row, : len(levels)] = start + np.cumsum([0, *sizes[:-1]])
        for offset, level in zip(self._offsets[row], levels, strict=False):
            self._host[offset : offset + level.shape[0] * level.shape[1]] = level.reshape(-1, 4)
        if self._cuda and self._texels is not None and len(self._texels) == len(self._host):
            start, total = int(self._offsets[row, 0]), sum(level.shape[0] * level.shape[1] for level in levels)
            wp.copy(self._texels, wp.array(self._host[start : start + total], wp.vec4, device="cpu"), start, 0, total)
        self._table[row] = (texture.number, WRAPS[texture.wrap], width, height, len(levels))

    def _reserve(self, count: int) -> int:
        """Return the first of ``count`` unused texels.

        Space of textures that are gone is not used again: they are few and small beside a scene's own.
        """
        start = self._used
        self._used += count
        if self._used > len(self._host):
            grown = np.zeros((max(2 * len(self._host), self._used), 4), np.float32)
            grown[:start] = self._host[:start]
            self._host = grown
        return start

    def _upload(self) -> None:
        if self._texels is None or len(self._texels) != len(self._host):
            # On the CPU the device array is the host array.
            self._texels = wp.array(self._host, wp.vec4, device=self.device, copy=False)
            self.arrays.texels = self._texels
        self.arrays.table = wp.array(self._table, TextureRow, device=self.device)
        self.arrays.offsets = wp.array(self._offsets.ravel(), wp.int32, device=self.device)
