"""Conversations for fine-tuning V²LMs: one picture, the published question, the answer in words.

``llava`` is LLaVA's fine-tuning format, which Qwen2-VL's and Qwen2.5-VL's scripts read as well: a list of ``{"id",
"image", "conversations"}`` with the roles ``human`` and ``gpt`` and ``<image>`` before the question. ``qwen`` is the
original Qwen-VL's: the roles ``user`` and ``assistant``, the picture named in the text, and boxes in thousandths as
``<box>(x1,y1),(x2,y2)</box>``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from testbed.agents.vlm.readings import box_words
from testbed.core.geometry import Box
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, PROMPTS, STEERING_CLASSES
from testbed.training.data.exchange.files import save_picture, splits, write_text
from testbed.training.data.format import Split, load_card


def export_llava(folder: Path, out: Path, count: int | None = None) -> int:
    """Write any data set as LLaVA conversations; return the number of pictures."""
    return _export(folder, out, count, "llava")


def export_qwen(folder: Path, out: Path, count: int | None = None) -> int:
    """Write any data set as Qwen-VL conversations; return the number of pictures."""
    return _export(folder, out, count, "qwen")


def _export(folder: Path, out: Path, count: int | None, layout: str) -> int:
    task = str(load_card(folder)["task"])
    written = 0
    for split, rows in splits(folder, task, count):
        entries = []
        for row in rows:
            name = f"images/{split.name}/{row:06d}.png"
            save_picture(out / name, split.image(row))
            entries.append(_entry(split, row, name, layout))
            written += 1
        write_text(out / f"{task}_{split.name}.json", [json.dumps(entries, indent=1)])
    return written


def _entry(split: Split, row: int, name: str, layout: str) -> dict[str, Any]:
    identity = f"{split.task}_{split.name}_{row:06d}"
    question = PROMPTS[split.task]
    if layout == "llava":
        turns = [("human", f"<image>\n{question}"), ("gpt", answer(split, row))]
        conversations = [{"from": role, "value": text} for role, text in turns]
        return {"id": identity, "image": name, "conversations": conversations}
    turns = [("user", f"Picture 1: <img>{name}</img>\n{question}"), ("assistant", answer(split, row, boxed=True))]
    return {"id": identity, "conversations": [{"from": role, "value": text} for role, text in turns]}


def answer(split: Split, row: int, *, boxed: bool = False) -> str:
    """Return the true answer to a picture's question in words.

    Args:
        split: Of any task.
        row: Which picture.
        boxed: Tell a box by its corners in thousandths, as Qwen-VL does, and not by centre and size as fractions.
    """
    if split.task == "tsr":
        return SIGN_NAMES[int(split.labels["class_id"][row])]
    if split.task == "alc":
        return STEERING_CLASSES[int(split.labels["steering"][row])].value
    if not bool(split.labels["present"][row]):
        return "No car"
    x_min, y_min, x_max, y_max = split.lead_box_px(row)
    if not boxed:
        return f"A car at {box_px_words((x_min, y_min, x_max, y_max))}"
    fractions = (x_min / IMAGE_WIDTH_PX, y_min / IMAGE_HEIGHT_PX, x_max / IMAGE_WIDTH_PX, y_max / IMAGE_HEIGHT_PX)
    a, b, c, d = (min(999, max(0, round(1000 * value))) for value in fractions)
    return f"<ref>car</ref><box>({a},{b}),({c},{d})</box>"


def box_px_words(box_px: Box) -> str:
    """Return ``(x, y), H h, W w`` for a box in a driver's view: its centre and size as fractions of the view."""
    left, right = box_px[0] / IMAGE_WIDTH_PX, box_px[2] / IMAGE_WIDTH_PX
    top, bottom = box_px[1] / IMAGE_HEIGHT_PX, box_px[3] / IMAGE_HEIGHT_PX
    return box_words(((left + right) / 2, (top + bottom) / 2, bottom - top, right - left))
