"""Plans: what makes two of them the same."""

from __future__ import annotations

import hashlib
import json

from testbed.core.records import EpisodePlan
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.sweep.catalogue import Installed


def whole_key(plan: EpisodePlan) -> str:
    text = json.dumps(plan.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def test_a_key_is_that_of_the_whole_plan() -> None:
    plans = expand(load_scenario("rauca_parked"), catalogue=Installed(), agents=["dnn", "constant"], seeds=[1, 2])
    assert [plan.key for plan in plans] == [whole_key(plan) for plan in plans]
    assert len({id(plan.scene) for plan in plans}) == 1, "shared, for there may be many thousands"


def test_a_changed_copy_has_a_key_of_its_own() -> None:
    plan = EpisodePlan(scenario="a", scene={"odd": "\u00e9\x00"}, agent="b")
    assert plan.key == whole_key(plan)
    other = plan.model_copy(update={"seed": 1})
    assert other.key == whole_key(other) != plan.key
    assert plan.model_copy() == plan
    assert EpisodePlan.model_validate_json(plan.model_dump_json()) == plan
