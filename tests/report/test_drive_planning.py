"""How many drives claims need."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from testbed import stats
from testbed.report.drive_planning import POWER, drives_for_power, needs
from testbed.scenario.loader import load_scenario
from testbed.scenario.schema import Scenario


def test_claims_of_a_shipped_scenario() -> None:
    found = needs(load_scenario("drp_highway").content, ["dnn"])
    assert [(one.claim, one.conditions) for one in found][:2] == [
        ("lane_attacked", ("drp",)), ("lane_benign", ("benign",)),
    ]  # fmt: skip
    assert {(one.agents, one.bound, one.clean, one.sequential, one.seeds) for one in found} == {
        (("dnn",), "at most 5 %", 72, 105, 72)
    }


@pytest.mark.parametrize(("bound", "at_most"), [(0.05, True), (0.2, True), (0.5, True), (0.8, False)])
def test_the_chance_is_what_it_says(bound: float, at_most: bool) -> None:
    n = drives_for_power(bound, at_most=at_most)
    assert n is not None
    share = bound if at_most else 1.0 - bound
    allowed = max(k for k in range(n) if stats.clopper_pearson(k, n).high <= share)
    assert binom.cdf(allowed, n, share / 2.0) >= POWER


def test_means_and_claims_about_others() -> None:
    content = load_scenario("drp_highway").content.dump()
    content["claims"] = [
        {"id": "far", "text": "it drives far", "metric": "driving_score_2_1", "at_least": 90},
        {"id": "his", "text": "it holds", "metric": "lane_departure.rate", "at_most": 0.1, "agent": "mine/own.yaml"},
    ]
    scenario = Scenario.model_validate(content)
    (mean,) = needs(scenario, ["dnn"])
    assert (mean.claim, mean.clean, mean.likely, mean.sequential, mean.seeds) == ("far", None, None, None, None)
    assert [one.claim for one in needs(scenario, ["else/own.yaml"])] == ["far", "his"]
