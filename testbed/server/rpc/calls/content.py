"""What the map contains: environment objects, level boxes, textures, lights, rays; debug drawing is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from testbed.core.colour import srgb_to_linear
from testbed.core.geometry import Vector
from testbed.core.semantic_tags import SemanticTag
from testbed.server import carla_types
from testbed.server.rpc.arguments import integer, number, sequence, text, vector
from testbed.server.rpc.catalogue import method
from testbed.server.simulation.bounding_boxes import BoundingBox
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.rays import RayHit, cast

if TYPE_CHECKING:
    from testbed.server.rpc.server import Server
    from testbed.world.maps.scenery_builder import SceneryObject

DIFFUSE = 2
MAX_TEXELS = 2048 * 1024


def _box(item: SceneryObject) -> list[object]:
    return carla_types.world_box(item.pose, BoundingBox(item.centre_m, item.extent_m))


@method("get_environment_objects")
def get_environment_objects(server: Server, tag: object) -> list[object]:
    """Answer the scenery with a tag."""
    wanted = integer(tag, "tag")
    return [
        [carla_types.transform(item.pose), _box(item), item.instance_id, item.name, item.tag]
        for item in server.scene_sync.scenery
        if wanted in (SemanticTag.ANY, item.tag)
    ]


@method("enable_environment_objects")
def enable_environment_objects(server: Server, ids: object, enabled: object) -> None:
    """Show or hide scenery."""
    wanted = [integer(item, "object id") for item in sequence(ids, None, "object ids")]
    server.scene_sync.set_visible(wanted, bool(enabled))


@method("get_all_level_BBs")
def get_all_level_boxes(server: Server, tag: object) -> list[object]:
    """Answer the world boxes of scenery and standing props and signs with a tag."""
    wanted = integer(tag, "tag")
    boxes: list[object] = [
        _box(item) for item in server.scene_sync.scenery if wanted in (SemanticTag.ANY, item.tag) and not item.signal_id
    ]
    for actor in server.world.actors.values():
        if actor.tags and actor.box.extent_m[0] > 0.0 and wanted in (SemanticTag.ANY, actor.tags[0]):
            boxes.append(carla_types.world_box(actor.pose, actor.box, actor.id))
    return boxes


@method("get_names_of_all_objects")
def get_names_of_all_objects(server: Server) -> list[str]:
    """Answer the names that the texture calls accept."""
    return server.scene_sync.paintable_names()


@method("apply_color_texture_to_objects")
def apply_color_texture_to_objects(server: Server, names: object, parameter: object, texture: object) -> None:
    """Paint objects with an sRGB texture (alpha is straight, it only matters for decals)."""
    pixels = _texels(texture)
    if integer(parameter, "material parameter") != DIFFUSE:
        return
    encoded = np.clip(pixels, 0.0, 255.0) / 255.0
    alpha = encoded[..., 3:]
    _paint(server, names, np.concatenate([srgb_to_linear(encoded[..., :3]) * alpha, alpha], axis=2))


@method("apply_float_color_texture_to_objects")
def apply_float_color_texture_to_objects(server: Server, names: object, parameter: object, texture: object) -> None:
    """Paint objects with a linear texture, alpha premultiplied; normal maps and the like are accepted and not shown."""
    pixels = _texels(texture)
    if integer(parameter, "material parameter") == DIFFUSE:
        _paint(server, names, pixels)


def _paint(server: Server, names: object, pixels: NDArray[np.float32]) -> None:
    wanted = [text(name) for name in sequence(names, None, "object names")]
    if server.plain:
        return
    server.scene_sync.paint(wanted, pixels.astype(np.float32))


def _texels(texture: object) -> NDArray[np.float32]:
    """Return a texture as (height, width, 4) float32; CallError for sizes and values that make no sense."""
    width, height, pixels = sequence(texture, 3, "texture")
    columns, rows = integer(width, "texture width"), integer(height, "texture height")
    if not (0 < columns and 0 < rows and columns * rows <= MAX_TEXELS):
        raise CallError(f"texture of {columns} x {rows} pixels; at most {MAX_TEXELS} are accepted")
    listed = sequence(pixels, columns * rows, "texture pixels")
    try:
        array = np.asarray(listed, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        raise CallError("texture pixels must be four numbers each") from None
    if array.shape != (rows * columns, 4) or not np.isfinite(array).all():
        raise CallError("texture pixels must be four finite numbers each")
    return array.reshape(rows, columns, 4)


# Scene lights and day


@method("query_lights_state")
def query_lights_state(server: Server, client: object) -> list[object]:
    """Answer that there are no street lights to control."""
    text(client)
    return []


@method("update_lights_state")
def update_lights_state(server: Server, client: object, states: object, discard: object) -> None:
    """Accept: there are no street lights to control."""
    sequence(states, None, "light states")


@method("update_day_night_cycle")
def update_day_night_cycle(server: Server, client: object, enabled: object) -> None:
    """Accept: lamps follow the weather."""
    text(client)


# Rays


@method("project_point")
def project_point(server: Server, location: object, direction: object, distance: object) -> list[object]:
    """Answer the first thing along a ray."""
    start, way, length = vector(location), vector(direction), min(max(number(distance, "distance"), 0.0), 1e5)
    norm = max((way[0] ** 2 + way[1] ** 2 + way[2] ** 2) ** 0.5, 1e-9)
    unit = (way[0] / norm, way[1] / norm, way[2] / norm)
    end = (start[0] + unit[0] * length, start[1] + unit[1] * length, start[2] + unit[2] * length)
    hits = cast(server.world, start, end)
    return [True, _point(start, end, hits[0])] if hits else [False, [[0.0, 0.0, 0.0], 0]]


@method("cast_ray")
def cast_ray(server: Server, start: object, end: object) -> list[object]:
    """Answer everything between two points, nearest first."""
    first, last = vector(start), vector(end)
    return [_point(first, last, hit) for hit in cast(server.world, first, last)]


def _point(start: Vector, end: Vector, hit: RayHit) -> list[object]:
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    share = hit.distance_m / (dx * dx + dy * dy + dz * dz) ** 0.5
    return [[start[0] + dx * share, start[1] + dy * share, start[2] + dz * share], hit.tag]


def _accept(name: str) -> None:
    """Register a method that only draws for people who look into CARLA's own window."""

    def accept(server: Server, *_: object) -> None:
        return None

    method(name)(accept)


for _name in ("draw_debug_shape", "clear_debug_shape", "clear_debug_string", "set_annotations_traverse_translucency"):
    _accept(_name)
