"""Find the stains that make a lane model steer out of its lane: gradient steps on drives driven again and again.

A round is: drive a few situations with the patch as it is (the poses follow the attacked model's own answers, so they
are the ones that count), add drives in which the wheel is held toward the attack side from some moment on (the poses
that count once the attack works), then take gradient steps on the pictures of the last rounds. Per picture the loss is
how far the patch falls short of moving the model's preview offset by a goal::

    loss = mean( max(0, goal - side * (offset with patch - offset without)) ) + weight * mean(stains²)

which is the path slope of Sato et al. (USENIX Security 2021, eq. 5) in the terms of a model with one preview point,
capped where it is enough. A steady error e lets the lane keeper settle e beside its lane's centre, with a time constant
of about the preview time; so the goal is a little more than the offset at which the lane is left. Seeds differ in
start, speed, sun and clouds (expectation over transformations), and none of them is a seed of an evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from testbed.adversaries.manifest import CurvePoint
from testbed.adversaries.road_patch.cells import StainCells
from testbed.adversaries.road_patch.drive import Drive, DriveWorld, PatchView, drive
from testbed.adversaries.road_patch.shape import PatchShape, noise

PreviewOffset = Callable[[Tensor], Tensor]
"""The attacked model: pictures (N, 3, H, W), sRGB in 0-1, to preview offsets (N,) in m, positive left."""


@dataclass(frozen=True, slots=True)
class PatchSearchSettings:
    """How long and how hard to search.

    Attributes:
        rounds: Times the drives are driven again.
        epochs_per_round: Gradient steps on one set of drives.
        batch: Pictures per gradient step.
        drives_per_round: Drives with the model at the wheel per round.
        forced_per_round: Drives with the wheel held per round.
        keep_rounds: Rounds whose pictures are used.
        rate: Adam learning rate at the start; Sato et al. use 0.1.
        rate_decay: Factor on the rate every 100 epochs.
        goal_m: Change of the preview offset that is enough.
        stain_weight: Weight of the mean squared stain.
        choosing_share: Share of the rounds after which the choice of perturbable cells may still change.
        exposure: Largest relative change of brightness put on each picture.
        enough_m: The search ends early when all drives of the last three rounds left their lane and went this far
            on average.
    """

    rounds: int = 16
    epochs_per_round: int = 75
    batch: int = 8
    drives_per_round: int = 2
    forced_per_round: int = 2
    keep_rounds: int = 2
    rate: float = 0.1
    rate_decay: float = 0.9
    goal_m: float = 1.6
    stain_weight: float = 0.02
    choosing_share: float = 0.6
    exposure: float = 0.04
    enough_m: float = 1.5


@dataclass(frozen=True, slots=True)
class FoundPatch:
    """What the search found.

    Attributes:
        texels: Added albedo as painted, shape ``shape.texels``.
        curve: One point per round.
        epochs: Gradient steps taken.
    """

    texels: Tensor
    curve: tuple[CurvePoint, ...]
    epochs: int


def search_patch(
    world: DriveWorld,
    model: PreviewOffset,
    side: int,
    shape: PatchShape,
    *,
    seed: int,
    settings: PatchSearchSettings | None = None,
    on_round: Callable[[CurvePoint], None] | None = None,
) -> FoundPatch:
    """Search the stains.

    Args:
        world: Where drives happen; its situations for seeds from ``first_seed(seed)`` on are used.
        model: The attacked model; its parameters get no gradients.
        side: +1 pulls left, -1 right.
        shape: Size and budget.
        seed: Seed of all chance.
        settings: How long and how hard.
        on_round: Called after each round's drives.

    Returns:
        The best patch found, judged by the drives of fresh seeds that each round begins with.
    """
    chosen = settings or PatchSearchSettings()
    rng = np.random.default_rng([seed, 0xD1])
    descent = Descent(model, side, shape, chosen, rng)
    seeds = _seeds(seed)
    rounds: list[list[GradientPicture]] = []
    curve: list[CurvePoint] = []
    best: tuple[float, Tensor] | None = None
    loss = float("nan")
    for turn in range(chosen.rounds + 1):
        painted = descent.cells.painted()
        watch = watch_with(model, painted)
        drives = [drive(world, next(seeds), watch) for _ in range(chosen.drives_per_round)]
        point = _judge(drives, side, descent.epochs, loss)
        curve.append(point)
        if on_round is not None:
            on_round(point)
        score = point.success + 0.1 * point.deviation_m
        if turn and (best is None or score >= best[0]):
            best = (score, painted)
        if turn == chosen.rounds or _enough(curve, chosen.enough_m):
            break
        drives += [_forced(world, next(seeds), watch, side, rng) for _ in range(chosen.forced_per_round)]
        rounds = [*rounds, _pictures(model, drives, painted)][-chosen.keep_rounds :]
        loss = descent.round([picture for pictures in rounds for picture in pictures])
    assert best is not None
    return FoundPatch(best[1], tuple(curve), descent.epochs)


@dataclass(frozen=True, slots=True)
class GradientPicture:
    """A view to take gradients from, and what the model makes of it without a patch."""

    view: PatchView
    clean_m: float


class Descent:
    """Gradient steps on stains, with all that lasts from one round of them to the next.

    Args:
        model: The attacked model.
        side: +1 pulls left, -1 right.
        shape: Size and budget.
        settings: Step sizes, and how many steps make a round.
        rng: Source of the first stains, and of the pictures and exposures of each step.

    Attributes:
        cells: The stains as they are.
        epochs: Gradient steps taken.
    """

    def __init__(
        self,
        model: PreviewOffset,
        side: int,
        shape: PatchShape,
        settings: PatchSearchSettings,
        rng: np.random.Generator,
    ) -> None:
        """Begin with faint dirt."""
        self.cells = StainCells(shape, first_stains(shape, rng))
        self.epochs = 0
        self._model, self._side, self._settings, self._rng = model, side, settings, rng
        self._asking = torch.zeros_like(self.cells.z, requires_grad=False)
        self._adam = torch.optim.Adam([self.cells.z], lr=settings.rate)
        self._rounds = 0

    def round(self, pool: list[GradientPicture]) -> float:
        """Take a round of steps on batches of some pictures, choose the cells anew, and return the mean loss."""
        settings = self._settings
        losses = []
        for _ in range(settings.epochs_per_round):
            for group in self._adam.param_groups:
                group["lr"] = settings.rate * settings.rate_decay ** (self.epochs / 100.0)
            gradient, loss = self._gradient(pool)
            self.cells.z.grad = gradient
            self._adam.step()
            self.cells.confine()
            self._asking = 0.98 * self._asking - gradient
            losses.append(loss)
            self.epochs += 1
        if self._rounds < settings.choosing_share * settings.rounds:
            self.cells.choose(self._asking)
        self._rounds += 1
        return float(np.mean(losses))

    def _gradient(self, pool: list[GradientPicture]) -> tuple[Tensor, float]:
        """Return gradient, shape (rows, columns), and value of the loss on a random batch of pictures."""
        settings, rng = self._settings, self._rng
        chosen = rng.choice(len(pool), size=min(settings.batch, len(pool)), replace=False)
        stains = self.cells.stains()
        texels = self.cells.paint(stains)
        pictures = torch.stack([pool[int(index)].view.image(texels) for index in chosen])
        clean = torch.tensor([pool[int(index)].clean_m for index in chosen])
        gains = 1.0 + settings.exposure * rng.uniform(-1.0, 1.0, (len(chosen), 1, 1, 1))
        pictures = (pictures * torch.from_numpy(gains.astype(np.float32))).clamp(0.0, 1.0)
        short = (settings.goal_m - self._side * (self._model(pictures) - clean)).clamp(min=0.0)
        loss = short.mean() + settings.stain_weight * stains.square().mean()
        (gradient,) = torch.autograd.grad(loss, [self.cells.z])
        return gradient, float(loss.detach())


def _pictures(model: PreviewOffset, drives: list[Drive], painted: Tensor) -> list[GradientPicture]:
    clean = watch_with(model, torch.zeros_like(painted))
    return [GradientPicture(decision.view, clean(decision.view)) for item in drives for decision in item.decisions]


def first_seed(seed: int) -> int:
    """Return the first of the situations' seeds; scenarios count theirs from small numbers, so the two never meet."""
    return 1_000_000 * (seed + 1)


def _seeds(seed: int) -> Iterator[int]:
    following = first_seed(seed)
    while True:
        yield following
        following += 1


def first_stains(shape: PatchShape, rng: np.random.Generator) -> Tensor:
    """Return faint dirt to start from, so that the result keeps looking like dirt where the model does not care."""
    field = noise((shape.rows, shape.columns), (16.0, 3.0), rng)
    return torch.from_numpy((0.25 + 0.15 * field).astype(np.float32))


def watch_with(model: PreviewOffset, texels: Tensor) -> Callable[[PatchView], float]:
    """Return what the model makes of views with a patch on the road, in bytes as a camera hands them out."""

    def watch(view: PatchView) -> float:
        with torch.no_grad():
            picture = (view.image(texels) * 255.0).round() / 255.0
            return float(model(picture[None])[0])

    return watch


def _forced(
    world: DriveWorld, seed: int, watch: Callable[[PatchView], float], side: int, rng: np.random.Generator
) -> Drive:
    """Drive with the wheel held toward the side for a while, from some moment between sight and passage on."""
    situation = world.situation(seed)
    begin = situation.reached_s + float(rng.uniform(-1.2, 0.4))
    held = float(rng.uniform(0.3, 0.9))
    # after the pull the heading is let go, as a model does that is won over only in part
    return drive(world, seed, watch, forced=((begin, side), (begin + held, 0), (begin + held + 0.3, side)))


def _judge(drives: list[Drive], side: int, epochs: int, loss: float) -> CurvePoint:
    return CurvePoint(
        epoch=epochs,
        loss=round(loss, 4) if np.isfinite(loss) else 0.0,
        deviation_m=round(float(np.mean([item.deviation_m(side) for item in drives])), 3),
        success=round(float(np.mean([item.left_lane(side) for item in drives])), 3),
    )


def _enough(curve: list[CurvePoint], deviation_m: float) -> bool:
    """Tell whether the last three rounds succeeded clearly."""
    last = curve[-3:]
    return len(curve) > 3 and all(point.success == 1.0 and point.deviation_m >= deviation_m for point in last)
