"""CARLA Leaderboard routes, version 2.x and 1.x, as scenarios.

A drive follows one lane, straight on at junctions: a route is driven as far as it does the same. Facts of the layout:
``leaderboard/utils/route_parser.py``; 1.x has ``<waypoint x y z yaw>`` and ``<weather>`` directly in the route.
"""

from __future__ import annotations

from typing import Any

from testbed.core.errors import MapError
from testbed.exchange.imported import Imported, identifier, one_line
from testbed.exchange.lane_fit import FASTEST_MPS, LONGEST_S, SHORTEST_M, Fit, cruise_mps, enough_s, fit, place_of
from testbed.exchange.reading import Reading, bounded
from testbed.exchange.sky import ALL, bounds_of, weather_entry
from testbed.exchange.towns import Town, Towns
from testbed.scenario.concrete import WEATHER_KEYS
from testbed.world.maps.xml_reader import XmlElement

MOST_DIGITS = 15
"""Of an id that is a number; others are names."""
NUMBERS = f"a route_id is a whole number of at most {MOST_DIGITS} digits, without zeros before it"
"""What a route_id is."""

LEAST = 0.001
"""Metres per second and seconds that are told from none."""

BASE_WEATHER = dict.fromkeys(ALL, 0.0) | {"sun_altitude_angle": 70.0, "cloudiness": 50.0}
"""What the Leaderboard takes for what a route's weather does not state (``carla.WeatherParameters``)."""

REASONS = {
    "scenario": "scenarios of ScenarioRunner react to the ego; write what you need of it under `actors`",
}


def read_routes(reading: Reading, towns: Towns) -> list[tuple[XmlElement, Imported]]:
    """Return every route that can be read, with its scenario; others are left out of the document with the reason."""
    found: list[tuple[XmlElement, Imported]] = []
    reading.use(reading.root)
    for route in reading.root.all("route"):
        try:
            route.string("id")
            town = _town(reading, route, towns)
            content = None if town is None else _content(reading, route, town)
        except MapError as error:
            reading.leave_for(route, error)
            continue
        if town is not None and content is not None:
            left_out = tuple(reading.left_out(route, REASONS))
            found.append((route, Imported(content, reading.path.name, town.network, left_out)))
    return found


def _town(reading: Reading, route: XmlElement, towns: Towns) -> Town | None:
    """Return a route's map; None where there is none, which is noted."""
    said = route.string("town")
    try:
        town = towns.find(said, reading.path.parent)
    except MapError as error:
        reading.leave(route, f"its map cannot be read: {error}")
        return None
    if town is None:
        reading.leave(route, towns.why_not(said))
    return town


def _content(reading: Reading, route: XmlElement, town: Town) -> dict[str, Any] | None:
    """Return a route's scenario; None where it cannot be driven, which is noted."""
    marks = _waypoints(reading, route)
    points = [(mark.number("x"), mark.number("y")) for mark in marks]
    yaw_deg = marks[0].number("yaw") if "yaw" in marks[0].attributes else None
    try:
        way = fit(town.network, points, yaw_deg)
    except MapError as error:
        reading.leave(route, f"its start cannot be driven from: {error}")
        return None
    if way.route_m < SHORTEST_M:
        reason = f"leaves its lane after {way.route_m:.0f} m, and a drive follows one lane, straight on at junctions"
        reading.leave(route, reason)
        return None
    _note_rest(reading, marks, way)
    return _scenario(reading, route, town, way)


def _waypoints(reading: Reading, route: XmlElement) -> list[XmlElement]:
    reading.use(route)
    reading.child(route, "scenarios")  # each of them is told by itself
    holder = reading.child(route, "waypoints")
    marks = reading.children(holder, "position") or reading.children(route, "waypoint")
    if len(marks) < 2:
        where = holder or route
        raise MapError(f"line {where.line}: a route needs two way-points, <waypoints><position x= y= z=/>…</waypoints>")
    return marks


def _note_rest(reading: Reading, marks: list[XmlElement], way: Fit) -> None:
    if way.count < len(marks):
        more = len(marks) - way.count - 1
        also = f", and so are the {more} after it" if more else ""
        reading.leave(
            marks[way.count],
            f"off the lane that a drive follows, straight on at junctions{also}: it ends after {way.route_m:.0f} m",
        )


def _scenario(reading: Reading, route: XmlElement, town: Town, way: Fit) -> dict[str, Any]:
    key = route.string("id").strip()
    usual_mps, _ = cruise_mps(town.network, way.start)
    speed_mps = bounded(route, "speed_mps", LEAST, FASTEST_MPS, usual_mps)
    usual_s = enough_s(way.route_m, speed_mps, way.lane_m)
    name = _name(route, key)
    which = f"route {one_line(key)[:80]}" if key else f"the route in line {route.line}"
    content: dict[str, Any] = {
        "name": name,
        "question": f"Does every agent drive {which} of {one_line(route.string('town'))[:80]}?",
        "map": town.said,
        "duration_s": round(bounded(route, "duration_s", LEAST, LONGEST_S, usual_s), 3),
        "weather": _weather(reading, route),
        "ego": {
            "spawn": place_of(way.start),
            "speed_mps": round(speed_mps, 3),
            "route_m": round(way.route_m, 2),
            "vary": False,
        },
        "seeds": {"count": 1},
    }
    if _is_number(key):
        content["route_id"] = int(key)
    else:
        said = f"id={one_line(route.string('id'))[:40]!r} becomes no route_id, the scenario is called {name}"
        reading.leave_attribute(route, "id", f"{said}: {NUMBERS}")
    return content


def _is_number(key: str) -> bool:
    """Tell whether an id is a number that results can bear and that is written as they write it."""
    return key.isascii() and key.isdecimal() and len(key) <= MOST_DIGITS and key == str(int(key))


def _name(route: XmlElement, key: str) -> str:
    if route.string("scenario", ""):
        return identifier(route.string("scenario"), "route")
    name = identifier(f"route_{key}", "route")
    # what is left of -1 would be taken for route 1
    wrong_number = name.removeprefix("route_").isdecimal() and not (key.isascii() and key.isdecimal())
    return f"route_in_line_{route.line}" if name == "route" or wrong_number else name


def _weather(reading: Reading, route: XmlElement) -> dict[str, Any]:
    """Return the weather at the route's start; that on its way is left out where it differs."""
    holder = reading.child(route, "weathers")
    given = reading.children(holder, "weather") or reading.children(route, "weather")
    given.sort(key=lambda weather: weather.number("route_percentage", 0.0))
    stated: dict[str, float] = {}
    for index, weather in enumerate(given):
        if index == 0:
            stated = _parameters(weather)
        elif not _same(weather, stated):
            reading.leave(weather, "the weather of a drive stays as it is at its start")
    entry, lost = weather_entry(BASE_WEATHER | stated, stated)
    if lost:
        reading.leave(given[0], f"{', '.join(lost)}: a scenario can change only {', '.join(WEATHER_KEYS)}")
    return entry


def _parameters(weather: XmlElement) -> dict[str, float]:
    """Return what a ``<weather>`` states.

    Raises:
        MapError: Something is no number, or out of a scenario's bounds.
    """
    return {name: bounded(weather, name, *bounds_of(name)) for name in ALL if name in weather.attributes}


def _same(weather: XmlElement, stated: dict[str, float]) -> bool:
    try:
        return _parameters(weather) == stated
    except MapError:
        return False
