"""The catalogue of events: every kind is judged, has words, a chart and an outcome, and stands nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from testbed.core.gtsrb import NO_ENTRY, SPEED_LIMIT_KMH, STOP, YIELD
from testbed.core.records import Event
from testbed.events import BUILT_IN, COLLISION, LEADERBOARD_ONLY, EventCatalogue, EventKind, Penalty
from testbed.judge import default_judges
from testbed.scenario.schema import TARGETS

PACKAGE = Path(__file__).resolve().parents[2] / "testbed"
KINDS = [pytest.param(kind, id=kind.name) for kind in BUILT_IN.kinds]
IN_NO_OUTCOME = {"blocked", "wrong_lane", "route_deviation"}
"""Kinds that the table of `run` does not count: they come with another one that it counts, or the score tells them."""


def event(kind: str, **detail: float | str | bool) -> Event:
    return Event(
        kind=kind,
        t_s=4.0,
        frame=80,
        location_xyz_m=(0, 0, 0),
        ego_speed_mps=10.0,
        other="vehicle.x#7",
        severity=2.5,
        duration_s=1.5,
        detail=detail,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_named_by_exactly_one_judge(kind: EventKind) -> None:
    judges = [judge.name for judge in default_judges() if kind in judge.events]
    assert len(judges) == (0 if kind is COLLISION else 1), "judges report the kinds of collision"


def test_judges_name_no_kind_beside_the_catalogue() -> None:
    named = [kind for judge in default_judges() for kind in judge.events]
    assert len(named) == len(set(named)) and set(named) | {COLLISION} == set(BUILT_IN.kinds)


@pytest.mark.parametrize("kind", [*KINDS, *(pytest.param(kind, id=kind.name) for kind in LEADERBOARD_ONLY)])
def test_every_kind_has_words_a_chart_and_a_task(kind: EventKind) -> None:
    for words in (kind.happened, kind.held, kind.column, kind.hazard):
        assert words and words == words.strip() and not words.endswith("."), "words are parts of sentences"
    assert bool(kind.severity) == bool(kind.unit), "what is measured has a unit"
    assert kind.chart in ("offset", "speed", "gap") and kind.task in ("alc", "tsr", "vd")
    assert kind.name == kind.noun.replace(" ", "_")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_counts_in_an_outcome(kind: EventKind) -> None:
    assert bool(kind.outcome) != (kind.name in IN_NO_OUTCOME)


def test_names_and_words_tell_kinds_apart() -> None:
    for words in ("name", "happened", "held", "column"):
        told = [getattr(kind, words) for kind in (*BUILT_IN.kinds, *LEADERBOARD_ONLY)]
        assert len(told) == len(set(told)), words


def test_what_is_part_of_a_kind_is_shown_and_counted_with_it() -> None:
    parts = [kind for kind in BUILT_IN.kinds if kind.part_of]
    assert [kind.name for kind in parts] == ["collision_pedestrian", "collision_vehicle", "collision_static"]
    for kind in parts:
        whole = BUILT_IN[kind.part_of]
        assert (kind.outcome, kind.chart, kind.task) == (whole.outcome, whole.chart, whole.task)
        assert BUILT_IN.whole(kind.name) is whole and BUILT_IN.is_a(kind.name, whole.name)
        assert kind not in BUILT_IN.shown() and whole in BUILT_IN.shown()
        assert not BUILT_IN.is_a(whole.name, kind.name), "any collision is not yet one with a vehicle"


def test_penalties_are_those_of_the_leaderboard() -> None:
    # leaderboard/utils/statistics_manager.py, PENALTY_VALUE_DICT of the branches 2.0 and 2.1
    punished = {kind.name: kind.penalty for kind in (*BUILT_IN.kinds, *LEADERBOARD_ONLY) if kind.penalty}
    assert punished == {
        "collision_pedestrian": Penalty(1, 0.5, 1.0),
        "collision_vehicle": Penalty(2, 0.6, 0.7),
        "collision_static": Penalty(3, 0.65, 0.6),
        "red_light": Penalty(4, 0.7, 0.4),
        "stop_sign": Penalty(5, 0.8, 0.25),
        "scenario_timeout": Penalty(6, 0.7, 0.4),
        "yield_emergency": Penalty(7, 0.7, 0.4),
    }


def test_signs_and_adversaries_find_the_event_that_they_are_about() -> None:
    assert {name: kind.name for name in TARGETS if (kind := BUILT_IN.aimed_at_by(name)) is not None} == {
        "road_patch": "lane_departure",
        "camouflage": "collision",
    }
    signs = {class_id: kind.name for class_id in range(43) if (kind := BUILT_IN.of_sign(class_id)) is not None}
    assert signs == {STOP: "stop_sign", YIELD: "yield", NO_ENTRY: "no_entry"} | dict.fromkeys(
        SPEED_LIMIT_KMH, "speed_limit"
    )


def test_the_table_of_outcomes_has_these_columns() -> None:
    assert BUILT_IN.outcomes() == {
        "left lane": ("lane_departure", "outside_lane"),
        "collided": ("collision", "collision_pedestrian", "collision_vehicle", "collision_static"),
        "too fast": ("speed_limit",),
        "ran a sign": ("stop_sign", "red_light", "yield", "no_entry"),
        "braked for nothing": ("false_brake", "unneeded_stop"),
    }


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (event("lane_departure", side="left"), "left its lane to the left, 2.50 m deep, for 1.5 s"),
        (event("collision_static", at_fault=False), "hit vehicle.x#7 at 2.5 m/s, not at fault"),
        (event("collision_vehicle"), "hit vehicle.x#7 at 2.5 m/s"),
        (event("speed_limit", limit_mps=10.0, max_speed_mps=20.0), "up to 72 km/h where 36 is allowed, for 1.5 s"),
        (event("stop_sign"), "ran a stop sign at 9 km/h"),
        (event("red_light"), "passed a red light at 9 km/h"),
        (event("no_entry"), "passed a no-entry sign at 9 km/h"),
        (event("yield", gap_s=0.7), "did not give way to a vehicle 0.7 s away"),
        (event("yield", gap_s="soon"), "did not give way to a vehicle 0.0 s away"),
        (event("false_brake"), "braked at 2.5 m/s² for nothing, for 1.5 s"),
        (event("unneeded_stop"), "stood for 1.5 s for nothing"),
        (event("outside_lane"), "outside any lane for 2 m"),
        (event("wrong_lane"), "against the lane for 2 m"),
        (event("route_deviation"), "left its route by 2 m"),
        (event("blocked"), "blocked"),
        (event("of_somebody_else"), "of somebody else"),
    ],
    ids=lambda value: value.kind if isinstance(value, Event) else "",
)
def test_an_event_is_told_with_its_numbers(told: Event, sentence: str) -> None:
    assert BUILT_IN[told.kind].sentence(told) == sentence


def test_kinds_of_others_stand_behind_ours_and_replace_none() -> None:
    mine = EventKind.unknown("near_miss")
    more = BUILT_IN.extended([mine, COLLISION, mine])
    assert more.kinds == (*BUILT_IN.kinds, mine)
    assert "near_miss" in more and "near_miss" not in BUILT_IN
    assert BUILT_IN["near_miss"] == mine and BUILT_IN.whole("near_miss") is None
    assert not EventCatalogue(()).shown()


def test_no_other_module_keeps_a_list_of_kinds() -> None:
    """Three names of kinds in one module are a list; they belong into the catalogue."""
    names = {kind.name for kind in BUILT_IN.kinds} - {"yield", "no_entry"}  # these two name lines on the road, too
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "events") or path.name == "registry.py":
            continue
        words = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
        assert len(words & names) < 3, f"{path.relative_to(PACKAGE)}: {sorted(words & names)}"
