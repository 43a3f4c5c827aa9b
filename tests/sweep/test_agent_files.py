"""Agent files are told apart by what they say, also when that is a name alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.core.errors import UsageError
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.sweep.catalogue import Installed
from testbed.sweep.run import RunRequest


def test_two_files_of_one_name_that_only_name_an_agent_are_two_agents(tmp_path: Path) -> None:
    loaded = load_scenario("drp_highway")
    plans = []
    for folder, agent in (("one", "scripted"), ("two", "constant"), ("three", "scripted")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "ag.yaml"
        path.write_text(f"agent: {agent}\n")
        plans += expand(loaded, catalogue=Installed(), agents=[str(path)], seeds=[1], conditions=["benign"])
    assert plans[0].key == plans[2].key != plans[1].key
    assert {plan.agent for plan in plans} == {"ag.yaml"}
    with pytest.raises(UsageError, match="two agent files are called ag.yaml"):
        RunRequest("drp_highway", "?", (), tuple(plans[:2]))


def test_both_in_one_command_are_refused_not_dropped(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ag.yaml").write_text("agent: scripted\n")
    paths = [str(tmp_path / folder / "ag.yaml") for folder in ("one", "two")]
    with pytest.raises(UsageError, match="two agent files are called ag.yaml: .*one.*two"):
        expand(load_scenario("drp_highway"), catalogue=Installed(), agents=paths, seeds=[1])
