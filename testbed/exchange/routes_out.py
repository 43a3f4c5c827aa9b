"""Scenarios as CARLA Leaderboard 2.x routes: where the ego starts, its way, its weather."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from testbed.core.errors import MapError, UsageError
from testbed.exchange.sky import parameters_of
from testbed.scenario.loader import LoadedFile
from testbed.scenario.schema import Scenario
from testbed.world.maps import load_map
from testbed.world.maps.lane_route import LaneRoute

SPACING_M = 10.0
"""Between way-points: near enough that no planner takes another way."""


def export_routes(scenarios: Sequence[LoadedFile[Scenario]]) -> tuple[str, dict[str, list[str]]]:
    """Return a file of routes, one per scenario, and by scenario name what a route cannot say.

    Raises:
        UsageError: A map is not here, or two scenarios have one route number.
        ScenarioError: A lane is not on the map.
    """
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", "<routes>"]
    left_out: dict[str, list[str]] = {}
    numbers: dict[int, str] = {}
    for loaded in scenarios:
        scenario = loaded.content
        other = numbers.setdefault(scenario.route_number, scenario.name)
        if other != scenario.name:
            raise UsageError(
                f"{other} and {scenario.name} both have the route number {scenario.route_number}",
                hint="give one another route_id",
            )
        lines += _route(loaded)
        left_out[scenario.name] = _unsaid(scenario)
    return "\n".join([*lines, "</routes>"]) + "\n", left_out


def _route(loaded: LoadedFile[Scenario]) -> list[str]:
    scenario, ego = loaded.content, loaded.content.ego
    spawn, length_m = ego.spawn, loaded.content.planned_route_m
    name = str(loaded.path.parent / scenario.map) if scenario.map.endswith(".xodr") else scenario.map
    try:
        lane = LaneRoute(load_map(name).network, spawn.road, spawn.lane, spawn.s_m, 1.2 * length_m + SPACING_M)
    except MapError as error:
        raise loaded.error(str(error), ("map",)) from error
    path = lane.path(1.2 * length_m + SPACING_M)
    end_m = min(length_m, path.length_m)
    stations = [SPACING_M * index for index in range(int(end_m / SPACING_M) + 1)]
    if end_m - stations[-1] > 1e-3:
        stations.append(end_m)
    town = Path(scenario.map).stem if scenario.map.endswith(".xodr") else scenario.map
    # attributes that readers of routes pass over; with them the same drive comes back
    own = f"scenario={quoteattr(scenario.name)} speed_mps='{ego.speed_mps:g}' duration_s='{scenario.duration_s:g}'"
    poses = [path.pose(s_m) for s_m in stations]
    weather = " ".join(f"{name}='{value:.6g}'" for name, value in parameters_of(scenario.weather).items())
    return [
        f"  <route id='{scenario.route_number}' town={quoteattr(town)} {own}>",
        "    <waypoints>",
        *(f"      <position x='{x:.3f}' y='{y:.3f}' z='{z:.3f}'/>" for x, y, z, *_ in poses),
        "    </waypoints>",
        "    <scenarios></scenarios>",
        "    <weathers>",
        *(f"      <weather route_percentage='{share}' {weather}/>" for share in (0, 100)),
        "    </weathers>",
        "  </route>",
    ]


def _unsaid(scenario: Scenario) -> list[str]:
    """Return what of a scenario its route does not say."""
    groups: dict[str, list[str]] = {
        "actors": [part.id for part in scenario.actors],
        "signs": [part.id for part in scenario.signs],
        "adversaries": [part.id for part in scenario.adversaries],
        "claims": [part.id for part in scenario.claims],
        "lights": [scenario.lights] if scenario.lights != "green" else [],
    }
    return [f"{key} {', '.join(names)}" for key, names in groups.items() if names]
