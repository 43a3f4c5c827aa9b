"""Pictures of chance with labels of chance, as consistent as those of the generators: no renderer is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from testbed.core.perception_tasks import LANE_ROWS_PX, steering_class
from testbed.training.data import format as layout
from testbed.training.data.colour_words import COLOUR_WORDS
from testbed.world.assets.vehicle_models import VEHICLES
from testbed.world.sampled_weather import sample_weather, weather_row

MAPS = ("highway", "town", "rural")


def common(count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return pose, weather and group; the weathers are those of the data sets."""
    pose = np.zeros((count, 6), np.float32)
    pose[:, 4] = rng.uniform(-180.0, 180.0, count)
    return {
        "pose": pose,
        "weather": np.stack([weather_row(sample_weather(rng)) for _ in range(count)]),
        "group": (np.arange(count) % len(MAPS) * layout.MAP_GROUPS + np.arange(count)).astype(np.int32),
    }


def lanes(count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return lanes on level ground: a parabola in the distance, seen by the driving camera."""
    lateral, heading = rng.normal(0.0, 0.5, count), rng.normal(0.0, 0.02, count)
    curvature = rng.choice([0.0, 0.0002, 0.002, 0.006], count) * rng.choice([-1.0, 1.0], count)
    preview = 0.5 * curvature * 625.0 - lateral - 25.0 * np.sin(heading)
    rows = np.asarray(LANE_ROWS_PX)
    ahead_m = 208.5 * 1.45 / (rows - 72.7)
    left_m = np.array([5.4, 1.8, -1.8, -5.4])[None, :, None] - lateral[:, None, None]
    left_m = left_m + 0.5 * curvature[:, None, None] * ahead_m**2 - np.sin(heading)[:, None, None] * ahead_m
    lines = (160.0 - 208.5 * left_m / ahead_m).astype(np.float32)
    lines[::2, 0], lines[::3, 3] = np.nan, np.nan
    lines[5::7, 0, ::2] = np.nan
    return {
        "steering": np.array([steering_class(float(value)) for value in preview], np.int8),
        "preview_offset_m": preview.astype(np.float32),
        "lateral_offset_m": lateral.astype(np.float32),
        "heading_error_rad": heading.astype(np.float32),
        "curvature_1pm": curvature.astype(np.float32),
        "lane_x_px": lines,
        "line_marks": rng.choice(np.array([b"solid", b"broken", b"none", b""], "S8"), (count, 2)),
    }


def vehicles(count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return no to five vehicles per view; in half of the views the nearest is ahead."""
    found = {name: layout.unknown("vd", name, count) for name in layout.COLUMNS["vd"][10:]}
    found["lead_known"] = rng.random(count) < 0.9
    found["sign_px"] = rng.choice([0.0, 3.0, 24.0], count).astype(np.float32)
    for row in range(count):
        number = int(rng.integers(0, 6))
        boxes = rng.uniform((0, 60, 6, 6), (280, 80, 40, 60), (number, 4)).astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        boxes = boxes[np.argsort(-boxes[:, 3])]
        found["box_count"][row], found["boxes_px"][row, :number] = number, boxes
        found["visible"][row, :number] = rng.uniform(0.3, 1.0, number)
        if number and rng.random() < 0.5:
            model = VEHICLES[int(rng.integers(len(VEHICLES)))]
            found["present"][row], found["lead_index"][row] = True, 0
            found["lead_box_px"][row] = boxes[0]
            found["lead_distance_m"][row] = rng.uniform(1.0, 60.0)
            found["lead_kind"][row] = model.type_id.encode()
            found["lead_colour"][row] = COLOUR_WORDS[int(rng.integers(len(COLOUR_WORDS)))].encode()
    return found


def split_of(task: str, name: str, count: int, seed: int = 0) -> layout.Split:
    """Return a split in memory."""
    rng = np.random.default_rng([seed, layout.TASKS.index(task), layout.SPLITS.index(name)])
    images, labels = pictures(task, count, rng)
    if task != "tsr":
        return layout.Split(task, name, np.stack(images), labels, {"maps": list(MAPS)})
    sizes = np.array([image.size for image in images])
    labels |= {
        "offset": np.cumsum(sizes) - sizes,
        "height_px": np.array([image.shape[0] for image in images]),
        "width_px": np.array([image.shape[1] for image in images]),
    }
    return layout.Split(task, name, np.concatenate([image.ravel() for image in images]), labels, {"maps": list(MAPS)})


def pictures(task: str, count: int, rng: np.random.Generator) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Return pictures, each another one, and their labels."""
    labels = common(count, rng)
    if task == "tsr":
        images = [rng.integers(0, 256, (10 + i % 9, 11 + i % 5, 3), dtype=np.uint8) for i in range(count)]
        classes = (rng.permutation(count) % 43).astype(np.int16)
        own = {"class_id": classes, "distance_m": np.ones(count, np.float32), "source": np.zeros(count, np.int8)}
        return images, labels | own
    images = list(np.tile(rng.integers(0, 256, (count, 160, 10, 3), dtype=np.uint8), (1, 1, 32, 1)))
    return images, labels | lanes(count, rng) | vehicles(count, rng)


def write_data(folder: Path, count: int = 60, *, artefacts: list[str] | None = []) -> Path:  # noqa: B006
    """Write data sets of all tasks; return their folder."""
    rng = np.random.default_rng(4)
    for task in layout.TASKS:
        for name, size in (("train", count), ("test", count // 2)):
            images, labels = pictures(task, size, rng)
            layout.write_split(folder / task, task, name, images, labels)
        layout.write_card(folder / task, {"task": task, "maps": list(MAPS), "artefacts": artefacts})
    return folder
