"""Builds everything that stands still: land, roads, rails, bridges, trees, houses and the map's traffic signs.

Works for any OpenDRIVE network. Objects are pieces of about 100 m, so the renderer skips what the camera cannot see;
their names and order depend on the network and the seed only.
"""

from __future__ import annotations

from testbed.world.maps.carriageway import build_road
from testbed.world.maps.crossings import build_junctions
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.roadside import build_roadside, build_structures
from testbed.world.maps.scenery_builder import SceneryBuilder, SceneryObject
from testbed.world.maps.signage import build_signs
from testbed.world.maps.streetscape import build_streetscape
from testbed.world.maps.terrain import Terrain, build_terrain
from testbed.world.maps.vegetation import build_houses, build_vegetation
from testbed.world.render.scene import Scene

__all__ = ["SceneryObject", "build_scenery"]


def build_scenery(network: RoadNetwork, scene: Scene, seed: int = 0) -> list[SceneryObject]:
    """Fill a scene with the scenery of a map.

    Args:
        network: The roads.
        scene: Receives the objects, static, with instance ids from 1 000 001 on.
        seed: Seed of hills, fields, trees and houses; equal seeds give equal scenes.

    Returns:
        The objects in order of creation, with bounding boxes, tags and collision boxes.
    """
    builder = SceneryBuilder(scene)
    terrain = Terrain(network, seed)
    junctions_done = build_junctions(network, builder)
    for road in network.roads.values():
        build_road(network, road, builder, junctions_done)
    build_terrain(terrain, builder)
    for road in network.roads.values():
        build_roadside(network, road, builder)
    build_structures(network, builder)
    build_signs(network, builder)
    build_vegetation(network, terrain, builder, seed)
    build_houses(network, terrain, builder, seed)
    build_streetscape(network, terrain, builder, seed)
    return builder.objects
