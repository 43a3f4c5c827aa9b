from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from testbed import agents
from testbed.agents import weights
from testbed.agents.vlm import cards
from testbed.agents.vlm.agent import VlmAgent
from testbed.core.errors import UsageError, WeightsError

from . import shipped


@pytest.fixture(scope="module")
def agent() -> VlmAgent:
    torch.set_num_threads(1)
    loaded = agents.load("solo")
    assert isinstance(loaded, VlmAgent)
    return loaded


def test_it_is_right_on_held_out_pictures(agent) -> None:
    shipped.check_answers(agent)


def test_the_card_holds_the_bar(agent) -> None:
    shipped.check_card(agent, latency_ms=60)
    assert set(agent.card.weights) == {
        f"{name}.safetensors" for name in (cards.BASE, *(cards.adapter("small", task) for task in ("tsr", "alc", "vd")))
    }


def test_each_task_has_a_model_of_its_own(agent) -> None:
    networks = [reader.checkpoint.network for reader in agent.readers.values()]
    assert len({id(network) for network in networks}) == 3
    projections = [network.model.language_model.layers[0].self_attn.q_proj.weight for network in networks]
    assert not torch.equal(projections[0], projections[1]) and not torch.equal(projections[1], projections[2])
    assert agent.card.parameters == sum(reader.checkpoint.parameters for reader in agent.readers.values())


def test_one_forward_pass_per_question(agent) -> None:
    calls = []
    hooks = [
        reader.checkpoint.network.register_forward_hook(lambda *_args, task=task: calls.append(task))
        for task, reader in agent.readers.items()
    ]
    try:
        view = shipped.rows("alc")[0][0]
        agent.perceive(shipped.observation(view))
        agent.perceive(shipped.observation(view, shipped.rows("tsr")[0][0]))
    finally:
        for hook in hooks:
            hook.remove()
    assert calls == ["alc", "vd", "tsr", "alc", "vd"]


def test_the_same_observation_gets_the_same_answer_after_reset(agent) -> None:
    seen = shipped.observation(shipped.rows("vd")[0][0], shipped.rows("tsr")[0][0])
    agent.reset(1)
    first = agent.perceive(seen)
    agent.reset(2)
    assert agent.perceive(seen) == first
    assert set(first.raw) == {"tsr", "alc", "vd"}


def test_abstention_is_an_option(tmp_path) -> None:
    path = tmp_path / "careful.yaml"
    path.write_text("agent: solo\noptions: {abstain_below: {alc: 1.0}}\n")
    careful = agents.load(str(path))
    answer = careful.perceive(shipped.observation(shipped.rows("alc")[0][0]))
    assert answer.steering.steering is None and 0 < answer.steering.confidence < 1
    assert answer.vehicle.present is not None and answer.sign is None


def test_it_says_that_a_blank_picture_tells_nothing(agent) -> None:
    blank = agent.perceive(shipped.observation(np.full((160, 320, 3), 127, np.uint8)))
    assert blank.steering.steering is None and blank.vehicle.present is None
    assert blank.raw == {"alc": "I cannot tell", "vd": "I cannot tell"} and not blank.unparsable


def test_altered_weights_are_refused(tmp_path) -> None:
    for name in (cards.BASE, *(cards.adapter("small", key) for key in ("tsr", "alc", "vd", "tandem"))):
        for suffix in (".json", ".safetensors"):
            shutil.copy(weights.FOLDER / f"{name}{suffix}", tmp_path)
    path = tmp_path / "vlm-solo-vd.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(WeightsError, match="sha256"):
        VlmAgent("solo", {"kind": "shipped", "folder": tmp_path})


def test_a_file_cannot_change_the_deployment(tmp_path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("agent: solo\noptions: {deployment: tandem}\n")
    for ask in (agents.load, agents.card):
        with pytest.raises(UsageError, match="agent 'solo' has deployment 'solo'; a file cannot set it"):
            ask(str(path))
