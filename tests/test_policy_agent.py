"""A trained policy as an agent: what it wants reaches the vehicle, nothing is said of its perception."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbed.core.answer_check import check_answers
from testbed.core.errors import AgentError
from testbed.core.records import EpisodeRecord
from testbed.core.types import AgentCard, Command, Perception, SteeringAnswer, VehicleAnswer
from testbed.episode import EpisodeRunner
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.store import TraceReader
from testbed.sweep.catalogue import Installed
from testbed.wrappers import PRIVILEGED, PolicyAgent

CARD = AgentCard("policy", kind="dnn", latency_ms=(10.0, 10.0), needs_truth=True)


def keep_the_lane(seen: dict[str, Any]) -> np.ndarray:
    """Steer to the lane's centre by the truth, and hold the speed."""
    assert seen["camera"].shape == (160, 320, 3) and seen["speed"].shape == (1,) and seen["command"] == 0
    preview_m = seen["privileged"][PRIVILEGED.index("preview_offset_m")]
    return np.array([-0.004 * preview_m, 0.06], np.float32)


def veer(seen: dict[str, Any]) -> np.ndarray:
    return np.array([0.03, 0.0], np.float32)


def driven(predict: Callable[[dict[str, Any]], np.ndarray], folder: Path, seeds: list[int]) -> EpisodeRecord:
    reset: list[int] = []
    record = driven_by(PolicyAgent(CARD, predict, reset.append), folder, seeds)
    assert reset == seeds
    return record


def driven_by(agent: PolicyAgent, folder: Path, seeds: list[int]) -> EpisodeRecord:
    loaded = load_scenario("drp_highway")
    short = dataclasses.replace(loaded, content=loaded.content.model_copy(update={"duration_s": 4.0}))
    plan = expand(short, catalogue=Installed(), agents=["scripted"], seeds=seeds, conditions=["benign"])[0]
    with EpisodeRunner(load_agent=lambda _: agent) as runner:
        return runner.run(plan, folder)


def test_a_policy_drives_by_itself_and_is_judged_like_any_agent(tmp_path: Path) -> None:
    record = driven(keep_the_lane, tmp_path, [3])
    assert record.status == "done" and not record.events
    assert record.scores["lane.max_offset_m"] < 0.4  # type: ignore[operator]
    assert record.scores["alc.n"] == record.scores["vd.n"] == record.scores["tsr.n"] == 0
    steps = TraceReader(tmp_path / record.trace).steps()
    wanted = [step.decision.perception.command for step in steps if step.decision is not None]
    assert wanted and all(isinstance(command, Command) for command in wanted)
    for step in steps:
        if step.decision is not None:
            assert step.command == step.decision.perception.command


def test_a_policy_that_sometimes_wants_nothing_is_at_fault(tmp_path: Path) -> None:
    agent = PolicyAgent(CARD, keep_the_lane)
    calls: list[int] = []

    def now_and_then(observation: Any) -> Perception:
        calls.append(1)
        if len(calls) % 3:
            return PolicyAgent.perceive(agent, observation)
        return Perception(SteeringAnswer(None, 0.0), VehicleAnswer(None, None, 0.0))

    agent.perceive = now_and_then  # type: ignore[method-assign]
    with pytest.raises(AgentError, match="drove by itself and answered questions in one drive"):
        driven_by(agent, tmp_path, [3])
    with pytest.raises(AgentError, match="None is no Command"):
        Perception.driven(None)  # type: ignore[arg-type]


def test_nothing_that_a_policy_does_is_an_error_of_perception(tmp_path: Path) -> None:
    record = driven(veer, tmp_path, [3])
    assert [event.kind for event in record.events][0] == "lane_departure"
    assert {event.cause for event in record.events} == {"none"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((0.0, 1.0), "wants"),
        (Command(math.nan, 0.0), "finite"),
        (Command(1.5, 0.0), "-1 to 1"),
    ],
)
def test_a_wish_that_no_vehicle_can_fulfil_is_the_agents_fault(command: Any, words: str) -> None:
    said = Perception(SteeringAnswer(None, 0.0), VehicleAnswer(None, None, 0.0), command=command)
    with pytest.raises(AgentError) as caught:
        check_answers(said, "policy")
    assert words in f"{caught.value} {caught.value.hint}"
    check_answers(Perception.driven(Command(-1.0, -8.0)), "policy")
