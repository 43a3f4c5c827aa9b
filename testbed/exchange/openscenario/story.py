"""What happens in an OpenSCENARIO storyboard at times that are known before: speeds, and the end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from testbed.exchange.reading import Reading
from testbed.world.maps.xml_reader import XmlElement

BY_TIME = "starts at something other than a simulation time, and road users move by plan, whatever the ego does"

LEAST_S, LEAST_M = 0.001, 0.01
"""Times and ways that are told from none."""


@dataclass(frozen=True, slots=True)
class SpeedChange:
    """A speed from a time on."""

    t_s: float
    speed_mps: float
    element: XmlElement


@dataclass(slots=True)
class Storyline:
    """What happens by time.

    Attributes:
        changes: Speeds by the name of the road user, in the order of the file.
        end_s: When the scenario ends; None where no time says so.
        stop: Where that is said.
        route_m: How far the ego drives until it ends; None where nothing says so.
    """

    changes: dict[str, list[SpeedChange]] = field(default_factory=dict)
    end_s: float | None = None
    stop: XmlElement | None = None
    route_m: float | None = None


def read_story(reading: Reading, storyboard: XmlElement, ego: str) -> Storyline:
    """Read stories and stop triggers; what cannot be planned is noted."""
    found = Storyline()
    for story in reading.children(storyboard, "Story"):
        for act in reading.children(story, "Act"):
            begin_s = _time(reading, act.child("StartTrigger"))
            if begin_s is None:
                reading.leave(act, f"an act that {BY_TIME}")
                continue
            for group in reading.children(act, "ManeuverGroup"):
                _group(reading, group, begin_s, found)
            _stop(reading, act.child("StopTrigger"), ego, found)
    _stop(reading, storyboard.child("StopTrigger"), ego, found)
    return found


def speed_of(reading: Reading, action: XmlElement) -> float | None:
    """Return the speed of a private action; None where it is another action, which is noted."""
    speed = action.child("LongitudinalAction")
    speed = None if speed is None else speed.child("SpeedAction")
    target = None if speed is None else speed.child("SpeedActionTarget")
    wanted = None if target is None else target.child("AbsoluteTargetSpeed")
    if speed is None or wanted is None:
        kind = next((child.tag for child in action.children), "nothing")
        reading.leave(action, f"{kind}: road users keep their lane and have a speed, a start and a stop")
        return None
    reading.use(wanted)
    dynamics = speed.child("SpeedActionDynamics")
    if dynamics is not None and dynamics.attributes.get("dynamicsShape") == "step":
        reading.use(dynamics)
    elif dynamics is not None:
        reading.leave(dynamics, "road users have their speed at once, and brake to a stop with 6 m/s²")
    return wanted.number("value")


def _group(reading: Reading, group: XmlElement, begin_s: float, found: Storyline) -> None:
    actors = [one.string("entityRef") for one in reading.children(reading.child(group, "Actors"), "EntityRef")]
    for maneuver in reading.children(group, "Maneuver"):
        for event in reading.children(maneuver, "Event"):
            t_s = _time(reading, event.child("StartTrigger"))
            if t_s is None:
                reading.leave(event, f"an event that {BY_TIME}")
                continue
            for action in reading.children(event, "Action"):
                private = reading.child(action, "PrivateAction")
                speed_mps = None if private is None else speed_of(reading, private)
                if private is not None and speed_mps is not None:
                    for name in actors:
                        change = SpeedChange(max(begin_s, t_s), speed_mps, private)
                        found.changes.setdefault(name, []).append(change)


def _time(reading: Reading, trigger: XmlElement | None) -> float | None:
    """Return when a trigger fires: groups are alternatives, conditions of a group must all hold; None if unknown."""
    if trigger is None:
        return 0.0
    groups = [
        [_condition_s(condition) for condition in group.all("Condition")] for group in trigger.all("ConditionGroup")
    ]
    if any(t_s is None for group in groups for t_s in group):
        return None
    reading.use_whole(trigger)
    times = [max((t_s for t_s in group if t_s is not None), default=0.0) for group in groups]
    return min(times, default=0.0)


def _condition_s(condition: XmlElement) -> float | None:
    by_value = condition.child("ByValueCondition")
    time = None if by_value is None else by_value.child("SimulationTimeCondition")
    if time is None:
        return None
    value_s = 0.0 if time.string("rule", "greaterThan").startswith("less") else time.number("value")
    return max(0.0, value_s) + condition.number("delay", 0.0)


def _stop(reading: Reading, trigger: XmlElement | None, ego: str, found: Storyline) -> None:
    """Note when a stop trigger ends the scenario, of those conditions that stand alone in their group."""
    if trigger is None:
        return
    reading.use(trigger)
    for group in reading.children(trigger, "ConditionGroup"):
        conditions = list(group.all("Condition"))
        t_s = _condition_s(conditions[0]) if len(conditions) == 1 else None
        driven_m = _driven_m(conditions[0], ego) if len(conditions) == 1 else None
        if t_s is not None and t_s >= LEAST_S:
            if found.end_s is None or t_s < found.end_s:
                found.end_s, found.stop = t_s, group
        elif driven_m is not None and driven_m >= LEAST_M:
            found.route_m = min(driven_m, found.route_m if found.route_m is not None else math.inf)
        else:
            reading.leave(group, "a drive ends by time; verdicts are those of the judges (`testbed list metrics`)")
            continue
        reading.use_whole(group)


def _driven_m(condition: XmlElement, ego: str) -> float | None:
    """Return the way after which a condition ends the scenario, where it speaks of the ego's."""
    by_entity = condition.child("ByEntityCondition")
    inner = None if by_entity is None else by_entity.child("EntityCondition")
    driven = None if inner is None else inner.child("TraveledDistanceCondition")
    who = None if by_entity is None else by_entity.child("TriggeringEntities")
    names = [] if who is None else [one.string("entityRef") for one in who.all("EntityRef")]
    return driven.number("value") if driven is not None and names == [ego] else None
