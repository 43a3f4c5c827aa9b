"""Scenario files: what is accepted, and that each mistake is one sentence that points at it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.core.errors import ScenarioError
from testbed.core.explain import check, fields_at
from testbed.core.yaml_reader import parse_yaml
from testbed.scenario.loader import find, load_scenario, shipped_folder, shipped_names
from testbed.scenario.schema import Scenario

DRP = (Path(__file__).parent / "files" / "drp_highway.yaml").read_text()
TREE = yaml.safe_load(DRP)


def problems(text: str) -> list[str]:
    _, found = check(Scenario, parse_yaml(text.encode(), "f.yaml"))
    return [str(problem) for problem in found]


def changed(old: str, new: str) -> str:
    assert old in DRP
    line = DRP[: DRP.index(old)].count("\n") + 1
    found = problems(DRP.replace(old, new, 1))
    assert found, "accepted"
    assert found[0].startswith(f"f.yaml:{line}:"), found
    return found[0]


def test_every_shipped_scenario_loads() -> None:
    assert "drp_highway" in shipped_names()
    for name in shipped_names():
        assert load_scenario(name).content.name == name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("speed_mps: 25", "speed_kmh: 90", "9:3: unknown key 'speed_kmh' in ego; did you mean 'speed_mps'?"),
        ("speed_mps: 25", "speed_mps: 90 km/h", "ego.speed_mps: expected a number in metres per second, got '90 km/h'"),
        ("speed_mps: 25", "speed_mps: '25'", "ego.speed_mps: expected a number in metres per second, got '25'"),
        ("speed_mps: 25", "speed_mps: -3", "ego.speed_mps: must be at least 0 metres per second, got -3"),
        ("name: drp_highway", "nam: drp_highway", "unknown key 'nam'; did you mean 'name'?"),
        ("name: drp_highway", "name: DRP!", "name: expected a name of lower-case letters"),
        ("gtsrb_class: 7", "gtsrb_class: 7.5", "signs[0].gtsrb_class: expected a whole number, got 7.5"),
        ("gtsrb_class: 7", "gtsrb_class: 43", "signs[0].gtsrb_class: must be at most 42, got 43"),
        ("id: limit,", "id: lead,", "id used twice: lead"),
        ("preset: ClearNoon", "preset: ClearNon", "unknown weather preset 'ClearNon'"),
        ("artefact: [drp_highway_left, drp_highway_right]", "artefact: [1, two]", "artefact[0]: expected a word"),
        (
            "artefact: [drp_highway_left, drp_highway_right]",
            "artefact: 1",
            "expected a word or sentence or a list, got 1",
        ),
        (
            "kind: road_patch",
            "kind: Road Patch",
            "adversaries[0].kind: expected a name of lower-case letters, digits and underscores that begins with a "
            "letter, got 'Road Patch'",
        ),
        ("control: true", "control: yes", "adversaries[1].control: expected true or false, got 'yes'"),
        ("at: {ahead_m: 55}", "at: 55", "adversaries[0].at: expected a group of keys, got 55"),
        ("agents: [dnn, solo, tandem]", "agents: []", "agents: needs at least 1 of them, got []"),
        ("agents: [dnn, solo, tandem]", "agents: dnn", "agents: expected a list, got 'dnn'"),
        ("latency: card", "latency: 80ms", "latency: '80ms' is no latency (use card, measured, nvila"),
        ("latency: card", "latency: nvila", "25:10: latency: unknown latency 'nvila' (did you mean 'nvila_a100'?"),
        ("latency: card", "deadline: {budget_ms: 0}", "deadline.budget_ms: must be more than 0 milliseconds, got 0"),
        ("latency: card", "deadline: {policy: late}", "deadline.policy: expected 'keep' or 'drop', got 'late'"),
        ("duration_s: 6.5", "duration_s: .inf", "numbers must be finite, got .inf"),
    ],
)
def test_one_clear_error_each(old: str, new: str, message: str) -> None:
    try:
        found = changed(old, new)
    except ScenarioError as error:
        found = str(error)
    assert message in found


def test_claims_must_name_conditions() -> None:
    found = problems(DRP.replace("condition: drp", "condition: drpp", 1))
    assert found == ["f.yaml:32:16: claim 'lane_attacked' names an unknown condition 'drpp'"]


def test_all_problems_are_found_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = DRP.replace("duration_s: 6.5", "duration_s: long").replace("count: 3", "cont: 3")
    found = problems(text)
    assert [item.split(": ", 1)[1][:20] for item in found] == ["duration_s: expected", "unknown key 'cont' i"]
    path = tmp_path / "two.yaml"
    path.write_text(text)
    with pytest.raises(
        ScenarioError, match=r"two.yaml:5:13: duration_s.*and 1 more; see them all with: testbed validate"
    ):
        load_scenario(path)


def test_known_keys_are_found_through_lists_and_unions() -> None:
    assert "ahead_m" in fields_at(Scenario, ("signs", 0))
    assert "inject" in fields_at(Scenario, ("conditions", 3))
    assert fields_at(Scenario, ("name",)) == set()


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("drp_highway") == shipped_folder() / "drp_highway.yaml"
    assert find("scenarios/drp_highway.yaml") == shipped_folder() / "drp_highway.yaml"
    own = tmp_path / "own.yaml"
    own.write_text(DRP)
    assert find("own.yaml") == Path("own.yaml")
    with pytest.raises(ScenarioError, match="drp_higway: no such scenario: did you mean 'drp_highway'"):
        find("drp_higway")


def everywhere(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, child in children for place in everywhere(child, (*path, key)))]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@settings(max_examples=200, deadline=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(everywhere(TREE)[1:]), VALUES, st.sampled_from(["replace", "delete", "rename"]))
def test_a_scenario_with_one_thing_changed_loads_or_is_refused(place: tuple[Any, ...], value: Any, how: str) -> None:
    tree = copy.deepcopy(TREE)
    parent = tree
    for step in place[:-1]:
        parent = parent[step]
    if how == "replace" or isinstance(parent, list):
        parent[place[-1]] = value
    else:
        kept = parent.pop(place[-1])
        if how == "rename":
            parent[str(value)] = kept
    content = yaml.safe_dump(tree, allow_unicode=True).encode()
    try:
        scenario, found = check(Scenario, parse_yaml(content, "f.yaml"))
    except ScenarioError as error:
        assert error.line >= 1
    else:
        assert (scenario is None) == bool(found)
        assert all(problem.line >= 1 and len(str(problem)) < 2000 for problem in found)


@pytest.mark.parametrize(
    "entry, message",
    [
        ("kind: shadow, at: {ahead_m: 5}", "a shadow is put on a sign of this scenario: it takes `sign`, not at"),
        ("kind: road_patch", "a road_patch is put on a place on the road: it takes `at`, which is missing"),
        ("kind: camouflage, actor: led", "adversary 'a' names an unknown actor 'led'; there are lead"),
        ("kind: sign_face, sign: limit", "adversary 'a' names an unknown sign 'limit'; it has no signs"),
        ("kind: third, sign: limit, actor: lead", "takes exactly one of `at`, `actor` and `sign`, not 2"),
        ("kind: camouflage, actor: lead, width_m: 2", "length_m and width_m are for pictures on the road"),
    ],
)
def test_an_adversary_is_put_on_something_that_is_there(entry: str, message: str) -> None:
    found = problems(
        "name: x\nquestion: Does it fit?\nego: {spawn: {road: 1, lane: -2, s_m: 60}}\n"
        f"actors: [{{id: lead, ahead_m: 30}}]\nadversaries:\n  - {{id: a, artefact: b, {entry}}}\n"
    )
    assert len(found) == 1 and message in found[0], found
