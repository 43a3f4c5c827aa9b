"""Training of the YOLOv5n-style vehicle detector on a ``vd`` data set.

Target assignment and loss as published (YOLOv5 release 6.0): a box belongs to every anchor whose sides differ from its
own by less than a factor of four, in its cell and the two nearest neighbour cells; complete IoU for the box, binary
cross-entropy for objectness (target: the IoU reached) and for the lead attribute.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_iou, complete_box_iou_loss

from testbed.agents.dnn.yolov5 import STRIDES, VehicleNet, pick_lead, suppress
from testbed.agents.imaging import to_batch
from testbed.agents.precision import mixed
from testbed.core.perception_tasks import IMAGE_WIDTH_PX
from testbed.training.data.format import Split
from testbed.training.nets.commands import training_commands
from testbed.training.nets.loop import (
    TrainingSettings,
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

ANCHOR_RATIO = 4.0
LEVEL_BALANCE = (4.0, 1.0, 0.4)
BOX_GAIN, OBJECT_GAIN, LEAD_GAIN = 3.0, 4.0, 1.0


def fit_anchors(split: Split, rounds: int = 30) -> Tensor:
    """Return nine anchors (3 levels, 3 anchors, 2) in px: k-means of the boxes' log sizes, small ones first."""
    boxes = split.labels["boxes_px"].reshape(-1, 4)
    boxes = boxes[np.isfinite(boxes).all(1)]
    size = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 2.0))
    area = size.sum(1)
    centre = np.stack([np.median(part, axis=0) for part in np.array_split(size[np.argsort(area)], 9)])
    for _ in range(rounds):
        nearest = ((size[:, None] - centre[None]) ** 2).sum(-1).argmin(1)
        centre = np.stack(
            [size[nearest == i].mean(0) if (nearest == i).any() else centre[i] for i in range(len(centre))]
        )
    centre = centre[np.argsort(centre.sum(1))]
    return torch.from_numpy(np.exp(centre).astype(np.float32)).view(3, 3, 2)


def targets(split: Split, index: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> Tensor:
    """Return the boxes of some images as rows (M, 6): image in batch, box (x_min, y_min, x_max, y_max), lead 0/1.

    Args:
        split: Their split.
        index: (N,) images.
        mirrored: (N,) whether left and right are swapped.
    """
    rows = []
    for place, image in enumerate(index):
        count = int(split.labels["box_count"][image])
        lead = int(split.labels["lead_index"][image])
        boxes = split.labels["boxes_px"][image, :count].astype(np.float32)
        if mirrored[place]:
            boxes = np.stack((IMAGE_WIDTH_PX - boxes[:, 2], boxes[:, 1], IMAGE_WIDTH_PX - boxes[:, 0], boxes[:, 3]), 1)
        is_lead = (np.arange(count) == lead).astype(np.float32)
        rows.append(np.column_stack((np.full(count, place, np.float32), boxes, is_lead)))
    return torch.from_numpy(np.concatenate(rows).astype(np.float32))


def assign(boxes: Tensor, anchors_px: Tensor, stride: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return for one level the (K, 4) cells (image, anchor, row, column) and the (K,) rows of `boxes` they stand for.

    Args:
        boxes: (M, 6) rows of `targets`.
        anchors_px: (3, 2) anchors of the level.
        stride: Pixels per cell.
        height: Rows of cells.
        width: Columns of cells.
    """
    size = boxes[:, 3:5] - boxes[:, 1:3]
    centre = (boxes[:, 1:3] + boxes[:, 3:5]) / 2.0 / stride
    ratio = size[:, None] / anchors_px[None]  # (M, 3, 2)
    fits = torch.maximum(ratio, 1.0 / ratio).amax(-1) < ANCHOR_RATIO
    box, anchor = torch.nonzero(fits, as_tuple=True)
    at = centre[box]
    near = torch.where(at % 1.0 < 0.5, -1.0, 1.0)  # the neighbour that lies nearer, per axis
    steps = torch.stack((torch.zeros_like(near), near * at.new_tensor([1.0, 0.0]), near * at.new_tensor([0.0, 1.0])))
    cell = (at.floor()[None] + steps).long()  # (3, K, 2)
    inside = (cell >= 0).all(-1) & (cell[..., 0] < width) & (cell[..., 1] < height)
    box, anchor = box.expand(3, -1)[inside], anchor.expand(3, -1)[inside]
    cell = cell[inside]
    return torch.stack((boxes[box, 0].long(), anchor, cell[:, 1], cell[:, 0]), -1), box


def loss(model: VehicleNet, raw: list[Tensor], boxes: Tensor) -> dict[str, Tensor]:
    """Return the three losses, each a scalar, of a batch.

    Args:
        model: The detector (for its anchors).
        raw: Its raw outputs.
        boxes: (M, 6) rows of `targets`.
    """
    zero = raw[0].new_zeros((), dtype=torch.float32)
    box_loss, object_loss, lead_loss = zero, zero, zero
    for level, (out, stride) in enumerate(zip(raw, STRIDES, strict=True)):
        out = out.float()
        anchors = model.anchors_px[level]
        reached = torch.zeros(out.shape[:-1])
        index, which = assign(boxes, anchors, stride, out.shape[2], out.shape[3])
        if len(which):
            picked = out[index[:, 0], index[:, 1], index[:, 2], index[:, 3]]
            p = picked[:, :4].sigmoid()
            cell = index[:, [3, 2]].float()
            centre = (2.0 * p[:, :2] - 0.5 + cell) * stride
            size = (2.0 * p[:, 2:4]).square() * anchors[index[:, 1]]
            predicted = torch.cat((centre - size / 2, centre + size / 2), -1)
            truth = boxes[which, 1:5]
            each = complete_box_iou_loss(predicted, truth)
            box_loss = box_loss + each.mean()
            quality = (1.0 - each.detach()).clamp(min=0.0)
            order = quality.argsort()  # where two boxes claim a cell, the better one counts
            rows = index[order]
            reached[rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]] = quality[order]
            lead_loss = lead_loss + F.binary_cross_entropy_with_logits(picked[:, 5], boxes[which, 5])
        object_loss = object_loss + LEVEL_BALANCE[level] * F.binary_cross_entropy_with_logits(out[..., 4], reached)
    return {"box": box_loss, "object": object_loss, "lead": lead_loss}


@torch.inference_mode()
def predict(model: VehicleNet, split: Split, size: int = 32) -> tuple[Tensor, Tensor]:
    """Return for every image of a split the lead score (N,) and the lead box (N, 4), NaN where nothing was found."""
    scores, boxes = [], []
    for start in range(0, len(split), size):
        for decoded in model.decode(model(to_batch(split.pixels[start : start + size]))):
            score, box = pick_lead(suppress(decoded))
            scores.append(score)
            boxes.append(torch.full((4,), torch.nan) if box is None else box)
    return torch.tensor(scores), torch.stack(boxes)


def threshold_of(score: Tensor, present: Tensor) -> float:
    """Return the score at which most images are answered rightly, in the middle of the best interval."""
    grid = torch.linspace(0.05, 0.95, 91)
    hits = ((score[:, None] > grid) == present[:, None]).sum(0)
    best = torch.nonzero(hits == hits.max()).flatten()
    return float(grid[best[len(best) // 2]])


def figures(model: VehicleNet, split: Split, threshold: float) -> dict[str, Any]:
    """Return held-out figures: presence, and the IoU of the box over all images where a vehicle is present.

    A lead vehicle that is missed counts as IoU 0.
    """
    return figures_of(*predict(model, split), split, threshold)


def figures_of(score: Tensor, box: Tensor, split: Split, threshold: float) -> dict[str, Any]:
    """Return the `figures` of lead scores (N,) and boxes (N, 4) that are already there."""
    present = torch.from_numpy(split.labels["present"].astype(bool))
    answer = score > threshold
    truth = torch.from_numpy(split.labels["lead_box_px"].astype(np.float32))
    both = answer & present
    iou = torch.zeros(len(split))
    if both.any():
        iou[both] = box_iou(box[both], truth[both]).diagonal()

    def some(mask: Tensor) -> dict[str, Any]:
        false_alarm, missed = answer & ~present & mask, present & ~answer & mask
        return {
            "vd_presence": fraction(int(((answer == present) & mask).sum()), int(mask.sum())),
            "vd_mean_iou": mean(iou[present & mask]),
            "vd_mean_iou_detected": mean(iou[both & mask]),
            "false_alarms": fraction(int(false_alarm.sum()), int((~present & mask).sum())),
            "missed": fraction(int(missed.sum()), int((present & mask).sum())),
        }

    overall = some(torch.ones(len(split), dtype=torch.bool))
    return overall | {"per_map": per_map(split, lambda mask: some(torch.from_numpy(mask)))}


def mean(values: Tensor) -> float:
    """Return the mean of some IoUs, 0 of none."""
    return round(float(values.mean()), 4) if len(values) else 0.0


def train(
    data: Path,
    out: Path | None = None,
    *,
    epochs: int = 12,
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
    name: str = "dnn-vd",
) -> Path:
    """Train the detector and write weights and card; arguments as in `testbed.training.nets.clrernet.train`."""
    torch.set_num_threads(1)
    rng = seed_everything(seed)
    split, held_out = open_splits(data, "vd")
    allowed = mirrorable(split)
    model = VehicleNet().to(memory_format=torch.channels_last).train()
    model.anchors_px.copy_(fit_anchors(split))
    training = TrainingSettings(epochs, batch, rate, seed, decay=0.02, max_norm=10.0)

    def batch_loss(index: NDArray[np.int64]) -> tuple[Tensor, dict[str, Tensor]]:
        images = relight(to_batch(split.pixels[index]), rng)
        chosen = allowed[index] & (rng.random(len(index)) < 0.5)
        images = torch.where(torch.from_numpy(chosen)[:, None, None, None], images.flip(-1), images)
        with mixed():
            raw = model(images.contiguous(memory_format=torch.channels_last))
        parts = loss(model, raw, targets(split, index, chosen))
        return BOX_GAIN * parts["box"] + OBJECT_GAIN * parts["object"] + LEAD_GAIN * parts["lead"], parts

    def check(averaged: VehicleNet) -> dict[str, float]:
        found = figures(averaged, held_out, 0.4)
        return {"presence": found["vd_presence"]["value"], "iou": found["vd_mean_iou"]}

    averaged, report = run(training, model, len(split), rng, batch_loss, check)
    # The operating point comes from the training split: the held-out one must not choose its own threshold.
    score, _ = predict(averaged, split)
    threshold = threshold_of(score, torch.from_numpy(split.labels["present"].astype(bool)))
    commands = training_commands(name, training.options(), [folder_of(data, "vd")])
    card = training_card(commands, data, "vd", report, training.settings(), model) | {"threshold": threshold}
    return keep(name, averaged, card, out, lambda net: figures(net, held_out, threshold))
