"""Where things are put is looked up before the first drive, for every seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.core.errors import ScenarioError
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario, shipped_folder, shipped_names
from testbed.sweep.catalogue import Installed


@pytest.mark.parametrize("name", shipped_names())
def test_every_seed_of_a_shipped_scenario_has_its_places(name: str) -> None:
    scenario = load_scenario(name).content
    Installed().check_places(scenario, scenario.map, range(1000))


TOWN = """\
name: mine
question: Where is everything?
map: town
duration_s: 6
ego: {spawn: {road: 8, lane: -1, s_m: 6}, speed_mps: 10}
agents: [scripted]
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("actors: [{id: a, blueprint: vehicle.foo.bar, ahead_m: 30}]", "7:29: there is no blueprint 'vehicle.foo.bar'"),
        ("actors: [{id: a, blueprint: vehicle.tesla.modle3, ahead_m: 30}]", "did you mean 'vehicle.tesla.model3'"),
        ("actors: [{id: a, ahead_m: 30, lane: 7}]", "7:37: actor 'a' has no lane to drive on with seed 101: road 8"),
        ("actors: [{id: a, ahead_m: 30, lane: 0}]", "lane 0 of road 8 is its centre line"),
        ("actors: [{id: a, ahead_m: 1}]", "7:27: actor 'a' starts where the ego does with seed 101"),
        ("actors: [{id: a, ahead_m: 30}, {id: b, ahead_m: 30.5, vary: false}]", "'b' starts where actor 'a' does"),
        ("actors: [{id: a, spawn: {road: 99, lane: -1, s_m: 5}}]", "7:25: actor 'a' has no lane .* no road 99"),
        ("actors: [{id: a, spawn: {road: 8, lane: -1, s_m: 9999}}]", "actor 'a' has no lane .* road 8 ends at"),
    ],
)
def test_what_has_no_place_is_refused_by_file_and_line(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TOWN + line + "\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=words):
        expand(load_scenario(path), catalogue=Installed())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lane: -2", "lane: 0", "8:10: the ego has no lane to drive on with seed 101: lane 0 of road 1"),
        ("lane: -2", "lane: -3", "8:10: the ego cannot drive on lane -3 of road 1: it is no driving lane"),
        ("at: {ahead_m: 55}", "at: {ahead_m: 1000000}", r"18:19: adversary 'drp' is 1e\+06 m ahead with seed 101"),
        (
            "ahead_m: 45",
            "ahead_m: 9000",
            "11:58: actor 'lead' is 8999.06 m ahead with seed 101, and the ego's",
        ),
        ("gtsrb_class: 7, ahead_m: 30", "gtsrb_class: 7, ahead_m: 9000", "sign 'limit' is 9000 m ahead"),
    ],
)
def test_so_is_what_lies_past_the_lanes_end(tmp_path: Path, old: str, new: str, words: str) -> None:
    written = (shipped_folder() / "drp_highway.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(written.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=words):
        expand(load_scenario(path), catalogue=Installed())


def test_a_seed_that_draws_too_far_is_found_before_the_first_drive(tmp_path: Path) -> None:
    # the road joins a junction about 103 m from its start
    path = tmp_path / "mine.yaml"
    path.write_text(TOWN + "actors: [{id: a, ahead_m: 95, lane: 1}]\n", encoding="utf-8")
    loaded = load_scenario(path)
    assert expand(loaded, catalogue=Installed(), seeds=[1, 2])
    with pytest.raises(ScenarioError, match="actor 'a' has no lane to drive on with seed 3"):
        expand(loaded, catalogue=Installed(), seeds=range(1, 600))
