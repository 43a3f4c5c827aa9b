"""What this installation offers, as expansion asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.core.errors import ArtefactError, MapError, UsageError
from testbed.scenario.loader import load_scenario
from testbed.scenario.schema import Adversary
from testbed.sweep.catalogue import Installed


def test_names_are_sorted_and_the_bounds_are_there() -> None:
    agents = list(Installed().agents())
    assert agents == sorted(agents)
    assert {"constant", "dnn", "scripted", "solo", "tandem"} <= set(agents)
    assert "highway" in Installed().maps()


def test_digests_of_weights_and_of_option_files(tmp_path: Path) -> None:
    assert dict(Installed().agent_digests("scripted")) == {}
    own = tmp_path / "own.yaml"
    own.write_text("agent: scripted\n")
    named = dict(Installed().agent_digests(str(own)))
    assert list(named) == ["agent:own.yaml"], "plans know it by its file name: another may say otherwise"
    own.write_text("agent: scripted\ndefences: [{kind: jpeg, quality: 50}]\n")
    first = dict(Installed().agent_digests(str(own)))
    own.write_text("agent: scripted\ndefences: [{kind: jpeg, quality: 40}]\n")
    assert list(first) == ["agent:own.yaml"] and first != named
    assert Installed().agent_digests(str(own)) != first
    with pytest.raises(UsageError, match="unknown agent 'nobody'"):
        Installed().agent_digests("nobody")


def patch(artefact: str, **more: float) -> Adversary:
    return Adversary.model_validate(
        {"id": "mine", "kind": "road_patch", "artefact": artefact, "at": {"ahead_m": 50.0}} | more
    )


def test_missing_artefacts_and_places_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="artefact 'no_such' does not exist"):
        Installed().artefact_digest("no_such", None, patch("no_such"))
    with pytest.raises(ArtefactError, match="states its own size"):
        Installed().artefact_digest("drp_highway_left", None, patch("drp_highway_left", width_m=2.0))
    plain = Installed().artefact_digest("drp_highway_left", None, patch("drp_highway_left"))
    assert len(plain) == 64
    scenario = load_scenario("drp_highway").content
    Installed().check_places(scenario, "highway", range(1, 50))
    (tmp_path / "bad.xodr").write_text("<OpenDRIVE>")
    with pytest.raises(MapError, match="bad.xodr"):
        Installed().check_places(scenario, str(tmp_path / "bad.xodr"), [1])
