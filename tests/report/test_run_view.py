"""Reading a run: stored scenarios of other versions, twins, worlds, and whose fault a failed episode is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from testbed.core.errors import StoreError, is_infrastructure
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.report.run_view import RunView, stored_scenario, world_of
from testbed.report.tables import perception_table
from testbed.scenario.schema import Scenario

MakeView = Callable[..., RunView]


@pytest.fixture
def dump(make_view: MakeView) -> dict[str, Any]:
    return copy.deepcopy(dict(make_view({("dnn", "benign"): [[]]}).manifest.scenarios["street"]))


def test_a_stored_scenario_is_the_scenario(dump: dict[str, Any]) -> None:
    assert stored_scenario(dump, "street") == Scenario.model_validate(dump)


def test_what_an_older_version_did_not_write_has_its_default(dump: dict[str, Any]) -> None:
    for key in ("agents", "seeds", "latency", "claims", "lights", "limits", "conditions", "decision_every_steps"):
        del dump[key]
    del dump["weather"]["sun_drift_min"], dump["actors"][0]["turned_deg"]
    found = stored_scenario(dump, "street")
    assert found.claims == [] and found.lights == "green" and found.weather.sun_drift_min == 0.0


def test_what_a_later_version_added_is_left_out(dump: dict[str, Any]) -> None:
    wanted = Scenario.model_validate(dump)
    dump["mood"] = "bad"
    dump["weather"]["hail"] = 3.0
    dump["adversaries"][1]["price"] = {"amount": 5}
    assert stored_scenario(dump, "street") == wanted


def test_nonsense_is_named_with_its_place(dump: dict[str, Any]) -> None:
    dump["ego"]["speed_mps"] = "fast"
    with pytest.raises(StoreError, match=r"manifest.json: scenario 'street' makes no sense: ego.speed_mps: "):
        stored_scenario(dump, "street")


def test_a_world_is_what_the_weather_and_the_latency_say() -> None:
    plan = EpisodePlan(scenario="street", scene={}, agent="dnn")
    assert world_of(plan) == "street · latency card"
    weather = {"preset": "WetSunset", "vary": False, "fog_density": 5.0, "cloudiness": 30, "wetness": None}
    wet = plan.model_copy(update={"scene": {"weather": weather}, "latency": "fixed:80"})
    assert world_of(wet) == "street · WetSunset · cloudiness 30 · fog_density 5 · latency fixed:80"
    dropped = plan.model_copy(update={"scene": {"deadline": {"budget_ms": 150.0, "policy": "drop"}}})
    assert world_of(dropped) == "street · latency card · deadline drop:150"


def test_twins_share_everything_but_the_condition(make_view: MakeView) -> None:
    view = make_view({("dnn", "benign"): [[], []], ("dnn", "paint"): [[], []], ("tandem", "paint"): [[]]})
    twins = {(e.plan.agent, e.plan.seed): e.twin for e in view.episodes if e.plan.condition == "paint"}
    assert twins["tandem", 1] is None
    for seed in (1, 2):
        twin = twins["dnn", seed]
        assert twin is not None and twin.plan.key == twin.plan.twin.key and twin.plan.seed == seed


def test_agents_and_conditions_stand_in_the_order_of_the_scenario(make_view: MakeView) -> None:
    names = ("zebra", "tandem", "abc", "dnn")
    view = make_view({(agent, name): [[]] for agent in names for name in ("grey", "paint", "benign")})
    assert view.agents == ["dnn", "tandem", "abc", "zebra"]
    assert view.conditions == ["benign", "paint", "grey"]
    assert [view.role(name) for name in view.conditions] == ["benign", "attack", "control"]
    assert view.attacks == ["paint"] and view.controls == {"grey"}


@pytest.mark.parametrize(
    ("code", "blames_infrastructure"),
    [
        ("TB304", True), ("TB305", True), ("TB300", True), ("TB200", True), ("SIM_CRASH", True), ("SIM_HANG", True),
        ("WORKER", True), ("", True), ("TB410", True),
        ("TB400", False), ("TB500", False), ("TB000", False), ("TB110", False),
    ],
)  # fmt: skip
def test_whose_fault_a_failed_episode_is(make_view: MakeView, code: str, blames_infrastructure: bool) -> None:
    assert is_infrastructure(code) is blames_infrastructure
    plan = make_view({("dnn", "benign"): [[]]}).episodes[0].plan.model_copy(update={"seed": 5})
    failed = EpisodeRecord(plan=plan, status="failed", error_code=code, error="why", attempts=2)
    (lost,) = make_view({}, records=[failed]).lost
    assert (lost.infrastructure, lost.code, lost.reason, lost.attempts) == (blames_infrastructure, code, "why", 2)


def test_words_that_could_not_be_read_stand_beside_abstentions(make_view: MakeView) -> None:
    scores = {"alc.n": 9, "alc.abstained": 2, "alc.unparsable": 3, "vd.n": 9, "vd.abstained": 0, "tsr.n": 0}

    def said(record: EpisodeRecord) -> EpisodeRecord:
        return record.model_copy(update={"scores": scores if record.plan.agent == "tandem" else {"alc.n": 9}})

    rows = perception_table(make_view({("dnn", "benign"): [[]], ("tandem", "benign"): [[]]}, change=said)).rows
    assert [(row.cells[-1].text, row.cells[-1].note) for row in rows] == [
        ("0", "of 9"),
        ("2", "of 18; 3 more unreadable"),
    ]
