"""Sweep files: what they multiply, what they leave to the scenarios, and where their mistakes are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.core.deadline import Deadline
from testbed.core.errors import ScenarioError, UsageError
from testbed.core.latency_spec import PROFILES, LatencySpec
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.scenario.schema import Adversary
from testbed.sweep.catalogue import Installed
from testbed.sweep.grid import expand_sweep, load_sweep

DRP = (Path(__file__).parents[1] / "scenario" / "files" / "drp_highway.yaml").read_text()
SWEEP = """\
name: two
question: What do two scenarios say together?
scenarios: [drp_highway, plain.yaml]
agents: [dnn, scripted]
conditions: [drp]
weather: [{preset: ClearNoon}, {preset: WetNoon}]
latency: [card, fixed:80]
seeds: {values: [3, 7]}
"""


class Shelf:
    check_metric, check_bound = Installed.check_metric, Installed.check_bound
    check_places, check_limits = Installed.check_places, Installed.check_limits

    def agents(self) -> Sequence[str]:
        return ("dnn", "scripted", "solo", "tandem")

    def agent_digests(self, agent: str) -> Mapping[str, str]:
        return {}

    def adversaries(self) -> Sequence[str]:
        return ("camouflage", "road_patch", "shadow", "sign_face")

    def artefact_digest(self, artefact: str, base: Path | None, entry: Adversary) -> str:
        return "aa"

    def maps(self) -> Sequence[str]:
        return ("highway",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plain = DRP[: DRP.index("adversaries:")].replace("name: drp_highway", "name: plain")
    (tmp_path / "plain.yaml").write_text(plain)
    (tmp_path / "two.yaml").write_text(SWEEP)
    return tmp_path


def test_a_sweep_multiplies(folder: Path) -> None:
    plans, scenarios = expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf())
    assert [scenario.content.name for scenario in scenarios] == ["drp_highway", "plain"]
    # scenario with the patch: 2 weather x 2 latency x 2 seeds x 2 agents x (benign, drp); the other has benign only
    assert Counter(plan.scenario for plan in plans) == {"drp_highway": 32, "plain": 16}
    assert {plan.condition for plan in plans if plan.scenario == "plain"} == {"benign"}
    keys = [plan.key for plan in plans]
    assert len(set(keys)) == len(keys)
    assert all(plan.twin.key in keys for plan in plans)
    assert keys == [plan.key for plan in expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf())[0]]


def test_what_a_sweep_leaves_out_the_scenario_says(folder: Path) -> None:
    (folder / "bare.yaml").write_text("name: bare\nquestion: Is it the same?\nscenarios: [drp_highway]\n")
    plans, _ = expand_sweep(load_sweep(folder / "bare.yaml"), catalogue=Shelf())
    assert [plan.key for plan in plans] == [
        plan.key for plan in expand(load_scenario("drp_highway"), catalogue=Shelf())
    ]


def test_options_override_the_file(folder: Path) -> None:
    plans, _ = expand_sweep(
        load_sweep(folder / "two.yaml"), catalogue=Shelf(), agents=["solo"], seeds=[1], latency="fixed:5"
    )
    assert {(plan.agent, plan.seed, plan.latency) for plan in plans} == {("solo", 1, "fixed:5")}
    with pytest.raises(UsageError, match="unknown agent 'sollo'"):
        expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf(), agents=["sollo"])


def test_deadlines_multiply_and_an_option_overrides_them(folder: Path) -> None:
    text = SWEEP.replace("latency:", "deadline: [{}, {budget_ms: 150, policy: drop}]\nlatency:")
    (folder / "two.yaml").write_text(text)
    plans, _ = expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf())
    (folder / "two.yaml").write_text(SWEEP)
    plain, _ = expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf())
    assert len(plans) == 2 * len(plain)
    assert {tuple(plan.scene["deadline"].values()) for plan in plans} == {(100.0, "keep"), (150.0, "drop")}
    (folder / "two.yaml").write_text(text)
    one, _ = expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf(), deadline=Deadline.parse("drop:60"))
    assert {str(Deadline.model_validate(plan.scene["deadline"])) for plan in one} == {"drop:60"}
    assert len(one) == len(plain)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("plain.yaml", "plane.yaml", r"two.yaml:3:26: plane.yaml: no such scenario"),
        ("plain.yaml", "drp_highway", r"two.yaml:3:26: scenario 'drp_highway' is named twice"),
        ("[dnn, scripted]", "[dnn, skripted]", r"two.yaml:4:15: unknown agent 'skripted'; did you mean 'scripted'"),
        ("[drp]", "[drb]", r"two.yaml:5:14: no scenario has a condition 'drb'; did you mean 'drp'"),
        ("WetNoon", "WetNon", r"two.yaml:6:41: weather\[1\]: unknown weather preset 'WetNon'"),
        ("fixed:80", "fixd", r"two.yaml:7:17: latency\[1\]: unknown latency 'fixd' \(use card"),
        ("latency:", "deadline: [{policy: kep}]\nlatency:", r"two.yaml:7:21: deadline\[0\].policy: expected 'keep' or"),
        ("fixed:80", "80", r"two.yaml:7:17: latency\[1\]: expected a word or sentence, got 80"),
        ("scenarios: [", "scenario: [", r"two.yaml:3:1: unknown key 'scenario'; did you mean 'scenarios'"),
        ("question: What", "question: &a What", r"two.yaml:2:11: anchors are not accepted"),
    ],
)
def test_mistakes_are_reported_where_they_stand(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "two.yaml").write_text(SWEEP.replace(old, new, 1))
    with pytest.raises(ScenarioError, match=message):
        expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf())


def test_a_mistake_in_a_scenario_is_reported_in_the_scenario(folder: Path) -> None:
    (folder / "plain.yaml").write_text("name: plain\n")
    with pytest.raises(ScenarioError, match=r"plain.yaml:1:1: missing key 'ego'"):
        expand_sweep(load_sweep(folder / "two.yaml"), catalogue=Shelf())


def test_the_shipped_latency_sweep_covers_what_is_to_be_reported() -> None:
    content = load_sweep("latency").content
    specs = [LatencySpec.parse(text) for text in content.latency or ()]
    assert sorted(spec.p50_ms for spec in specs if spec.stated) == [0, 80, 100, 250, 500, 851, 2158, 11657]
    assert set(PROFILES) <= {spec.name for spec in specs}
    assert [(one.budget_ms, one.policy) for one in content.deadline or ()] == [(100.0, "keep")]
    assert {"benign", "drp", "camouflage"} == set(content.conditions or ())
