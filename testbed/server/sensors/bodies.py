"""What an actor looks like: the asset of its blueprint, placed so that it fills the actor's bounding box."""

from __future__ import annotations

from testbed.core.types import Pose
from testbed.server.simulation.actors import ActorKind, SimulatedActor
from testbed.server.simulation.factory import paint_colour
from testbed.server.simulation.lights import GREEN, RED, YELLOW
from testbed.world.assets.asset import Asset
from testbed.world.assets.props import occluder_asset, prop_asset, traffic_light_asset
from testbed.world.assets.shadow_card import card_asset, card_corners
from testbed.world.assets.sign_assets import sign_asset
from testbed.world.assets.vehicle_assets import vehicle_asset
from testbed.world.assets.walkers import walker_asset

_LAMP = {RED: "red", YELLOW: "yellow", GREEN: "green"}


def body(actor: SimulatedActor) -> Asset | None:
    """Return what to draw for an actor.

    None for actors without a body: sensors, the spectator, and the signs of the map, which are part of the scenery.
    """
    if actor.vehicle is not None:
        model = actor.vehicle.model
        colour = paint_colour(actor.values["color"])
        return vehicle_asset(actor.type_id, colour, extent_m=model.half_extent_m, wheelbase_m=model.wheelbase_m)
    if actor.light is not None:
        return traffic_light_asset(_LAMP.get(actor.light.state, "off"))
    if actor.kind is ActorKind.WALKER:
        return walker_asset(actor.type_id)
    if actor.kind is not ActorKind.STATIC:
        return None
    length_m, width_m, height_m = (2.0 * extent for extent in actor.box.extent_m)
    if actor.type_id == "static.prop.trafficsign":
        return sign_asset(int(actor.number("gtsrb_class", 1)), size_m=width_m)
    if actor.type_id == "static.prop.occluder" and actor.values.get("polygon"):
        return card_asset(card_corners(actor.values["polygon"]))
    if actor.type_id == "static.prop.occluder":
        return occluder_asset(length_m, width_m, height_m)
    return prop_asset(actor.type_id)


def body_pose(actor: SimulatedActor) -> Pose:
    """Return the pose of an actor's body: assets stand on their origin, CARLA's walkers have theirs in the middle."""
    if actor.kind is ActorKind.WALKER:
        x, y, z, pitch, yaw, roll = actor.pose
        return (x, y, z - actor.box.extent_m[2], pitch, yaw, roll)
    return actor.pose
