"""Every shipped scenario can be driven: with perfect answers its benign twin keeps its lane and breaks no rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.core.records import EpisodePlan
from testbed.episode import EpisodeRunner
from testbed.scenario.loader import load_scenario, shipped_folder

NAMES = sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def test_each_attack_scenario_has_a_benign_claim_and_a_claim_per_attack() -> None:
    for name in NAMES:
        content = load_scenario(name).content
        claimed = {claim.condition for claim in content.claims}
        assert "benign" in claimed, name
        attacks = {one.id for one in content.adversaries if not one.control}
        injected = {condition for condition, ids in content.injections().items() if attacks & set(ids)}
        assert not attacks or claimed & injected, name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMES, key=lambda name: load_scenario(name).content.map))
def test_the_oracle_drives_it_clean(runner: EpisodeRunner, tmp_path: Path, name: str) -> None:
    content = load_scenario(name).content
    plan = EpisodePlan(scenario=name, scene=content.dump(), agent="scripted", seed=101, latency="card")
    record = runner.run(plan, tmp_path)
    assert [(event.kind, event.t_s) for event in record.events] == []
    assert float(record.scores["lane.max_offset_m"] or 0.0) < 0.5
    assert record.scores["status"] == "Perfect"
