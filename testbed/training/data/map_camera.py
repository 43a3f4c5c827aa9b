"""The simulator's own picture of a map without its server: scenery, renderer, ego poses and what the driver sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import MapError
from testbed.core.perception_tasks import (
    CAMERA_FOV_DEG,
    CAMERA_PITCH_DEG,
    CAMERA_X_M,
    CAMERA_Z_M,
    IMAGE_HEIGHT_PX,
    IMAGE_WIDTH_PX,
    PREVIEW_M,
)
from testbed.core.types import Pose
from testbed.training.data.lane_ahead import LaneCourse, turn_deg
from testbed.world.maps import load_map
from testbed.world.maps.scenery import build_scenery
from testbed.world.maps.scenery_builder import SceneryObject
from testbed.world.render.camera import PinholeCamera, mounted
from testbed.world.render.renderer import Renderer
from testbed.world.render.scene import Scene

BLOCK_M = 100.0
TEST_BLOCK = 2
"""Every fourth block of 100 m, starting with the third, is held out; on `highway` that hits every kind of curve."""
BLOCK_CYCLE = 4
BLOCK_GAP_M = 10.0
"""Poses this close to the border of a held-out block are not used at all."""
LONG_ROAD_M = BLOCK_CYCLE * BLOCK_M
"""A road shorter than this is no row of blocks: each of its directions is a block, every fourth of them held out."""
VIEW_AHEAD_M = 130.0
MIN_REACH_M = 40.0
"""The lane must go straight on for at least this far, or nothing tells where it leads."""


@dataclass(frozen=True)
class EgoPlacement:
    """Where the ego stands for one picture.

    Attributes:
        road_id: Road.
        lane_id: Lane.
        s_m: Station.
        lateral_offset_m: From the lane centre, positive left.
        heading_error_rad: Against the lane, positive left.
        pose: Ego pose in the world, body pitch and roll included.
        group: Number of the block of road, the unit of the split; unique within the map.
        course: The lane ahead.
    """

    road_id: int
    lane_id: int
    s_m: float
    lateral_offset_m: float
    heading_error_rad: float
    pose: Pose
    group: int
    course: LaneCourse

    @property
    def sense(self) -> float:
        """+1 where the lane is driven along the road's reference line, -1 where against it."""
        return 1.0 if self.lane_id < 0 else -1.0

    @cached_property
    def preview_offset_m(self) -> float:
        """Lane centre 25 m ahead in the ego frame, positive left."""
        x_m, y_m = self.course.pose(PREVIEW_M)[:2]
        yaw_rad = math.radians(self.pose[4])
        return (x_m - self.pose[0]) * math.sin(yaw_rad) - (y_m - self.pose[1]) * math.cos(yaw_rad)

    @cached_property
    def curvature_1pm(self) -> float:
        """Curvature of the lane's centre at the ego, positive left."""
        piece = self.course.pieces[0]
        _, _, _, curvature = piece.road.line.point(self.s_m)
        left, right = piece.road.lane_bounds(self.s_m, self.lane_id)
        return -piece.sense * curvature / (1.0 + curvature * 0.5 * (left + right))


class MapCamera:
    """A map ready to be photographed.

    Args:
        map_name: An embedded map.
        seed: Seed of the scenery.

    Attributes:
        map_name: Its name.
        network: Its roads.
        scene: What there is to see.
        renderer: Draws it.
        lanes: (road, lane) pairs the ego may stand on: those of roads, and those that cross a junction straight on.
        parked: Parked cars that belong to the map.
        signs: Traffic signs that belong to the map.
    """

    def __init__(self, map_name: str = "highway", seed: int = 0) -> None:
        """Build scenery and renderer."""
        bundle = load_map(map_name)
        self.map_name = map_name
        self.network = bundle.network
        self.scene = Scene()
        scenery = build_scenery(self.network, self.scene, seed=seed)
        self.parked: list[SceneryObject] = [item for item in scenery if item.name.startswith("parked_")]
        self.signs: list[SceneryObject] = [item for item in scenery if item.signal_id]
        self.renderer = Renderer(self.scene)
        self.lanes = [
            (road.id, lane.id)
            for road in self.network.roads.values()
            for lane in road.section(0.5 * road.length_m).lanes.values()
            if lane.drivable and (road.junction == -1 or abs(turn_deg(self.network, road.id, lane.id)) < 5.0)
        ]
        if not self.lanes:
            raise MapError(f"map {map_name!r} has no lane to be photographed")
        lengths = np.array([self.network.roads[road_id].length_m for road_id, _ in self.lanes])
        self._share = lengths / lengths.sum()
        self._incoming = {
            (connecting, lane): (incoming, before)
            for connections in self.network.junctions.values()
            for incoming, connecting, _, links in connections
            for before, lane in links.items()
        }

    def stand(
        self, rng: np.random.Generator, split: str, lateral_offset_m: float, heading_error_rad: float
    ) -> EgoPlacement:
        """Put the ego on a random lane in a block of road that belongs to `split`."""
        while True:
            road_id, lane_id = self.lanes[rng.choice(len(self.lanes), p=self._share)]
            s_m = float(rng.uniform(0.5, self.network.roads[road_id].length_m - 0.5))
            if self.split_of(road_id, lane_id, s_m) != split:
                continue
            course = LaneCourse(self.network, road_id, lane_id, s_m, VIEW_AHEAD_M)
            if course.reach_m >= MIN_REACH_M:
                break
        return self._put(rng, course, s_m, lateral_offset_m, heading_error_rad)

    def again(
        self, rng: np.random.Generator, stand: EgoPlacement, lateral_offset_m: float, heading_error_rad: float
    ) -> EgoPlacement:
        """Put the ego at the same station of the same lane, otherwise placed."""
        return self._put(rng, stand.course, stand.s_m, lateral_offset_m, heading_error_rad)

    def block(self, road_id: int, lane_id: int, s_m: float) -> int:
        """Return the number of a block within its road: of 100 m, or of a direction of a short road."""
        if self.network.roads[road_id].length_m < LONG_ROAD_M:
            return 2 * road_id + (lane_id > 0)
        return int(s_m // BLOCK_M)

    def split_of(self, road_id: int, lane_id: int, s_m: float) -> str | None:
        """Return which split a place belongs to, None for places too near to a held-out block."""
        road_id, lane_id, s_m = self._home(road_id, lane_id, s_m)
        road = self.network.roads[road_id]
        block = self.block(road_id, lane_id, s_m)
        if block % BLOCK_CYCLE == TEST_BLOCK:
            return "test"
        inside = s_m % BLOCK_M
        near = (block % BLOCK_CYCLE == TEST_BLOCK - 1 and inside > BLOCK_M - BLOCK_GAP_M) or (
            block % BLOCK_CYCLE == TEST_BLOCK + 1 and inside < BLOCK_GAP_M
        )
        return None if near and road.length_m >= LONG_ROAD_M else "train"

    def _home(self, road_id: int, lane_id: int, s_m: float) -> tuple[int, int, float]:
        """Return the place itself, or for one within a junction the end of the lane that leads there."""
        if (road_id, lane_id) not in self._incoming:
            return road_id, lane_id, s_m
        road_id, lane_id = self._incoming[road_id, lane_id]
        return road_id, lane_id, self.network.roads[road_id].length_m - 0.01 if lane_id < 0 else 0.01

    def _put(
        self,
        rng: np.random.Generator,
        course: LaneCourse,
        s_m: float,
        lateral_offset_m: float,
        heading_error_rad: float,
    ) -> EgoPlacement:
        piece = course.pieces[0]
        x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg = self.network.lane_centre(piece.road.id, piece.lane_id, s_m)
        yaw_rad = math.radians(yaw_deg)
        pose: Pose = (
            x_m + lateral_offset_m * math.sin(yaw_rad),
            y_m - lateral_offset_m * math.cos(yaw_rad),
            z_m,
            pitch_deg + float(rng.normal(0.0, 0.15)),
            yaw_deg - math.degrees(heading_error_rad),
            roll_deg + float(rng.normal(0.0, 0.2)),
        )
        home = self._home(piece.road.id, piece.lane_id, s_m)
        group = 1000 * home[0] + self.block(*home)
        return EgoPlacement(piece.road.id, piece.lane_id, s_m, lateral_offset_m, heading_error_rad, pose, group, course)

    def camera(self, pose: Pose) -> PinholeCamera:
        """Return the driving camera of an ego at `pose`."""
        seen_from = mounted(pose, CAMERA_X_M, CAMERA_Z_M, CAMERA_PITCH_DEG)
        return PinholeCamera(IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX, CAMERA_FOV_DEG, seen_from)

    def lane_lines_px(self, stand: EgoPlacement, camera: PinholeCamera) -> NDArray[np.float32]:
        """Return the image columns (4, R) of the lane's lines, see `Course.lines_px`."""
        return stand.course.lines_px(camera)
