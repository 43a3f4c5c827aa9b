"""How many held-out pictures of each task a V²LM answers rightly, asked exactly as its agent asks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.agents.vlm.readings import ConversationReader, ImagePrompt, Reading
from testbed.core.geometry import box_iou
from testbed.training.data.format import Split, load_split
from testbed.training.nets.loop import fraction

BATCH = 16
_RIGHT = {"tsr": "class_id", "alc": "steering", "vd": "present"}
"""Task to the column whose value is the place of the right answer in its closed set."""


def task_figures(
    reader: ConversationReader, data: Path, tasks: Sequence[str], *, together: bool, limit: int | None = None
) -> dict[str, Any]:
    """Ask about held-out pictures.

    Args:
        reader: Who is asked.
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        tasks: Tasks to ask.
        together: All tasks in one conversation, as tandem is asked; pictures of different tasks are then paired as they
            come, each asked at least once.
        limit: So many pictures of each split, evenly spread over it; None for all.

    Returns:
        ``figures`` of all pictures and, under ``per_map``, the same for those of each map; fractions as k/n.
    """
    splits = {task: load_split(data / task, "test", task=task) for task in tasks}
    rows = {task: _spread(len(split), limit) for task, split in splits.items()}
    readings: dict[str, list[Reading]] = {task: [] for task in tasks}
    for group in [tuple(tasks)] if together else [(task,) for task in tasks]:
        count = max(len(rows[task]) for task in group)
        for start in range(0, count, BATCH):
            places = range(start, min(start + BATCH, count))
            asked = [
                [ImagePrompt(task, splits[task].image(int(rows[task][place % len(rows[task])]))) for task in group]
                for place in places
            ]
            for place, answered in zip(places, reader.read_batch(asked), strict=True):
                for reading in answered:
                    if place < len(rows[reading.task]):
                        readings[reading.task].append(reading)
    figures: dict[str, Any] = {}
    of_map: dict[str, dict[str, Any]] = {}
    for task, split in splits.items():
        figures |= _figures(split, readings[task], rows[task])
        for number, name in enumerate(split.map_names):
            chosen = np.flatnonzero(split.map_of[rows[task]] == number)
            if len(chosen):
                answered = [readings[task][int(place)] for place in chosen]
                of_map.setdefault(name, {}).update(_figures(split, answered, rows[task][chosen]))
    return {"figures": figures, "per_map": of_map}


def _spread(size: int, limit: int | None) -> NDArray[np.int64]:
    count = size if limit is None else min(limit, size)
    return np.linspace(0, size - 1, count).round().astype(np.int64)


def _figures(split: Split, readings: Sequence[Reading], rows: NDArray[np.int64]) -> dict[str, Any]:
    right = np.asarray(split.labels[_RIGHT[split.task]])[rows].astype(np.int64)
    found = np.array([-1 if reading.choice is None else reading.choice for reading in readings])
    hit = fraction(int((found == right).sum()), len(right))
    f1 = round(macro_f1(found, right), 4)
    if split.task == "tsr":
        loop = split.labels["source"][rows] == 0
        return {
            "tsr_accuracy": hit,
            "tsr_macro_f1": f1,
            "tsr_loop_accuracy": fraction(int((found == right)[loop].sum()), int(loop.sum())),
        }
    if split.task == "alc":
        return {"alc_accuracy": hit, "alc_macro_f1": f1}
    height_px, width_px = split.image(0).shape[:2]
    overlaps = []
    for reading, choice, row in zip(readings, found, rows, strict=True):
        if split.labels["present"][row]:
            box = reading.box_px(width_px, height_px) if choice == 1 else None
            overlaps.append(0.0 if box is None else box_iou(box, split.lead_box_px(int(row))))
    mean_iou = round(float(np.mean(overlaps)), 4) if overlaps else 0.0
    return {"vd_presence": hit, "vd_macro_f1": f1, "vd_mean_iou": mean_iou}


def macro_f1(found: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Return the unweighted mean F1 over the classes that occur in `right`."""
    scores = []
    for label in np.unique(right):
        both = int(((found == label) & (right == label)).sum())
        scores.append(2 * both / max(1, int((found == label).sum()) + int((right == label).sum())))
    return float(np.mean(scores))
