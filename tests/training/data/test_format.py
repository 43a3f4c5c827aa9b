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
