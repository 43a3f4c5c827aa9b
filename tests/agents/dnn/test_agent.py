"""The shipped agent: it loads, answers held-out pictures rendered on the fly, and refuses altered weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from testbed import agents
from testbed.agents import weights
from testbed.agents.dnn import WEIGHTS, build, card
from testbed.agents.dnn.agent import load_lane_net
from testbed.agents.imaging import to_batch
from testbed.core.errors import AgentError, WeightsError
from testbed.core.perception_tasks import STEERING_CLASSES
from testbed.core.types import Agent, Observation
from testbed.training.data.format import load_split
from testbed.training.data.generate import generate


@pytest.fixture(scope="module")
def agent() -> Agent:
    torch.set_num_threads(1)
    return build()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of a seed that no training has seen."""
    root = tmp_path_factory.mktemp("held_out")
    for task, count in (("alc", 60), ("vd", 40), ("tsr", 86)):
        generate(task, root / task, count=count, seed=991, progress=lambda line: None)
    return root


def _observation(image: np.ndarray, crop: np.ndarray | None = None) -> Observation:
    return Observation(0, 0.0, image, 25.0, crop, None if crop is None else "s", None if crop is None else 20.0)


def test_lane_answers(agent: Agent, data: Path) -> None:
    split = load_split(data / "alc", "test")
    hits, errors = 0, []
    for i in range(len(split)):
        answer = agent.perceive(_observation(split.image(i))).steering
        assert answer.probabilities is not None and sum(answer.probabilities) == pytest.approx(1.0, abs=1e-6)
        assert answer.lateral_offset_m is not None
        errors.append(abs(answer.lateral_offset_m - float(split.labels["preview_offset_m"][i])))
        hits += answer.steering == STEERING_CLASSES[split.labels["steering"][i]]
    assert hits / len(split) >= 0.85  # 15 pictures: 95 % leave room for two
    assert float(np.median(errors)) < 0.08


def test_vehicle_answers(agent: Agent, data: Path) -> None:
    split = load_split(data / "vd", "test")
    hits = 0
    for i in range(len(split)):
        answer = agent.perceive(_observation(split.image(i))).vehicle
        hits += answer.present == bool(split.labels["present"][i])
        assert (answer.box_px is not None) == bool(answer.present)
        assert 0.5 <= answer.confidence <= 1.0
    assert hits / len(split) >= 0.8


def test_sign_answers(agent: Agent, data: Path) -> None:
    split = load_split(data / "tsr", "test")
    view = np.zeros((160, 320, 3), np.uint8)
    answers = [agent.perceive(_observation(view, split.image(i))).sign for i in range(len(split))]
    hits = [answer is not None and answer.class_id == split.labels["class_id"][i] for i, answer in enumerate(answers)]
    assert np.mean(hits) >= 0.9
    assert agent.perceive(_observation(view)).sign is None


def test_gradients_of_the_shipped_lane_net_reach_the_road(data: Path) -> None:
    images = to_batch(load_split(data / "alc", "test").pixels[:2]).requires_grad_(True)
    load_lane_net().preview_offset(images).sum().backward()
    assert images.grad is not None and float(images.grad[:, :, 80:].abs().sum()) > 0.0


def test_card_needs_no_model_and_agrees_with_the_files(agent: Agent) -> None:
    told = agents.card("dnn")
    assert told == card() == agent.card
    assert set(told.weights) == {f"{name}.safetensors" for name in WEIGHTS.values()}
    assert told.figures["alc_accuracy"] >= 0.95
    assert told.figures["tsr_accuracy"] >= 0.95
    assert told.figures["vd_presence"] >= 0.95
    assert told.figures["vd_mean_iou"] >= 0.75
    assert 0.0 < told.latency_ms[0] <= told.latency_ms[1]


def test_altered_and_missing_weights_are_refused(tmp_path: Path) -> None:
    for name in WEIGHTS.values():
        for suffix in (".safetensors", ".json"):
            shutil.copy(weights.FOLDER / f"{name}{suffix}", tmp_path)
    path = tmp_path / "dnn-lane.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="sha256 of dnn-lane.safetensors"):
        build(folder=tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match="is missing"):
        weights.load("dnn-lane", tmp_path)
    (tmp_path / "dnn-lane.json").write_text(json.dumps({"name": "dnn-lane"}))
    with pytest.raises(WeightsError, match="carries no sha256"):
        weights.card("dnn-lane", tmp_path)
    with pytest.raises(WeightsError, match="testbed train dnn-none"):
        weights.card("dnn-none", tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights.save("dnn-lane", {"a": torch.zeros(2)}, {}, tmp_path)
    with pytest.raises(WeightsError, match="do not fit LaneNet"):
        load_lane_net(tmp_path)


def test_images_of_another_size_are_refused(agent: Agent) -> None:
    with pytest.raises(AgentError, match="320 x 160"):
        agent.perceive(_observation(np.zeros((360, 640, 3), np.uint8)))


def test_abstention_withholds_unsure_answers(data: Path) -> None:
    unsure = build(abstain_below=1.01)
    answer = unsure.perceive(_observation(load_split(data / "alc", "test").image(0)))
    assert answer.steering.steering is None
    assert answer.vehicle.present is None
