"""Events: everything that is known about a kind of safety event, in one place that judges, reports and tables read."""

from __future__ import annotations

from testbed.events.catalogue import (
    BLOCKED,
    BUILT_IN,
    COLLISION,
    COLLISION_PEDESTRIAN,
    COLLISION_STATIC,
    COLLISION_VEHICLE,
    FALSE_BRAKE,
    LANE_DEPARTURE,
    LEADERBOARD_ONLY,
    NO_ENTRY_PASSED,
    OUTSIDE_LANE,
    RED_LIGHT,
    ROUTE_DEVIATION,
    SPEED_LIMIT,
    STOP_SIGN,
    UNNEEDED_STOP,
    WRONG_LANE,
    YIELD_FAILURE,
    EventCatalogue,
)
from testbed.events.event_kind import Chart, EventKind, Penalty, Task, number_of

__all__ = [
    "BLOCKED",
    "BUILT_IN",
    "COLLISION",
    "COLLISION_PEDESTRIAN",
    "COLLISION_STATIC",
    "COLLISION_VEHICLE",
    "EventCatalogue",
    "Chart",
    "EventKind",
    "FALSE_BRAKE",
    "LANE_DEPARTURE",
    "LEADERBOARD_ONLY",
    "NO_ENTRY_PASSED",
    "OUTSIDE_LANE",
    "Penalty",
    "RED_LIGHT",
    "ROUTE_DEVIATION",
    "SPEED_LIMIT",
    "STOP_SIGN",
    "Task",
    "UNNEEDED_STOP",
    "WRONG_LANE",
    "YIELD_FAILURE",
    "number_of",
]
