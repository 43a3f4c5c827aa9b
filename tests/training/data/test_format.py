"""What is written is what is read, and a folder that is no data set says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbed.core.errors import DatasetError
from testbed.training.data import format as layout


def _tsr_labels(count: int) -> dict[str, Any]:
    return {
        "pose": np.zeros((count, 6), np.float32),
        "weather": np.zeros((count, len(layout.WEATHER_FIELDS)), np.float32),
        "group": np.arange(count, dtype=np.int32),
        "class_id": np.arange(count, dtype=np.int16),
        "distance_m": np.ones(count, np.float32),
        "source": np.zeros(count, np.int8),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (10 + i, 12 + i, 3), dtype=np.uint8) for i in range(4)]
    for name in layout.SPLITS:
        layout.write_split(tmp_path, "tsr", name, images, _tsr_labels(4))
    layout.write_card(tmp_path, {"task": "tsr"})
    return tmp_path


def test_crops_of_different_sizes_come_back(folder: Path) -> None:
    split = layout.load_split(folder, "test", task="tsr")
    rng = np.random.default_rng(0)
    assert len(split) == 4
    for i in range(4):
        np.testing.assert_array_equal(split.image(i), rng.integers(0, 256, (10 + i, 12 + i, 3), dtype=np.uint8))
    assert set(split.labels) == set(layout.COLUMNS["tsr"])
    assert split.card["sha256"]["test.labels.npz"] == layout.sha256_of(folder / "test.labels.npz")


def test_wrong_folders_are_named(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DatasetError, match="dataset.json is missing"):
        layout.load_split(tmp_path_factory.mktemp("empty"), "train")
    with pytest.raises(DatasetError, match="'alc' is needed"):
        layout.load_split(folder, "train", task="alc")
    card = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(card | {"format_version": 99}))
    with pytest.raises(DatasetError, match="format_version 99"):
        layout.load_split(folder, "train")
    (folder / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match="not JSON"):
        layout.load_card(folder)


def _views(count: int, task: str) -> dict[str, Any]:
    """Return the columns of a driver's view as folders of version 1 had them."""
    own = {
        "alc": ("steering", "preview_offset_m", "lateral_offset_m", "heading_error_rad", "curvature_1pm", "lane_x_px"),
        "vd": (
            "present",
            "lead_box_px",
            "lead_distance_m",
            "lead_kind",
            "boxes_px",
            "visible",
            "box_count",
            "lead_index",
        ),
    }
    common = {name: column for name, column in _tsr_labels(count).items() if name in ("pose", "weather", "group")}
    return common | {name: layout.unknown(task, name, count) for name in own[task]}


@pytest.mark.parametrize("task", ["alc", "vd"])
def test_folders_of_version_1_load_with_the_rest_unknown(task: str, tmp_path: Path) -> None:
    images = [np.full((160, 320, 3), shade, np.uint8) for shade in (10, 20)]
    labels = _views(2, task)
    layout.write_split(tmp_path, task, "train", images, labels)
    layout.write_card(tmp_path, {"task": task})
    new = layout.load_split(tmp_path, "train")
    card = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(card | {"format_version": 1}))
    np.savez(tmp_path / "train.labels.npz", **labels)
    old = layout.load_split(tmp_path, "train", task=task)
    assert set(old.labels) == set(layout.COLUMNS[task]) == set(new.labels)
    for name, column in old.labels.items():
        np.testing.assert_array_equal(column, new.labels[name], err_msg=name)
        assert column.dtype == new.labels[name].dtype and len(column) == 2
    assert old.labels["lead_known"].tolist() == [task == "vd"] * 2
    assert (old.labels["steering"] == -1).all() and np.isnan(old.labels["sign_px"]).all()
    (tmp_path / "dataset.json").write_text(json.dumps(card))
    with pytest.raises(DatasetError, match="columns missing"):
        layout.load_split(tmp_path, "train")


def test_missing_and_short_columns_are_named(folder: Path) -> None:
    labels = _tsr_labels(1)
    image = [np.zeros((10, 10, 3), np.uint8)]
    del labels["class_id"]
    with pytest.raises(DatasetError, match="class_id"):
        layout.write_split(folder, "tsr", "train", image, labels)
    with pytest.raises(DatasetError, match="4 rows for 1 images"):
        layout.write_split(folder, "tsr", "train", image, _tsr_labels(1) | {"class_id": np.zeros(4, np.int16)})
    (folder / "train.images.npy").write_bytes(b"cut short")
    with pytest.raises(DatasetError, match="cannot be read"):
        layout.load_split(folder, "train")
