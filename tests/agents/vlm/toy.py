"""A data set of procedural pictures, small enough for a test to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from testbed.training.data import format as layout
from testbed.training.nets.warmup import RoadPictures


def write(folder: Path, count: int = 96) -> Path:
    """Write ``tsr``, ``alc`` and ``vd`` folders with `count` training and half as many test pictures each."""
    for number, name in enumerate(layout.SPLITS):
        rows = count if name == "train" else count // 2
        road = RoadPictures(100 + number, (160, 320))
        road._lane_grid = road._view_grid
        rng = np.random.default_rng(number)
        common = {
            "pose": np.zeros((rows, 6), np.float32),
            "weather": np.zeros((rows, len(layout.WEATHER_FIELDS)), np.float32),
            "group": np.full(rows, number, np.int32),
        }
        pixels, columns = road.lanes(rows)
        labels = {key: value.numpy() for key, value in columns.items()}
        labels["steering"] = labels["steering"].astype(np.int8)
        layout.write_split(folder / "alc", "alc", name, _list(pixels), {**common, **labels})
        pixels, columns = road.vehicles(rows)
        labels = {key: value.numpy() for key, value in columns.items()}
        boxes = np.full((rows, layout.MAX_BOXES, 4), np.nan, np.float32)
        boxes[:, 0] = labels["lead_box_px"]
        there = np.asarray(labels["present"], bool)
        labels |= {
            "lead_distance_m": np.full(rows, np.nan, np.float32),
            "lead_kind": np.full(rows, b"", "S40"),
            "boxes_px": boxes,
            "visible": np.ones((rows, layout.MAX_BOXES), np.float32),
            "box_count": there.astype(np.int16),
            "lead_index": there.astype(np.int16) - 1,
        }
        layout.write_split(folder / "vd", "vd", name, _list(pixels), {**common, **labels})
        classes = np.arange(rows) % 43
        palette = np.random.default_rng(7).integers(0, 256, (43, 3, 3, 3))
        crops = []
        for class_id in classes:
            size = int(rng.integers(12, 60))
            tile = palette[class_id].astype(np.uint8).repeat(20, 0).repeat(20, 1)
            where = (np.arange(size) * 60 // size)[:, None], (np.arange(size) * 60 // size)[None, :]
            crops.append(np.ascontiguousarray(tile[where]))
        signs = {
            "class_id": classes.astype(np.int16),
            "distance_m": np.ones(rows, np.float32),
            "source": (np.arange(rows) % 2).astype(np.int8),
        }
        layout.write_split(folder / "tsr", "tsr", name, crops, {**common, **signs})
    for task in layout.TASKS:
        layout.write_card(folder / task, {"task": task, "maps": ["highway"], "artefacts": []})
    return folder


def _list(pixels: torch.Tensor) -> list[np.ndarray]:
    return [np.ascontiguousarray(image) for image in pixels.permute(0, 2, 3, 1).numpy()]
