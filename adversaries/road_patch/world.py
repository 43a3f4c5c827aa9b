"""A scenario as the optimiser drives through it: the renderer's own scene, without server, physics or clock.

Everything that the camera sees is staged from the same functions as an episode (``testbed.scenario.realise``, the map's
scenery, the assets), so a picture made here equals the one that an episode's camera takes from the same pose.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from adversaries.road_patch.drive import Situation
from adversaries.road_patch.lookup import lookup_matrix, product, pyramid_matrix
from adversaries.road_patch.shape import PatchShape
from testbed.client.path import SPACING_M, LanePath
from testbed.core.errors import MapError
from testbed.core.records import EpisodePlan
from testbed.core.types import Pose
from testbed.scenario.realise import Staging, realise
from testbed.scenario.schema import Actor, PatchPlace, Scenario
from testbed.server.maps import RoadNetwork, load_map
from testbed.server.render.camera import Camera, pose_matrix
from testbed.server.render.renderer import Renderer
from testbed.server.render.rerender import NEEDED, Rerenderer, to_srgb
from testbed.server.render.scene import Scene
from testbed.server.render.weather import Weather

ROUTE_M = 260.0


@dataclasses.dataclass(frozen=True, eq=False)
class RoadView:
    """One camera picture, open for any patch: ``linear = base + L * lookup(texels)`` on the pixels that show the patch.

    Attributes:
        base: (3, H, W) linear light without the patch.
        rows: Picture rows of those pixels, shape (P,).
        columns: Their picture columns.
        light: (3, P) light L that falls on them.
        lookup: (P, texels) which texels they show.
    """

    base: Tensor
    rows: Tensor
    columns: Tensor
    light: Tensor
    lookup: sparse.csr_matrix

    def image(self, texels: Tensor) -> Tensor:
        """Return the picture with a patch of added albedo ``texels``: (3, H, W), sRGB in 0-1, differentiable."""
        added = product(self.lookup, texels.reshape(-1)) * self.light
        linear = self.base.index_put((torch.arange(3)[:, None], self.rows[None], self.columns[None]), added, True)
        return to_srgb(linear)


class RoadWorld:
    """Stages a scenario for drives.

    Args:
        scenario: What to stage, without its adversaries.
        place: Where the patch lies.
        shape: Size of the patch.
        latency_s: From a picture to the moment its answer is acted on.
        condition: Recorded in the plan that is staged; chance does not depend on it.
    """

    NAME = "patch"

    def __init__(self, scenario: Scenario, place: PatchPlace, shape: PatchShape, *, latency_s: float) -> None:
        """Build scenery and renderer once."""
        from testbed.server.maps.scenery import build_scenery

        self._scenario = scenario
        self._place = place
        self._shape = shape
        self._latency_s = latency_s
        self._pyramid = pyramid_matrix(*shape.texels)
        bundle = load_map(scenario.map)
        self._network: RoadNetwork = bundle.network
        self.scene = Scene()
        build_scenery(self._network, self.scene, seed=0)
        self.renderer = Renderer(self.scene)
        blank = np.zeros((*shape.texels, 4), dtype=np.float32)
        self._decal = self.scene.add_decal(self.NAME, (0.0,) * 6, shape.length_m, shape.width_m, blank)
        self._actors: dict[str, int] = {}
        self._staging: Staging | None = None
        self._path: LanePath | None = None

    @property
    def staging(self) -> Staging:
        """The situation staged last."""
        assert self._staging is not None
        return self._staging

    @property
    def path(self) -> LanePath:
        """The ego's lane from its start on."""
        assert self._path is not None
        return self._path

    def situation(self, seed: int) -> Situation:
        """Stage the scenario with a seed and return what is special about it."""
        plan = EpisodePlan(scenario=self._scenario.name, scene=self._scenario.dump(), agent="dnn", seed=seed)
        staging = self._staging = realise(plan)
        start = staging.ego
        path = self._path = _lane_path(self._network, start.road, start.lane, start.s_m)
        self.scene.set_weather(_weather(staging))
        near_m = self._place.ahead_m
        self.scene.set_pose(self._decal, path.pose(near_m + self._shape.length_m / 2.0, self._place.lateral_m))
        self._put_actors()
        width_m = path.width_m(near_m)
        return Situation(
            seed=seed,
            speed_mps=start.speed_mps,
            left_m=start.lateral_offset_m,
            heading_rad=math.radians(start.heading_error_deg),
            near_m=near_m,
            far_m=near_m + self._shape.length_m,
            threshold_m=(width_m - 2.0 * EGO_HALF_WIDTH_M) / 2.0,
            latency_s=self._latency_s,
        )

    def curvature_1pm(self, s_m: float) -> float:
        """Return the lane's curvature at a distance from the start, positive left."""
        return self.path.curvature_1pm(s_m)

    def ego_pose(self, s_m: float, left_m: float, heading_rad: float) -> Pose:
        """Return the world pose of the ego from its place in the lane."""
        x, y, z, _, yaw, roll = self.path.pose(s_m, left_m)
        return x, y, z, self.path.pitch_deg(s_m), yaw - math.degrees(heading_rad), roll

    def camera(self, ego: Pose) -> Camera:
        """Return the driver's view of an ego at a pose."""
        chosen = self.staging.camera
        mount = pose_matrix(ego) @ np.array([chosen.x_m, 0.0, chosen.z_m, 1.0])
        pose: Pose = (float(mount[0]), float(mount[1]), float(mount[2]), ego[3] + chosen.pitch_deg, ego[4], ego[5])
        return Camera(chosen.width_px, chosen.height_px, chosen.fov_deg, pose)

    def view(self, s_m: float, left_m: float, heading_rad: float, t_s: float) -> RoadView:
        """Return what the camera sees from a pose in the lane at a time of the situation staged last."""
        self.move_traffic(t_s)
        frame = self.renderer.render(self.camera(self.ego_pose(s_m, left_m, heading_rad)), want=NEEDED)
        assert frame.linear is not None and frame.residual is not None and frame.shading is not None
        twin = Rerenderer(frame, self.scene.texture_number(self.NAME), self._shape.texels, wrap="zero")
        shows = twin.mask.numpy()
        base = np.where(shows[..., None], frame.residual, frame.linear)
        rows, columns = np.nonzero(shows)
        return RoadView(
            torch.from_numpy(np.ascontiguousarray(base.transpose(2, 0, 1))),
            torch.from_numpy(rows),
            torch.from_numpy(columns),
            torch.from_numpy(np.ascontiguousarray(frame.shading[shows].T)),
            lookup_matrix(twin, self._pyramid),
        )

    def move_traffic(self, t_s: float) -> None:
        """Put the other road users of the ego's lane where they are at a time of the situation staged last."""
        for actor, ahead_m in self._in_lane():
            if actor.id in self._actors:
                self.scene.set_pose(self._actors[actor.id], self.path.pose(ahead_m + actor.speed_mps * t_s))

    def _in_lane(self) -> list[tuple[Actor, float]]:
        """Return the road users of the ego's own lane, the only ones that are staged here, with their places."""
        lanes = (None, self.staging.ego.lane)
        return [(one, one.ahead_m) for one in self.staging.actors if one.ahead_m is not None and one.lane in lanes]

    def _put_actors(self) -> None:
        """Add the road users of the ego's lane and the signs on the first call; later calls move them."""
        from testbed.server.assets.signs import sign_asset
        from testbed.server.assets.vehicles import vehicle_asset
        from testbed.server.simulation.vehicles import VEHICLE_BY_ID

        for actor, ahead_m in self._in_lane():
            model = VEHICLE_BY_ID.get(actor.blueprint)
            if model is not None and actor.id not in self._actors:
                asset = vehicle_asset(actor.blueprint, extent_m=model.half_extent_m)
                self._actors[actor.id] = asset.place(
                    self.scene, f"actor:{actor.id}", self.path.pose(ahead_m), tag=model.tag
                )
        for sign in self.staging.signs:
            pose = self.path.pose(sign.ahead_m, sign.lateral_m)
            if sign.id in self._actors:
                self.scene.set_pose(self._actors[sign.id], pose)
            else:
                asset = sign_asset(sign.gtsrb_class, size_m=sign.size_m)
                self._actors[sign.id] = asset.place(self.scene, f"sign:{sign.id}", pose, tag=8)


EGO_HALF_WIDTH_M = 1.064
"""Of the ego's box, ``vehicle.lincoln.mkz_2020``."""


def lane_width_m(scenario: Scenario) -> float:
    """Return the width of the lane that a scenario's ego starts in."""
    start = scenario.ego.spawn
    return _lane_path(load_map(scenario.map).network, start.road, start.lane, start.s_m).width_m(0.0)


def _lane_path(network: RoadNetwork, road: int, lane: int, s_m: float) -> LanePath:
    """Return the lane's centre from a station on, followed through successors, as the client's map would."""
    centre = network.lane_centre(road, lane, s_m)
    start = network.locate(centre[0], centre[1])
    if start is None:
        raise MapError(f"map {network.name!r} has no lane at road {road}, lane {lane}, s = {s_m:g} m")
    start = dataclasses.replace(start, road_id=road, lane_id=lane, s_m=s_m)
    poses = []
    for step in range(int(ROUTE_M / SPACING_M)):
        pose = network.ahead(start, step * SPACING_M)
        if pose is None:
            break
        poses.append(pose)
    points: NDArray[np.float64] = np.array([pose[:3] for pose in poses])
    return LanePath(points, np.array([pose[4] for pose in poses]), np.full(len(poses), start.width_m))


def _weather(staging: Staging) -> Weather:
    """Return the staging's weather as the renderer takes it."""
    from testbed.client.stage import weather_parameters

    chosen = weather_parameters(staging.weather_preset, staging.weather)
    names = [field.name for field in dataclasses.fields(Weather)]
    return Weather(**{name: float(getattr(chosen, name)) for name in names})
