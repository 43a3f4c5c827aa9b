"""Results in the layout of CARLA Leaderboard 2.x, which Bench2Drive's tools read, per agent and condition.

``leaderboard/AGENT/CONDITION/RUN.json``: Bench2Drive's ``tools/merge_route_json.py`` merges what lies in a folder into
one driving score, so benign and attacked drives, and different agents, lie in folders of their own. What the layout has
no place for stands under ``testbed``, which its readers pass over. The mapping is told in ``docs/peers.md``.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.core.records import Event
from testbed.events import BUILT_IN, LEADERBOARD_ONLY
from testbed.report.run_view import Episode, EpisodeGroup, RunView, stored_scenario
from testbed.scenario.schema import Scenario

FOLDER = "leaderboard"
VERSION = 1
"""Of what stands under ``testbed``."""

OUTSIDE, TIMEOUT = "outside_route_lanes", "route_timeout"

COLUMNS: dict[str, str] = {
    "collisions_pedestrian": "Collisions with pedestrians",
    "collisions_vehicle": "Collisions with vehicles",
    "collisions_layout": "Collisions with layout",
    "red_light": "Red lights infractions",
    "stop_infraction": "Stop sign infractions",
    OUTSIDE: "Off-road infractions",
    "route_dev": "Route deviations",
    TIMEOUT: "Route timeouts",
    "vehicle_blocked": "Agent blocked",
    "yield_emergency_vehicle_infractions": "Yield emergency vehicles infractions",
    "scenario_timeouts": "Scenario timeouts",
    "min_speed_infractions": "Min speed infractions",
}
"""The layout's lists of infractions, in the order of its columns, with their heads."""

SCORES: dict[str, str] = {
    "score_composed": "Avg. driving score",
    "score_route": "Avg. route completion",
    "score_penalty": "Avg. infraction penalty",
}
"""The layout's scores, in the order of its columns, with the heads of their means."""

INFRACTIONS: dict[str, str] = {
    kind.name: kind.infraction for kind in (*BUILT_IN.kinds, *LEADERBOARD_ONLY) if kind.infraction
}
"""Our kind of event to the layout's list."""


def leaderboard_files(view: RunView) -> dict[str, str]:
    """Return the text of every results file by its path in the run folder."""
    # folders side by side have different names, so that files of several runs can be gathered in one
    run = _plain(view.folder.path.resolve().name)
    files: dict[str, str] = {}
    for group in view.groups:
        planned = _planned(view, group)
        if not planned:
            continue
        name = f"{FOLDER}/{_plain(group.agent)}/{_plain(group.condition)}/{run}"
        while f"{name}.json" in files:
            name += "_"
        document = _document(view, group, planned)
        files[f"{name}.json"] = json.dumps(document, indent=1, allow_nan=False) + "\n"
    return files


def _plain(name: str) -> str:
    """Return a name as one that every file system takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).lstrip("._-")[:90] or "unnamed"


def _planned(view: RunView, group: EpisodeGroup) -> int:
    named = {p.key for p in view.manifest.planned if (p.agent, p.condition) == (group.agent, group.condition)}
    return len(named | {episode.plan.key for episode in (*group.episodes, *group.invalid)})


def _document(view: RunView, group: EpisodeGroup, planned: int) -> dict[str, Any]:
    repetitions: Counter[int] = Counter()
    records: list[dict[str, Any]] = []
    unscored: list[Episode] = []
    for episode in group.episodes:
        if episode.number("route.percent") is None or episode.number("driving_score_2_0") is None:
            unscored.append(episode)
            continue
        scenario = _scenario(view, episode)
        route = scenario.route_number
        records.append(_record(len(records), episode, scenario, repetitions[route]))
        repetitions[route] += 1
    exceptions = _exceptions(view, group, unscored)
    overall = _global_record(records, exceptions)
    status = _entry_status(view, group, len(records) == planned)
    means, infractions = overall["scores_mean"], overall["infractions"]
    return {
        "_checkpoint": {"global_record": overall, "progress": [len(records), planned], "records": records},
        "entry_status": status,
        "eligible": status == "Finished",
        "sensors": ["carla_camera"],
        "values": [*(str(means[name]) for name in SCORES), *(str(infractions[name]) for name in COLUMNS)],
        "labels": [*SCORES.values(), *COLUMNS.values()],
        "testbed": {
            "version": VERSION,
            "run": view.manifest.run_id,
            "agent": group.agent,
            "condition": group.condition,
            "role": view.role(group.condition),
        },
    }


def _scenario(view: RunView, episode: Episode) -> Scenario:
    plan = episode.plan
    return view.scenarios.get(plan.scenario) or stored_scenario(plan.scene, plan.scenario)


def _entry_status(view: RunView, group: EpisodeGroup, complete: bool) -> str:
    """Return the layout's word for a whole run."""
    mine = (group.agent, group.condition)
    if complete:
        return "Finished"
    if any(lost.infrastructure for lost in view.lost if (lost.planned.agent, lost.planned.condition) == mine):
        return "Crashed"
    if any((p.agent, p.condition) == mine for p in view.not_run):
        return "Started"
    return "Invalid"


def _exceptions(view: RunView, group: EpisodeGroup, unscored: Iterable[Episode]) -> list[list[Any]]:
    """Return (route, index, status) of drives that are no results: lost ones, and attacks that were not delivered."""
    found: list[list[Any]] = []
    for episode in group.invalid:
        route = f"RouteScenario_{_scenario(view, episode).route_number}"
        found.append([route, -1, f"Invalid attack, seed {episode.plan.seed}: {episode.reason}"])
    for episode in unscored:
        route = f"RouteScenario_{_scenario(view, episode).route_number}"
        found.append([route, -1, f"No driving score, seed {episode.plan.seed}"])
    for lost in view.lost:
        planned = lost.planned
        if (planned.agent, planned.condition) == (group.agent, group.condition):
            scenario = view.scenarios.get(planned.scenario)
            route = "RouteScenario" if scenario is None else f"RouteScenario_{scenario.route_number}"
            word = "Simulation crashed" if lost.infrastructure else "Agent crashed"
            found.append([route, -1, f"Failed - {word}, seed {planned.seed}: {lost.code} {lost.reason}"])
    return found


def _record(index: int, episode: Episode, scenario: Scenario, repetition: int) -> dict[str, Any]:
    """Return one drive as the layout has it."""
    plan, record = episode.plan, episode.record
    route_id = f"RouteScenario_{scenario.route_number}_rep{repetition}"
    town = Path(scenario.map).stem if scenario.map.endswith(".xodr") else scenario.map
    weather = str((plan.scene.get("weather") or {}).get("preset", scenario.weather.preset))
    infractions = _infractions(episode)
    count = sum(map(len, infractions.values()))
    said = str(record.scores.get("status") or "")
    return {
        "index": index,
        "route_id": route_id,
        "scenario_name": scenario.name,
        "weather_id": weather,
        "save_name": f"{route_id}_{town}_{scenario.name}_{weather}_{plan.key[:12]}",
        "town_name": town,
        "status": said if said.startswith("Failed") else "Completed" if count else "Perfect",
        "num_infractions": count,
        "infractions": infractions,
        "scores": {
            "score_route": round(_number(episode, "route.percent"), 6),
            "score_penalty": _number(episode, "penalty_2_0"),
            "score_composed": _number(episode, "driving_score_2_0"),
        },
        "meta": {
            "route_length": round(scenario.planned_route_m, 3),
            "duration_game": round(_number(episode, "episode.duration_s"), 3),
            "duration_system": round(record.wall_s, 3),
        },
        "testbed": {
            "scenario": plan.scenario,
            "condition": plan.condition,
            "seed": plan.seed,
            "latency": plan.latency,
            "key": plan.key,
            "score_composed_2_1": episode.number("driving_score_2_1"),
            "score_penalty_2_1": episode.number("penalty_2_1"),
            "events": [_told(event) for event in record.events],
        },
    }


def _number(episode: Episode, name: str) -> float:
    return episode.number(name) or 0.0


def _infractions(episode: Episode) -> dict[str, list[str]]:
    """Return the layout's lists; what the ego is not at fault for is no infraction, as it costs nothing."""
    found: dict[str, list[str]] = {name: [] for name in COLUMNS}
    outside_m = 0.0
    for event in episode.record.events:
        name = INFRACTIONS.get(event.kind)
        if name is None or not event.detail.get("at_fault", True):
            continue
        if name == OUTSIDE:
            outside_m += event.severity
            continue
        x, y, z = event.location_xyz_m
        place = f"(x={x:.3f}, y={y:.3f}, z={z:.3f})"
        found[name].append(f"{event.kind} at {place}, {event.t_s:.2f} s: {event.cause}")
    if any(INFRACTIONS.get(event.kind) == OUTSIDE for event in episode.record.events):
        length_m = episode.number("outside_lane.distance_m") or outside_m
        # one entry, whose ninth word its readers take for the distance in metres
        share = _number(episode, "outside_lane.percent")
        found[OUTSIDE].append(
            f"Ego outside all lanes or against them for {length_m:.3f} meters ({share:.3f}% of its way)"
        )
    if episode.record.scores.get("status") == "Failed - Agent timed out":
        found[TIMEOUT].append("The drive ended before its route did.")
    return found


def _told(event: Event) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "infraction": INFRACTIONS.get(event.kind),
        "t_s": event.t_s,
        "location_xyz_m": list(event.location_xyz_m),
        "severity": event.severity,
        "duration_s": event.duration_s,
        "other": event.other,
        "cause": event.cause,
        "at_fault": bool(event.detail.get("at_fault", True)),
    }


def _global_record(records: Sequence[Mapping[str, Any]], exceptions: list[list[Any]]) -> dict[str, Any]:
    """Return means over the drives that are results, and infractions per kilometre."""
    scores = {name: [float(record["scores"][name]) for record in records] for name in SCORES}
    meta = {name: sum(record["meta"][name] for record in records) for name in next(iter(records), {"meta": {}})["meta"]}
    driven_km = sum(r["meta"]["route_length"] / 1000 * r["scores"]["score_route"] / 100 for r in records)
    failed = [[r["route_id"], r["index"], r["status"]] for r in records if r["status"].startswith("Failed")]
    words = {record["status"] for record in records}
    return {
        "index": -1,
        "route_id": -1,
        "status": "Failed" if failed or exceptions else "Perfect" if words <= {"Perfect"} else "Completed",
        "infractions": {name: _per_km(records, name, max(driven_km, 0.001)) for name in COLUMNS},
        "scores_mean": {name: round(statistics.fmean(each), 6) if each else 0.0 for name, each in scores.items()},
        "scores_std_dev": {
            name: round(statistics.stdev(each), 3) if len(each) > 1 else 0.0 for name, each in scores.items()
        },
        "meta": {
            "total_length": round(meta.get("route_length", 0.0), 3),
            "duration_game": round(meta.get("duration_game", 0.0), 3),
            "duration_system": round(meta.get("duration_system", 0.0), 3),
            "exceptions": failed + exceptions,
        },
    }


def _per_km(records: Sequence[Mapping[str, Any]], name: str, driven_km: float) -> float:
    told = [message for record in records for message in record["infractions"][name]]
    if name == OUTSIDE:  # the layout gives these in kilometres, not per kilometre
        return round(sum(float(message.split(" ")[8]) for message in told) / 1000, 3)
    return round(len(told) / driven_km, 3)
