"""A scenario as the optimiser drives through it: a staged scene with a patch, traffic, and pictures open for any patch.

The road users of the ego's lane stand where they are at a moment of the episode; all else is
``testbed.adversaries.scenario_scene``.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from testbed.adversaries.road_patch.drive import DriveSituation
from testbed.adversaries.road_patch.shape import PatchShape
from testbed.adversaries.road_patch.texel_matrix import lookup_matrix, product, pyramid_matrix
from testbed.adversaries.scenario_scene import ScenarioScene, lane_path
from testbed.scenario.schema import Actor, PatchPlace, Scenario
from testbed.world.assets.vehicle_assets import vehicle_asset
from testbed.world.assets.vehicle_models import VEHICLE_BY_ID
from testbed.world.maps import load_map
from testbed.world.render.rerender import NEEDED, Rerenderer, to_srgb

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


class RoadWorld(ScenarioScene):
    """Stage a scenario for drives.

    Args:
        scenario: What to stage, without its adversaries.
        place: Where the patch lies.
        shape: Size of the patch.
        latency_s: From a picture to the moment its answer is acted on.
    """

    NAME = "patch"

    def __init__(self, scenario: Scenario, place: PatchPlace, shape: PatchShape, *, latency_s: float) -> None:
        """Build scenery and renderer once."""
        super().__init__(scenario, ROUTE_M)
        self._place = place
        self._shape = shape
        self._latency_s = latency_s
        self._pyramid = pyramid_matrix(*shape.texels)
        blank = np.zeros((*shape.texels, 4), dtype=np.float32)
        self._decal = self.scene.add_decal(self.NAME, (0.0,) * 6, shape.length_m, shape.width_m, blank)
        self._actors: dict[str, int] = {}

    def situation(self, seed: int) -> DriveSituation:
        """Stage the scenario with a seed and return what is special about it."""
        start, path = self.stage(seed).ego, self.path
        near_m = self._place.ahead_m
        self.scene.set_pose(self._decal, path.pose(near_m + self._shape.length_m / 2.0, self._place.lateral_m))
        self._put_actors()
        width_m = path.width_m(near_m)
        return DriveSituation(
            seed=seed,
            speed_mps=start.speed_mps,
            lateral_offset_m=start.lateral_offset_m,
            heading_rad=math.radians(start.heading_error_deg),
            near_m=near_m,
            far_m=near_m + self._shape.length_m,
            threshold_m=(width_m - 2.0 * EGO_HALF_WIDTH_M) / 2.0,
            latency_s=self._latency_s,
        )

    def curvature_1pm(self, s_m: float) -> float:
        """Return the lane's curvature at a distance from the start, positive left."""
        return self.path.curvature_1pm(s_m)

    def view(self, s_m: float, lateral_offset_m: float, heading_rad: float, t_s: float) -> RoadView:
        """Return what the camera sees from a pose in the lane at a time of the situation staged last."""
        self.move_traffic(t_s)
        frame = self.renderer.render(self.camera(s_m, lateral_offset_m, heading_rad), want=NEEDED)
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
        lanes = (None, self.concrete.ego.lane)
        return [(one, one.ahead_m) for one in self.concrete.actors if one.ahead_m is not None and one.lane in lanes]

    def _put_actors(self) -> None:
        """Add the road users of the ego's lane on the first call; ``move_traffic`` moves them."""
        for actor, ahead_m in self._in_lane():
            model = VEHICLE_BY_ID.get(actor.blueprint)
            if model is not None and actor.id not in self._actors:
                asset = vehicle_asset(actor.blueprint, extent_m=model.half_extent_m)
                self._actors[actor.id] = asset.place(
                    self.scene, f"actor:{actor.id}", self.path.pose(ahead_m), tag=model.tag
                )


EGO_HALF_WIDTH_M = 1.064
"""Of the ego's box, ``vehicle.lincoln.mkz_2020``."""


def lane_width_m(scenario: Scenario) -> float:
    """Return the width of the lane that a scenario's ego starts in."""
    start = scenario.ego.spawn
    return lane_path(load_map(scenario.map).network, start.road, start.lane, start.s_m, ROUTE_M).width_m(0.0)
