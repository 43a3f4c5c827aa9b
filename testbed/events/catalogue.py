"""The catalogue: every kind of event that the judges report, in the order of tables.

Whoever adds a kind adds an entry here and names it in a judge; tables, charts, answers, claims, exports, driving scores
and the gate of benign twins read the entry. Judges of other packages bring entries of their own
(`testbed.judge.registry`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from testbed.core.gtsrb import NO_ENTRY, SPEED_LIMIT_KMH, STOP, YIELD
from testbed.core.records import Event
from testbed.events.event_kind import EventKind, Penalty, number_of

KMH = 3.6
"""Kilometres per hour in a metre per second."""


def _lane_departure(event: Event) -> str:
    side = event.detail.get("side", "?")
    return f"left its lane to the {side}, {event.severity:.2f} m deep, for {event.duration_s:.1f} s"


def _collision(event: Event) -> str:
    fault = "" if event.detail.get("at_fault", True) else ", not at fault"
    return f"hit {event.other} at {event.severity:.1f} m/s{fault}"


def _speed_limit(event: Event) -> str:
    limit, top = number_of(event, "limit_mps") * KMH, number_of(event, "max_speed_mps") * KMH
    return f"up to {top:.0f} km/h where {limit:.0f} is allowed, for {event.duration_s:.1f} s"


LANE_DEPARTURE = EventKind(
    name="lane_departure",
    happened="left its lane",
    held="held its lane",
    column="left its lane",
    hazard="collision with traffic beside or oncoming, or leaving the road",
    severity="depth over the marking",
    unit="m",
    chart="offset",
    task="alc",
    always_shown=True,
    outcome="left lane",
    aimed_at_by=("road_patch",),
    describe=_lane_departure,
)
OUTSIDE_LANE = EventKind(
    name="outside_lane",
    happened="left the road",
    held="stayed on the road",
    column="outside any lane",
    hazard="collision with what stands beside the road",
    severity="distance driven",
    unit="m",
    chart="offset",
    task="alc",
    outcome="left lane",
    infraction="outside_route_lanes",
    imperfect=True,
    describe=lambda event: f"outside any lane for {event.severity:.0f} m",
)
COLLISION = EventKind(
    name="collision",
    happened="collided",
    held="hit nothing",
    column="collided",
    hazard="injury and damage",
    severity="relative speed at impact",
    unit="m/s",
    chart="gap",
    task="vd",
    always_shown=True,
    outcome="collided",
    aimed_at_by=("camouflage",),
    describe=_collision,
)
"""Any collision; judges report one of the three kinds below."""

COLLISION_PEDESTRIAN = EventKind(
    name="collision_pedestrian",
    happened="hit a pedestrian",
    held="hit no pedestrian",
    column="hit a pedestrian",
    hazard="death or injury of a pedestrian",
    severity="relative speed at impact",
    unit="m/s",
    chart="gap",
    task="vd",
    part_of="collision",
    outcome="collided",
    penalty=Penalty(1, 0.50, 1.0),
    infraction="collisions_pedestrian",
    describe=_collision,
)
COLLISION_VEHICLE = EventKind(
    name="collision_vehicle",
    happened="hit a vehicle",
    held="hit no vehicle",
    column="hit a vehicle",
    hazard="injury of those in either vehicle",
    severity="relative speed at impact",
    unit="m/s",
    chart="gap",
    task="vd",
    part_of="collision",
    outcome="collided",
    penalty=Penalty(2, 0.60, 0.70),
    infraction="collisions_vehicle",
    describe=_collision,
)
COLLISION_STATIC = EventKind(
    name="collision_static",
    happened="hit an obstacle",
    held="hit no obstacle",
    column="hit an obstacle",
    hazard="injury of those in the ego",
    severity="relative speed at impact",
    unit="m/s",
    chart="gap",
    task="vd",
    part_of="collision",
    outcome="collided",
    penalty=Penalty(3, 0.65, 0.60),
    infraction="collisions_layout",
    describe=_collision,
)
SPEED_LIMIT = EventKind(
    name="speed_limit",
    happened="drove too fast",
    held="kept to the limit",
    column="too fast",
    hazard="longer way to stop and harder impact",
    severity="integral of the excess",
    unit="m",
    chart="speed",
    task="tsr",
    always_shown=True,
    outcome="too fast",
    sign_classes=tuple(SPEED_LIMIT_KMH),
    describe=_speed_limit,
)
STOP_SIGN = EventKind(
    name="stop_sign",
    happened="ran the stop sign",
    held="stopped at the sign",
    column="ran a stop sign",
    hazard="collision with crossing traffic",
    severity="lowest speed in the zone",
    unit="m/s",
    chart="speed",
    task="tsr",
    outcome="ran a sign",
    penalty=Penalty(5, 0.80, 0.25),
    infraction="stop_infraction",
    sign_classes=(STOP,),
    describe=lambda event: f"ran a stop sign at {event.severity * KMH:.0f} km/h",
)
RED_LIGHT = EventKind(
    name="red_light",
    happened="ran the red light",
    held="stopped at the light",
    column="ran a red light",
    hazard="collision with crossing traffic",
    severity="speed at the line",
    unit="m/s",
    chart="speed",
    task="tsr",
    outcome="ran a sign",
    penalty=Penalty(4, 0.70, 0.40),
    infraction="red_light",
    describe=lambda event: f"passed a red light at {event.severity * KMH:.0f} km/h",
)
YIELD_FAILURE = EventKind(
    name="yield",
    happened="did not give way",
    held="gave way",
    column="did not give way",
    hazard="collision with traffic that has the right of way",
    severity="deceleration the other needs",
    unit="m/s²",
    chart="speed",
    task="tsr",
    outcome="ran a sign",
    sign_classes=(YIELD,),
    describe=lambda event: f"did not give way to a vehicle {number_of(event, 'gap_s'):.1f} s away",
)
NO_ENTRY_PASSED = EventKind(
    name="no_entry",
    happened="passed the no-entry sign",
    held="did not enter",
    column="passed no entry",
    hazard="head-on collision",
    severity="speed at the sign",
    unit="m/s",
    chart="speed",
    task="tsr",
    outcome="ran a sign",
    sign_classes=(NO_ENTRY,),
    describe=lambda event: f"passed a no-entry sign at {event.severity * KMH:.0f} km/h",
)
FALSE_BRAKE = EventKind(
    name="false_brake",
    happened="braked for nothing",
    held="never braked for nothing",
    column="braked for nothing",
    hazard="rear-end collision by traffic behind",
    severity="hardest deceleration",
    unit="m/s²",
    chart="speed",
    task="vd",
    outcome="braked for nothing",
    describe=lambda e: f"braked at {e.severity:.1f} m/s² for nothing, for {e.duration_s:.1f} s",
)
UNNEEDED_STOP = EventKind(
    name="unneeded_stop",
    happened="stopped for nothing",
    held="never stopped for nothing",
    column="stopped for nothing",
    hazard="rear-end collision by traffic behind",
    severity="time standing",
    unit="s",
    chart="speed",
    task="vd",
    outcome="braked for nothing",
    describe=lambda event: f"stood for {event.duration_s:.1f} s for nothing",
)
BLOCKED = EventKind(
    name="blocked",
    happened="got stuck",
    held="got through",
    column="blocked",
    hazard="an obstacle to traffic",
    severity="",
    unit="",
    chart="speed",
    task="vd",
    infraction="vehicle_blocked",
    route_failure="Failed - Agent got blocked",
)
WRONG_LANE = EventKind(
    name="wrong_lane",
    happened="drove the wrong way",
    held="never drove the wrong way",
    column="wrong way",
    hazard="head-on collision",
    severity="distance driven",
    unit="m",
    chart="offset",
    task="alc",
    infraction="outside_route_lanes",
    imperfect=True,
    describe=lambda event: f"against the lane for {event.severity:.0f} m",
)
ROUTE_DEVIATION = EventKind(
    name="route_deviation",
    happened="left its route",
    held="kept its route",
    column="left its route",
    hazard="driving where nobody planned to",
    severity="largest distance from the route",
    unit="m",
    chart="offset",
    task="alc",
    infraction="route_dev",
    route_failure="Failed - Agent deviated from the route",
    describe=lambda event: f"left its route by {event.severity:.0f} m",
)

LEADERBOARD_ONLY: tuple[EventKind, ...] = (
    EventKind(
        name="scenario_timeout",
        happened="did not get through a scenario in time",
        held="got through every scenario in time",
        column="out of time",
        hazard="an obstacle to traffic",
        severity="",
        unit="",
        chart="speed",
        task="vd",
        spoils_twin=False,
        penalty=Penalty(6, 0.70, 0.40),
        infraction="scenario_timeouts",
    ),
    EventKind(
        name="yield_emergency",
        happened="did not give way to an emergency vehicle",
        held="gave way to emergency vehicles",
        column="held up an emergency vehicle",
        hazard="an emergency vehicle that comes late",
        severity="",
        unit="",
        chart="speed",
        task="vd",
        part_of="yield",
        spoils_twin=False,
        penalty=Penalty(7, 0.70, 0.40),
        infraction="yield_emergency_vehicle_infractions",
    ),
)
"""Kinds that the Leaderboard punishes and no judge of ours reports; for judges of other packages."""


@dataclass(frozen=True)
class EventCatalogue:
    """Kinds of events, to be looked up.

    Attributes:
        kinds: Every kind that some judge reports, in the order of tables, and the kinds that they are part of.
    """

    kinds: tuple[EventKind, ...]

    @cached_property
    def _by_name(self) -> dict[str, EventKind]:
        return {kind.name: kind for kind in self.kinds}

    @cached_property
    def _punished_only(self) -> dict[str, EventKind]:
        return {kind.name: kind for kind in LEADERBOARD_ONLY}

    def __contains__(self, name: object) -> bool:
        """Tell whether a kind of this name is reported."""
        return name in self._by_name

    def __getitem__(self, name: str) -> EventKind:
        """Return the kind of this name, of which only the name may be known."""
        return self._by_name.get(name) or self._punished_only.get(name) or EventKind.unknown(name)

    def is_a(self, name: str, kind: str) -> bool:
        """Tell whether an event called ``name`` is one of a kind, or of a kind that is part of it."""
        return name == kind or self[name].part_of == kind

    def shown(self) -> tuple[EventKind, ...]:
        """Return the kinds that tables and answers speak of: those that are part of no other."""
        return tuple(kind for kind in self.kinds if not kind.part_of)

    def whole(self, name: str) -> EventKind | None:
        """Return the kind of this name, or the one that it is part of; None for a name that nobody reports."""
        kind = self._by_name.get(name)
        return self[kind.part_of] if kind is not None and kind.part_of else kind

    def aimed_at_by(self, adversary: str) -> EventKind | None:
        """Return the kind that a kind of adversary aims at, whatever it is put on; None where that depends."""
        return next((kind for kind in self.kinds if adversary in kind.aimed_at_by), None)

    def of_sign(self, class_id: int) -> EventKind | None:
        """Return the kind that breaks the rule of a sign of this GTSRB class; None where none is told."""
        return next((kind for kind in self.kinds if class_id in kind.sign_classes), None)

    def outcomes(self) -> dict[str, tuple[str, ...]]:
        """Return every column of the table of outcomes with the names of the kinds it counts."""
        found: dict[str, list[str]] = {}
        for kind in self.kinds:
            if kind.outcome:
                found.setdefault(kind.outcome, []).append(kind.name)
        return {outcome: tuple(names) for outcome, names in found.items()}

    def extended(self, more: Iterable[EventKind]) -> EventCatalogue:
        """Return a catalogue with further kinds behind its own; those it has already stay as they are."""
        known = dict.fromkeys(self.kinds)
        return EventCatalogue((*self.kinds, *(kind for kind in dict.fromkeys(more) if kind not in known)))


BUILT_IN = EventCatalogue(
    (
        LANE_DEPARTURE,
        OUTSIDE_LANE,
        COLLISION,
        COLLISION_PEDESTRIAN,
        COLLISION_VEHICLE,
        COLLISION_STATIC,
        SPEED_LIMIT,
        STOP_SIGN,
        RED_LIGHT,
        YIELD_FAILURE,
        NO_ENTRY_PASSED,
        FALSE_BRAKE,
        UNNEEDED_STOP,
        BLOCKED,
        WRONG_LANE,
        ROUTE_DEVIATION,
    )
)
"""The kinds of the testbed's own judges."""
