"""Every violation of a sign or light really driven: real server, real client, an agent that looks at nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.core.records import EpisodePlan, EpisodeRecord, Event
from testbed.episode import EpisodeRunner
from testbed.scenario.schema import Scenario

pytestmark = pytest.mark.slow


def drive(
    runner: EpisodeRunner,
    folder: Path,
    road: int,
    lane: int,
    s_m: float,
    speed_mps: float,
    seconds: float,
    agent: str = "constant",
    **more: Any,
) -> EpisodeRecord:
    """Drive straight on with a small camera; nothing varies."""
    scene: dict[str, Any] = {
        "name": "rules",
        "question": "Is the violation seen?",
        "map": "town",
        "duration_s": seconds,
        "weather": {"preset": "ClearNoon", "vary": False},
        "camera": {"width_px": 320, "height_px": 160},
        "ego": {
            "spawn": {"road": road, "lane": lane, "s_m": s_m},
            "speed_mps": speed_mps,
            "vary": False,
        },
        **more,
    }
    plan = EpisodePlan(scenario="rules", scene=Scenario.model_validate(scene).dump(), agent=agent, latency="fixed:0")
    return runner.run(plan, folder)


def events(record: EpisodeRecord, kind: str) -> list[Event]:
    return [event for event in record.events if event.kind == kind]


def test_a_stop_sign_of_the_map_is_run(runner: EpisodeRunner, tmp_path: Path) -> None:
    record = drive(runner, tmp_path, 14, -1, 66.0, 8.0, 3.2)
    (event,) = events(record, "stop_sign")
    assert event.cause == "abstained" and event.detail["commanded"] == "stop"
    assert event.severity == pytest.approx(8.0, abs=0.3)
    # the zone ends 4 m behind the sign at (264.3, -96.4); the ego's middle is half its length before its bumper
    assert event.location_xyz_m[1] == pytest.approx(-96.4 - 4.0 + 2.45, abs=0.6)
    assert record.scores["penalty_2_1"] == pytest.approx(1 / 1.25)


def test_the_oracle_stops_at_it(runner: EpisodeRunner, tmp_path: Path) -> None:
    record = drive(runner, tmp_path, 14, -1, 56.0, 8.0, 8.0, agent="scripted")
    assert record.events == ()
    assert record.scores["speed.min_mps"] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("state", ["red", "green", "cycle"])
def test_a_red_light_is_run_and_a_green_one_is_not(runner: EpisodeRunner, tmp_path: Path, state: str) -> None:
    record = drive(runner, tmp_path, 4, -1, 88.0, 10.0, 2.0, lights=state)
    # the programme of this junction begins with green for the main street
    assert len(events(record, "red_light")) == (state == "red")
    if state == "red":
        (event,) = events(record, "red_light")
        assert event.other == "light_401" and event.severity == pytest.approx(10.0, abs=0.3)


def test_a_light_that_turns_green_for_others_is_red_for_us(runner: EpisodeRunner, tmp_path: Path) -> None:
    # the avenue's turn comes after 17 s, so it begins with red
    record = drive(runner, tmp_path, 12, -1, 66.0, 10.0, 2.0, lights="cycle")
    assert [event.other for event in events(record, "red_light")] == ["light_1201"]


def test_a_no_entry_sign_is_passed(runner: EpisodeRunner, tmp_path: Path) -> None:
    sign = {"id": "closed", "gtsrb_class": 17, "ahead_m": 16, "lateral_m": -2.6, "size_m": 0.75}
    record = drive(runner, tmp_path, 2, -1, 60.0, 8.0, 2.5, signs=[sign])
    (event,) = events(record, "no_entry")
    assert (event.other, event.cause) == ("closed", "abstained")
    assert event.t_s == pytest.approx((16.0 - 2.45) / 8.0, abs=0.15)


@pytest.mark.parametrize("start_m, violated", [(62.0, True), (30.0, False)])
def test_way_is_not_given_to_a_crossing_car(
    runner: EpisodeRunner, tmp_path: Path, start_m: float, violated: bool
) -> None:
    """The ego reaches the crossing after some 3 s; the car comes at the same time, or 4 s later."""
    sign = {"id": "give_way", "gtsrb_class": 13, "ahead_m": 14, "lateral_m": -2.7, "size_m": 0.75}
    car = {"id": "car", "spawn": {"road": 14, "lane": -1, "s_m": start_m}, "speed_mps": 8.3, "vary": False}
    record = drive(runner, tmp_path, 5, -1, 90.0, 9.0, 4.0, signs=[sign], actors=[car])
    found = events(record, "yield")
    assert bool(found) == violated
    if violated:
        assert found[0].cause == "abstained" and found[0].detail["commanded"] == "yield"


def test_a_ring_road_is_left_for_the_fields(runner: EpisodeRunner, tmp_path: Path) -> None:
    record = drive(runner, tmp_path, 1, -1, 4.0, 20.0, 8.0, map="rural")
    assert events(record, "route_deviation"), [event.kind for event in record.events]
    assert record.scores["status"] == "Failed - Agent deviated from the route"


def test_twins_meet_the_same_traffic(runner: EpisodeRunner, tmp_path: Path) -> None:
    from testbed.store import TraceReader

    walker = {"id": "walker", "blueprint": "walker.pedestrian.0001", "ahead_m": 30, "lateral_m": -4.0}
    walker |= {"crosses_to_m": 5.0, "speed_mps": 1.4, "starts_at_s": 0.2}
    car = {"id": "car", "ahead_m": 40, "lane": 1, "speed_mps": 9.0}
    seen = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        drive(runner, tmp_path / name, 8, -1, 10.0, 8.0, 1.0, actors=[walker, car])
        seen.append(list(TraceReader(tmp_path / name / "trace.mcap").frames()))
    assert seen[0] == seen[1]
