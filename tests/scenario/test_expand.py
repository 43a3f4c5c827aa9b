"""Expansion: which episodes a question has, in which order, and what makes two of them the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.core.deadline import Deadline
from testbed.core.errors import ArtefactError, ScenarioError, UsageError
from testbed.core.records import EpisodePlan
from testbed.judge import metrics
from testbed.scenario.concrete import concretise
from testbed.scenario.expand import ABSENT, expand
from testbed.scenario.loader import load_scenario
from testbed.scenario.schema import Adversary, Scenario, Weather
from testbed.sweep.catalogue import Installed

FILE = Path(__file__).parent / "files" / "drp_highway.yaml"
DRP = load_scenario(FILE)


class Shelf:
    """A catalogue with a few known things."""

    check_metric, check_bound = Installed.check_metric, Installed.check_bound
    check_places, check_limits = Installed.check_places, Installed.check_limits

    def __init__(
        self,
        artefacts: Sequence[str] = ("drp_highway_left", "drp_highway_right", "dirt_highway_a", "dirt_highway_b"),
        weights: str = "{agent}_alc",
    ):
        self.artefacts, self.weights = artefacts, weights

    def agents(self) -> Sequence[str]:
        return ("dnn", "scripted", "solo", "tandem")

    def agent_digests(self, agent: str) -> Mapping[str, str]:
        return {self.weights.format(agent=agent): "aa"}

    def adversaries(self) -> Sequence[str]:
        return ("camouflage", "road_patch", "shadow", "sign_face")

    def artefact_digest(self, artefact: str, base: Path | None, entry: Adversary) -> str:
        if artefact not in self.artefacts:
            raise ArtefactError(f"artefact {artefact!r} does not exist", hint=f"shipped: {', '.join(self.artefacts)}")
        return f"digest of {artefact}"

    def maps(self) -> Sequence[str]:
        return ("highway",)


def test_every_cell_once_and_benign_first() -> None:
    plans = expand(DRP, catalogue=Shelf())
    assert len(plans) == 3 * 3 * 3
    assert [plan.condition for plan in plans[:3]] == ["benign", "drp", "dirt"]
    assert [plan.seed for plan in plans] == [101] * 9 + [102] * 9 + [103] * 9
    assert Counter((plan.agent, plan.condition) for plan in plans) == {
        (agent, condition): 3 for agent in ("dnn", "solo", "tandem") for condition in ("benign", "drp", "dirt")
    }
    assert [plan.key for plan in plans] == [plan.key for plan in expand(DRP, catalogue=Shelf())]
    assert len({plan.key for plan in plans}) == len(plans)


def test_each_attacked_plan_has_its_twin_exactly_once() -> None:
    plans = expand(DRP, catalogue=Shelf(), conditions=["drp"], agents=["dnn"], seeds=[1, 2])
    keys = Counter(plan.key for plan in plans)
    assert [plan.condition for plan in plans] == ["benign", "drp"] * 2
    assert all(keys[plan.twin.key] == 1 for plan in plans)


def test_widening_a_question_keeps_finished_episodes() -> None:
    few = expand(DRP, catalogue=Shelf(), agents=["dnn"], seeds=[101])
    assert {plan.key for plan in few} < {plan.key for plan in expand(DRP, catalogue=Shelf(), seeds=range(101, 111))}


def test_a_plan_can_be_staged_from_its_scene_alone() -> None:
    for plan in expand(DRP, catalogue=Shelf()):
        again = EpisodePlan.model_validate_json(plan.model_dump_json())
        assert again.key == plan.key
        assert Scenario.model_validate(again.scene).injections().keys() == {"drp", "dirt"}


def test_overrides_multiply() -> None:
    plans = expand(
        DRP,
        catalogue=Shelf(),
        agents=["dnn"],
        seeds=[1],
        conditions=["benign"],
        latency=["card", "fixed:80"],
        weather=[Weather(), Weather(preset="WetNoon")],
    )
    assert [(plan.scene["weather"]["preset"], plan.latency) for plan in plans] == [
        ("ClearNoon", "card"), ("ClearNoon", "fixed:80"), ("WetNoon", "card"), ("WetNoon", "fixed:80"),
    ]  # fmt: skip


def test_a_plan_holds_what_a_latency_profile_stands_for() -> None:
    plans = expand(DRP, catalogue=Shelf(), agents=["dnn"], seeds=[1], conditions=["benign"], latency=["nvila_a100"])
    again = expand(DRP, catalogue=Shelf(), agents=["dnn"], seeds=[1], conditions=["benign"], latency="nvila_a100:80")
    assert [plan.latency for plan in plans] == ["nvila_a100:80"] and plans == again
    with pytest.raises(UsageError, match="unknown latency 'nvila'"):
        expand(DRP, catalogue=Shelf(), latency="nvila")


def test_a_deadline_is_part_of_the_plan_where_one_is_asked_for() -> None:
    def plans(deadline: list[Deadline] | None) -> list[EpisodePlan]:
        return expand(
            DRP, catalogue=Shelf(), agents=["dnn"], seeds=[1], conditions=["benign", "drp"], deadline=deadline
        )

    plain = plans(None)
    assert all("deadline" not in plan.scene for plan in plain)
    both = plans([Deadline(), Deadline(policy="drop")])
    told = [plan.scene["deadline"] for plan in both]
    assert told == [{"budget_ms": 100.0, "policy": "keep"}] * 2 + [{"budget_ms": 100.0, "policy": "drop"}] * 2
    assert len({plan.key for plan in (*plain, *both)}) == 6
    assert [plan.twin.key for plan in both] == [both[0].key, both[0].key, both[2].key, both[2].key]
    own = DRP.content.model_copy(update={"deadline": Deadline(policy="drop")})
    assert concretise(expand(own, catalogue=Shelf())[0]).deadline == Deadline(policy="drop")


def test_digests_follow_what_is_used() -> None:
    plan = expand(DRP, catalogue=Shelf())[0]
    assert plan.digests["dnn_alc"] == "aa"
    assert plan.digests["artefact:drp_highway_left"] == "digest of drp_highway_left"
    benign = expand(DRP, catalogue=Shelf(()), conditions=["benign"])
    assert benign[0].digests["artefact:drp_highway_left"] == ABSENT


def test_missing_things_are_named_where_they_stand() -> None:
    with pytest.raises(
        ScenarioError, match=r"drp_highway.yaml:17:34: artefact 'drp_highway_right' does not exist \(shipped:"
    ):
        expand(DRP, catalogue=Shelf(["drp_highway_left"]))
    text = FILE.read_text()
    with pytest.raises(UsageError, match="unknown agent 'dn'; did you mean 'dnn'"):
        expand(DRP, catalogue=Shelf(), agents=["dn"])
    with pytest.raises(UsageError, match="no condition 'drpp'; did you mean 'drp'"):
        expand(DRP, catalogue=Shelf(), conditions=["drpp"])
    assert "agents: [dnn" in text


def test_unknown_agents_and_maps_of_the_file(tmp_path: Path) -> None:
    text = FILE.read_text()
    path = tmp_path / "own.yaml"
    path.write_text(text.replace("solo", "sollo"))
    with pytest.raises(ScenarioError, match=r"own.yaml:24:15: unknown agent 'sollo'; did you mean 'solo'"):
        expand(load_scenario(path), catalogue=Shelf())
    path.write_text(text.replace("map: highway", "map: highwey"))
    with pytest.raises(ScenarioError, match=r"own.yaml:4:6: unknown map 'highwey'; did you mean 'highway'"):
        expand(load_scenario(path), catalogue=Shelf())
    assert expand(load_scenario(path), catalogue=Shelf(), real_server=True)
    path.write_text(text.replace("lane: -2", "lane: -7"))
    with pytest.raises(ScenarioError, match="own.yaml:8:10: the ego has no lane to drive on .*: road 1 has no lane -7"):
        expand(load_scenario(path), catalogue=Shelf())
    path.write_text(text.replace("ahead_m: 45", "ahead_m: 45, lane: -9"))
    with pytest.raises(ScenarioError, match="own.yaml:11:68: actor .* road 1 has no lane -9"):
        expand(load_scenario(path), catalogue=Shelf())
    path.write_text(text.replace("map: highway", "map: none.xodr"))
    with pytest.raises(ScenarioError, match=r"own.yaml:4:6: map file 'none.xodr' does not exist"):
        expand(load_scenario(path), catalogue=Shelf())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric: lane_departure.rate", "metric: lane_depature.rate", r"35:13.*unknown metric.*'lane_departure.rate'"),
        ("metric: lane_departure.rate", "metric: lane.max_offset", r"35:13.*unknown metric.*'lane.max_offset_m'"),
        ("at_most: 0.05", "at_most: 5", r"36:14.*never 5: it has values 0 % to 100 % \(write 5 % or 0.05\)"),
        ("at_most: 0.05", "at_most: -0.1", r"36:14.*never -0.1"),
        ("at_most: 0.05", "at_most: 120 %", r"36:14.*never 120 %"),
        ("at_most: 0.05", "at_most: 100 %", r"36:14.*at most 100 % whatever happens"),
        ("at_most: 0.05", "at_least: 0", r"36:15.*at least 0 % whatever happens"),
        ("at_most: 0.05", "at_most: five", r"at_most"),
        ("id: lane_benign", "id: lane_attacked", r"33:9.*two claims are called 'lane_attacked'"),
        ("condition: benign", "agent: dnnn\n    condition: benign", r"37:12.*unknown agent 'dnnn'; did you mean 'dnn'"),
    ],
)
def test_a_claim_that_no_drive_could_decide_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    head, tail = FILE.read_text(encoding="utf-8").split("  - id: lane_benign")
    path = tmp_path / "claims.yaml"
    path.write_text(f"{head}{('  - id: lane_benign' + tail).replace(old, new, 1)}", encoding="utf-8")
    with pytest.raises(ScenarioError, match=message):
        expand(load_scenario(path), catalogue=Shelf())


def test_a_share_is_claimed_in_percent_or_as_a_share_of_one(tmp_path: Path) -> None:
    written = FILE.read_text(encoding="utf-8")
    path = tmp_path / "claims.yaml"
    path.write_text(written.replace("at_most: 0.05", "at_most: 5 %"), encoding="utf-8")
    loaded = load_scenario(path)
    assert [plan.key for plan in expand(loaded, catalogue=Shelf())] == [
        plan.key for plan in expand(DRP, catalogue=Shelf())
    ]
    metric = metrics.known("lane_departure.rate")
    assert {metric.value(claim.bound, at_most=True) for claim in loaded.content.claims} == {0.05}
    path.write_text(
        written.replace("lane_departure.rate\n    at_most: 0.05", "lane.max_offset_m\n    at_most: 5 %", 1),
        encoding="utf-8",
    )
    with pytest.raises(ScenarioError, match=r"31:14.*no share.*unit is m"):
        expand(load_scenario(path), catalogue=Shelf())


def test_an_agent_file_is_one_agent_however_its_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "ag.yaml"
    file.write_text("agent: dnn\noptions: {seed: 1}\n")
    keys = set()
    for folder, path in ((file.parent, "ag.yaml"), (file.parent, "./ag.yaml"), (tmp_path, str(file))):
        monkeypatch.chdir(folder)
        (plan,) = expand(DRP, catalogue=Shelf(weights="sign"), agents=[path], seeds=[1], conditions=["benign"])
        assert (plan.agent, plan.agent_here) == ("ag.yaml", path)
        assert "mine" not in plan.model_dump_json()
        keys.add(plan.key)
    assert len(keys) == 1
    plans = expand(DRP, catalogue=Shelf(), agents=["mine/ag.yaml", str(file), "dnn"], seeds=[1], conditions=["benign"])
    assert [plan.agent for plan in plans] == ["ag.yaml", "dnn"]


def test_a_claim_may_name_an_agent_file_either_way(tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8").split("claims:")[0]
    for name in ("mine/ag.yaml", "ag.yaml"):
        claims = f"claims:\n  - {{id: c, text: held, metric: collision.rate, at_most: 0.05, agent: {name}}}\n"
        path = tmp_path / "claimed.yaml"
        path.write_text(text + claims)
        expand(load_scenario(path), catalogue=Shelf(), agents=["mine/ag.yaml"], seeds=[1])


def test_the_number_of_a_route_is_no_part_of_a_drive(tmp_path: Path) -> None:
    keys = []
    for more in ("", "\nroute_id: 7"):
        path = tmp_path / "scenario.yaml"
        path.write_text(FILE.read_text().replace("name: drp_highway", f"name: drp_highway{more}"))
        keys.append([plan.key for plan in expand(load_scenario(path), catalogue=Shelf())])
    assert keys[0] == keys[1]
