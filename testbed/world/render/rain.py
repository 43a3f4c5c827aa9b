"""Rain streaks: two layers of falling drops in screen columns, drawn anew for every simulation frame.

Which drops fall where depends only on the simulation frame and is the same for all pixels of a column, so it is
tabulated once per picture.
"""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

from math import ceil, floor
from typing import Any

import warp as wp

from testbed.world.render.structs import Eye, Floats, Light, RainArrays, UInt8s, configure

configure(__name__)

LAYERS = 2
SCREEN = 320.0
"""Streaks are laid out on a picture of this width, whatever the real one is."""
SHIFT = 64.0
"""Columns are shifted by up to this against each other."""
LAST_SCALE, SHORTEST = 1.8, 18.0
"""Of the last layer: columns per screen unit and length of a drop's path."""

_SCREEN = wp.constant(wp.float32(SCREEN))
_SHIFT = wp.constant(wp.float32(SHIFT))


@wp.func
def noise(a: int, b: int, c: int) -> float:
    """Return a value in [0, 1) that depends only on three integers."""
    h = (
        wp.uint32(a) * wp.uint32(0x1E3779B1)
        ^ wp.uint32(b) * wp.uint32(0x05EBCA77)
        ^ wp.uint32(c) * wp.uint32(0x42B2AE3D)
    )
    h = (h ^ (h >> wp.uint32(15))) * wp.uint32(0x2C1B3C6D)
    h = (h ^ (h >> wp.uint32(12))) * wp.uint32(0x297A2D39)
    h = h ^ (h >> wp.uint32(15))
    return float(h >> wp.uint32(8)) * (1.0 / 16777216.0)


@wp.kernel
def tabulate_drops(first_cell: int, drops: int, light: Light, shifts: Floats, falling: UInt8s):
    """Fill the tables of one picture, one thread per layer and column; ``falling`` has ``drops`` bytes per column."""
    layer, k = wp.tid()
    cells = shifts.shape[0] / 2
    cell = first_cell + k
    i = layer * cells + k
    shifts[i] = noise(cell, layer, light.frame) * _SHIFT
    for drop in range(drops):
        falls = noise(cell, drop * 2 + layer, light.frame + 77) < 0.16 * light.rain
        falling[i * drops + drop] = wp.uint8(falls)


@wp.func
def rain_streak(column: int, row: int, eye: Eye, light: Light, rain: RainArrays) -> float:
    """Return the brightness of rain streaks at a pixel."""
    total = wp.float32(0.0)
    cells = rain.shifts.shape[0] / 2
    for layer in range(2):
        scale = _SCREEN / float(eye.width_px) * (1.0 + 0.8 * float(layer))
        y = float(row) * scale
        x = float(column) * scale + light.rain_slant * y
        i = layer * cells + int(wp.floor(x)) - rain.first_cell
        at = (y + rain.shifts[i]) / (26.0 - 8.0 * float(layer))
        drop = int(at)
        if rain.falling[i * rain.drops + drop] != wp.uint8(0):
            inside = at - float(drop)
            total += inside * (1.0 - inside) * 4.0 * (1.0 - 0.4 * float(layer))
    return total


class RainTables:
    """What falls in one picture, on the device.

    Attributes:
        arrays: For the shader.
    """

    def __init__(self, device: str) -> None:
        """Start with a dry sky."""
        self._device = device
        self._content: tuple[Any, ...] | None = None
        self._shifts = wp.zeros(LAYERS, dtype=wp.float32, device=device)
        self._falling = wp.zeros(LAYERS, dtype=wp.uint8, device=device)
        self.arrays = RainArrays()
        self.arrays.first_cell, self.arrays.drops = 0, 1
        self.arrays.shifts, self.arrays.falling = self._shifts, self._falling

    def follow(self, light: Light, width_px: int, height_px: int) -> None:
        """Tabulate the drops of the light's simulation frame for a picture size; free of cost when it does not rain."""
        if light.rain <= 0.0:
            return
        content = (light.frame, light.rain, light.rain_slant, width_px, height_px)
        if content == self._content:
            return
        self._content = content
        down = LAST_SCALE * SCREEN * height_px / width_px
        drift = light.rain_slant * down
        first_cell = floor(min(drift, 0.0)) - 1
        drops = ceil((down + SHIFT) / SHORTEST) + 1
        count = ceil(LAST_SCALE * SCREEN + abs(drift)) + 3
        if len(self._shifts) != LAYERS * count or len(self._falling) != LAYERS * count * drops:
            self._shifts = wp.zeros(LAYERS * count, dtype=wp.float32, device=self._device)
            self._falling = wp.zeros(LAYERS * count * drops, dtype=wp.uint8, device=self._device)
            self.arrays.shifts, self.arrays.falling = self._shifts, self._falling
        self.arrays.first_cell, self.arrays.drops = first_cell, drops
        wp.launch(
            tabulate_drops,
            (LAYERS, count),
            [first_cell, drops, light, self._shifts, self._falling],
            device=self._device,
        )
