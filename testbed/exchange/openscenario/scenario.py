"""From an OpenSCENARIO document to a scenario: the ego's start and speed, others that stand, drive, brake or cross."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from testbed.core.errors import MapError, UsageError
from testbed.exchange.imported import Check, Imported, first_mistake, identifier, one_line
from testbed.exchange.lane_fit import FASTEST_MPS, LONGEST_S, cruise_mps, enough_s, room_s
from testbed.exchange.openscenario.entities import EGO_BLUEPRINT, Entity, read_entities
from testbed.exchange.openscenario.environment import weather_of
from testbed.exchange.openscenario.initial import Beginning, read_beginning
from testbed.exchange.openscenario.parameters import substitute
from testbed.exchange.openscenario.positions import Locator, Place
from testbed.exchange.openscenario.road_users import actor_of
from testbed.exchange.openscenario.story import SpeedChange, Storyline, read_story
from testbed.exchange.reading import Reading
from testbed.exchange.towns import Town, Towns
from testbed.world.maps.lane_route import LaneRoute
from testbed.world.maps.xml_reader import XmlElement

USUAL_S = 20.0
"""How long a drive is where a file does not say."""
NOTED_M, NOTED_DEG = 0.05, 0.5
"""What the ego may start beside and turned against the middle of its lane without a word about it."""
STRAIGHT_DEG = 45.0
"""More than this, and a vehicle does not look along its lane."""

REASONS = {
    "SceneGraphFile": "the world is drawn from the road network",
    "TrafficSignals": "lights are held green, unless you write `lights`",
    "ObjectController": "the agent under test drives the ego; others move by plan",
    "CatalogLocations": "catalogues are not read",
    "EntitySelection": "road users are planned one by one",
    "VariableDeclarations": "nothing in a drive sets a variable",
    "MonitorDeclarations": "verdicts are those of the judges",
}
"""Why elements of a tag have no place in a scenario."""


@dataclass(frozen=True, slots=True)
class _Script:
    """The parts of a file that say something."""

    town: Town
    ego: Entity
    others: Sequence[Entity]
    beginning: Beginning
    story: Storyline
    locator: Locator


def read_openscenario(reading: Reading, towns: Towns, check: Check, blueprints: Collection[str]) -> Imported:
    """Return the scenario of a document, which can be driven.

    Args:
        reading: The document.
        towns: Where its road network is looked for.
        check: Says whether a scenario can be driven.
        blueprints: What can be spawned.

    Raises:
        ScenarioError: It is malformed, or nothing of it can be driven; says why.
    """
    with reading.told():
        _check_version(reading)
        substitute(reading)
        town = _town(reading, towns)
        ego, others = read_entities(reading, blueprints)
        storyboard = reading.root.need("Storyboard")
        reading.use(storyboard)
        beginning = read_beginning(reading, storyboard)
        story = read_story(reading, storyboard, ego.name)
        locator = Locator(town.network, _header(reading).string("description", "").startswith("CARLA:"))
        script = _Script(town, ego, others, beginning, story, locator)
        content, elements = _content(reading, script)
    _drop_what_has_no_place(reading, content, elements, town, check)
    return Imported(content, reading.path.name, town.network, tuple(reading.left_out(reasons=REASONS)))


def _header(reading: Reading) -> XmlElement:
    return reading.root.need("FileHeader")


def _check_version(reading: Reading) -> None:
    header = _header(reading)
    reading.use(reading.root, header)
    if header.integer("revMajor") != 1:
        version = f"{header.string('revMajor')}.{header.string('revMinor', '?')}"
        raise reading.error(f"OpenSCENARIO {version} is not read", header, "convert it to 1.x")


def _town(reading: Reading, towns: Towns) -> Town:
    network = reading.root.need("RoadNetwork")
    logic = network.need("LogicFile")
    reading.use(network, logic)
    name = logic.string("filepath")
    try:
        town = towns.find(name, reading.path.parent)
    except MapError as error:
        raise reading.error(f"its map cannot be read: {error}", logic) from None
    if town is None:
        raise reading.error(towns.why_not(name), logic)
    return town


def _content(reading: Reading, script: _Script) -> tuple[dict[str, Any], list[XmlElement]]:
    """Return what the scenario says, and the element of each of its actors."""
    town = script.town
    place, position = _ego_place(reading, script)
    spawn = place.spawn
    assert spawn is not None, "the ego's place is one on the map"
    route = LaneRoute(town.network, int(spawn["road"]), int(spawn["lane"]), spawn["s_m"], FASTEST_MPS * LONGEST_S)
    speed_mps = _ego_speed(reading, script, position, route)
    ego: dict[str, Any] = {"spawn": spawn, "speed_mps": round(speed_mps, 3), "vary": False}
    if script.ego.blueprint != EGO_BLUEPRINT:
        ego = {"blueprint": script.ego.blueprint, **ego}
    if script.story.route_m is not None:
        ego["route_m"] = round(script.story.route_m, 2)
    duration_s = _duration_s(reading, script, route, speed_mps)
    actors, elements = _actors(reading, script, int(spawn["lane"]), duration_s)
    name = identifier(reading.path.stem, "scenario")
    told = one_line(_header(reading).string("description", "").removeprefix("CARLA:"))[:200]
    content: dict[str, Any] = {
        "name": name,
        "question": f"Does every agent drive through {told or name}?",
        "map": town.said,
        "duration_s": duration_s,
        "weather": weather_of(reading, script.beginning.environment),
        "ego": ego,
        "actors": actors,
        "seeds": {"count": 1},
    }
    return {key: value for key, value in content.items() if value != []}, elements


def _ego_place(reading: Reading, script: _Script) -> tuple[Place, XmlElement]:
    position = script.beginning.positions.get(script.ego.name)
    if position is None:
        raise reading.error(
            f"the ego {script.ego.name!r} is put nowhere", script.ego.element, "give it a <TeleportAction> in <Init>"
        )
    try:
        place = script.locator.absolute(position)
    except MapError as error:
        raise reading.error(f"the ego has no place: {error}", position) from None
    if place is None:
        kind = next((child.tag for child in position.children), "Position")
        hint = "use WorldPosition, LanePosition or RoadPosition"
        raise reading.error(f"the ego's place cannot be told from a <{kind}>", position, hint)
    if abs(place.turned_deg) > STRAIGHT_DEG:
        raise reading.error(
            f"the ego looks {abs(place.turned_deg):.0f}° away from its lane's direction", position, "turn it round"
        )
    reading.use(*position.children)
    if abs(place.lateral_m) > NOTED_M or abs(place.turned_deg) > NOTED_DEG:
        reading.leave(position, "the ego starts in the middle of its lane, along it")
    return place, position


def _ego_speed(reading: Reading, script: _Script, position: XmlElement, route: LaneRoute) -> float:
    """Return the ego's speed, which it starts with and keeps; later ones are the agent's business."""
    for change in script.story.changes.get(script.ego.name, []):
        reading.leave(change.element, "how fast the ego drives on its way is up to driver and agent")
    stated = script.beginning.speeds.get(script.ego.name)
    if stated is not None and 0.0 < stated[0] <= FASTEST_MPS:
        return stated[0]
    x, y = route.pose(0.0)[:2]
    point = script.town.network.locate(x, y)
    assert point is not None, "a place on a lane is near one"
    speed_mps, why = cruise_mps(script.town.network, point)
    reason = f"a drive begins at its cruising speed, {speed_mps:g} m/s, {why}"
    reading.leave(stated[1] if stated is not None else position, reason)
    return speed_mps


def _duration_s(reading: Reading, script: _Script, route: LaneRoute, speed_mps: float) -> float:
    story, most_s = script.story, round(min(room_s(speed_mps, route.length_m), LONGEST_S), 2)
    if story.end_s is None:
        given_m = story.route_m
        return min(USUAL_S, most_s) if given_m is None else enough_s(given_m, speed_mps, route.length_m)
    if story.end_s > most_s and story.stop is not None:
        why = f"the ego's lane ends after {route.length_m:.0f} m" if most_s < LONGEST_S else "none is longer"
        reading.leave(story.stop, f"the drive ends at {most_s:g} s instead of {story.end_s:g} s: {why}")
    return round(min(story.end_s, most_s), 3)


def _actors(
    reading: Reading, script: _Script, ego_lane: int, duration_s: float
) -> tuple[list[dict[str, Any]], list[XmlElement]]:
    actors: list[dict[str, Any]] = []
    elements: list[XmlElement] = []
    for one in script.others:
        position = script.beginning.positions.get(one.name)
        if position is None:
            reading.leave(one.element, "is put nowhere by a <TeleportAction> in <Init>")
            continue
        try:
            place = script.locator.absolute(position) or script.locator.relative(position, script.ego.name, ego_lane)
        except MapError as error:
            reading.leave(position, f"has no place: {error}")
            continue
        if place is None:
            reading.leave(position, "is told from something that is not read: the map, or the ego, is")
            continue
        reading.use_whole(position)
        speeds = list(script.story.changes.get(one.name, []))
        if one.name in script.beginning.speeds:
            speeds.insert(0, SpeedChange(0.0, *script.beginning.speeds[one.name]))
        actor = actor_of(reading, one, place, speeds, duration_s)
        if actor is not None:
            actors.append(actor)
            elements.append(position)
    return actors, elements


def _drop_what_has_no_place(
    reading: Reading, content: dict[str, Any], elements: list[XmlElement], town: Town, check: Check
) -> None:
    """Look everything up on the map; a road user that has no place there is left out."""
    while True:
        one = Imported(content, reading.path.name, town.network)
        try:
            check(one.scenario(), town.network)
            return
        except ValidationError as error:
            raise reading.error(f"is no scenario: {first_mistake(error)}", reading.root) from None
        except UsageError as error:
            if error.at[:1] != ("actors",):
                raise reading.error(str(error), reading.root) from None
            index = int(error.at[1])
            reading.leave(elements.pop(index), str(error))
            del content["actors"][index]
            if not content["actors"]:
                del content["actors"]
