"""All judges by name: ours, and those of other packages (entry point group ``testbed.judges``).

Ours judge every episode; those of other packages judge the episodes of scenarios that ask for them.

An entry point names a class, or any function, that takes no arguments and returns a fresh `testbed.judge.Judge`; the
name of the entry point is the word under ``judges`` of a scenario file. docs/extending.md has a complete one.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from collections.abc import Iterable
from functools import cache

from testbed.core.errors import JudgeError, UsageError, suggest
from testbed.events import BUILT_IN as BUILT_IN_EVENTS
from testbed.events import EventCatalogue, EventKind
from testbed.judge.base import Judge

ENTRY_POINTS = "testbed.judges"

BUILT_IN: dict[str, str] = {
    "collision": "testbed.judge.collision:CollisionJudge",
    "lane_departure": "testbed.judge.lane:LaneDepartureJudge",
    "outside_lane": "testbed.judge.lane:LanePlaceJudge",
    "speed_limit": "testbed.judge.speed:SpeedLimitJudge",
    "stop_sign": "testbed.judge.right_of_way:StopSignJudge",
    "red_light": "testbed.judge.right_of_way:RedLightJudge",
    "yield": "testbed.judge.right_of_way:YieldJudge",
    "no_entry": "testbed.judge.right_of_way:NoEntryJudge",
    "route_deviation": "testbed.judge.route:RouteJudge",
    "blocked": "testbed.judge.progress:BlockedJudge",
    "false_brake": "testbed.judge.progress:FalseBrakeJudge",
    "lateral": "testbed.judge.lateral:LateralJudge",
    "perception": "testbed.judge.perception:PerceptionJudge",
    "comfort": "testbed.judge.comfort:ComfortJudge",
    "latency": "testbed.judge.latency:LatencyJudge",
    "alarm": "testbed.judge.alarm:AlarmJudge",
}
"""Name to the class of each judge of ours, in the order in which they see a step."""


def third_party() -> tuple[str, ...]:
    """Return the names of the judges of other packages, sorted: those that a scenario may ask for."""
    return tuple(sorted(_points()))


def names() -> tuple[str, ...]:
    """Return the names of all judges: ours in their order, then those of other packages."""
    return (*BUILT_IN, *third_party())


def create(name: str) -> Judge:
    """Return a fresh judge.

    Raises:
        UsageError: There is none of that name, or the package that offers it is broken.
        JudgeError: What was made is no judge, or calls itself otherwise.
    """
    if name in BUILT_IN:
        module, _, member = BUILT_IN[name].partition(":")
        made: Judge = getattr(importlib.import_module(module), member)()
        return made
    points = _points()
    if name not in points:
        known = names()
        raise UsageError(f"unknown judge {name!r}", hint=f"{suggest(name, known)}known: {', '.join(known)}")
    source = points[name].value
    try:
        found = points[name].load()()
    except Exception as error:
        raise UsageError(f"judge {name!r} of {source} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(found, Judge):
        raise JudgeError(
            f"judge {name!r}: {source} has no name, version, events, scores, step and finish",
            hint="see docs/extending.md",
        )
    if found.name != name:
        raise JudgeError(f"judge {name!r}: {source} calls itself {found.name!r}", hint="one name is enough")
    return found


def default_judges() -> tuple[Judge, ...]:
    """Return a fresh set of the judges that judge every episode."""
    return tuple(create(name) for name in BUILT_IN)


def judges_for(asked: Iterable[str]) -> tuple[Judge, ...]:
    """Return a fresh set of the judges of an episode whose scenario asks for further ones.

    Raises:
        UsageError: There is no such judge.
        JudgeError: One of them is none.
    """
    return (*default_judges(), *(create(name) for name in dict.fromkeys(asked) if name not in BUILT_IN))


@cache
def event_catalogue() -> EventCatalogue:
    """Return the kinds of events of all judges that are installed.

    A package that is broken does not keep a stored run from being read: its kinds are then known by name alone.
    """
    found: list[EventKind] = []
    for name in third_party():
        try:
            found += create(name).events
        except (UsageError, JudgeError) as error:
            warnings.warn(f"events of the judge {name!r} are known by name only: {error}", stacklevel=2)
    return BUILT_IN_EVENTS.extended(found)


def _points() -> dict[str, importlib.metadata.EntryPoint]:
    found = importlib.metadata.entry_points(group=ENTRY_POINTS)
    return {point.name: point for point in found if point.name not in BUILT_IN}
