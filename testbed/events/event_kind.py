"""What is known about one kind of event: its words, what its severity measures, where it counts, what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from testbed.core.records import Event

Chart = Literal["offset", "speed", "gap"]
"""Quantity over time: lateral offset, speed, or distance to the vehicle ahead."""

Task = Literal["alc", "tsr", "vd"]
"""Perception task: lane centring, traffic signs, or vehicles ahead."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """What an event costs in the driving scores of the CARLA Leaderboard (``utils/statistics_manager.py``).

    Attributes:
        place: Place in the Leaderboard's list, which is the order in which its factors are multiplied.
        factor_20: Factor per event, version 2.0.
        coefficient_21: Coefficient per event, version 2.1.
    """

    place: int
    factor_20: float
    coefficient_21: float


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of safety event.

    Attributes:
        name: Word in records, metrics and tables, for instance ``lane_departure``.
        happened: What the ego did, after "the ego", for instance ``left its lane``.
        held: What it did where that never happened.
        column: Head of its column in the report's tables.
        hazard: What can come of it on a road.
        severity: What an event's severity measures.
        unit: Unit of the severity; empty where it is always 0.
        chart: Quantity over time that shows it.
        task: Perception task it hangs on.
        part_of: Kind that it is a sort of, and that is counted and shown in its place; empty for most.
        spoils_twin: Whether a benign twin with such an event is not clean, unless the ego was not at fault.
        always_shown: Whether the safety table has its column even where it never happened.
        outcome: Column of the table that `run` and `sweep` print in which it counts; empty: in the report alone.
        penalty: What it costs in the Leaderboard's scores.
        infraction: List of the Leaderboard's results file that holds it; empty where it has none.
        route_failure: The Leaderboard's status word of a route that it ends; empty where it ends none.
        imperfect: Whether a complete route with such an event is not perfect although it has no penalty of its own.
        sign_classes: GTSRB classes of the signs whose rule it breaks.
        aimed_at_by: Kinds of adversary that aim at it.
        describe: Tells of one event in words; the name in words by default.
    """

    name: str
    happened: str
    held: str
    column: str
    hazard: str
    severity: str
    unit: str
    chart: Chart
    task: Task
    part_of: str = ""
    spoils_twin: bool = True
    always_shown: bool = False
    outcome: str = ""
    penalty: Penalty | None = None
    infraction: str = ""
    route_failure: str = ""
    imperfect: bool = False
    sign_classes: tuple[int, ...] = ()
    aimed_at_by: tuple[str, ...] = ()
    describe: Callable[[Event], str] | None = None

    @property
    def noun(self) -> str:
        """The name in words, for instance ``lane departure``."""
        return self.name.replace("_", " ")

    @classmethod
    def unknown(cls, name: str) -> EventKind:
        """Return what can be said about a kind of which only the name is known, of a judge that is not installed."""
        noun = name.replace("_", " ")
        return cls(
            name=name,
            happened=f"had an event of the kind {noun}",
            held=f"had no event of the kind {noun}",
            column=noun,
            hazard="",
            severity="",
            unit="",
            chart="speed",
            task="alc",
            spoils_twin=False,
        )

    def sentence(self, event: Event) -> str:
        """Return what happened in one event of this kind, after "the ego", with its numbers."""
        return self.noun if self.describe is None else self.describe(event)


def number_of(event: Event, name: str) -> float:
    """Return a number of an event's details, 0 where it is missing or no number."""
    value = event.detail.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0
