"""What really is around the ego in one tick, for the judges and for agents that are allowed to know.

Everything is read from the server through the ``carla`` client; places along the lane come from the ego's
`testbed.core.lane_path.LanePath`. The truth about artefacts, signs, lines and traffic is put together here and
nowhere else, so what a judge knows is what an oracle is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import carla

from testbed.client.compositing.surfaces import TargetSurface
from testbed.client.scripted_traffic import ScriptedActor
from testbed.client.transforms import to_bounds, to_pose
from testbed.client.truth.right_of_way import ConflictArea, find_conflict, find_stop_lines, lines_in_reach
from testbed.client.truth.road_signs import SignWatch, find_signs
from testbed.core.lane_path import LanePath
from testbed.core.perception_tasks import LEAD_RANGE_M, MIN_VEHICLE_PX, PREVIEW_M
from testbed.core.projection import PinholeProjection, box_corners
from testbed.core.types import (
    AheadTruth,
    AttackTruth,
    ConflictTruth,
    EgoState,
    LaneState,
    LeadTruth,
    Pose,
    Truth,
)

AHEAD_RANGE_M = 150.0
"""Whoever stands farther away asks nobody to brake hard: from 90 km/h, 2 m/s^2 are enough."""


class GroundTruthReader:
    """Read the ground truth of one episode, tick after tick.

    Args:
        world: In synchronous mode.
        ego: The vehicle under test.
        path: Its lane.
        scripted_actors: Other road users.
        numbers: Actor id in the world to its number in the records.

    Attributes:
        ego_half_m: Half extents of the ego, shape (3,).
        signs: Signs along the lane, in the order they are passed.
    """

    def __init__(
        self,
        world: carla.World,
        ego: carla.Vehicle,
        path: LanePath,
        scripted_actors: Sequence[ScriptedActor],
        numbers: Mapping[int, int],
    ) -> None:
        """Find the signs, stop lines and conflict areas along the lane."""
        self._world = world
        self._map = world.get_map()
        self._ego = ego
        self._path = path
        self._scripted_actors = scripted_actors
        self._numbers = numbers
        self.ego_half_m = to_bounds(ego.bounding_box).half_m
        self._bounds = {
            scripted.actor_id: to_bounds(world.get_actor(scripted.actor_id).bounding_box)
            for scripted in scripted_actors
        }
        actors = list(world.get_actors())
        self.signs = find_signs(actors, path)
        self._watch = SignWatch(self.signs, float(self.ego_half_m[0]))
        self._stop_lines = find_stop_lines(self.signs, actors, path)
        areas = (
            find_conflict(scripted, path, float(self.ego_half_m[1]), float(self._bounds[scripted.actor_id].half_m[1]))
            for scripted in scripted_actors
        )
        self._conflict_areas = [area for area in areas if area is not None]
        self._limit_of_road_mps = ego.get_speed_limit() / 3.6
        self._s_m = 0.0

    def read(self, camera: PinholeProjection, t_s: float, steer: float) -> Truth:
        """Return what follows from the state of the world: all but collisions and what is seen of artefacts.

        Args:
            camera: The driver's camera, which decides what can be asked about.
            t_s: Simulation time since the start of the episode.
            steer: Steering in force, for the record.
        """
        snapshot = self._world.get_snapshot().find(self._ego.id)
        pose = to_pose(snapshot.get_transform())
        ego = _ego_state(snapshot, pose, steer)
        lane = self._lane(pose)
        sign, passed = self._watch.look(self._s_m, camera)
        limit = self._watch.limit_mps
        if limit is None and self._limit_of_road_mps > 0.5:
            limit = self._limit_of_road_mps
        in_lane = self._in_lane(t_s)
        return Truth(
            ego=ego,
            lane=lane,
            speed_limit_mps=limit,
            lead=self._lead(in_lane, camera, t_s),
            sign=sign,
            passed_signs=passed,
            collisions=(),
            attack=None,
            lines=lines_in_reach(self._stop_lines, self._s_m + float(self.ego_half_m[0])),
            conflicts=tuple(self._conflict(area, t_s) for area in self._conflict_areas),
            ahead=in_lane[0][1] if in_lane else None,
        )

    def attack(self, targets: Sequence[TargetSurface], visible_px: int) -> AttackTruth:
        """Return where the ego is in relation to artefacts, by the place of the last `read`.

        Args:
            targets: What artefacts were put on, at least one.
            visible_px: Pixels of the driver's view that show any of them.
        """
        extents = [target.extent_s_m() for target in targets]
        half_m = float(self.ego_half_m[0])
        return AttackTruth(
            visible_px=visible_px,
            distance_m=min(near for near, _ in extents) - self._s_m - half_m,
            passed=self._s_m - half_m > max(far for _, far in extents),
            reach_m=max(target.reach_m for target in targets),
        )

    def _conflict(self, area: ConflictArea, t_s: float) -> ConflictTruth:
        actor_id = area.other.actor_id
        number = self._numbers.get(actor_id, actor_id)
        half_m = float(self._bounds[actor_id].half_m[0])
        return area.truth(number, t_s, self._s_m, float(self.ego_half_m[0]), half_m)

    def _lane(self, pose: Pose) -> LaneState:
        path, yaw = self._path, math.radians(pose[4])
        s_m, lateral_offset_m = path.locate(pose[0], pose[1], near_s_m=self._s_m)
        self._s_m = s_m
        forward, preview_left = path.in_ego_frame(s_m + PREVIEW_M, pose[0], pose[1], yaw)
        place = carla.Location(x=pose[0], y=pose[1], z=pose[2])
        on_road = self._map.get_waypoint(place, project_to_road=False) is not None
        nearest = self._map.get_waypoint(place)
        centre, direction = nearest.transform.location, math.radians(nearest.transform.rotation.yaw)
        return LaneState(
            lateral_offset_m=lateral_offset_m,
            # CARLA's yaw grows clockwise: pointing left of the lane is a smaller yaw
            heading_error_rad=_wrap_rad(path.yaw_rad(s_m) - yaw),
            lane_width_m=path.width_m(s_m),
            curvature_1pm=path.curvature_1pm(s_m),
            s_m=s_m,
            preview_offset_m=preview_left if forward > 0.0 else 0.0,
            on_road=on_road,
            nearest_lane_distance_m=math.hypot(centre.x - pose[0], centre.y - pose[1]),
            nearest_lane_width_m=float(nearest.lane_width),
            wrong_way_deg=abs(math.degrees(_wrap_rad(yaw - direction))),
            in_junction=bool(nearest.is_junction),
        )

    def _in_lane(self, t_s: float) -> list[tuple[ScriptedActor, AheadTruth]]:
        """Return who is ahead in the ego's lane, nearest first."""
        path = self._path
        found = []
        for scripted in self._scripted_actors:
            pose = scripted.pose(t_s)
            s_m, lateral_offset_m = path.locate(pose[0], pose[1])
            half = self._bounds[scripted.actor_id].half_m
            turned = math.radians(pose[4]) - path.yaw_rad(s_m)
            half_along_m = abs(math.cos(turned)) * float(half[0]) + abs(math.sin(turned)) * float(half[1])
            gap_m = s_m - self._s_m - float(self.ego_half_m[0]) - half_along_m
            if abs(lateral_offset_m) <= path.width_m(s_m) / 2.0 and 0.0 <= gap_m <= AHEAD_RANGE_M:
                number = self._numbers.get(scripted.actor_id, scripted.actor_id)
                found.append((scripted, AheadTruth(number, gap_m, scripted.travelled(t_s)[1] * math.cos(turned))))
        return sorted(found, key=lambda item: item[1].distance_m)

    def _lead(
        self, in_lane: list[tuple[ScriptedActor, AheadTruth]], camera: PinholeProjection, t_s: float
    ) -> LeadTruth | None:
        """Return the nearest vehicle among them that an agent can be asked about."""
        for scripted, ahead in in_lane:
            if scripted.walks or ahead.distance_m > LEAD_RANGE_M:
                continue
            bounds = self._bounds[scripted.actor_id]
            box = camera.box(box_corners(scripted.pose(t_s), bounds.centre_m, bounds.half_m))
            if box is not None and box[3] - box[1] >= MIN_VEHICLE_PX:
                return LeadTruth(ahead.actor_id, ahead.distance_m, ahead.speed_mps, box)
        return None


def _ego_state(snapshot: carla.ActorSnapshot, pose: Pose, steer: float) -> EgoState:
    velocity, acceleration = snapshot.get_velocity(), snapshot.get_acceleration()
    yaw = math.radians(pose[4])
    forward, right = (math.cos(yaw), math.sin(yaw)), (-math.sin(yaw), math.cos(yaw))
    return EgoState(
        x_m=pose[0],
        y_m=pose[1],
        z_m=pose[2],
        yaw_deg=pose[4],
        speed_mps=velocity.x * forward[0] + velocity.y * forward[1],
        acceleration_mps2=acceleration.x * forward[0] + acceleration.y * forward[1],
        lateral_acceleration_mps2=-(acceleration.x * right[0] + acceleration.y * right[1]),
        yaw_rate_rad_s=-math.radians(snapshot.get_angular_velocity().z),
        steer=steer,
    )


def _wrap_rad(angle: float) -> float:
    return math.pi - (math.pi - angle) % (2.0 * math.pi)
