"""Where a scenario puts things, looked up on the map before the first drive, for every seed that is to be driven.

What a seed draws may push a vehicle past its road's end, where no server can put it; a run would find that out after
hours. Extents of vehicles are left to the server: here only what starts at one place is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from testbed.core.errors import MapError, UsageError, suggest
from testbed.core.types import Pose
from testbed.core.yaml_reader import Path_
from testbed.scenario.concrete import ConcreteScenario, concrete_of
from testbed.scenario.schema import Actor, Scenario
from testbed.world.maps import RoadNetwork
from testbed.world.maps.lane_route import LaneRoute

SHORTEST_M = 10.0
"""Of a lane that a vehicle is to follow."""
APART_M = 2.0
"""Centres of two vehicles that are closer than this stand in each other, however they are turned."""


def check_places(scenario: Scenario, network: RoadNetwork, seeds: Iterable[int], blueprints: Sequence[str]) -> None:
    """Check everything that a scenario puts somewhere.

    Args:
        scenario: Whose things.
        network: The map's roads.
        seeds: Of the drives.
        blueprints: What can be spawned.

    Raises:
        UsageError: Something has no place or no blueprint; `at` says where it stands in the file.
    """
    for keys, name in [
        (("ego", "blueprint"), scenario.ego.blueprint),
        *((("actors", index, "blueprint"), actor.blueprint) for index, actor in enumerate(scenario.actors)),
    ]:
        if name not in blueprints:
            kind = [one for one in blueprints if one.startswith(f"{name.partition('.')[0]}.")]
            raise UsageError(f"there is no blueprint {name!r}", hint=_known(name, kind or blueprints), at=keys)
    for seed in seeds:
        _check_drive(scenario, concrete_of(scenario, seed), network, seed)


def _known(name: str, kinds: Sequence[str]) -> str:
    return f"{suggest(name, kinds)}known: {', '.join(kinds[:12])}{', …' if len(kinds) > 12 else ''}"


def _check_drive(scenario: Scenario, drive: ConcreteScenario, network: RoadNetwork, seed: int) -> None:
    furthest_m = max(
        [
            SHORTEST_M,
            *(sign.ahead_m for sign in drive.signs),
            *(place.ahead_m for place in drive.places),
            *(actor.ahead_m for actor in drive.actors if actor.ahead_m is not None),
        ]
    )
    start = drive.ego
    ego = _follow(network, start.road, start.lane, start.s_m, furthest_m, "the ego", ("ego", "spawn"), seed)
    if not ego.drivable:
        message = f"the ego cannot drive on lane {start.lane} of road {start.road}: it is no driving lane"
        raise UsageError(message, at=("ego", "spawn"))
    for index, sign in enumerate(drive.signs):
        _check_reach(ego, sign.ahead_m, f"sign {sign.id!r}", ("signs", index, "ahead_m"), seed)
    for index, entry in enumerate(scenario.adversaries):
        if entry.at is not None:
            what = f"adversary {entry.id!r}"
            _check_reach(ego, entry.at.ahead_m, what, ("adversaries", index, "at", "ahead_m"), seed)
    taken: list[tuple[str, Pose]] = [("the ego", ego.pose(0.0))]
    for index, actor in enumerate(drive.actors):
        pose = _pose(actor, ego, network, start.lane, index, seed)
        if not actor.blueprint.startswith("vehicle."):
            continue
        x, y = _shifted(pose, actor.lateral_m)
        for other, there in taken:
            if math.hypot(x - there[0], y - there[1]) < APART_M:
                keys = ("actors", index, "ahead_m" if actor.spawn is None else "spawn")
                raise UsageError(f"actor {actor.id!r} starts where {other} does{_when(seed)}", at=keys)
        taken.append((f"actor {actor.id!r}", (x, y, *pose[2:])))


def _pose(actor: Actor, ego: LaneRoute, network: RoadNetwork, ego_lane: int, index: int, seed: int) -> Pose:
    """Return where a road user's lane is at its start."""
    what = f"actor {actor.id!r}"
    if actor.spawn is not None:
        place = actor.spawn
        keys: Path_ = ("actors", index, "spawn")
        return _follow(network, place.road, place.lane, place.s_m, SHORTEST_M, what, keys, seed).pose(0.0)
    assert actor.ahead_m is not None, "the schema asks for one of both places"
    _check_reach(ego, actor.ahead_m, what, ("actors", index, "ahead_m"), seed)
    x, y, *rest = ego.pose(actor.ahead_m)
    if actor.lane is None or actor.lane == ego_lane:
        behind_m, yaw = min(actor.ahead_m, 0.0), math.radians(rest[2])
        return (x + behind_m * math.cos(yaw), y + behind_m * math.sin(yaw), rest[0], rest[1], rest[2], rest[3])
    road, lane, s_m = ego.at(actor.ahead_m)
    turned = (lane > 0) != (ego_lane > 0)
    keys = ("actors", index, "lane")
    return _follow(network, road, -actor.lane if turned else actor.lane, s_m, SHORTEST_M, what, keys, seed).pose(0.0)


def _follow(
    network: RoadNetwork, road: int, lane: int, s_m: float, length_m: float, what: str, keys: Path_, seed: int
) -> LaneRoute:
    try:
        route = LaneRoute(network, road, lane, s_m, length_m)
    except MapError as error:
        raise UsageError(f"{what} has no lane to drive on{_when(seed)}: {error}", at=keys) from error
    if route.length_m < SHORTEST_M:
        raise UsageError(
            f"{what} starts {route.length_m:.0f} m before its lane ends{_when(seed)}", hint="move it back", at=keys
        )
    return route


def _check_reach(route: LaneRoute, ahead_m: float, what: str, keys: Path_, seed: int) -> None:
    if ahead_m > route.length_m:
        raise UsageError(
            f"{what} is {ahead_m:g} m ahead{_when(seed)}, and the ego's lane ends after {route.length_m:.0f} m",
            hint="move it nearer",
            at=keys,
        )


def _shifted(pose: Pose, lateral_m: float) -> tuple[float, float]:
    """Return x and y of a place to the left of a pose."""
    yaw = math.radians(pose[4])
    return pose[0] + lateral_m * math.sin(yaw), pose[1] - lateral_m * math.cos(yaw)


def _when(seed: int) -> str:
    return f" with seed {seed}"
