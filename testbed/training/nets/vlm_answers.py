"""Teaches the text model to answer from the tower's tokens.

A conversation has the form of `testbed.agents.vlm.reader`: the loss is the cross-entropy of the values at the form's
fields.
Numbers get a soft target, a narrow bell over neighbouring bins, because a box that is off by one bin is nearly right.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as functional
from torch import Tensor

from testbed.agents.precision import mixed
from testbed.agents.vlm import language
from testbed.agents.vlm import model as models
from testbed.agents.vlm.model import VisionLanguageModel
from testbed.agents.vlm.number_bins import expectation, soft_target
from testbed.agents.vlm.reader import Reader
from testbed.training.nets import vlm_tower
from testbed.training.nets.vlm_tokens import Features, core

log = logging.getLogger(__name__)


def field_logits(model: VisionLanguageModel, reader: Reader, drawn: Mapping[str, Features]) -> Tensor:
    """Return the logits (N, fields, vocabulary) of one conversation per row, from tokens instead of pictures."""
    tasks = tuple(drawn)
    rows = len(drawn[tasks[0]])
    ids = reader.input_ids(tasks).expand(rows, -1)
    tokens = torch.stack([drawn[task].tokens.float() for task in tasks], 1).flatten(0, 1)  # row by row, task by task
    images = models.encoded(core(model.network).model.multi_modal_projector(tokens))
    fields = sum(len(language.SLOTS[task]) for task in tasks)
    logits: Tensor = model.network(
        input_ids=ids, mm_encoder_outputs={"image": images}, logits_to_keep=fields, use_cache=False
    ).logits
    return logits


def answer_loss(logits: Tensor, reader: Reader, drawn: Mapping[str, Features]) -> Tensor:
    """Return the mean cross-entropy of the right values at the fields of the form."""
    total, field = logits.new_zeros(()), 0
    for task, rows in drawn.items():
        right = reader.choice_ids[task][rows.choice]
        total = total + functional.cross_entropy(logits[:, field], right)
        if task == "vd":
            known = rows.box.isfinite().all(1)
            if known.any():
                target = soft_target(rows.box[known])
                chance = logits[known, field + 1 : field + 5].log_softmax(-1)[..., reader.location_ids]
                total = total - (target * chance).sum(-1).mean(0).sum() * 0.5
        field += len(language.SLOTS[task])
    return total


@torch.inference_mode()
def quick_figures(
    model: VisionLanguageModel, reader: Reader, held_out: Mapping[str, Features], tasks: tuple[str, ...]
) -> dict[str, float]:
    """Return held-out figures of one layout from clean tokens; rows of several tasks are paired as they come."""
    count = max(len(held_out[task]) for task in tasks)
    hits: dict[str, list[Tensor]] = {task: [] for task in tasks}
    overlaps = []
    for start in range(0, count, 64):
        rows = torch.arange(start, min(start + 64, count))
        drawn = {}
        for task in tasks:
            at = rows % len(held_out[task])
            source = held_out[task]
            drawn[task] = Features(source.tokens[at], source.choice[at], source.box[at])
        logits, field = field_logits(model, reader, drawn).float(), 0
        for task in tasks:
            found = logits[:, field][:, reader.choice_ids[task]].argmax(1)
            hits[task].append(found == drawn[task].choice)
            if task == "vd":
                present = drawn[task].choice == 1
                boxes = expectation(logits[present, field + 1 : field + 5][..., reader.location_ids])
                overlap = vlm_tower.box_overlap(corners(boxes), corners(drawn[task].box[present]))
                overlaps.append(overlap * found[present])
            field += len(language.SLOTS[task])
    figures = {task: round(float(torch.cat(values).float().mean()), 4) for task, values in hits.items()}
    if overlaps:
        figures["iou"] = round(float(torch.cat(overlaps).mean()), 4)
    return figures


def corners(boxes: Tensor) -> Tensor:
    """Turn (N, 4) centre x, centre y, height, width into (N, 4) x_min, y_min, x_max, y_max."""
    half = boxes[:, 2:].flip(1) / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def fit_answers(
    model: VisionLanguageModel,
    train: Mapping[str, Features],
    layouts: Mapping[tuple[str, ...], int],
    *,
    steps: int,
    peak: float,
    seed: int,
    check: Callable[[], object] | None = None,
) -> None:
    """Train all parameters that require gradients.

    Args:
        model: Model in training; its tower is not touched.
        train: Tokens of the tasks.
        layouts: Conversations per step and layout.
        steps: How long.
        peak: Highest learning rate.
        seed: Of the draws.
        check: Called now and then; its result is logged.
    """
    random = torch.Generator().manual_seed(seed)
    reader = Reader(model)
    trained = [parameter for parameter in model.network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    model.network.train()
    core(model.network).model.vision_tower.eval()
    shown, start = {layout: 0.0 for layout in layouts}, time.monotonic()
    for step in range(1, steps + 1):
        done = (step - 1) / steps
        for group in optimiser.param_groups:
            group["lr"] = vlm_tower.rate(done, peak)
        optimiser.zero_grad(set_to_none=True)
        for layout, count in layouts.items():
            drawn = {task: train[task].draw(count, random) for task in layout}
            with mixed():
                logits = field_logits(model, reader, drawn)
            loss = answer_loss(logits.float(), reader, drawn)
            loss.backward()  # type: ignore[no-untyped-call]
            shown[layout] += 0.05 * (float(loss.detach()) - shown[layout])
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        if step % 50 == 0:
            seen = {"+".join(layout): round(value, 3) for layout, value in shown.items()}
            log.info("step %d %.0f%% %.2f s/step %s", step, 100 * done, (time.monotonic() - start) / step, seen)
        if check is not None and step % 300 == 0:
            model.network.eval()
            log.info("held out: %s", check())
            model.network.train()
            core(model.network).model.vision_tower.eval()
    model.network.eval()


def whiten_projector(model: VisionLanguageModel, train: Mapping[str, Features]) -> None:
    """Start the projector so that it sees every channel of the tower with mean 0 and deviation 1."""
    sample = torch.cat([rows.tokens[:: max(1, len(rows) // 500)] for rows in train.values()]).float().flatten(0, 1)
    mean, deviation = sample.mean(0), sample.std(0).clamp(min=1e-3)
    linear = core(model.network).model.multi_modal_projector.linear_1
    with torch.no_grad():
        linear.weight.normal_(0.0, linear.in_features**-0.5)
        linear.weight /= deviation
        linear.bias.copy_(-linear.weight @ mean)
