"""Training of YOLOv5-cls on a ``tsr`` data set: cross-entropy with label smoothing on jittered and relit crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from testbed.agents.dnn.yolov5_cls import SIGN_INPUT_PX, SignNet, sign_batch
from testbed.agents.imaging import resize, to_batch
from testbed.agents.precision import mixed
from testbed.core.gtsrb import SIGN_NAMES
from testbed.training.data.format import Split
from testbed.training.nets.commands import training_commands
from testbed.training.nets.loop import (
    TrainingSettings,
    folder_of,
    fraction,
    open_splits,
    relight,
    run,
    seed_everything,
    training_card,
)
from testbed.training.nets.stored import keep


def jitter(crop: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut the crop a little off and sometimes lose resolution, as a coarser or farther camera would."""
    height, width = crop.shape[:2]
    low = rng.uniform(-0.0, 0.1, 2)
    high = rng.uniform(0.9, 1.0, 2)
    top, bottom = round(low[0] * height), max(round(high[0] * height), round(low[0] * height) + 4)
    left, right = round(low[1] * width), max(round(high[1] * width), round(low[1] * width) + 4)
    crop = crop[top:bottom, left:right]
    if crop.shape[1] > 16 and rng.random() < 0.4:
        scale = rng.uniform(14.0 / crop.shape[1], 1.0)
        crop = resize(crop, max(8, round(crop.shape[0] * scale)), max(8, round(crop.shape[1] * scale)))
    return resize(np.ascontiguousarray(crop), SIGN_INPUT_PX, SIGN_INPUT_PX)


@torch.inference_mode()
def predict(model: nn.Module, split: Split, size: int = 256) -> Tensor:
    """Return the logits (N, 43) of a split by any sign net; its ``input_px`` says how large it wants the crops."""
    side = model.input_px
    assert isinstance(side, int)
    out = []
    for start in range(0, len(split), size):
        crops = [split.image(i) for i in range(start, min(start + size, len(split)))]
        out.append(model(sign_batch(crops, side)))
    return torch.cat(out)


def figures(model: nn.Module, split: Split) -> dict[str, Any]:
    """Return held-out figures: accuracy overall, of loop crops alone, of the worst class, macro F1."""
    return figures_of(predict(model, split), split)


def figures_of(logits: Tensor, split: Split) -> dict[str, Any]:
    """Return the `figures` of logits (N, 43) that are already there."""
    answer = logits.argmax(-1).numpy()
    label = split.labels["class_id"].astype(np.int64)
    loop = split.labels["source"] == 0
    hit = answer == label
    classes = range(len(SIGN_NAMES))
    recall = {c: float(hit[label == c].mean()) if (label == c).any() else 1.0 for c in classes}
    f1 = []
    for c in classes:
        both = int((hit & (label == c)).sum())
        f1.append(2.0 * both / max(1, int((label == c).sum()) + int((answer == c).sum())))
    worst = min(recall, key=lambda c: recall[c])
    return {
        "tsr_accuracy": fraction(int(hit.sum()), len(hit)),
        "tsr_loop_accuracy": fraction(int(hit[loop].sum()), int(loop.sum())),
        "macro_f1": round(float(np.mean(f1)), 4),
        "worst_class": {"class_id": worst, "recall": round(recall[worst], 4)},
    }


def train(
    data: Path,
    out: Path | None = None,
    *,
    epochs: int = 8,
    batch: int = 64,
    rate: float = 2e-3,
    seed: int = 0,
    name: str = "dnn-tsr",
) -> Path:
    """Train the sign net and write weights and card; arguments as in `testbed.training.nets.clrernet.train`."""
    torch.set_num_threads(1)
    rng = seed_everything(seed)
    split, held_out = open_splits(data, "tsr")
    label = torch.from_numpy(split.labels["class_id"].astype(np.int64))
    model = SignNet().to(memory_format=torch.channels_last).train()
    training = TrainingSettings(epochs, batch, rate, seed, decay=0.05, check_every=5)

    def batch_loss(index: NDArray[np.int64]) -> tuple[Tensor, dict[str, Tensor]]:
        crops = to_batch([jitter(split.image(int(i)), rng) for i in index])
        images = relight(crops, rng).contiguous(memory_format=torch.channels_last)
        with mixed():
            logits = model(images)
        value = F.cross_entropy(logits.float(), label[torch.from_numpy(index)], label_smoothing=0.05)
        return value, {"loss": value}

    def check(averaged: SignNet) -> dict[str, float]:
        found = figures(averaged, held_out)
        return {"accuracy": found["tsr_accuracy"]["value"], "loop": found["tsr_loop_accuracy"]["value"]}

    averaged, report = run(training, model, len(split), rng, batch_loss, check)
    commands = training_commands(name, training.options(), [folder_of(data, "tsr")])
    card = training_card(commands, data, "tsr", report, training.settings(), model)
    return keep(name, averaged, card, out, lambda net: figures(net, held_out))
