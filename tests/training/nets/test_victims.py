"""Trainings at toy size: every recipe takes its steps, learns, and writes weights that load; augmentation is sound."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from testbed.agents import weights
from testbed.agents.dnn.nets import LANE_NETS, SIGN_NETS
from testbed.cli import main
from testbed.core.errors import DatasetError, UsageError
from testbed.core.perception_tasks import LANE_ROWS_PX, steering_class
from testbed.training.data.format import WEATHER_FIELDS, load_split, write_card, write_split
from testbed.training.nets import denoiser, names, row_anchor, sign_classifiers, train
from testbed.training.nets.crop_augmentation import BANK_PX, augment, bank
from testbed.training.nets.denoiser import solve
from testbed.training.nets.stored import FORMS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops whose class is their colour, views whose lane is where a bright stripe is."""
    torch.set_num_threads(1)
    root, rng = tmp_path_factory.mktemp("toy"), np.random.default_rng(0)
    for name, count in (("train", 64), ("test", 24)):
        common = {
            "pose": np.zeros((count, 6), np.float32),
            "weather": np.zeros((count, len(WEATHER_FIELDS)), np.float32),
            "group": np.arange(count, dtype=np.int32),
        }
        class_id = np.arange(count) % 4
        crops = []
        for label in class_id:
            crop = rng.integers(0, 40, (int(rng.integers(12, 40)), int(rng.integers(12, 40)), 3), dtype=np.uint8)
            if label < 3:
                crop[..., label] += 180
            crops.append(crop)
        labels = {"class_id": class_id.astype(np.int16), "distance_m": np.ones(count, np.float32)}
        write_split(root / "tsr", "tsr", name, crops, common | labels | {"source": np.zeros(count, np.int8)})
        offset = rng.uniform(-0.6, 0.6, count).astype(np.float32)
        views = rng.integers(40, 60, (count, 160, 320, 3), dtype=np.uint8)
        lines = np.full((count, 4, len(LANE_ROWS_PX)), np.nan, np.float32)
        for i in range(count):
            lines[i, 1], lines[i, 2] = 140.0 - 8.5 * offset[i], 180.0 - 8.5 * offset[i]
            for line in (1, 2):
                views[i, 64:, int(lines[i, line, 0]) - 1 : int(lines[i, line, 0]) + 2] = 220
        lanes = {
            "steering": np.array([steering_class(float(value)) for value in offset], np.int8),
            "preview_offset_m": offset,
            **{key: np.zeros(count, np.float32) for key in ("lateral_offset_m", "heading_error_rad", "curvature_1pm")},
            "lane_x_px": lines,
        }
        write_split(root / "alc", "alc", name, list(views), common | lanes)
    for task in ("tsr", "alc"):
        write_card(root / task, {"task": task, "maps": ["highway"], "artefacts": []})
    return root


def _tiny(monkeypatch: pytest.MonkeyPatch, name: str, **changes: object) -> None:
    recipe = replace(sign_classifiers.RECIPES[name], batch=32, **changes)  # type: ignore[arg-type]
    monkeypatch.setitem(sign_classifiers.RECIPES, name, recipe)


def test_every_net_can_be_trained_by_the_name_of_its_weights() -> None:
    known = set(names())
    assert {net.weights for net in (*SIGN_NETS.values(), *LANE_NETS.values())} <= known
    assert set(sign_classifiers.RECIPES) <= known and "denoiser" in known


@pytest.mark.parametrize("name", ["gtsrb-cnn", "dnn-tsr-adversarial", "dnn-tsr-distilled", "dnn-tsr-dropout"])
def test_recipes_run_and_write(name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tiny(monkeypatch, name, epochs=1)
    path = train(name, data, out=tmp_path)
    tensors, told = weights.load(name, tmp_path)
    assert path.is_file() and told["trained"]["images_seen"] == 64
    net = next(net for net in SIGN_NETS.values() if net.weights == name).build()
    net.load_state_dict(tensors)
    assert told["data"]["task"] == "tsr" and told["stored"]["as"] == FORMS[name]


def test_adversarial_training_says_its_ball() -> None:
    told = sign_classifiers.settings(sign_classifiers.RECIPES["dnn-tsr-adversarial"], 0)
    assert told["epsilon"] == pytest.approx(8 / 255, abs=1e-4) and "PGD" in told["attack"]
    assert sign_classifiers.settings(sign_classifiers.RECIPES["dnn-tsr-distilled"], 0)["teacher"] == "dnn-tsr"


def test_a_sign_net_learns_colours(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sign_classifiers.AveragedModel, "update", lambda self, model: self.model.load_state_dict(model.state_dict())
    )
    _tiny(monkeypatch, "gtsrb-cnn", epochs=40, rate=2e-3)
    monkeypatch.setattr(sign_classifiers, "schedule", lambda step, steps: 1.0)
    train("gtsrb-cnn", data, out=tmp_path)
    assert weights.card("gtsrb-cnn", tmp_path)["figures"]["tsr_accuracy"]["value"] >= 0.9


def test_augmentation_keeps_shape_and_range(data: Path) -> None:
    crops = bank(load_split(data / "tsr", "train"))
    assert crops.shape == (64, 3, BANK_PX, BANK_PX) and crops.dtype == torch.uint8
    for side in (32, 64):
        seen = augment(crops[:16], side, np.random.default_rng(1))
        assert seen.shape == (16, 3, side, side) and 0.0 <= float(seen.min()) <= float(seen.max()) <= 1.0
        again = augment(crops[:16], side, np.random.default_rng(1))
        assert (seen - again).abs().mean() < 0.05  # but for the sensor noise, which is torch's
    assert (seen[:4].argmax(1).flatten(1).mode(1).values[:3] == torch.arange(3)).all()  # colours stay


def test_the_row_anchor_net_learns_where_the_lane_is(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    split = load_split(data / "alc", "train")
    net = row_anchor.RowAnchorNet()
    from testbed.agents.imaging import to_batch
    from testbed.training.nets.clrernet import targets

    x_px, valid, offset_m = targets(split, np.arange(16))
    x_px, valid = x_px[:, :, :: row_anchor.ROW_STEP], valid[:, :, :: row_anchor.ROW_STEP]
    images = to_batch(split.pixels[:16])
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    values = []
    for _ in range(12):
        value, parts = row_anchor.loss(net, net(images), x_px, valid, offset_m)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        values.append(float(parts["place"].detach()))
    assert values[-1] < 0.5 * values[0]


def test_row_anchor_training_writes(data: Path, tmp_path: Path) -> None:
    path = row_anchor.train(data, tmp_path, epochs=1, batch=32)
    tensors, told = weights.load("row-anchor", tmp_path)
    row_anchor.RowAnchorNet().load_state_dict(tensors)
    assert path.stat().st_size < 25_000_000 and told["figures"]["alc_accuracy"]["n"] == 24
    assert told["command"].endswith("train row-anchor --data data --out work/1 --epochs 1 --rate 0.0012 --seed 0")


def test_the_denoiser_is_the_best_linear_one() -> None:
    """Patches of a plane in patch space: a code as long as the plane loses nothing but what the noise asks for."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(192, 5)))[0]
    clean = 0.5 + 0.2 * rng.normal(size=(4000, 5)) @ basis.T
    net = solve(clean, code=5, sigma=0.01)
    encoder, decoder = (value.numpy().reshape(5, -1) for value in (net.encoder, net.decoder))
    mean = net.mean.numpy().reshape(-1)

    def drawn(patches: np.ndarray) -> np.ndarray:
        return (patches - mean) @ encoder.T @ decoder + mean

    assert np.abs(drawn(clean) - clean).max() < 0.02
    noisy = clean + 0.05 * rng.normal(size=clean.shape)
    assert np.abs(drawn(noisy) - clean).mean() < 0.25 * np.abs(noisy - clean).mean()


def test_the_denoiser_trains_on_both_tasks(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoiser, "PICTURES", 60)
    monkeypatch.chdir(tmp_path)
    assert train("denoiser", data) == Path("work/denoiser/denoiser.safetensors")
    figures = weights.card("denoiser", Path("work/denoiser"))["figures"]
    assert set(figures) == {"alc", "tsr"} and set(figures["alc"]) == {"noisy_psnr_db", "drawn_psnr_db"}
    with pytest.raises(DatasetError, match="learns from tsr and alc"):
        denoiser.train(data / "tsr", tmp_path)


def test_shipped_weights_are_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = weights.FOLDER / "dnn-tsr.json"
    before = shipped.read_bytes()
    for out in (weights.FOLDER, weights.FOLDER / "mine", Path(os.path.relpath(weights.FOLDER))):
        with pytest.raises(UsageError, match="holds the shipped weights"):
            train("dnn-tsr", tmp_path, out=out)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "vlm", "--model", "llava-tiny", "--steps", "1", "--out", str(weights.FOLDER)]) == 2
    assert shipped.read_bytes() == before
