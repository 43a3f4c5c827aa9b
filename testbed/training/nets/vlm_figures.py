"""Held-out figures of a V²LM, asked exactly as its agent asks it, and the time an answer takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from testbed.agents import weights
from testbed.agents.vlm import cards
from testbed.agents.vlm.agent import VlmAgent
from testbed.agents.vlm.model import VisionLanguageModel
from testbed.agents.vlm.reader import Reader
from testbed.agents.vlm.readings import ImagePrompt, Reading
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from testbed.core.types import Observation
from testbed.training.data.format import Split
from testbed.training.nets import vlm_tower
from testbed.training.nets.loop import fraction
from testbed.training.nets.vlm_answers import corners
from testbed.training.nets.vlm_tokens import answers, open_data


def evaluate(
    model: VisionLanguageModel, data: Path, kind: str, tasks: Sequence[str], limit: int | None = None
) -> dict[str, Any]:
    """Ask a model about the held-out pictures exactly as its agent does.

    Args:
        model: Model with its adapter merged.
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        kind: ``solo`` asks one question at a time, ``tandem`` all `tasks` in one conversation; held-out pictures of
            different tasks are then paired as they come, each asked at least once.
        tasks: Tasks to ask.
        limit: Only the first pictures of each split.

    Returns:
        ``figures`` of all pictures and, under ``per_map``, the same for those of each map; fractions as k/n.
    """
    splits = open_data(data, "test", tasks)
    sizes = {task: len(split) if limit is None else min(limit, len(split)) for task, split in splits.items()}
    readings: dict[str, list[Reading]] = {task: [] for task in tasks}
    reader = Reader(model)
    for group in [tuple(tasks)] if kind == "tandem" else [(task,) for task in tasks]:
        count = max(sizes[task] for task in group)
        for start in range(0, count, 16):
            batch = range(start, min(start + 16, count))
            asked = [[ImagePrompt(t, splits[t].image(row % sizes[t])) for t in group] for row in batch]
            for row, answered in zip(batch, reader.read_batch(asked), strict=True):
                for reading in answered:
                    if row < sizes[reading.task]:
                        readings[reading.task].append(reading)
    figures: dict[str, Any] = {}
    of_map: dict[str, dict[str, Any]] = {}
    for task in tasks:
        split, answered = splits[task], readings[task]
        figures |= _figures(task, split, answered, np.arange(sizes[task]))
        for number, name in enumerate(split.map_names):
            rows = np.flatnonzero(split.map_of[: sizes[task]] == number)
            if len(rows):
                of_map.setdefault(name, {}).update(_figures(task, split, [answered[row] for row in rows], rows))
    return {"figures": figures, "per_map": of_map}


def _figures(task: str, split: Split, readings: Sequence[Reading], rows: NDArray[np.int64]) -> dict[str, Any]:
    columns = {key: torch.from_numpy(np.asarray(split.labels[key])[rows]) for key in vlm_tower.SplitBatches.KEPT[task]}
    right_choice, right_box = answers(task, columns)
    right = right_choice.numpy()
    found = np.array([-1 if reading.choice is None else reading.choice for reading in readings])
    hit = fraction(int((found == right).sum()), len(right))
    f1 = round(macro_f1(found, right), 4)
    if task == "tsr":
        loop = split.labels["source"][rows] == 0
        return {
            "tsr_accuracy": hit,
            "tsr_macro_f1": f1,
            "tsr_loop_accuracy": fraction(int((found == right)[loop].sum()), int(loop.sum())),
        }
    if task == "alc":
        return {"alc_accuracy": hit, "alc_macro_f1": f1}
    present = right == 1
    boxes = torch.tensor([reading.box for reading in readings], dtype=torch.float32)
    overlap = vlm_tower.box_overlap(corners(boxes[present]), corners(right_box[present]))
    overlap = overlap * torch.from_numpy(found[present] == 1)
    mean_iou = round(float(overlap.mean()), 4) if len(overlap) else 0.0
    return {"vd_presence": hit, "vd_macro_f1": f1, "vd_mean_iou": mean_iou}


def macro_f1(found: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Return the unweighted mean F1 over the classes that occur in `right`."""
    scores = []
    for label in np.unique(right):
        both = int(((found == label) & (right == label)).sum())
        scores.append(2 * both / max(1, int((found == label).sum()) + int((right == label).sum())))
    return float(np.mean(scores))


def record_latency(kind: cards.Deployment, out: Path | None = None, repeats: int = 40) -> tuple[float, float]:
    """Measure one decision with three questions and write (p50, p95) in ms into the card of the agent's last adapter.

    CPU time of one thread is taken, not wall time: the same on a quiet machine, and untouched by its other work.

    Args:
        kind: ``solo`` or ``tandem``.
        out: Folder of the weights; None for the shipped ones.
        repeats: Decisions measured, after a quarter as many unmeasured ones.
    """
    torch.set_num_threads(1)
    agent = VlmAgent(kind, {"kind": "shipped", "folder": out})
    rng = np.random.default_rng(0)
    view = rng.integers(0, 256, (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3), dtype=np.uint8)
    observation = Observation(0, 0.0, view, 20.0, sign_crop=view[:24, :24].copy())
    spent_ms = []
    for turn in range(repeats + repeats // 4):
        start = time.process_time()
        agent.perceive(observation)
        if turn >= repeats // 4:
            spent_ms.append(1000 * (time.process_time() - start))
    p50, p95 = (round(float(np.percentile(spent_ms, share)), 1) for share in (50, 95))
    weights.amend(cards.ADAPTERS["vd" if kind == "solo" else kind], out, latency_ms={kind: [p50, p95]})
    return p50, p95
