"""Results files for other people's tools: everything that those read is there, of the kind that they take it for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed.core.records import EpisodeRecord
from testbed.report.build import build
from testbed.report.leaderboard_file import COLUMNS, leaderboard_files
from testbed.report.run_view import RunView

MakeView = Callable[..., RunView]
CLEAN: list[str] = []
SCORES = {
    "driving_score_2_0": 100.0,
    "driving_score_2_1": 100.0,
    "penalty_2_0": 1.0,
    "penalty_2_1": 1.0,
    "route.percent": 100.0,
    "status": "Completed",
    "episode.duration_s": 8.0,
}


def judged(**scores: Any) -> Callable[[EpisodeRecord], EpisodeRecord]:
    def change(record: EpisodeRecord) -> EpisodeRecord:
        return record.model_copy(update={"scores": SCORES | scores, "wall_s": 1.5})

    return change


def documents(view: RunView) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in leaderboard_files(view).items()}


def only(view: RunView) -> dict[str, Any]:
    (document,) = documents(view).values()
    assert isinstance(document, dict)
    return document


def merged(folder: Path) -> tuple[float, float, int]:
    """Driving score, success rate and number of routes, from the fields that Bench2Drive's merging reads."""
    scores: list[float] = []
    won = 0
    for path in folder.glob("*.json"):
        for record in json.loads(path.read_text())["_checkpoint"]["records"]:
            record.pop("index")
            scores.append(record["scores"]["score_composed"])
            lists = {name: len(told) for name, told in record["infractions"].items() if name != "min_speed_infractions"}
            won += record["status"] in ("Completed", "Perfect") and not any(lists.values())
            number = record["route_id"].split("_")
            assert number[0] == "RouteScenario" and number[1].isdigit() and number[2].startswith("rep")
    return sum(scores) / 220, won / 220, len(scores)


def test_runs_are_merged_into_one_driving_score(make_view: MakeView, tmp_path: Path) -> None:
    for number, kinds in enumerate((CLEAN, ["red_light"])):
        scores = {"driving_score_2_0": 70.0} if kinds else {}
        view = make_view({("dnn", "benign"): [kinds, CLEAN]}, change=judged(**scores))
        (text,) = leaderboard_files(view).values()
        (tmp_path / f"{number}.json").write_text(text)
    assert merged(tmp_path) == (pytest.approx((200 + 140) / 220), pytest.approx(3 / 220), 4)


def test_agents_and_conditions_are_never_merged_by_accident(make_view: MakeView) -> None:
    drives = {("dnn", "benign"): [CLEAN], ("dnn", "paint"): [CLEAN], ("tandem", "benign"): [CLEAN]}
    assert list(documents(make_view(drives, change=judged()))) == [
        "leaderboard/dnn/benign/run0.json",
        "leaderboard/dnn/paint/run0.json",
        "leaderboard/tandem/benign/run0.json",
    ]


def test_a_record_has_every_field_of_the_layout(make_view: MakeView) -> None:
    document = only(make_view({("dnn", "benign"): [CLEAN, CLEAN]}, change=judged()))
    checkpoint = document["_checkpoint"]
    assert set(document) - {"testbed"} == {"_checkpoint", "entry_status", "eligible", "sensors", "values", "labels"}
    assert (document["entry_status"], document["eligible"], checkpoint["progress"]) == ("Finished", True, [2, 2])
    assert document["sensors"]  # the Leaderboard calls a file without sensors invalid
    assert len(document["values"]) == len(document["labels"]) == 15
    assert document["values"][:3] == ["100.0", "100.0", "1.0"] and document["labels"][0] == "Avg. driving score"
    records = checkpoint["records"]
    assert [record["index"] for record in records] == [0, 1]
    assert [record["route_id"].rpartition("_")[2] for record in records] == ["rep0", "rep1"]
    first = records[0]
    assert first["status"] == "Perfect" and first["num_infractions"] == 0
    assert first["scores"] == {"score_route": 100.0, "score_penalty": 1.0, "score_composed": 100.0}
    assert first["meta"] == {"route_length": 100.0, "duration_game": 8.0, "duration_system": 1.5}
    assert (first["town_name"], first["weather_id"], first["scenario_name"]) == ("town", "WetSunset", "street")
    assert first["save_name"].startswith(f"{first['route_id']}_town_street_WetSunset_")
    assert set(first["infractions"]) == set(COLUMNS)
    overall = checkpoint["global_record"]
    assert (overall["index"], overall["route_id"], overall["status"]) == (-1, -1, "Perfect")
    assert set(overall["scores_mean"]) == set(overall["scores_std_dev"]) == set(first["scores"])
    assert overall["meta"] == {"total_length": 200.0, "duration_game": 16.0, "duration_system": 3.0, "exceptions": []}


def test_events_go_where_the_layout_has_them(make_view: MakeView) -> None:
    kinds = ["collision_pedestrian", "collision_vehicle", "collision_static", "red_light", "stop_sign"]
    kinds += ["outside_lane", "wrong_lane", "blocked", "route_deviation", "lane_departure", "no_entry", "speed_limit"]
    scores = {"driving_score_2_0": 10.0, "outside_lane.distance_m": 12.5, "outside_lane.percent": 6.25}
    document = only(make_view({("dnn", "benign"): [[*kinds, "red_light"]]}, change=judged(**scores)))
    (record,) = document["_checkpoint"]["records"]
    assert {name: len(found) for name, found in record["infractions"].items() if found} == {
        "collisions_pedestrian": 1,
        "collisions_vehicle": 1,
        "collisions_layout": 1,
        "red_light": 2,
        "stop_infraction": 1,
        "outside_route_lanes": 1,  # one entry for all of it, as its readers expect
        "route_dev": 1,
        "vehicle_blocked": 1,
    }
    assert record["num_infractions"] == 9 and record["status"] == "Completed"
    assert float(record["infractions"]["outside_route_lanes"][0].split(" ")[8]) == 12.5
    assert record["infractions"]["stop_infraction"] == ["stop_sign at (x=1.000, y=2.000, z=0.000), 4.00 s: none"]
    # what the layout has no list for is told nonetheless
    told = {event["kind"]: event["infraction"] for event in record["testbed"]["events"]}
    assert told["lane_departure"] is None and told["no_entry"] is None and told["speed_limit"] is None
    overall = document["_checkpoint"]["global_record"]["infractions"]
    assert overall["red_light"] == 20.0  # per kilometre: two on 100 m
    assert overall["outside_route_lanes"] == 0.013  # kilometres, as in the layout: 12.5 m rounded up
    assert document["_checkpoint"]["global_record"]["status"] == "Completed"


def test_a_collision_without_fault_costs_nothing_and_is_no_infraction(make_view: MakeView) -> None:
    def innocent(record: EpisodeRecord) -> EpisodeRecord:
        events = [event.model_copy(update={"detail": {"at_fault": False}}) for event in record.events]
        return judged()(record).model_copy(update={"events": tuple(events)})

    (record,) = only(make_view({("dnn", "benign"): [["collision_vehicle"]]}, change=innocent))["_checkpoint"]["records"]
    assert (record["status"], record["num_infractions"]) == ("Perfect", 0)
    assert record["testbed"]["events"][0]["at_fault"] is False


def test_a_route_that_is_not_driven_to_its_end_has_timed_out(make_view: MakeView) -> None:
    scores = {"route.percent": 40.0, "driving_score_2_0": 40.0, "status": "Failed - Agent timed out"}
    checkpoint = only(make_view({("dnn", "benign"): [CLEAN]}, change=judged(**scores)))["_checkpoint"]
    (record,) = checkpoint["records"]
    assert record["status"] == "Failed - Agent timed out"
    assert len(record["infractions"]["route_timeout"]) == record["num_infractions"] == 1
    assert checkpoint["global_record"]["status"] == "Failed"
    assert checkpoint["global_record"]["meta"]["exceptions"] == [[record["route_id"], 0, record["status"]]]


def test_what_is_no_result_is_no_record_but_told(make_view: MakeView) -> None:
    plan = make_view({("dnn", "benign"): [CLEAN]}).episodes[0].plan
    failed = [
        EpisodeRecord(
            plan=plan.model_copy(update={"seed": seed}), status="failed", error_code=code, error="why", attempts=3
        )
        for seed, code in ((90, "TB304"), (91, "TB400"))
    ]
    document = only(make_view({("dnn", "benign"): [CLEAN]}, change=judged(), records=failed))
    checkpoint = document["_checkpoint"]
    assert (document["entry_status"], document["eligible"], checkpoint["progress"]) == ("Crashed", False, [1, 3])
    told = [exception[2] for exception in checkpoint["global_record"]["meta"]["exceptions"]]
    assert told == [
        "Failed - Simulation crashed, seed 90: TB304 why",
        "Failed - Agent crashed, seed 91: TB400 why",
    ]
    assert checkpoint["global_record"]["scores_mean"]["score_composed"] == 100.0


def test_the_report_replaces_what_is_stale(make_view: MakeView) -> None:
    view = make_view({("dnn", "benign"): [CLEAN]}, change=judged())
    path = view.folder.path
    stale = path / "leaderboard" / "gone" / "benign" / "demo.json"
    stale.parent.mkdir(parents=True)
    for old in (stale, path / "results.json"):
        old.write_text("{}")
    build(path)
    assert not stale.exists() and not (path / "results.json").exists()
    assert (path / "leaderboard" / "dnn" / "benign" / "run0.json").is_file()
