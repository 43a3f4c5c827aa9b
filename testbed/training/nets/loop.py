"""What all training loops share: seeds, schedule, averaged weights, light and noise augmentation, the card."""

from __future__ import annotations

import copy
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from testbed.agents.precision import name_of
from testbed.training.data.format import Split, load_split
from testbed.training.data.unseen import refuse_attacked
from testbed.training.nets.commands import data_sha256


def seed_everything(seed: int) -> np.random.Generator:
    """Seed torch and return the generator that draws batches and augmentation."""
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def folder_of(data: Path, task: str) -> Path:
    """Return the data set of a task: the folder itself, or its sub-folder of that name."""
    return data if (data / "dataset.json").is_file() else data / task


def open_splits(data: Path, task: str) -> tuple[Split, Split]:
    """Open the train and the test split of a data set of `task`, which must show no attack."""
    folder = folder_of(data, task)
    refuse_attacked(folder)
    return load_split(folder, "train", task=task), load_split(folder, "test", task=task)


def schedule(step: int, steps: int, warmup: int = 100) -> float:
    """Return the factor of the learning rate: linear warm-up, then half a cosine down to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


ModelT = TypeVar("ModelT", bound=nn.Module)


def descend(
    model: nn.Module, optimiser: torch.optim.Optimizer, value: Tensor, rate: float, *, max_norm: float | None = None
) -> None:
    """Take one optimiser step down `value`.

    Args:
        model: Whose gradients are clipped.
        optimiser: Holds its parameters.
        value: Scalar loss.
        rate: Learning rate of this step.
        max_norm: Norm that gradients are clipped to; None leaves them alone.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    if max_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimiser.step()


class AveragedModel(Generic[ModelT]):
    """Exponential moving average of a model's weights, which generalises better than the last step.

    Attributes:
        model: The averaged copy, in evaluation mode.
    """

    def __init__(self, model: ModelT, decay: float = 0.998) -> None:
        """Start from a copy of `model`."""
        self.model: ModelT = copy.deepcopy(model).eval()
        self.decay = decay
        self.updates = 0

    def update(self, model: nn.Module) -> None:
        """Move towards `model`; early updates move faster, so that the random start is forgotten."""
        self.updates += 1
        decay = self.decay * (1.0 - math.exp(-self.updates / 300.0))
        with torch.no_grad():
            live = model.state_dict()
            for name, value in self.model.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(live[name].detach(), 1.0 - decay)
                else:
                    value.copy_(live[name])


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield shuffled index batches of one epoch, dropping the incomplete last one."""
    order = rng.permutation(count)
    for start in range(0, count - size + 1, size):
        yield np.sort(order[start : start + size])


def relight(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Vary exposure, contrast, colour and sensor noise of a batch (N, 3, H, W) in 0…1; returns a new batch."""
    count = images.shape[0]

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, channels, 1, 1)).astype(np.float32))

    mean = images.mean((1, 2, 3), keepdim=True)
    out = (images - mean) * draw(0.75, 1.3) + mean
    out = out * draw(0.75, 1.25) * draw(0.93, 1.07, 3) + draw(-0.05, 0.05)
    noise = torch.randn(count, 1, *out.shape[2:]) * draw(0.0, 0.03)
    return (out + noise).clamp_(0.0, 1.0)


def blotches(images: Tensor, rng: np.random.Generator, *, share: float = 0.5, top_px: int = 74) -> Tensor:
    """Lay soft dark and bright blotches on the lower part of some images, as stains and worn tarmac would.

    Args:
        images: (N, 3, H, W) in 0…1, changed in place.
        rng: Source of chance.
        share: Share of the images that are changed.
        top_px: First row that may change.
    """
    count, _, height, width = images.shape
    for index in np.flatnonzero(rng.random(count) < share):
        coarse = torch.zeros(1, 1, 12, 20)
        for _ in range(rng.integers(1, 6)):
            coarse[0, 0, rng.integers(0, 12), rng.integers(0, 20)] = float(rng.uniform(-0.35, 0.25))
        field = nn.functional.interpolate(coarse, (height - top_px, width), mode="bilinear", align_corners=False)[0]
        images[index, :, top_px:] += field
    return images.clamp_(0.0, 1.0)


class ProgressReport:
    """Print progress as ``epoch 3/20 step 562 loss 0.41 (12.3/s, 4.5 min)``."""

    def __init__(self, epochs: int) -> None:
        """Start the clock."""
        self.epochs = epochs
        self.started = time.monotonic()
        self.images = 0

    def epoch(self, epoch: int, images: int, losses: Mapping[str, float], figures: Mapping[str, float]) -> None:
        """Print one line."""
        self.images += images
        seconds = self.seconds
        parts = " ".join(f"{name} {value:.4g}" for name, value in {**losses, **figures}.items())
        rate = self.images / seconds
        print(f"epoch {epoch + 1}/{self.epochs} {parts} ({rate:.0f} images/s, {seconds / 60:.1f} min)", flush=True)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained: what every loop here has in common.

    Attributes:
        epochs: Passes over the training split.
        batch: Images per step.
        rate: Peak learning rate of AdamW.
        seed: Seed of initial weights, order and augmentation.
        decay: Weight decay.
        max_norm: Norm that gradients are clipped to; None leaves them alone.
        check_every: Epochs between two looks at the held-out split.
    """

    epochs: int
    batch: int
    rate: float
    seed: int
    decay: float
    max_norm: float | None = None
    check_every: int = 4

    def options(self) -> dict[str, Any]:
        """Return the options of ``train`` that ask for it."""
        return {"epochs": self.epochs, "rate": self.rate, "seed": self.seed}

    def settings(self) -> dict[str, Any]:
        """Return what a card says of it."""
        chosen = {"epochs": self.epochs, "batch": self.batch, "rate": self.rate, "seed": self.seed}
        return {**chosen, "optimiser": f"AdamW, EMA 0.998, {name_of()}"}


def run(
    training: TrainingSettings,
    model: ModelT,
    count: int,
    rng: np.random.Generator,
    batch_loss: Callable[[NDArray[np.int64]], tuple[Tensor, Mapping[str, Tensor]]],
    check: Callable[[ModelT], Mapping[str, float]],
) -> tuple[ModelT, ProgressReport]:
    """Train a network and return its averaged weights, in evaluation mode.

    Args:
        training: Length and step sizes.
        model: Trained in place.
        count: Images in the training split.
        rng: Source of the order of images.
        batch_loss: Maps the indices of a batch to the scalar loss and to its parts, which are only printed.
        check: Returns held-out figures of a network, for print.
    """
    averaged = AveragedModel(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=training.rate, weight_decay=training.decay)
    per_epoch = count // training.batch
    report, step = ProgressReport(training.epochs), 0
    for epoch in range(training.epochs):
        total: dict[str, float] = {}
        for index in batches(count, training.batch, rng):
            value, parts = batch_loss(index)
            rate = training.rate * schedule(step, training.epochs * per_epoch)
            descend(model, optimiser, value, rate, max_norm=training.max_norm)
            averaged.update(model)
            step += 1
            for key, part in parts.items():
                total[key] = total.get(key, 0.0) + float(part.detach())
        last = epoch == training.epochs - 1
        seen = check(averaged.model) if last or epoch % training.check_every == training.check_every - 1 else {}
        report.epoch(epoch, per_epoch * training.batch, {key: part / per_epoch for key, part in total.items()}, seen)
    return averaged.model, report


MIRRORABLE_MAPS = frozenset({"highway"})
"""Maps whose pictures may be mirrored: a mirrored road with two-way traffic is one where cars keep to the left."""


def mirrorable(split: Split) -> NDArray[np.bool_]:
    """Return which images of a split may be mirrored, (N,)."""
    allowed = np.array([name in MIRRORABLE_MAPS for name in split.map_names])
    return np.asarray(allowed[split.map_of], np.bool_)


def per_map(split: Split, figure: Callable[[NDArray[np.bool_]], Any]) -> dict[str, Any]:
    """Return a figure for the images of each map; `figure` gets the mask (N,) of its images."""
    return {name: figure(split.map_of == number) for number, name in enumerate(split.map_names)}


def training_card(
    commands: Sequence[str],
    data: Path,
    task: str,
    report: ProgressReport,
    settings: Mapping[str, Any],
    model: nn.Module,
) -> dict[str, Any]:
    """Return the part of a weight card that is common to all networks.

    Args:
        commands: How they are made (`testbed.training.nets.commands`).
        data: Folder of the data sets.
        task: The one learnt from.
        report: What the training took.
        settings: Hyper-parameters.
        model: The network.
    """
    return {
        "command": commands[-1],
        "commands": list(commands),
        "data": {"task": task, "dataset_sha256": data_sha256(folder_of(data, task))},
        "artefacts": [],
        "hyper_parameters": dict(settings),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trained": {
            "seconds": round(report.seconds, 1),
            "images_seen": report.images,
            "hardware": f"CPU {platform.machine()}, {torch.get_num_threads()} thread(s)",
            "torch": torch.__version__,
        },
    }


def continued(card: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card of a training that went on from other weights, with theirs: which they were, and their time."""
    told, earlier = dict(card["trained"]), before["trained"]
    for unit in ("seconds", "images_seen"):
        told[f"{unit}_before"] = round(earlier[unit] + earlier.get(f"{unit}_before", 0), 1)
    return dict(card) | {"start": {before["name"]: before["sha256"]}, "trained": told}


def fraction(hits: int, count: int) -> dict[str, float | int]:
    """Return k/n as a card writes it."""
    return {"k": int(hits), "n": int(count), "value": round(hits / max(1, count), 4)}
