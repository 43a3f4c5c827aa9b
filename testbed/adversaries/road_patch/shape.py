"""Size and budget of a dirty road patch, and the pictures that keep to them.

Source: Sato et al., "Dirty Road Can Attack: Security of Deep Learning based Automated Lane Centering under
Physical-World Attack", USENIX Security 2021: a bird's-eye patch of 45 x 300 cells, about 5.4 m x 36 m, grey, only ever
brighter than the road, of which half may be changed.

What is optimised are *cells* (12 cm squares). What is painted are *texels*, finer than cells, because road dirt has a
grain: a fixed pattern of streaks and speckles, the same for attacks and controls, that multiplies the cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.manifest import Budget
from testbed.core.errors import UsageError

CELL_M = 0.12
"""Side of a cell, as in the paper."""


@dataclass(frozen=True, slots=True)
class PatchShape:
    """Size and budget of a patch.

    Attributes:
        length_m: Extent along the road.
        width_m: Extent across.
        rows: Cells along the road, row 0 at the far end.
        columns: Cells across, column 0 at the left edge.
        texels_per_cell: Texels per cell and direction.
        max_added_albedo: Largest linear albedo added to the road. Asphalt has about 0.16 and lane paint 0.8, so 0.6
            stays below paint.
        perturbable_share: Largest share of the texels that may be changed.
        blur_cells: Standard deviation of the smoothing that turns cells into stains, (along, across).
        grain_seed: Seed of the grain, equal for all patches that are compared.
        lines_m: Where lane lines run through the patch, from its middle, positive right. They are left as they are.
        line_width_m: Width that is left alone around each.
    """

    length_m: float = 36.0
    width_m: float = 5.4
    rows: int = 300
    columns: int = 45
    texels_per_cell: int = 2
    max_added_albedo: float = 0.6
    perturbable_share: float = 0.5
    blur_cells: tuple[float, float] = (3.0, 1.2)
    grain_seed: int = 1
    lines_m: tuple[float, ...] = (-1.8, 1.8)
    line_width_m: float = 0.36

    @classmethod
    def for_lane(cls, lane_width_m: float, *, length_m: float = 36.0, width_m: float = 5.4) -> PatchShape:
        """Return a patch of cells of 12 cm that leaves the lines of a lane of some width alone.

        Raises:
            UsageError: If there are fewer than 10 x 10 cells.
        """
        rows, columns = round(length_m / CELL_M), round(width_m / CELL_M)
        if min(rows, columns) < 10:
            raise UsageError(f"a patch of {length_m:g} m x {width_m:g} m is too small", hint="1.2 m and more each way")
        half_m = lane_width_m / 2.0
        return cls(rows * CELL_M, columns * CELL_M, rows, columns, lines_m=(-half_m, half_m))

    @property
    def texels(self) -> tuple[int, int]:
        """Texel rows and columns."""
        return self.rows * self.texels_per_cell, self.columns * self.texels_per_cell

    @property
    def budget(self) -> Budget:
        """The budget as it goes into a manifest."""
        return Budget(max_added_albedo=self.max_added_albedo, perturbable_share=self.perturbable_share)


def noise(shape: tuple[int, int], scale: tuple[float, float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return smooth noise of mean 0 and variance 1, correlated over ``scale`` pixels (rows, columns)."""
    from scipy.ndimage import gaussian_filter

    field: NDArray[np.float64] = gaussian_filter(rng.standard_normal(shape), scale, mode="reflect")
    return np.asarray((field - field.mean()) / (field.std() + 1e-12))


def grain(shape: PatchShape) -> NDArray[np.float32]:
    """Return the grain of the dirt, shape ``shape.texels``: fine speckle with faint streaks along the road.

    Values are 0.4-1 inside and fade to 0 toward the edges, so that no patch has the straight outline of a sheet.
    """
    rng = np.random.default_rng(shape.grain_seed)
    per = shape.texels_per_cell
    speckle = noise(shape.texels, (0.7, 0.7), rng)
    streaks = noise(shape.texels, (12.0 * per, 0.6 * per), rng)
    blotches = noise(shape.texels, (4.0 * per, 2.0 * per), rng)
    mixed = 0.5 * speckle + 0.35 * streaks + 0.35 * blotches
    inside = np.clip(0.82 + 0.16 * mixed, 0.4, 1.0)
    frayed = 1.0 + 0.5 * noise(shape.texels, (2.0 * per, 2.0 * per), rng)
    edge = np.minimum(_inwards(shape.rows, per, 10.0)[:, None], _inwards(shape.columns, per, 2.5)[None])
    return np.asarray(inside * np.clip(edge * frayed, 0.0, 1.0) * _clear(shape)[None], dtype=np.float32)


def _clear(shape: PatchShape) -> NDArray[np.float64]:
    """Return 0 for texel columns on lane lines and 1 for the others: no dirt is brighter than paint."""
    columns = shape.texels[1]
    at_m = ((np.arange(columns) + 0.5) / columns - 0.5) * shape.width_m
    clear = np.ones(columns)
    for line_m in shape.lines_m:
        clear = np.where(np.abs(at_m - line_m) < shape.line_width_m / 2.0, 0.0, clear)
    return clear


def _inwards(cells: int, per: int, reach: float) -> NDArray[np.float64]:
    """Return how far inside the border each texel lies, 1 at ``reach`` cells or a third of the extent, at most 1.5."""
    at = (np.arange(cells * per) + 0.5) / per
    return np.minimum(np.minimum(at, cells - at) / min(reach, cells / 3.0), 1.5)


def dirt(shape: PatchShape, seed: int, values: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return random dirt, the control of every attack.

    Stains of several sizes, drawn out along the road as tyres do, with the common grain on top. The texels get exactly
    the values of the attack that the dirt is compared with, only in other places: the same budget in every sense.

    Args:
        shape: Size and budget.
        seed: Seed of the stains.
        values: Added albedo of that attack's texels, any shape with as many elements as ``shape.texels``; None fills
            the perturbable share with values from 0 to the largest.

    Returns:
        Added linear albedo, shape ``shape.texels``, float32.

    Raises:
        ValueError: If ``values`` does not fit the shape.
    """
    rng = np.random.default_rng(seed)
    count = shape.texels[0] * shape.texels[1]
    if values is None:
        changed = int(count * shape.perturbable_share)
        ramp = np.linspace(0.0, shape.max_added_albedo, changed + 1)[1:]
        values = np.concatenate([np.zeros(count - changed), ramp]).astype(np.float32)
    if values.size != count:
        raise ValueError(f"{values.size} values for a patch of {count} texels")
    per = shape.texels_per_cell
    stains = (
        noise(shape.texels, (24.0 * per, 5.0 * per), rng)
        + 0.8 * noise(shape.texels, (10.0 * per, 2.0 * per), rng)
        + 0.5 * noise(shape.texels, (4.0 * per, 1.2 * per), rng)
    )
    stains = stains + 2.5 * (grain(shape) - 0.82)
    out = np.empty(count, dtype=np.float32)
    out[np.argsort(stains, axis=None, kind="stable")] = np.sort(values, axis=None)
    return out.reshape(shape.texels)
