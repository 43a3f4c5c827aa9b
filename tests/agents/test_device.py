"""Where an agent's models run: its file says it, else the command line; what is not there is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from testbed import agents
from testbed.agents.placement import placed
from testbed.core.errors import UsageError
from testbed.core.types import Observation

ABSENT = f"cuda:{torch.cuda.device_count()}"


def observation() -> Observation:
    pictures = np.random.default_rng(3)
    view = pictures.integers(0, 256, (160, 320, 3), dtype=np.uint8)
    return Observation(0, 0.0, view, 20.0, sign_crop=pictures.integers(0, 256, (30, 28, 3), dtype=np.uint8))


def file(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_file_goes_before_the_command_line(tmp_path: Path) -> None:
    assert agents.device_of("dnn") == "auto"
    assert agents.device_of("dnn", "cuda:1") == "cuda:1"
    assert agents.device_of(file(tmp_path, "agent: dnn\noptions: {device: cpu}\n"), "cuda") == "cpu"
    local = "agent: solo\nmodel: {kind: local, path: there, device: 'cuda:2'}\n"
    assert agents.device_of(file(tmp_path, local), "cpu") == "cuda:2"
    assert agents.device_of(file(tmp_path, local.replace("'cuda:2'", "auto")), "cpu") == "cpu"


@pytest.mark.parametrize("name", ["dnn", "tandem"])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_loaded(name: str) -> None:
    for ask in (agents.check_device, lambda name, word: agents.load(name, device=word)):
        with pytest.raises(UsageError, match=f"device {ABSENT} was asked for, but torch sees"):
            ask(name, ABSENT)
        with pytest.raises(UsageError, match="device 'gpu' is not understood"):
            ask(name, "gpu")


def test_an_agent_without_models_runs_where_it_always_does() -> None:
    agents.check_device("constant", ABSENT)
    assert agents.load("constant", device=ABSENT).card.name == "constant"


@pytest.mark.parametrize("name", ["dnn", "tandem"])
def test_auto_is_the_processor_for_what_comes_with_the_testbed_to_the_bit(name: str) -> None:
    answers = [agents.load(name, device=word).perceive(observation()) for word in ("auto", "cpu")]
    assert answers[0] == answers[1]


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["dnn", "solo", "tandem"])
def test_a_gpu_answers_as_the_processor_does(name: str) -> None:
    here, there = (agents.load(name, device=word).perceive(observation()) for word in ("cpu", "cuda"))
    assert there.steering.steering == here.steering.steering
    assert there.sign is not None and here.sign is not None and there.sign.class_id == here.sign.class_id
    assert there.steering.confidence == pytest.approx(here.steering.confidence, abs=1e-3)
    assert there.vehicle.confidence == pytest.approx(here.vehicle.confidence, abs=1e-3)


def test_words_become_devices_of_torch() -> None:
    assert placed("cpu", auto="cuda") == torch.device("cpu")
    assert placed("auto", auto="cpu") == torch.device("cpu")
    first = "cuda:0" if torch.cuda.device_count() else "cpu"
    assert placed("auto", auto="cuda") == torch.device(first)
