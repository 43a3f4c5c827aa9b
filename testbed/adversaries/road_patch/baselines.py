"""What a closed-loop patch is compared with: a drawn lane line, and a patch made on a single frame.

Both are baselines of Sato et al., USENIX Security 2021, within the same size and budget. A *drawn line* needs no
gradients: one straight solid line of the brightest albedo the budget allows, from one place in the lane to another,
the best of a grid by driving. A patch of a *single frame* is optimised for what the camera sees at the moment of the
trigger alone, under expectation over transformations (small changes of pose, light and exposure), and knows nothing of
where its own success will take the car.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from testbed.adversaries.road_patch.drive import DriveWorld, drive
from testbed.adversaries.road_patch.search import (
    Descent,
    FoundPatch,
    GradientPicture,
    PatchSearchSettings,
    PreviewOffset,
    first_seed,
    watch_with,
)
from testbed.adversaries.road_patch.shape import PatchShape

LINE_WIDTH_M = 0.30
"""Of the drawn line: a broad line of European motorways."""

NEAR_OFFSETS_M = (-0.9, 0.0, 0.9)
LEANS_M = (0.6, 1.2, 1.8)
"""Grid of drawn lines: place at the near end from the lane's middle, and lean to the side up to the far end."""

TRIGGER_M = 7.0
"""From the ego to the near end of the patch at the moment of the single frame, as in the paper."""

FRAME_VIEWS = 24
FRAME_SHIFT_M, FRAME_TURN_RAD = 0.15, 0.006
"""Transformations of the single frame: how many, and their largest change of place and heading."""


def drawn_line(shape: PatchShape, near_m: float, far_m: float, width_m: float = LINE_WIDTH_M) -> NDArray[np.float32]:
    """Return a straight solid line, antialiased across.

    Args:
        shape: Size and budget.
        near_m: Its middle at the near end of the patch, from the middle of the lane, positive left.
        far_m: The same at the far end.
        width_m: Its width.

    Returns:
        Added linear albedo, shape ``shape.texels``.
    """
    rows, columns = shape.texels
    texel_m = shape.width_m / columns
    across_m = 0.5 * shape.width_m - (np.arange(columns) + 0.5) * texel_m
    middle_m = np.linspace(far_m, near_m, rows)
    cover = np.clip((0.5 * width_m - np.abs(across_m[None] - middle_m[:, None])) / texel_m + 0.5, 0.0, 1.0)
    return np.asarray(cover * shape.max_added_albedo, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """The best drawn line.

    Attributes:
        texels: Added albedo.
        near_m: Its place at the near end, positive left.
        far_m: Its place at the far end.
        deviation_m: Mean largest deviation toward the side in the drives that chose it.
    """

    texels: NDArray[np.float32]
    near_m: float
    far_m: float
    deviation_m: float


def best_line(
    world: DriveWorld, model: PreviewOffset, side: int, shape: PatchShape, *, seed: int, drives: int = 2
) -> DrawnLine:
    """Return the line of the grid that pulls farthest to a side (+1 left, -1 right), by drives on equal situations."""
    best: DrawnLine | None = None
    for near_m in NEAR_OFFSETS_M:
        for lean_m in LEANS_M:
            far_m = near_m + side * lean_m
            texels = drawn_line(shape, near_m, far_m)
            watch = watch_with(model, torch.from_numpy(texels))
            done = [drive(world, first_seed(seed) + number, watch) for number in range(drives)]
            deviation_m = float(np.mean([item.deviation_m(side) for item in done]))
            if best is None or deviation_m > best.deviation_m:
                best = DrawnLine(texels, near_m, far_m, deviation_m)
    assert best is not None
    return best


def single_frame(
    world: DriveWorld,
    model: PreviewOffset,
    side: int,
    shape: PatchShape,
    *,
    seed: int,
    settings: PatchSearchSettings | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> FoundPatch:
    """Optimise a patch on one frame under expectation over transformations.

    Args:
        world: Where the frame is taken; situations from ``first_seed(seed)`` on give its light.
        model: The attacked model.
        side: +1 pulls left, -1 right.
        shape: Size and budget.
        seed: Seed of all chance.
        settings: Steps in all are ``rounds * epochs_per_round``; drives are not used.
        say: Told the loss after each round.
    """
    chosen = settings or PatchSearchSettings()
    rng = np.random.default_rng([seed, 0xF1])
    descent = Descent(model, side, shape, chosen, rng)
    pool = _frame(world, model, shape, seed, rng)
    for _ in range(chosen.rounds):
        loss = descent.round(pool)
        say(f"epoch {descent.epochs}, loss {loss:.3f}")
    return FoundPatch(descent.cells.painted(), (), descent.epochs)


def _frame(
    world: DriveWorld, model: PreviewOffset, shape: PatchShape, seed: int, rng: np.random.Generator
) -> list[GradientPicture]:
    """Return the frame under its transformations, each with what the model makes of it on a clean road."""
    clean = watch_with(model, torch.zeros(shape.texels))
    pool = []
    for number in range(FRAME_VIEWS):
        situation = world.situation(first_seed(seed) + number)
        s_m = max(situation.near_m - TRIGGER_M, 0.0)
        view = world.view(
            s_m,
            float(rng.uniform(-FRAME_SHIFT_M, FRAME_SHIFT_M)),
            float(rng.uniform(-FRAME_TURN_RAD, FRAME_TURN_RAD)),
            s_m / situation.speed_mps,
        )
        pool.append(GradientPicture(view, clean(view)))
    if not all(math.isfinite(picture.clean_m) for picture in pool):
        raise ValueError("the model's answers are not finite")
    return pool
