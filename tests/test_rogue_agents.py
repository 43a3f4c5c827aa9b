"""Whatever an agent does in an episode is the agent's failure, never the simulator's and never the testbed's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from testbed.agents.defences import Defence, DefendedAgent
from testbed.agents.parallel.pacing import ask
from testbed.core.errors import AgentError, StoreError, UsageError
from testbed.core.records import EpisodePlan
from testbed.core.types import Agent, AgentCard, Image, Observation, Perception
from testbed.episode import EpisodeRunner
from testbed.scenario.loader import load_scenario


class Rogue:
    """An agent of another package that does what it is told at its first picture."""

    card = AgentCard("rogue", "dnn", (20.0, 30.0))

    def __init__(self) -> None:
        self.does: Callable[[], Any] = dict
        self.resets: Callable[[], Any] = dict

    def reset(self, seed: int) -> None:
        self.resets()

    def perceive(self, observation: Observation) -> Perception:
        return cast(Perception, self.does())


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


@pytest.fixture(scope="module")
def rogue() -> Rogue:
    return Rogue()


@pytest.fixture(scope="module")
def driven(rogue: Rogue) -> Iterator[EpisodeRunner]:
    with EpisodeRunner(load_agent=lambda name: cast(Agent, rogue)) as runner:
        yield runner


def plan() -> EpisodePlan:
    scene = load_scenario("drp_highway").content.dump() | {"duration_s": 0.5}
    return EpisodePlan(scenario="drp_highway", scene=scene, agent="rogue", condition="benign", seed=1)


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (lambda: None, "answered NoneType, not a Perception"),
        (raising(ValueError("no road")), "failed: ValueError: no road"),
        (raising(SystemExit(3)), "failed: SystemExit: 3"),
        (raising(UsageError("not mine")), "failed: UsageError: not mine"),
        (raising(StoreError("disk full")), "failed: StoreError: disk full"),
    ],
)
def test_what_it_does_is_its_failure(
    rogue: Rogue, driven: EpisodeRunner, tmp_path: Path, does: Callable[[], Any], words: str
) -> None:
    rogue.does, rogue.resets = does, dict
    with pytest.raises(AgentError, match=f"agent 'rogue' {words}"):
        driven.run(plan(), tmp_path)


def test_so_is_what_it_does_before_the_first_picture(rogue: Rogue, driven: EpisodeRunner, tmp_path: Path) -> None:
    rogue.resets = raising(KeyError("weights"))
    with pytest.raises(AgentError, match="agent 'rogue' failed: KeyError: 'weights'"):
        driven.run(plan(), tmp_path)


@dataclass(frozen=True, kw_only=True)
class Darker(Defence):
    kind = "darker"

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        return image // 2


def test_nothing_of_ours_around_it_speaks_for_it(rogue: Rogue) -> None:
    rogue.does, rogue.resets = raising(StoreError("disk full")), dict
    defended = DefendedAgent(cast(Agent, rogue), [Darker()])
    seen = Observation(0, 0.0, np.full((160, 320, 3), 90, np.uint8), 10.0)
    for call in (lambda: defended.perceive(seen), lambda: ask(cast(Agent, rogue), seen)):
        with pytest.raises(AgentError, match="agent 'rogue' failed: StoreError: disk full"):
            call()
