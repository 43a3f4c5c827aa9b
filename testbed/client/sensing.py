"""What one tick brings: the driver's picture for the agent, ground truth for the judges.

Everything is read from the server through the ``carla`` client; places along the lane come from the ego's
:class:`~testbed.core.lane_path.LanePath`. The truth about artefacts, signs, lines and traffic is put together here and
nowhere else, so what a judge knows is what an oracle is told.
"""

from __future__ import annotations

import math
import queue
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.layers import draw
from testbed.client.scripted_traffic import ScriptedActor
from testbed.client.transforms import to_pose
from testbed.client.truth.right_of_way import ConflictArea, find_conflict, find_stop_lines, lines_in_reach
from testbed.client.truth.road_signs import SignWatch, find_signs
from testbed.client.world_builder import EpisodeWorld
from testbed.core.perception_tasks import LEAD_RANGE_M, MIN_VEHICLE_PX, PREVIEW_M, sign_crop_box
from testbed.core.pixels import swap_red_and_blue
from testbed.core.projection import PinholeCamera, box_corners
from testbed.core.types import (
    AheadTruth,
    AttackTruth,
    Collision,
    ConflictTruth,
    EgoState,
    Image,
    LaneState,
    LeadTruth,
    Observation,
    Truth,
)
from testbed.scenario.concrete import ConcreteScenario

TICK_TIMEOUT_S = 10.0
DEPTH_RANGE_M = 1000.0
AHEAD_RANGE_M = 150.0
"""Whoever stands farther away asks nobody to brake hard: from 90 km/h, 2 m/s^2 are enough."""


@dataclass(frozen=True)
class Tick:
    """What one tick brought: the observation for an agent and the truth for judges.

    Attributes:
        number: Ticks since the start of the episode.
        t_s: Simulation time since the start of the episode.
        observation: What an agent may see (without truth).
        truth: What really is.
    """

    number: int
    t_s: float
    observation: Observation
    truth: Truth


class EpisodeSensors:
    """Reads one episode's world; its sensors listen from the moment it is made.

    Args:
        world: ``carla.World`` in synchronous mode.
        concrete: What was put into the world.
        episode: What stands in the world.
        numbers: Actor id in the world to its number in the records.
    """

    def __init__(
        self, world: Any, concrete: ConcreteScenario, episode: EpisodeWorld, numbers: Mapping[int, int]
    ) -> None:
        """Start listening to camera and collision sensor."""
        self._world = world
        self._map = world.get_map()
        self._concrete = concrete
        self._episode = episode
        self._numbers = dict(numbers)
        self._images: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._hits: queue.SimpleQueue[Any] = queue.SimpleQueue()
        episode.camera.listen(self._images.put)
        episode.collision.listen(self._hits.put)
        self._depths: queue.SimpleQueue[Any] = queue.SimpleQueue()
        if episode.depth is not None:
            episode.depth.listen(self._depths.put)
        box = episode.ego.bounding_box
        self.ego_half_m = np.array([box.extent.x, box.extent.y, box.extent.z])
        self._extents = {
            t.actor_id: (
                np.array([b.location.x, b.location.y, b.location.z]),
                np.array([b.extent.x, b.extent.y, b.extent.z]),
            )
            for t in episode.scripted_actors
            for b in (world.get_actor(t.actor_id).bounding_box,)
        }
        actors = list(world.get_actors())
        signs = find_signs(actors, episode.path)
        self._signs = SignWatch(signs, float(self.ego_half_m[0]))
        self._stop_lines = find_stop_lines(signs, actors, episode.path)
        areas = (
            find_conflict(t, episode.path, float(self.ego_half_m[1]), float(self._extents[t.actor_id][1][1]))
            for t in episode.scripted_actors
        )
        self._conflict_areas = [area for area in areas if area is not None]
        self._limit_of_road_mps = episode.ego.get_speed_limit() / 3.6
        self._s_m = 0.0

    def sense(self, number: int, server_frame: int, steer: float) -> Tick:
        """Return what a tick brought.

        Args:
            number: Ticks since the start of the episode.
            server_frame: The server's number of the same tick.
            steer: Steering in force, for the record.

        Raises:
            RuntimeError: If the server did not deliver the picture in time.
        """
        t_s = number * self._concrete.step_s
        # The state is here while the picture is still being drawn: what follows from it is worked out meanwhile.
        camera = self._camera()
        truth = self._truth(camera, t_s, steer)
        image = self._picture(server_frame)
        image, shown = self._composite(image, camera, self._depth(server_frame))
        truth = replace(truth, collisions=self._collisions(), attack=self._attack(shown))
        crop, sign = None, truth.sign
        if sign is not None:
            cut = sign_crop_box(sign.box_px, camera.width_px, camera.height_px)
            assert cut is not None
            crop = np.ascontiguousarray(image[cut[1] : cut[3], cut[0] : cut[2]])
        observation = Observation(
            frame=number,
            t_s=t_s,
            image=image,
            speed_mps=truth.ego.speed_mps,
            sign_crop=crop,
            sign_id=sign.sign_id if sign else None,
            sign_distance_m=sign.distance_m if sign else None,
        )
        return Tick(number, t_s, observation, truth)

    def _depth(self, server_frame: int) -> NDArray[np.float32] | None:
        """Return distance along the camera's axis in metres, shape (height, width); None in benign episodes."""
        if self._episode.depth is None:
            return None
        picture = _newest(self._depths, server_frame)
        raw = np.frombuffer(picture.raw_data, dtype=np.uint8).reshape(picture.height, picture.width, 4)
        code = raw[..., 2] + 256.0 * raw[..., 1] + 65536.0 * raw[..., 0]
        return np.asarray(code * (DEPTH_RANGE_M / (2**24 - 1)), dtype=np.float32)

    def _camera(self) -> PinholeCamera:
        mounted = self._concrete.camera
        pose = to_pose(self._world.get_snapshot().find(self._episode.camera.id).get_transform())
        return PinholeCamera(pose, mounted.width_px, mounted.height_px, mounted.fov_deg)

    def _picture(self, server_frame: int) -> Image:
        picture = _newest(self._images, server_frame)
        bgra = np.frombuffer(picture.raw_data, dtype=np.uint8).reshape(picture.height, picture.width, 4)
        image = np.empty((picture.height, picture.width, 3), np.uint8)
        swap_red_and_blue(bgra, image)
        return image

    def _composite(
        self, image: Image, camera: PinholeCamera, depth_m: NDArray[np.float32] | None
    ) -> tuple[Image, NDArray[np.bool_] | None]:
        """Return the picture with what is not in the world drawn over it, and all pixels that show artefacts."""
        if depth_m is None:
            return image, None
        shown = np.zeros(depth_m.shape, dtype=np.bool_)
        for one in self._episode.artefacts:
            if one.layer is None:
                shown |= one.target.seen(camera, depth_m)
        layers = [one.layer for one in self._episode.artefacts if one.layer is not None]
        if layers:
            image, masks = draw(image, camera, depth_m, layers)
            shown |= np.logical_or.reduce(masks)
        return image, shown

    def _truth(self, camera: PinholeCamera, t_s: float, steer: float) -> Truth:
        """Return what follows from the state of the world: all but collisions and what is seen of artefacts."""
        snapshot = self._world.get_snapshot().find(self._episode.ego.id)
        pose = to_pose(snapshot.get_transform())
        ego = _ego_state(snapshot, pose, steer)
        lane = self._lane(pose)
        sign, passed = self._signs.look(self._s_m, camera)
        limit = self._signs.limit_mps
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

    def _conflict(self, area: ConflictArea, t_s: float) -> ConflictTruth:
        actor_id = area.other.actor_id
        number = self._numbers.get(actor_id, actor_id)
        half_m = float(self._extents[actor_id][1][0])
        return area.truth(number, t_s, self._s_m, float(self.ego_half_m[0]), half_m)

    def _lane(self, pose: tuple[float, ...]) -> LaneState:
        path, yaw = self._episode.path, math.radians(pose[4])
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
        path = self._episode.path
        found = []
        for scripted in self._episode.scripted_actors:
            pose = scripted.pose(t_s)
            s_m, lateral_offset_m = path.locate(pose[0], pose[1])
            _, half = self._extents[scripted.actor_id]
            turned = math.radians(pose[4]) - path.yaw_rad(s_m)
            half_along_m = abs(math.cos(turned)) * float(half[0]) + abs(math.sin(turned)) * float(half[1])
            gap_m = s_m - self._s_m - float(self.ego_half_m[0]) - half_along_m
            if abs(lateral_offset_m) <= path.width_m(s_m) / 2.0 and 0.0 <= gap_m <= AHEAD_RANGE_M:
                number = self._numbers.get(scripted.actor_id, scripted.actor_id)
                found.append((scripted, AheadTruth(number, gap_m, scripted.travelled(t_s)[1] * math.cos(turned))))
        return sorted(found, key=lambda item: item[1].distance_m)

    def _lead(
        self, in_lane: list[tuple[ScriptedActor, AheadTruth]], camera: PinholeCamera, t_s: float
    ) -> LeadTruth | None:
        """Return the nearest vehicle among them that an agent can be asked about."""
        for scripted, ahead in in_lane:
            if scripted.walks or ahead.distance_m > LEAD_RANGE_M:
                continue
            box = camera.box(box_corners(scripted.pose(t_s), *self._extents[scripted.actor_id]))
            if box is not None and box[3] - box[1] >= MIN_VEHICLE_PX:
                return LeadTruth(ahead.actor_id, ahead.distance_m, ahead.speed_mps, box)
        return None

    def _collisions(self) -> tuple[Collision, ...]:
        found: list[Collision] = []
        while True:
            try:
                event = self._hits.get_nowait()
            except queue.Empty:
                return tuple(found)
            other = event.other_actor
            impulse = event.normal_impulse
            magnitude = math.sqrt(impulse.x**2 + impulse.y**2 + impulse.z**2)
            mine = self._world.get_snapshot().find(event.actor.id).get_velocity()
            theirs = other.get_velocity()
            relative = math.hypot(mine.x - theirs.x, mine.y - theirs.y)
            static = not other.type_id.startswith(("vehicle.", "walker."))
            number = 0 if static else self._numbers.get(other.id, other.id)
            found.append(Collision(number, other.type_id, magnitude, relative))

    def _attack(self, shown: NDArray[np.bool_] | None) -> AttackTruth | None:
        artefacts = self._episode.artefacts
        if shown is None:
            return None
        extents = [one.target.extent_s_m() for one in artefacts]
        half_m = float(self.ego_half_m[0])
        return AttackTruth(
            visible_px=int(shown.sum()),
            distance_m=min(near for near, _ in extents) - self._s_m - half_m,
            passed=self._s_m - half_m > max(far for _, far in extents),
            reach_m=max(one.target.reach_m for one in artefacts),
        )


def _newest(pictures: queue.SimpleQueue[Any], server_frame: int) -> Any:
    """Return the picture of a server's frame; RuntimeError if it does not come in time."""
    while True:
        try:
            picture = pictures.get(timeout=TICK_TIMEOUT_S)
        except queue.Empty:
            raise RuntimeError(f"timeout: no camera image for frame {server_frame}") from None
        if picture.frame >= server_frame:
            return picture


def _ego_state(snapshot: Any, pose: tuple[float, ...], steer: float) -> EgoState:
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
