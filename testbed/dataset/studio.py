"""The simulator's own picture of a map without its server: scenery, renderer, ego poses and what the driver sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import MapError
from testbed.core.questions import (
    CAMERA_FOV_DEG,
    CAMERA_PITCH_DEG,
    CAMERA_X_M,
    CAMERA_Z_M,
    IMAGE_HEIGHT_PX,
    IMAGE_WIDTH_PX,
    LANE_ROWS_PX,
    PREVIEW_M,
)
from testbed.core.types import Pose
from testbed.server.maps import load_map
from testbed.server.maps.network import LanePoint
from testbed.server.maps.scenery import build_scenery
from testbed.server.render.camera import Camera, pose_matrix
from testbed.server.render.renderer import Renderer
from testbed.server.render.scene import Scene

BLOCK_M = 100.0
TEST_BLOCK = 2
"""Every fourth block of 100 m, starting with the third, is held out; on `highway` that hits every kind of curve."""
BLOCK_CYCLE = 4
BLOCK_GAP_M = 10.0
"""Poses this close to the border of a held-out block are not used at all."""
VIEW_AHEAD_M = 130.0


@dataclass(frozen=True)
class Stand:
    """Where the ego stands for one picture.

    Attributes:
        road_id: Road.
        lane_id: Lane.
        s_m: Station.
        lateral_offset_m: From the lane centre, positive left.
        heading_error_rad: Against the lane, positive left.
        pose: Ego pose in the world, body pitch and roll included.
        group: Number of the block of road, the unit of the split.
        curvature_1pm: Of the lane, positive left.
        preview_offset_m: Lane centre 25 m ahead in the ego frame, positive left.
    """

    road_id: int
    lane_id: int
    s_m: float
    lateral_offset_m: float
    heading_error_rad: float
    pose: Pose
    group: int
    curvature_1pm: float
    preview_offset_m: float

    @property
    def sense(self) -> float:
        """+1 where the lane is driven along the road's reference line, -1 where against it."""
        return 1.0 if self.lane_id < 0 else -1.0


class Studio:
    """A map ready to be photographed.

    Args:
        map_name: An embedded map.
        seed: Seed of the scenery.
    """

    def __init__(self, map_name: str = "highway", seed: int = 0) -> None:
        """Build scenery and renderer."""
        bundle = load_map(map_name)
        self.map_name = map_name
        self.network = bundle.network
        self.scene = Scene()
        build_scenery(self.network, self.scene, seed=seed)
        self.renderer = Renderer(self.scene)
        self.lanes = [
            (road.id, lane.id)
            for road in self.network.roads.values()
            if road.junction == -1 and road.length_m > 2.0 * VIEW_AHEAD_M
            for lane in road.section(0.0).lanes.values()
            if lane.drivable
        ]
        if not self.lanes:
            raise MapError(f"map {map_name!r} has no lane that is long enough to be photographed")

    def stand(self, rng: np.random.Generator, split: str, lateral_offset_m: float, heading_error_rad: float) -> Stand:
        """Put the ego on a random lane in a block of road that belongs to `split`."""
        while True:
            road_id, lane_id = self.lanes[rng.integers(len(self.lanes))]
            road = self.network.roads[road_id]
            s_m = float(rng.uniform(5.0, road.length_m - VIEW_AHEAD_M))
            if lane_id > 0:
                s_m = road.length_m - s_m
            block = int(s_m // BLOCK_M)
            inside = s_m - block * BLOCK_M
            held_out = block % BLOCK_CYCLE == TEST_BLOCK
            if held_out != (split == "test"):
                continue
            near_held_out = (block % BLOCK_CYCLE == TEST_BLOCK - 1 and inside > BLOCK_M - BLOCK_GAP_M) or (
                block % BLOCK_CYCLE == TEST_BLOCK + 1 and inside < BLOCK_GAP_M
            )
            if not near_held_out:
                break
        centre = self.network.lane_centre(road_id, lane_id, s_m)
        yaw_rad = math.radians(centre[4])
        x_m = centre[0] + lateral_offset_m * math.sin(yaw_rad)
        y_m = centre[1] - lateral_offset_m * math.cos(yaw_rad)
        pitch_deg, roll_deg = float(rng.normal(0.0, 0.15)), float(rng.normal(0.0, 0.2))
        yaw_deg = centre[4] - math.degrees(heading_error_rad)
        pose: Pose = (x_m, y_m, centre[2], centre[3] + pitch_deg, yaw_deg, centre[5] + roll_deg)
        point = self.network.locate(x_m, y_m)
        curvature = 0.0 if point is None else point.curvature_1pm
        preview = self._preview_offset_m(road_id, lane_id, s_m, pose)
        group = 1000 * road_id + block
        return Stand(road_id, lane_id, s_m, lateral_offset_m, heading_error_rad, pose, group, curvature, preview)

    def _preview_offset_m(self, road_id: int, lane_id: int, s_m: float, pose: Pose) -> float:
        start = LanePoint(road_id, lane_id, "driving", s_m, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False)
        ahead = self.network.ahead(start, PREVIEW_M)
        if ahead is None:
            raise MapError(f"road {road_id} ends less than {PREVIEW_M:.0f} m after s = {s_m:.1f} m")
        yaw_rad = math.radians(pose[4])
        dx, dy = ahead[0] - pose[0], ahead[1] - pose[1]
        return dx * math.sin(yaw_rad) - dy * math.cos(yaw_rad)

    def camera(self, pose: Pose) -> Camera:
        """Return the driving camera of an ego at `pose`."""
        mount = pose_matrix(pose) @ np.array([CAMERA_X_M, 0.0, CAMERA_Z_M, 1.0])
        x_m, y_m, z_m = (float(value) for value in mount[:3])
        return Camera(
            IMAGE_WIDTH_PX,
            IMAGE_HEIGHT_PX,
            CAMERA_FOV_DEG,
            (x_m, y_m, z_m, pose[3] + CAMERA_PITCH_DEG, pose[4], pose[5]),
        )

    def lane_lines_px(self, stand: Stand, camera: Camera) -> NDArray[np.float32]:
        """Return where the lines of `testbed.core.questions.LANE_LINES` cross the rows `LANE_ROWS_PX`, (4, R).

        NaN where a line does not exist or is nearer or farther than the road that was followed; x may lie outside the
        image.
        """
        road = self.network.roads[stand.road_id]
        ahead = np.concatenate([np.arange(1.0, 30.0, 0.25), np.arange(30.0, VIEW_AHEAD_M, 1.0)])
        stations = stand.s_m + stand.sense * ahead
        ahead = ahead[(stations > 0.0) & (stations < road.length_m)]
        stations = stand.s_m + stand.sense * ahead
        section = road.section(stand.s_m)
        edges = road.edges(section, stations)
        step = -1 if stand.lane_id < 0 else 1
        inner, outer = stand.lane_id - step, stand.lane_id

        def driving(lane_id: int) -> bool:
            return lane_id in section.lanes and section.lanes[lane_id].drivable

        lines = [
            edges[inner - step] if inner != 0 and driving(inner) else None,
            edges[inner],
            edges[outer],
            edges[outer + step] if driving(outer + step) else None,
        ]
        out = np.full((4, len(LANE_ROWS_PX)), np.nan, np.float32)
        for index, lateral in enumerate(lines):
            if lateral is None:
                continue
            pixels = camera.project(road.positions(stations, lateral))
            pixels = pixels[pixels[:, 2] > 0.5]
            x, y = pixels[::-1, 0], pixels[::-1, 1]  # far to near: rows grow
            out[index] = np.interp(LANE_ROWS_PX, y, x, left=np.nan, right=np.nan)
        return out
