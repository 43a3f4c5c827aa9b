"""What a report says about signs, vehicles and several attacks: topics, answers, parts, the gap, what was avoidable."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from testbed.core.records import EpisodePlan, EpisodeRecord, Event
from testbed.core.types import Decision, Steering
from testbed.events import COLLISION, SPEED_LIMIT, STOP_SIGN
from testbed.report import build, judge_claims, read_run
from testbed.report.attack_aim import adversaries_in, adversary_kinds_of, aim_of, aims_of, controls_of
from testbed.report.conclusions import conclusions, lead_sentence
from testbed.report.drive_trace import DriveTrace, ExpectedAnswer
from testbed.report.gap import document, gap_table, gaps
from testbed.report.measures import badness, component_success, least_gaps_m, misread_as
from testbed.report.page import overview_table
from testbed.report.preventable import MODELS, Braking, avoidable, label
from testbed.report.run_view import Episode, RunView
from testbed.store import RunFolder, RunManifest

TOWN: dict[str, Any] = {
    "name": "town",
    "question": "What do three attacks do on one street?",
    "map": "town",
    "duration_s": 8.0,
    "ego": {"spawn": {"road": 8, "lane": -1, "s_m": 6.0}, "speed_mps": 13.9},
    "actors": [{"id": "standing", "ahead_m": 80.0}],
    "signs": [{"id": "limit", "gtsrb_class": 1, "ahead_m": 50.0}, {"id": "halt", "gtsrb_class": 14, "ahead_m": 70.0}],
    "adversaries": [
        {"id": "shadow", "kind": "shadow", "artefact": "s", "sign": "limit"},
        {"id": "sticker", "kind": "sign_face", "artefact": "f", "sign": "halt"},
        {"id": "paint", "kind": "camouflage", "artefact": "c", "actor": "standing"},
        {"id": "grey", "kind": "camouflage", "artefact": "g", "actor": "standing", "control": True},
        {"id": "patch", "kind": "road_patch", "artefact": "p", "at": {"ahead_m": 60.0}},
    ],
    "conditions": [
        {"id": "shadow", "inject": ["shadow"]},
        {"id": "sticker", "inject": ["sticker"]},
        {"id": "paint", "inject": ["paint"]},
        {"id": "grey", "inject": ["grey"]},
        {"id": "patch", "inject": ["patch"]},
        {"id": "all", "inject": ["patch", "shadow", "paint"]},
    ],
    "claims": [
        {"id": "hit", "text": "hits nothing", "metric": "collision.rate", "at_most": 0.05, "condition": "all"},
        {
            "id": "calm",
            "text": "keeps its lane",
            "metric": "lane_departure.rate",
            "at_most": 0.05,
            "condition": "benign",
        },
    ],
}
CONDITIONS = ("benign", "shadow", "sticker", "paint", "grey", "patch", "all")
CONFUSION = json.dumps({"1": {"1": 2, "5": 6}})


def event(kind: str, t_s: float = 4.0) -> Event:
    return Event(kind=kind, t_s=t_s, frame=80, location_xyz_m=(0, 0, 0), ego_speed_mps=10, severity=9.0)


def records(scene: dict[str, Any], seeds: range = range(1, 7)) -> list[EpisodeRecord]:
    """Every attack does what it aims at in every drive of dnn, and nothing happens to tandem."""
    does = {
        "shadow": ["speed_limit"],
        "sticker": ["stop_sign"],
        "paint": ["collision_vehicle"],
        "patch": ["lane_departure"],
        "all": ["speed_limit", "collision_vehicle"],
    }
    found = []
    for agent in ("dnn", "tandem"):
        for condition in CONDITIONS:
            for seed in seeds:
                plan = EpisodePlan(
                    scenario=scene["name"], scene=scene, agent=agent, condition=condition, seed=seed
                )  # fmt: skip
                kinds = does.get(condition, []) if agent == "dnn" else []
                attacked = condition != "benign"
                scores: dict[str, Any] = {"driving_score_2_1": 90.0, "driving_score_2_0": 90.0}
                if condition in ("shadow", "all") and agent == "dnn":
                    scores |= {"exposed.tsr.n": 8, "exposed.tsr.correct": 2, "exposed.tsr.confusion": CONFUSION}
                found.append(
                    EpisodeRecord(
                        plan=plan,
                        events=tuple(event(kind) for kind in kinds),
                        scores=scores,
                        valid_attack=True if attacked else None,
                        injection={"x": "composite"} if attacked else {},
                    )
                )
    return found


def run_of(path: Path, *scenes: dict[str, Any], seeds: range = range(1, 7)) -> RunView:
    stored = [record for scene in scenes for record in records(scene, seeds)]
    manifest = RunManifest.of(
        "r", [record.plan for record in stored], scenarios={scene["name"]: scene for scene in scenes}, notes="Why?"
    )
    folder = RunFolder.create(path, manifest)
    for record in stored:
        folder.write_episode(record)
    return read_run(path)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    return run_of(tmp_path_factory.mktemp("town") / "r", TOWN)


def test_an_attack_is_judged_by_what_it_aims_at(town: RunView) -> None:
    aims = {condition: aim_of(town, condition).name for condition in CONDITIONS[1:]}
    assert aims == {
        "shadow": "speed_limit",
        "sticker": "stop_sign",
        "paint": "collision",
        "grey": "collision",
        "patch": "lane_departure",
        "all": "collision",
    }
    assert aim_of(town, "benign").name == "lane_departure"
    assert [adversary.id for adversary in adversaries_in(town, "all")] == ["patch", "shadow", "paint"]
    assert adversary_kinds_of(town, "all") == ["road_patch", "shadow", "camouflage"]
    assert controls_of(town, "paint") == ["grey"] and controls_of(town, "shadow") == []
    assert controls_of(town, "all") == ["grey"]


def test_answers_name_the_event_the_control_and_the_misreading(town: RunView) -> None:
    found = {(conclusion.agent, conclusion.attack): conclusion for conclusion in conclusions(town)}
    paint = found["dnn", "paint"]
    assert "The ego collided in 6/6 drives under paint" in paint.sentence
    assert "in 0/6 under the control grey" in paint.sentence and "in 0/6 benign drives" in paint.sentence
    shadow = found["dnn", "shadow"]
    assert "drove too fast in 6/6" in shadow.sentence and "control" not in shadow.sentence
    # six drives with eight pictures each, of which six were read as 80
    assert "misread as “speed limit 80”: 36 of 48 pictures" in shadow.sentence
    assert "Injected as composite." in shadow.sentence
    assert "What came before: no perception error (6)." in paint.sentence
    held = found["tandem", "sticker"]
    assert held.verdict == "held" and held.headline == "stopped at the sign" and "up to 39 %" in held.sentence
    lead = lead_sentence(town, list(found.values()))
    assert "Under shadow, dnn drove too fast" in lead and "Under patch, dnn left its lane" in lead
    assert "tandem kept to the limit in every drive" in lead


def test_an_attack_that_aims_at_several_events_hides_none(town: RunView) -> None:
    kinds = ["collision", "lane_departure", "speed_limit"]
    assert [aim.name for aim in aims_of(town, "all")] == kinds
    assert all(aims_of(town, name) == [aim_of(town, name)] for name in CONDITIONS if name != "all")
    mine = {a.aim.name: a for a in conclusions(town) if (a.agent, a.attack) == ("dnn", "all")}
    assert {kind: conclusion.verdict for kind, conclusion in mine.items()} == {
        "collision": "leaning",  # six pairs, many tests
        "lane_departure": "held",
        "speed_limit": "leaning",
    }
    assert {kind: conclusion.headline for kind, conclusion in mine.items()} == {
        "collision": "seems to lose to the attack: collided",
        "lane_departure": "held its lane",
        "speed_limit": "seems to lose to the attack: drove too fast",
    }
    lead = lead_sentence(town, conclusions(town))
    under_all = lead[lead.index("Under all") :]
    assert "dnn collided more often" in under_all and "dnn drove too fast more often" in under_all
    rows = [gap for gap in gaps(town) if (gap.agent, gap.attack) == ("dnn", "all")]
    assert [(gap.aim.name, gap.kinds, gap.attacked.k) for gap in rows] == [
        ("collision", ("camouflage",), 6),
        ("lane_departure", ("road_patch",), 0),
        ("speed_limit", ("shadow",), 6),
    ]


def test_misreadings_are_counted_over_drives(town: RunView) -> None:
    group = town.group("dnn", "shadow")
    assert group is not None and misread_as(group.episodes) == ("“speed limit 80”", 36, 48)
    calm = town.group("tandem", "shadow")
    assert calm is not None and misread_as(calm.episodes) is None


def test_several_scenarios_get_a_section_and_an_overview(tmp_path: Path) -> None:
    other = copy.deepcopy(TOWN) | {"name": "street", "question": "And on another street?"}
    view = run_of(tmp_path / "r", TOWN, other, seeds=range(1, 3))
    parts = view.parts()
    assert [part.name for part in parts] == ["street", "town"]
    assert all(len(part.episodes) == 28 and list(part.manifest.scenarios) == [part.name] for part in parts)
    overview = overview_table(parts)
    # five attacks in each scenario, one of which aims at three events
    assert len(overview.rows) == 14 and [head for head, _ in overview.heads] == ["the ego …", "dnn", "tandem"]
    paint = next(row for row in overview.rows if (row.agent, row.condition) == ("town", "paint"))
    assert [cell.text for cell in paint.cells] == ["collided", "2/2", "0/2"]
    assert [cell.tone for cell in paint.cells] == ["", "", ""], "two drives decide nothing"
    assert paint.cells[1].note == "benign 0/2"
    assert {(claim.scenario, claim.id) for claim in judge_claims(view)} == {
        (name, claim) for name in ("street", "town") for claim in ("hit", "calm")
    }
    text = build(tmp_path / "r").read_text("utf-8")
    assert text.count('<article class="scenario"') == 2 and "And on another street?" in text
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids)), "every anchor is one place"
    summary = (tmp_path / "r" / "summary.md").read_text()
    assert summary.count("### On the road") == 2 and "From images to the road" in summary


def test_the_gap_sets_answers_beside_events(town: RunView) -> None:
    found = {(gap.agent, gap.attack): gap for gap in gaps(town)}
    gap = found["dnn", "paint"]
    assert (gap.benign.k, gap.attacked.k, gap.attacked.n) == (0, 6, 6) and gap.difference == 1.0
    assert gap.test.only_second == 6 and 0.3 < gap.change.low < 1.0 == gap.change.high
    assert found["dnn", "grey"].control and found["dnn", "grey"].difference == 0.0
    table = gap_table(gaps(town))
    assert table is not None and len(table.rows) == 2 * (6 + 2)
    from testbed import stats

    with_images = gap_table([gap], {("camouflage", "dnn"): stats.rate(9, 10)})
    assert with_images is not None and with_images.rows[0].cells[1].text == "90 %"
    control = gap_table([found["dnn", "grey"]], {("camouflage", "dnn"): stats.rate(9, 10)})
    assert control is not None and control.rows[0].cells[1].text == "–"
    assert gap_table([]) is None
    (entry,) = document([gap])
    assert entry["event"] == "collision" and entry["change"][0] == 1.0 and json.dumps(entry)


# ---------------------------------------------------------------- one drive


def track(
    synthetic: ModuleType,
    gap_m: list[float],
    speed_mps: list[float],
    lead_mps: float = 0.0,
    *,
    decisions: tuple[Decision, ...] = (),
    rights: tuple[ExpectedAnswer, ...] = (),
    visible_px: float = 100.0,
) -> DriveTrace:
    steps = len(gap_m)
    t_s = 0.05 * np.arange(steps)
    return DriveTrace(
        frame=np.arange(steps),
        t_s=t_s,
        offset_m=np.zeros(steps),
        s_m=np.cumsum(speed_mps) * 0.05,
        speed_mps=np.array(speed_mps),
        limit_mps=np.full(steps, 10.0),
        gap_m=np.array(gap_m),
        lead_mps=np.full(steps, lead_mps),
        visible_px=np.full(steps, visible_px),
        patch_s=None,
        shown_s=(0.0, 1.0),
        line_s=None,
        decisions=decisions,
        rights=rights,
    )


@pytest.mark.parametrize(
    ("gap_m", "speed_mps", "prudent"),
    [
        # 20 m/s at a standing car: 7 m of reaction and 33.3 m of braking for the first model
        (41.0, 20.0, True),
        (40.0, 20.0, False),
        (5.0, 3.0, True),
        (60.0, 30.0, False),
    ],
)
def test_un_r157_brakes_as_its_numbers_say(
    synthetic: ModuleType, gap_m: float, speed_mps: float, prudent: bool
) -> None:
    gaps_m = list(np.linspace(gap_m, 0.0, 40))
    assert avoidable(track(synthetic, gaps_m, [speed_mps] * 40), 2.0, MODELS[0]) is prudent


def test_the_careful_driver_builds_its_braking_up() -> None:
    model = MODELS[1]
    ramp_s = 0.774 * 9.81 / 12.65
    assert model.speed_lost_mps(0.75) == 0.0
    assert model.speed_lost_mps(0.75 + ramp_s) == pytest.approx(0.5 * 0.774 * 9.81 * ramp_s)
    assert model.speed_lost_mps(2.75) == pytest.approx(0.774 * 9.81 * (2.0 - 0.5 * ramp_s))
    assert Braking("at once", 0.0, 6.0).speed_lost_mps(1.0) == 6.0


def test_preventable_says_nothing_without_a_vehicle_ahead(synthetic: ModuleType) -> None:
    unseen = track(synthetic, [np.nan] * 20, [10.0] * 20)
    assert avoidable(unseen, 1.0, MODELS[0]) is None and label(unseen, 1.0) == "" and label(None, 1.0) == ""
    late = track(synthetic, [np.nan] * 15 + [4.0, 3.0, 2.0, 1.0, 0.2], [20.0] * 20)
    assert label(late, 0.95) == "not preventable for UN R157; not preventable for careful and competent"


def test_flips_are_counted_per_task(synthetic: ModuleType) -> None:
    def drive(sign: int, present: bool) -> DriveTrace:
        told = tuple(
            synthetic.decision(index, synthetic.perception(Steering.LEFT, sign=sign, present=present))
            for index in range(0, 20, 2)
        )
        rights = tuple(ExpectedAnswer("Left", 1, True) for _ in told)
        return track(synthetic, [30.0] * 20, [10.0] * 20, decisions=told, rights=rights)

    plan = EpisodePlan(scenario="s", scene={}, agent="dnn", condition="x")
    twin = Episode(EpisodeRecord(plan=plan), drive=drive(1, True))
    episode = Episode(EpisodeRecord(plan=plan), twin=twin, drive=drive(5, False))
    assert component_success([episode], "tsr") == (10, 10)
    assert component_success([episode], "vd") == (10, 10)
    assert component_success([episode], "alc") == (0, 10)
    hidden = Episode(
        EpisodeRecord(plan=plan), twin=twin, drive=track(synthetic, [30.0] * 20, [10.0] * 20, visible_px=0.0)
    )
    assert component_success([hidden], "tsr") == (0, 0)


def test_the_median_drive_is_chosen_by_the_topic(synthetic: ModuleType) -> None:
    plan = EpisodePlan(scenario="s", scene={}, agent="dnn", condition="x")
    near = Episode(EpisodeRecord(plan=plan), drive=track(synthetic, [9.0, 3.0, 5.0], [12.0, 14.0, 13.0]))
    hit = Episode(EpisodeRecord(plan=plan, events=(event("collision_vehicle"),)), drive=near.drive)
    assert least_gaps_m([near, hit]) == [3.0, 0.0]
    assert badness(hit, COLLISION) > badness(near, COLLISION)
    assert badness(near, SPEED_LIMIT) == pytest.approx(4.0)
    assert badness(near, STOP_SIGN) == pytest.approx(12.0), "the least speed where no line was passed"


@pytest.mark.parametrize(("unread", "told"), [(9, True), (4, False)])
def test_an_agent_that_answers_nothing_is_no_robust_one(make_view: Any, unread: int, told: bool) -> None:
    scores = {"alc.n": 10, "alc.correct": 10 - unread, "alc.abstained": 0, "alc.unparsable": unread}
    view = make_view(
        {("mute", "benign"): [[], []], ("mute", "drp"): [[], []]},
        change=lambda record: record.model_copy(update={"scores": scores}),
    )
    lead = lead_sentence(view, conclusions(view))
    assert ("mute gave no answer to 36 of 40 steering questions (36 unreadable)" in lead) == told
