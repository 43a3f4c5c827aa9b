"""What a worker answers when it cannot begin: one sentence that ends the run, never a reason to try again."""

from __future__ import annotations

from pathlib import Path

from testbed.core.errors import UsageError
from testbed.core.records import EpisodePlan
from testbed.scenario.loader import load_scenario
from testbed.sweep.outcome import belongs_to_episode, from_wire, worth_retrying
from testbed.sweep.worker import RestartingRunner, RunnerSpec


def plan(agent: str) -> EpisodePlan:
    scene = load_scenario("drp_highway").content.dump()
    return EpisodePlan(scenario="drp_highway", scene=scene, agent=agent)


def test_a_gpu_that_is_not_there_ends_the_run_before_a_simulator_is_started(tmp_path: Path) -> None:
    answer = RestartingRunner(RunnerSpec(device="cuda:99")).attempt(plan("constant"), tmp_path)
    error = from_wire(answer["error"])
    assert isinstance(error, UsageError) and "device cuda:99 was asked for, but Warp sees" in str(error)
    assert not worth_retrying(error) and not belongs_to_episode(error)


def test_so_does_one_that_an_agent_file_asks_for(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("agent: dnn\noptions: {device: 'cuda:99'}\n", encoding="utf-8")
    runner = RestartingRunner(RunnerSpec())
    error = from_wire(runner.attempt(plan(str(file)), tmp_path)["error"])
    assert isinstance(error, UsageError) and "device cuda:99 was asked for, but torch sees" in str(error)
    runner.close()
