"""From an actor description to an actor with its kind, box, tags and machinery."""

from __future__ import annotations

import math

from testbed.core.semantic_tags import SemanticTag
from testbed.core.types import Pose
from testbed.server.simulation.actors import (
    ActorKind,
    SensorClock,
    SimulatedActor,
    TrafficLight,
    Vehicle,
    Walker,
    kind_of,
)
from testbed.server.simulation.blueprints import SENSOR_TYPE, library
from testbed.server.simulation.bounding_boxes import BoundingBox
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.chassis import build_chassis, default_physics
from testbed.server.simulation.dynamics import PlanarMotion
from testbed.world.assets.props import prop_asset
from testbed.world.assets.shadow_card import card_corners
from testbed.world.assets.sign_assets import PLATE_BOTTOM_M
from testbed.world.assets.vehicle_models import VEHICLE_BY_ID

LIBRARY = library()
ATTRIBUTES: dict[str, list[list[object]]] = {str(entry[1]): entry[3] for entry in LIBRARY}  # type: ignore[misc]
UIDS: dict[str, int] = {str(entry[1]): uid for uid, entry in enumerate(LIBRARY, start=1)}

WALKER_HALF_EXTENT_M = (0.19, 0.19, 0.93)
MAX_IMAGE_PX = 4096

_NO_BOX = BoundingBox()


def create(actor_id: int, type_id: str, given: list[list[object]], pose: Pose) -> SimulatedActor:
    """Return a new actor of a blueprint; it is not in the world yet.

    Args:
        actor_id: Its id.
        type_id: Blueprint id.
        given: ``[name, type, value]`` triples of the client's description; what is missing comes from the blueprint.
        pose: World pose, or pose relative to the parent.

    Raises:
        CallError: No such blueprint, or an attribute value that makes no sense.
    """
    if type_id not in ATTRIBUTES:
        raise CallError(f"Spawn failed because of invalid actor description: there is no blueprint '{type_id}'")
    sent = {str(item[0]): item for item in given}
    attributes = [sent.get(str(item[0]), [item[0], item[1], item[2]]) for item in ATTRIBUTES[type_id]]
    actor = SimulatedActor(
        actor_id,
        type_id,
        kind_of(type_id),
        uid=UIDS[type_id],
        attributes=attributes,
        values={str(item[0]): str(item[2]) for item in attributes},
        pose=pose,
        relative=pose,
    )
    match actor.kind:
        case ActorKind.VEHICLE:
            _make_vehicle(actor)
        case ActorKind.WALKER:
            actor.walker = Walker()
            actor.box = BoundingBox((0.0, 0.0, 0.0), WALKER_HALF_EXTENT_M)
            actor.tags = bytes([SemanticTag.PEDESTRIANS])
        case ActorKind.STATIC:
            _make_prop(actor)
        case ActorKind.SENSOR:
            _make_sensor(actor)
        case _:
            pass
    return actor


def map_actor(actor_id: int, type_id: str, pose: Pose, box: BoundingBox, signal_id: str) -> SimulatedActor:
    """Return a sign or traffic light that comes with the map."""
    actor = SimulatedActor(actor_id, type_id, kind_of(type_id), pose=pose, relative=pose, box=box, signal_id=signal_id)
    is_light = type_id == "traffic.traffic_light"
    actor.tags = bytes([SemanticTag.TRAFFIC_LIGHT if is_light else SemanticTag.TRAFFIC_SIGNS])
    if is_light:
        actor.light = TrafficLight()
    return actor


def spectator(actor_id: int) -> SimulatedActor:
    """Return the camera man that every CARLA world has."""
    pose = (0.0, 0.0, 30.0, -30.0, 0.0, 0.0)
    return SimulatedActor(actor_id, "spectator", ActorKind.OTHER, pose=pose, relative=pose)


def paint_colour(text: str) -> tuple[int, int, int]:
    """Return a colour attribute "r,g,b" as three bytes.

    Raises:
        CallError: It is no such colour.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isdecimal() and int(part) < 256 for part in parts):
        raise CallError(f"Spawn failed: color '{text}' is not of the form r,g,b with values from 0 to 255")
    red, green, blue = (int(part) for part in parts)
    return red, green, blue


def _make_vehicle(actor: SimulatedActor) -> None:
    model = VEHICLE_BY_ID[actor.type_id]
    paint_colour(actor.values["color"])
    physics = default_physics(model)
    motion = PlanarMotion(actor.pose[0], actor.pose[1], math.radians(actor.pose[4]))
    actor.vehicle = Vehicle(model, physics, build_chassis(model, physics), motion)
    actor.box = BoundingBox((0.0, 0.0, model.half_extent_m[2]), model.half_extent_m)
    actor.tags = bytes([model.tag])


def _make_prop(actor: SimulatedActor) -> None:
    actor.tags = bytes([SemanticTag.STATIC])
    if actor.type_id == "static.prop.decal":
        length, width = _size(actor, "length_m", 6.0), _size(actor, "width_m", 3.0)
        actor.box = BoundingBox((0.0, 0.0, 0.0), (length / 2.0, width / 2.0, 0.0))
        actor.collides = False
    elif actor.type_id == "static.prop.trafficsign":
        sign_class, half = actor.number("gtsrb_class", -1.0), _size(actor, "size_m", 0.75) / 2.0
        if not (sign_class.is_integer() and 0 <= sign_class <= 42):
            raise CallError(
                f"Spawn failed: gtsrb_class '{actor.values.get('gtsrb_class')}' is not a class from 0 to 42"
            )
        actor.box = BoundingBox((0.0, 0.0, PLATE_BOTTOM_M + half), (0.02, half, half))
        actor.tags = bytes([SemanticTag.TRAFFIC_SIGNS])
        actor.collides = False
    elif actor.type_id == "static.prop.occluder" and actor.values.get("polygon"):
        try:
            corners = card_corners(actor.values["polygon"])
        except ValueError as error:
            raise CallError(f"Spawn failed: {error}") from None
        low_high = corners.min(axis=0), corners.max(axis=0)
        (y, z), (half_y, half_z) = (low_high[0] + low_high[1]) / 2.0, (low_high[1] - low_high[0]) / 2.0
        actor.box = BoundingBox((0.0, float(y), float(z)), (0.001, float(half_y), float(half_z)))
        actor.collides = False
    elif actor.type_id == "static.prop.occluder":
        half_size = tuple(_size(actor, name, 1.0) / 2.0 for name in ("length_m", "width_m", "height_m"))
        actor.box = BoundingBox((0.0, 0.0, half_size[2]), (half_size[0], half_size[1], half_size[2]))
    else:
        low, high = prop_asset(actor.type_id).bounds_m()
        centre, extent = (0.5 * (low + high)).tolist(), (0.5 * (high - low)).tolist()
        actor.box = BoundingBox((centre[0], centre[1], centre[2]), (extent[0], extent[1], extent[2]))


def _make_sensor(actor: SimulatedActor) -> None:
    number = SENSOR_TYPE.get(actor.type_id)
    if number is None:
        return
    actor.sensor = SensorClock(number, period_s=max(0.0, actor.number("sensor_tick", 0.0)))
    if actor.type_id.startswith("sensor.camera."):
        for name in ("image_size_x", "image_size_y"):
            if not 1 <= actor.number(name, 0.0) <= MAX_IMAGE_PX:
                raise CallError(f"Spawn failed: {name} '{actor.values.get(name)}' is not between 1 and {MAX_IMAGE_PX}")
        if not 0.0 < actor.number("fov", 90.0) < 180.0:
            raise CallError(f"Spawn failed: fov '{actor.values.get('fov')}' is not between 0 and 180 degrees")


def _size(actor: SimulatedActor, name: str, default: float) -> float:
    value = actor.number(name, default)
    if not 0.01 <= value <= 200.0:
        raise CallError(f"Spawn failed: {name} '{actor.values.get(name)}' is not between 0.01 and 200 m")
    return value
