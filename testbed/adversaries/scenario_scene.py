"""A scenario staged without server, physics or clock: the renderer's own scene, photographed from places in the lane.

Everything that the camera sees comes from the functions that stage an episode (``testbed.scenario.concrete``, the map's
scenery, the assets), so a picture made here equals the one that an episode's camera takes from the same pose. Attacks
that search in such pictures build on ``ScenarioScene`` and add what they attack.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import MapError
from testbed.core.lane_path import SPACING_M, LanePath
from testbed.core.records import EpisodePlan
from testbed.core.semantic_tags import SemanticTag
from testbed.core.types import Pose
from testbed.core.weather import WeatherParameters, weather_of
from testbed.scenario.concrete import ConcreteScenario, concretise
from testbed.scenario.schema import Scenario
from testbed.world.assets.sign_assets import sign_asset
from testbed.world.maps import RoadNetwork, load_map
from testbed.world.maps.scenery import build_scenery
from testbed.world.render.camera import PinholeCamera, mounted
from testbed.world.render.renderer import Renderer
from testbed.world.render.scene import Scene

"""Semantic tag of CARLA 0.9.16 for traffic signs."""


class ScenarioScene:
    """Stage a scenario again and again in one scene, without its adversaries.

    Args:
        scenario: What to stage.
        route_m: How far the ego's lane is followed.

    Attributes:
        scenario: As given.
        network: The map's roads.
        scene: What stands in the world; of the scenario's objects, its signs.
        renderer: Draws the scene.
        concrete: The concrete scenario staged last.
        path: The ego's lane in it, from its start on.
        weather: The weather in it.
    """

    concrete: ConcreteScenario
    path: LanePath
    weather: WeatherParameters

    def __init__(self, scenario: Scenario, route_m: float) -> None:
        """Build scenery and renderer once; nothing is staged yet."""
        self.scenario = scenario
        self._route_m = route_m
        self.network: RoadNetwork = load_map(scenario.map).network
        self.scene = Scene()
        build_scenery(self.network, self.scene, seed=0)
        self.renderer = Renderer(self.scene)
        self._signs: dict[str, int] = {}

    def stage(self, seed: int, condition: str = "benign") -> ConcreteScenario:
        """Stage the scenario with a seed: weather, the ego's lane and signs.

        Args:
            seed: Seed of the situation.
            condition: Recorded in the plan that is staged; chance does not depend on it.

        Raises:
            MapError: If the map has no such lane.
        """
        plan = EpisodePlan(
            scenario=self.scenario.name, scene=self.scenario.dump(), agent="dnn", seed=seed, condition=condition
        )
        self.concrete = concretise(plan)
        start = self.concrete.ego
        self.path = lane_path(self.network, start.road, start.lane, start.s_m, self._route_m)
        self.weather = weather_of(self.concrete.weather_preset, self.concrete.weather)
        self.scene.set_weather(self.weather)
        self._put_signs()
        return self.concrete

    def ego_pose(self, s_m: float, lateral_offset_m: float, heading_rad: float = 0.0) -> Pose:
        """Return the world pose of an ego at a place in its lane; it leans with the road as the server's does.

        Args:
            s_m: Distance along the lane from the start.
            lateral_offset_m: Offset from the lane's middle, positive left.
            heading_rad: Heading against the lane, positive left.
        """
        x, y, z, _, yaw, roll = self.path.pose(s_m, lateral_offset_m)
        return x, y, z, self.path.pitch_deg(s_m), yaw - math.degrees(heading_rad), roll

    def camera(self, s_m: float, lateral_offset_m: float, heading_rad: float = 0.0) -> PinholeCamera:
        """Return the driver's camera of an ego at a place in its lane, see ``ego_pose``."""
        chosen = self.concrete.camera
        pose = mounted(self.ego_pose(s_m, lateral_offset_m, heading_rad), chosen.x_m, chosen.z_m, chosen.pitch_deg)
        return PinholeCamera(chosen.width_px, chosen.height_px, chosen.fov_deg, pose)

    def _put_signs(self) -> None:
        """Add the signs that the scenario puts up itself on the first call; later calls move them."""
        for sign in self.concrete.signs:
            if sign.on_map:
                continue
            pose = self.path.pose(sign.ahead_m, sign.lateral_m)
            if sign.id in self._signs:
                self.scene.set_pose(self._signs[sign.id], pose)
            else:
                asset = sign_asset(sign.gtsrb_class, size_m=sign.size_m)
                self._signs[sign.id] = asset.place(self.scene, f"sign:{sign.id}", pose, tag=SemanticTag.TRAFFIC_SIGNS)


def lane_path(network: RoadNetwork, road: int, lane: int, s_m: float, length_m: float) -> LanePath:
    """Return the lane's centre from a station on, followed through successors, as the client's map would.

    Raises:
        MapError: If there is no such lane.
    """
    centre = network.lane_centre(road, lane, s_m)
    start = network.locate(centre[0], centre[1])
    if start is None:
        raise MapError(f"map {network.name!r} has no lane at road {road}, lane {lane}, s = {s_m:g} m")
    start = dataclasses.replace(start, road_id=road, lane_id=lane, s_m=s_m)
    poses = []
    for step in range(int(length_m / SPACING_M)):
        pose = network.ahead(start, step * SPACING_M)
        if pose is None:
            break
        poses.append(pose)
    points: NDArray[np.float64] = np.array([pose[:3] for pose in poses])
    return LanePath(points, np.array([pose[4] for pose in poses]), np.full(len(poses), start.width_m))
