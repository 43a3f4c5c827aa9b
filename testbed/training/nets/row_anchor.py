"""Training of the row-anchor lane net on an ``alc`` data set.

Losses of Qin et al., ECCV 2020: cross-entropy over the cells of each line and row; similarity of neighbouring rows,
whose classifications should differ little; shape, the second difference of the positions along a line. To these comes
the smooth L1 error of the position itself, and of the preview offset, which is what is driven on.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from testbed.agents.dnn.row_anchor import CELL_PX, CELLS, FIRST_PX, LAST_PX, ROW_STEP, RowAnchorNet
from testbed.agents.precision import mixed
from testbed.training.nets.clrernet import figures, fit
from testbed.training.nets.loop import TrainingSettings
from testbed.training.nets.stored import keep

POSITION_SPREAD_PX = 8.0


def loss(
    model: RowAnchorNet, logits: Tensor, x_px: Tensor, valid: Tensor, offset_m: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum of the losses, and its parts, each a scalar.

    Args:
        model: The network, for its geometry.
        logits: (N, 4, rows, cells + 1).
        x_px: (N, 4, rows) true positions, any number where not valid.
        valid: (N, 4, rows) rows on which the line is in reach.
        offset_m: (N,) true preview offset.
    """
    cell = ((x_px - FIRST_PX) / CELL_PX).floor().clamp(0, CELLS - 1).long()
    cell = torch.where(valid, cell, CELLS)
    classes = F.cross_entropy(logits.flatten(0, 2), cell.flatten())
    found = model.x_px(logits)
    place = F.smooth_l1_loss(found[valid] / POSITION_SPREAD_PX, x_px[valid] / POSITION_SPREAD_PX)
    alike = (logits[:, :, 1:] - logits[:, :, :-1]).abs().mean()
    bend = found[:, :, 2:] - 2.0 * found[:, :, 1:-1] + found[:, :, :-2]
    whole = valid[:, :, 2:] & valid[:, :, 1:-1] & valid[:, :, :-2]
    shape = bend[whole].abs().mean() / POSITION_SPREAD_PX
    offset = F.smooth_l1_loss(model.offset_of(found), offset_m, beta=0.05)
    value = classes + place + 0.02 * alike + 0.1 * shape + 4.0 * offset
    return value, {"cells": classes, "place": place, "offset": offset}


def train(
    data: Path,
    out: Path | None = None,
    *,
    epochs: int = 6,
    batch: int = 32,
    rate: float = 1.2e-3,
    seed: int = 0,
    name: str = "row-anchor",
    start_from: Path | None = None,
) -> Path:
    """Train the row-anchor net and write weights and card.

    Args:
        data: Folder of an ``alc`` data set, or its parent.
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

    def batch_loss(
        model: RowAnchorNet, images: Tensor, x_px: Tensor, valid: Tensor, offset_m: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        x_px, valid = x_px[:, :, ::ROW_STEP], valid[:, :, ::ROW_STEP]
        valid = valid & (x_px >= FIRST_PX) & (x_px < LAST_PX)
        with mixed():
            logits = model(images).float()
        return loss(model, logits, x_px, valid, offset_m)

    training = TrainingSettings(epochs, batch, rate, seed, decay=0.01, max_norm=5.0)
    averaged, held_out, card = fit(name, data, training, RowAnchorNet, batch_loss, start_from)
    return keep(name, averaged, card, out, lambda net: figures(net, held_out))
