from __future__ import annotations

from pathlib import Path

import pytest

from testbed import agents
from testbed.agents.scripted import ConstantAgent
from testbed.core.errors import UsageError
from testbed.core.types import Agent, Steering


def test_every_shipped_agent_has_a_card() -> None:
    for name in agents.names():
        card = agents.card(name)
        assert card.name == name and card.latency_ms[0] <= card.latency_ms[1]


def test_unknown_agent_suggests_the_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'solo'.*known: constant, dnn"):
        agents.load("sol")


def test_yaml_names_agent_and_options(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("agent: constant\noptions: {steering: Left}\n")
    agent = agents.load(str(path))
    assert isinstance(agent, ConstantAgent) and isinstance(agent, Agent)
    assert agent._steering is Steering.LEFT


BAD = ["- a list", "agent: constant\nextra: 1\n", "agent: [", "agent: constant\noptions: 3\n"]


@pytest.mark.parametrize("text", BAD)
def test_bad_agent_files_are_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="agent file"):
        agents.load(str(path))


def test_options_an_agent_does_not_take(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("agent: constant\noptions: {colour: red}\n")
    with pytest.raises(UsageError, match="colour"):
        agents.load(str(path))
