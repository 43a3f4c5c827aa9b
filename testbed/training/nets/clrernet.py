"""Training of the CLRerNet-style lane net on an ``alc`` data set.

Per stage, every line of the image is matched with the priors that cost least (LaneIoU and role, as in CLRerNet), then:

* role: cross-entropy over four roles and background, background weighted down;
* shape: 1 - LaneIoU of the matched lines;
* offset: smooth L1 of the preview offset, which is what is driven on.

Source of LaneIoU: Honda and Uchida, WACV 2024, eq. 3-5: rows are compared as segments whose width follows the line's
local slope, so that lines that run across the image are not punished for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from testbed.agents import weights
from testbed.agents.dnn.clrernet import ROLES, LaneNet, Lanes
from testbed.agents.dnn.nets import LanePredictor
from testbed.agents.dnn.row_anchor import RowAnchorNet
from testbed.agents.imaging import to_batch
from testbed.agents.precision import mixed
from testbed.core.perception_tasks import IMAGE_WIDTH_PX, LANE_ROWS_PX, STRAIGHT_BELOW_M
from testbed.training.data.format import Split
from testbed.training.nets.commands import training_commands
from testbed.training.nets.loop import (
    TrainingSettings,
    blotches,
    continued,
    folder_of,
    fraction,
    mirrorable,
    open_splits,
    per_map,
    relight,
    run,
    seed_everything,
    training_card,
)
from testbed.training.nets.stored import keep

HALF_WIDTH_PX = 7.5
PRIORS_PER_LINE = 4
ROW_STEP_PX = LANE_ROWS_PX[1] - LANE_ROWS_PX[0]


def lane_iou(x_px: Tensor, truth_px: Tensor, valid: Tensor) -> Tensor:
    """Return the LaneIoU of lines, which is -1…1: negative where segments do not even touch.

    Args:
        x_px: (..., R) predicted x per row.
        truth_px: (..., R) true x per row.
        valid: (..., R) rows to compare.
    """

    def half(x: Tensor) -> Tensor:
        slope = torch.gradient(x.detach(), spacing=ROW_STEP_PX, dim=-1)[0]
        return HALF_WIDTH_PX * (1.0 + slope.square().clamp(max=25.0)).sqrt()

    e, t = half(x_px), half(truth_px)
    overlap = torch.minimum(x_px + e, truth_px + t) - torch.maximum(x_px - e, truth_px - t)
    union = torch.maximum(x_px + e, truth_px + t) - torch.minimum(x_px - e, truth_px - t)
    mask = valid.float()
    return (overlap * mask).sum(-1) / (union * mask).sum(-1).clamp(min=1e-6)


def match(lanes: Lanes, truth_px: Tensor, valid: Tensor) -> Tensor:
    """Assign to every prior the role it is trained for.

    Args:
        lanes: (N, P, ·) lines of one stage.
        truth_px: (N, 4, R) true lines, any number where not valid.
        valid: (N, 4, R) rows that are in the image.

    Returns:
        (N, P) role index 0-3, or 4 for background.
    """
    with torch.no_grad():
        iou = lane_iou(lanes.x_px[:, :, None], truth_px[:, None], valid[:, None])  # (N, P, 4)
        cost = 3.0 * (1.0 - iou) - lanes.roles.log_softmax(-1)[..., :ROLES]
        exists = valid.any(-1)
        cost = cost.masked_fill(~exists[:, None], torch.inf)
        wanted = iou.clamp(min=0.0).topk(PRIORS_PER_LINE, dim=1).values.sum(1).round().clamp(1, PRIORS_PER_LINE)
        rank = cost.argsort(1).argsort(1)
        chosen = (rank < wanted[:, None]) & exists[:, None]
        best = cost.masked_fill(~chosen, torch.inf)
        roles = best.argmin(-1)
        return torch.where(chosen.any(-1), roles, ROLES)


def loss(model: LaneNet, stages: list[Lanes], truth_px: Tensor, valid: Tensor, offset_m: Tensor) -> dict[str, Tensor]:
    """Return the three losses, each a scalar, of all stages of a batch."""
    role = shape = offset = truth_px.new_zeros(())
    class_weight = torch.tensor([1.0] * ROLES + [0.4], device=truth_px.device)
    for stage, lanes in enumerate(stages):
        target = match(lanes, truth_px, valid)
        role = role + F.cross_entropy(lanes.roles.flatten(0, 1), target.flatten(), weight=class_weight)
        rows, priors = torch.nonzero(target < ROLES, as_tuple=True)
        wanted = target[rows, priors]
        iou = lane_iou(lanes.x_px[rows, priors], truth_px[rows, wanted], valid[rows, wanted])
        shape = shape + (1.0 - iou).mean()
        error = F.smooth_l1_loss(model.offset_of(lanes), offset_m, beta=0.05)
        offset = offset + error * (1.0 if stage == len(stages) - 1 else 0.25)
    return {"role": role, "shape": shape, "offset": offset}


def targets(split: Split, index: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    """Return true lines (N, 4, R), valid rows (N, 4, R) and preview offsets (N,) of some images."""
    x = torch.from_numpy(split.labels["lane_x_px"][index].astype(np.float32))
    valid = torch.isfinite(x) & (x > -0.1 * IMAGE_WIDTH_PX) & (x < 1.1 * IMAGE_WIDTH_PX)
    valid &= (valid.sum(-1, keepdim=True) >= 3).expand_as(valid)
    offset_m = torch.from_numpy(split.labels["preview_offset_m"][index].astype(np.float32))
    return torch.nan_to_num(x), valid, offset_m


def mirror(
    chosen: Tensor, images: Tensor, x_px: Tensor, valid: Tensor, offset_m: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Swap left and right in the chosen (N,) images and their labels."""
    return (
        torch.where(chosen[:, None, None, None], images.flip(-1), images),
        torch.where(chosen[:, None, None], IMAGE_WIDTH_PX - x_px.flip(1), x_px),
        torch.where(chosen[:, None, None], valid.flip(1), valid),
        torch.where(chosen, -offset_m, offset_m),
    )


@torch.inference_mode()
def predict(model: LanePredictor, split: Split, size: int = 64) -> Tensor:
    """Return the predicted preview offsets (N,) of a split."""
    out = []
    for start in range(0, len(split), size):
        out.append(model.preview_offset(to_batch(split.pixels[start : start + size])))
    return torch.cat(out)


def steering_of(offset_m: Tensor) -> Tensor:
    """Return class indices 0 Left, 1 Straight, 2 Right of preview offsets."""
    return 1 - (offset_m >= STRAIGHT_BELOW_M).long() + (offset_m <= -STRAIGHT_BELOW_M).long()


def figures(model: LanePredictor, split: Split) -> dict[str, Any]:
    """Return held-out figures: accuracy overall and per class, error of the preview offset."""
    return figures_of(predict(model, split), split)


def figures_of(offset: Tensor, split: Split) -> dict[str, Any]:
    """Return the `figures` of preview offsets (N,) in m that are already there."""
    truth = torch.from_numpy(split.labels["preview_offset_m"].astype(np.float32))
    label = torch.from_numpy(split.labels["steering"].astype(np.int64))
    hit = steering_of(offset) == label
    per_class = {
        name: fraction(int(hit[label == i].sum()), int((label == i).sum()))
        for i, name in enumerate(("Left", "Straight", "Right"))
    }
    error = (offset - truth).abs()
    low, high = torch.quantile(offset - truth, torch.tensor([0.16, 0.84])).tolist()
    return {
        "alc_accuracy": fraction(int(hit.sum()), len(hit)),
        "per_class": per_class,
        "per_map": per_map(
            split,
            lambda mask: {
                "alc_accuracy": fraction(int(hit[mask].sum()), int(mask.sum())),
                "offset_mae_m": round(float(error[mask].mean()), 4) if mask.any() else 0.0,
            },
        ),
        "offset_mae_m": round(float(error.mean()), 4),
        "offset_p95_m": round(float(error.quantile(0.95)), 4),
        # Half of the central 68 %: a normal error's deviation, untouched by a few sharp bends.
        "error_std_m": round((high - low) / 2.0, 4),
    }


NetT = TypeVar("NetT", LaneNet, RowAnchorNet)


def fit(
    name: str,
    data: Path,
    training: TrainingSettings,
    build: Callable[[], NetT],
    batch_loss: Callable[[NetT, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Mapping[str, Tensor]]],
    start_from: Path | None = None,
) -> tuple[NetT, Split, dict[str, Any]]:
    """Train a lane net on relit, stained and in part mirrored images.

    Args:
        name: Name of the weights.
        data: Folder of an ``alc`` data set, or its parent.
        training: Length and step sizes.
        build: Makes the network with random weights.
        batch_loss: Maps the network, images (N, 3, H, W) and their `targets` to the scalar loss and its parts.
        start_from: Folder of weights of that name to go on from; None for random ones. The card names them.

    Returns:
        The averaged network in evaluation mode, the held-out split, and the card without figures.
    """
    torch.set_num_threads(1)
    rng = seed_everything(training.seed)
    split, held_out = open_splits(data, "alc")
    allowed = mirrorable(split)
    model = build()
    before: Mapping[str, Any] | None = None
    if start_from is not None:
        tensors, before = weights.load(name, start_from)
        model.load_state_dict(tensors)
    model = model.to(memory_format=torch.channels_last).train()

    def augmented(index: NDArray[np.int64]) -> tuple[Tensor, Mapping[str, Tensor]]:
        images = blotches(relight(to_batch(split.pixels[index]), rng), rng)
        chosen = torch.from_numpy(allowed[index] & (rng.random(len(index)) < 0.5))
        images, *truth = mirror(chosen, images, *targets(split, index))
        return batch_loss(model, images.contiguous(memory_format=torch.channels_last), *truth)

    def check(averaged: NetT) -> dict[str, float]:
        found = figures(averaged, held_out)
        return {"accuracy": found["alc_accuracy"]["value"], "mae_m": found["offset_mae_m"]}

    averaged, report = run(training, model, len(split), rng, augmented, check)
    commands = training_commands(name, training.options(), [folder_of(data, "alc")], start=before)
    card = training_card(commands, data, "alc", report, training.settings(), model)
    return averaged, held_out, card if before is None else continued(card, before)


def train(
    data: Path,
    out: Path | None = None,
    *,
    epochs: int = 12,
    batch: int = 32,
    rate: float = 1.2e-3,
    seed: int = 0,
    name: str = "dnn-lane",
    start_from: Path | None = None,
) -> Path:
    """Train the lane net and write weights and card.

    Args:
        data: Folder of an ``alc`` data set.
        out: Folder of the weights; the shipped one when None.
        epochs: Passes over the training split.
        batch: Images per step.
        rate: Peak learning rate of AdamW.
        seed: Seed of initial weights, order and augmentation.
        name: Name of the weights.
        start_from: Folder of such weights to go on from instead of random ones.

    Returns:
        Path of the weights.
    """

    def batch_loss(model: LaneNet, images: Tensor, *truth: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with mixed():
            stages = model(images)
        parts = loss(model, stages, *truth)
        return parts["role"] + 2.0 * parts["shape"] + 4.0 * parts["offset"], parts

    training = TrainingSettings(epochs, batch, rate, seed, decay=0.01, max_norm=5.0)
    averaged, held_out, card = fit(name, data, training, LaneNet, batch_loss, start_from)
    return keep(name, averaged, card, out, lambda net: figures(net, held_out))
