"""CARLA Leaderboard driving scores, versions 2.0 and 2.1, and the status words of its results file.

Formulas: ``leaderboard/utils/statistics_manager.py`` of both branches. With one vehicle hit on a complete route 2.0
gives 60.0 and 2.1 gives 58.82; with two 36.0 and 41.67.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from testbed.core.records import Event
from testbed.events import BUILT_IN, LEADERBOARD_ONLY, Penalty

PUNISHED: tuple[tuple[str, Penalty], ...] = tuple(
    sorted(
        ((kind.name, kind.penalty) for kind in (*BUILT_IN.kinds, *LEADERBOARD_ONLY) if kind.penalty is not None),
        key=lambda item: item[1].place,
    )
)
"""Kinds of events with their penalties, in the Leaderboard's order; those of other packages cost nothing."""

MIN_SPEED_20, MIN_SPEED_21 = 0.3, 0.4


@dataclass(frozen=True, slots=True)
class Infractions:
    """What lowers a driving score.

    Attributes:
        counts: Number of events per kind (kinds without a penalty are ignored).
        outside_percent: Percent of the completed route driven outside its lanes, 0-100.
        min_speed_percents: Per min-speed event the ego's speed in percent of the traffic's, 0-100.
    """

    counts: Mapping[str, int]
    outside_percent: float = 0.0
    min_speed_percents: tuple[float, ...] = ()

    @classmethod
    def from_events(cls, events: Iterable[Event], outside_percent: float = 0.0) -> Infractions:
        """Count the events that the Leaderboard punishes; collisions without fault are not."""
        counts = Counter(e.kind for e in events if e.detail.get("at_fault", True))
        return cls(dict(counts), outside_percent)


def penalty_20(infractions: Infractions) -> float:
    """Return the infraction penalty of Leaderboard 2.0, a product in (0, 1]."""
    penalty = 1.0
    for kind, cost in PUNISHED:
        penalty *= cost.factor_20 ** infractions.counts.get(kind, 0)
    for percent in infractions.min_speed_percents:
        penalty *= 1.0 - MIN_SPEED_20 * (1.0 - percent / 100.0)
    return penalty * (1.0 - infractions.outside_percent / 100.0)


def penalty_21(infractions: Infractions) -> float:
    """Return the infraction penalty of Leaderboard 2.1, (1 - d/100) / (1 + sum of coefficients)."""
    total = sum(cost.coefficient_21 * infractions.counts.get(kind, 0) for kind, cost in PUNISHED)
    total += sum(MIN_SPEED_21 * (1.0 - percent / 100.0) for percent in infractions.min_speed_percents)
    return (1.0 - infractions.outside_percent / 100.0) / (1.0 + total)


def driving_score_20(route_percent: float, infractions: Infractions) -> float:
    """Return route completion (0-100) times the 2.0 penalty, rounded to 6 decimals as the Leaderboard does."""
    return round(max(route_percent * penalty_20(infractions), 0.0), 6)


def driving_score_21(route_percent: float, infractions: Infractions) -> float:
    """Return route completion (0-100) times the 2.1 penalty, rounded to 6 decimals."""
    return round(max(route_percent * penalty_21(infractions), 0.0), 6)


def route_percent(driven_m: float, planned_m: float) -> float:
    """Return the completed share of the route in percent.

    As ``RouteCompletionTest`` does, more than 99 % with less than 10 m to go is complete.
    """
    percent = min(max(100.0 * driven_m / planned_m, 0.0), 100.0)
    return 100.0 if percent > 99.0 and planned_m - driven_m < 10.0 else percent


def status_word(route: float, events: Iterable[Event]) -> str:
    """Return the Leaderboard's word for how a route ended."""
    kinds = {event.kind for event in events}
    for kind in BUILT_IN.kinds:
        if kind.route_failure and kind.name in kinds:
            return kind.route_failure
    if route < 100.0:
        return "Failed - Agent timed out"
    imperfect = {kind.name for kind in BUILT_IN.kinds if kind.imperfect} | {name for name, _ in PUNISHED}
    return "Completed" if kinds & imperfect else "Perfect"
