from __future__ import annotations

import pytest
import torch

from testbed import agents
from testbed.agents.vlm.agent import VlmAgent

from . import shipped


@pytest.fixture(scope="module")
def agent() -> VlmAgent:
    torch.set_num_threads(1)
    loaded = agents.load("tandem")
    assert isinstance(loaded, VlmAgent)
    return loaded


def test_it_is_right_on_held_out_pictures(agent) -> None:
    shipped.check_answers(agent)


def test_the_card_holds_the_bar(agent) -> None:
    shipped.check_card(agent, latency_ms=45)
    assert set(agent.card.weights) == {"vlm-base.safetensors", "vlm-tandem.safetensors"}


@pytest.mark.parametrize("crop", [True, False])
def test_a_decision_is_one_forward_pass(agent, crop) -> None:
    calls = []
    network = agent.readers["tandem"].checkpoint.network
    parts = {"whole": network, "text": network.model.language_model, "tower": network.model.vision_tower}
    hooks = [part.register_forward_hook(lambda *_args, name=name: calls.append(name)) for name, part in parts.items()]
    try:
        sign = shipped.rows("tsr")[0][0] if crop else None
        answer = agent.perceive(shipped.observation(shipped.rows("alc")[0][0], sign))
    finally:
        for hook in hooks:
            hook.remove()
    assert sorted(calls) == ["text", "tower", "whole"]
    assert (answer.sign is not None) == crop


def test_it_needs_a_third_of_solos_models(agent) -> None:
    assert agent.card.parameters * 3 == agents.card("solo").parameters
