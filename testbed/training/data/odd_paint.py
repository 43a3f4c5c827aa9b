"""Odd paint for some vehicles: bands, checks, panels, fades, blotches, prints. Drawn by chance, for no purpose.

A detector that has seen only plain cars takes any pattern for no car; what an attack then proves is little. Nothing
here is fitted to a model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZE_PX = 128
KINDS: tuple[str, ...] = ("bands", "checks", "two tones", "fade", "blotches", "panels", "print")


def livery(kind: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a paint texture (SIZE_PX, SIZE_PX, 3), linear, of one of `KINDS`."""
    v, u = np.meshgrid(np.linspace(0.0, 1.0, SIZE_PX), np.linspace(0.0, 1.0, SIZE_PX), indexing="ij")
    colours = rng.uniform(0.02, 0.85, (4, 3)) * rng.uniform(0.3, 1.0, (4, 1))
    if kind == "bands":
        turn = rng.uniform(0.0, np.pi)
        along = u * np.cos(turn) + v * np.sin(turn)
        index = np.floor(along * rng.integers(3, 24)).astype(int) % rng.integers(2, 5)
    elif kind == "checks":
        cells = int(rng.integers(4, 24))
        index = (np.floor(u * cells) + np.floor(v * cells)).astype(int) % 2
    elif kind == "two tones":
        index = (v % rng.uniform(0.1, 0.4) > rng.uniform(0.03, 0.2)).astype(int)
    elif kind == "fade":
        share = (0.5 + 0.5 * np.sin(2.0 * np.pi * (rng.uniform(0.3, 3.0) * u + rng.uniform(0.3, 3.0) * v)))[..., None]
        return np.asarray(colours[0] * share + colours[1] * (1.0 - share), np.float32)
    elif kind == "blotches":
        field = _smooth(rng, int(rng.integers(4, 20)))
        index = np.digitize(field, np.quantile(field, [0.3, 0.55, 0.8]))
    elif kind == "panels":
        index = np.zeros((SIZE_PX, SIZE_PX), int)
        for _ in range(rng.integers(3, 14)):
            top, left = rng.integers(0, SIZE_PX, 2)
            height, width = rng.integers(4, SIZE_PX // 2, 2)
            index[top : top + height, left : left + width] = rng.integers(0, 4)
    else:
        cells = int(rng.integers(6, 40))
        blocks = rng.integers(0, 4, (cells, cells))
        at = np.minimum((np.linspace(0.0, 1.0, SIZE_PX, endpoint=False) * cells).astype(int), cells - 1)
        index = blocks[at][:, at]
    return np.asarray(colours[index], np.float32)


def _smooth(rng: np.random.Generator, cells: int) -> NDArray[np.float64]:
    """Return bilinear noise (SIZE_PX, SIZE_PX)."""
    coarse = rng.normal(0.0, 1.0, (cells + 1, cells + 1))
    at = np.linspace(0.0, cells - 1e-6, SIZE_PX)
    low = at.astype(int)
    w = at - low
    rows = coarse[low] * (1.0 - w)[:, None] + coarse[low + 1] * w[:, None]
    smooth: NDArray[np.float64] = rows[:, low] * (1.0 - w) + rows[:, low + 1] * w
    return smooth
