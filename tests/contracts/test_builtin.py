"""Every built-in agent, adversary and judge passes the suite that third parties run."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from testbed import adversaries, agents
from testbed.contracts import AdversaryContract, AgentContract, JudgeContract
from testbed.contracts.adversary import check_payload
from testbed.contracts.judge import drives, watch
from testbed.contracts.test_installed import TestCamouflage, TestRoadPatch, TestShadow, TestSignFace
from testbed.core.errors import ArtefactError
from testbed.core.types import Decal, Observation, Perception
from testbed.judge import default_judges, registry
from testbed.scenario.schema import TARGETS

QUICK = ("constant", "scripted", "dnn")
"""Agents that answer in milliseconds; the others run with -m slow."""

ADVERSARIES = (TestCamouflage, TestRoadPatch, TestShadow, TestSignFace)
"""Collected here by being imported; anybody else runs them with pytest --pyargs testbed.contracts."""


class TestConstant(AgentContract):
    name = "constant"


class TestScripted(AgentContract):
    name = "scripted"


class TestDnn(AgentContract):
    name = "dnn"


@pytest.mark.slow
@pytest.mark.parametrize("test", [name for name in dir(AgentContract) if name.startswith("test_")])
@pytest.mark.parametrize("agent", [name for name in agents.names() if name not in QUICK])
def test_every_other_agent(agent: str, test: str) -> None:
    getattr(type("One", (AgentContract,), {"name": agent})(), test)()


@pytest.mark.parametrize("test", [name for name in dir(JudgeContract) if name.startswith("test_")])
@pytest.mark.parametrize("judge", registry.BUILT_IN)
def test_every_judge(judge: str, test: str) -> None:
    getattr(type("One", (JudgeContract,), {"name": judge})(), test)()


def test_the_drives_of_the_suite_provoke_every_kind_of_event() -> None:
    seen: set[str] = set()
    for steps in drives().values():
        for judge in default_judges():
            seen |= {event.kind for event in watch(judge, steps)[1].events}
    # a pedestrian and an obstacle are hit as a vehicle is
    assert {kind.name for judge in default_judges() for kind in judge.events} - seen == {
        "collision_pedestrian",
        "collision_static",
    }


def test_every_kind_and_every_quick_agent_is_here() -> None:
    classes = [value for value in globals().values() if isinstance(value, type)]
    assert {one.kind for one in ADVERSARIES} == set(TARGETS)
    assert {one.name for one in classes if issubclass(one, AgentContract)} - {""} == set(QUICK)


def test_the_suite_fails_what_breaks_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(AdversaryContract):
        kind, artefact = "camouflage", TestRoadPatch.artefact

    with pytest.raises(ArtefactError, match="is a road_patch, but it is asked for as a camouflage"):
        Wrong().test_its_artefact_fits_its_target()
    decal = adversaries.read("road_patch", TestRoadPatch.artefact).payload
    assert isinstance(decal, Decal)
    with pytest.raises(AssertionError):
        check_payload(dataclasses.replace(decal, rgba=decal.rgba * 9.0))

    constant = agents.load("constant")
    count = itertools.count()

    class Moody:
        card = constant.card

        def reset(self, seed: int) -> None:
            pass

        def perceive(self, observation: Observation) -> Perception:
            observation.image[0, 0] = 1
            answer = constant.perceive(observation)
            return dataclasses.replace(answer, raw={"alc": str(next(count))})

    class Broken(AgentContract):
        name = "moody"
        _loaded = {"moody": Moody()}

    with pytest.raises(AssertionError):
        Broken().test_the_same_seed_gives_the_same_answers()
    with pytest.raises(AssertionError):
        Broken().test_it_leaves_what_it_sees_as_it_is()
