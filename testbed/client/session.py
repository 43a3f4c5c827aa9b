"""One episode's world as the loop sees it: begin, step, end.

Frames are counted from the start of the episode, so that the numbers in a record do not depend on what the server did
before.
"""

from __future__ import annotations

import math
import queue
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import carla
import numpy as np

from testbed.client.actuation import PedalModel, Pedals
from testbed.client.connection import Connection
from testbed.client.path import LanePath
from testbed.client.signs import SignWatch, find_signs
from testbed.client.stage import Stage, StageBuilder, Traveller, clear, to_pose, to_transform
from testbed.client.view import View, box_corners
from testbed.core.errors import SimulatorCrashError, SimulatorHangError, TestbedError
from testbed.core.questions import LEAD_RANGE_M, MIN_VEHICLE_PX, PREVIEW_M, sign_crop_box
from testbed.core.types import (
    AttackTruth,
    Collision,
    Command,
    Decal,
    EgoState,
    Image,
    LaneState,
    LeadTruth,
    Observation,
    Truth,
)
from testbed.scenario.realise import Staging

TICK_TIMEOUT_S = 10.0
SETTLING_TICKS = 2


@dataclass(frozen=True)
class Frame:
    """What one tick brought: the observation for an agent and the truth for judges.

    Attributes:
        frame: Ticks since the start of the episode.
        t_s: Simulation time since the start of the episode.
        observation: What an agent may see (without truth).
        truth: What really is.
    """

    frame: int
    t_s: float
    observation: Observation
    truth: Truth


class Session:
    """Stages episodes on a connection, one after the other.

    Args:
        connection: An open connection; the session does not close it.
    """

    def __init__(self, connection: Connection) -> None:
        """Nothing is staged yet."""
        self._connection = connection
        self._stage: Stage | None = None
        self._builder: StageBuilder | None = None

    # ---------------------------------------------------------------- life of an episode
    def begin(self, staging: Staging, decals: Mapping[str, Decal] | None = None) -> Frame:
        """Stage an episode and return its first frame.

        Args:
            staging: What to stage.
            decals: Adversary id to decal, one for each of ``staging.injections``.

        Raises:
            ScenarioError: If the world cannot be staged as asked.
            SimulatorCrashError: If the simulator died.
            SimulatorHangError: If the simulator missed its deadline.
        """
        self.end()
        try:
            self._begin(staging, decals or {})
            return self._sense()
        except TestbedError:
            self.end()
            raise
        except RuntimeError as error:
            raise self._failure(error) from error

    def _begin(self, staging: Staging, decals: Mapping[str, Decal]) -> None:
        world = self._connection.world(staging.map)
        self._world = world
        self._map = world.get_map()
        self._staging = staging
        settings = world.get_settings()
        if not settings.synchronous_mode or settings.fixed_delta_seconds != staging.step_s:
            settings.synchronous_mode = True
            settings.fixed_delta_seconds = staging.step_s
            world.apply_settings(settings)
        self._builder = StageBuilder(world, staging, decals)
        stage = self._stage = self._builder.build()
        # Servers count actors on from one episode to the next; records must not depend on what came before.
        self._numbers = {actor.id: number for number, actor in enumerate(self._builder.stage_actors, start=1)}
        self._images: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._hits: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stage.camera.listen(self._images.put)
        stage.collision.listen(self._hits.put)
        for _ in range(SETTLING_TICKS - 1):
            self._tick()
        ego_pose = to_pose(stage.ego.get_transform())
        heading = math.radians(ego_pose[4])
        speed = staging.ego.speed_mps
        stage.ego.set_target_velocity(carla.Vector3D(x=speed * math.cos(heading), y=speed * math.sin(heading), z=0.0))
        box = stage.ego.bounding_box
        self._ego_half = np.array([box.extent.x, box.extent.y, box.extent.z])
        self._extents = {
            t.actor_id: (
                np.array([b.location.x, b.location.y, b.location.z]),
                np.array([b.extent.x, b.extent.y, b.extent.z]),
            )
            for t in stage.travellers
            for b in (world.get_actor(t.actor_id).bounding_box,)
        }
        self._move_travellers(0.0)
        self._last_tick = self._tick()
        self._frame = 0
        self._s_m = 0.0
        self._signs = SignWatch(find_signs(list(world.get_actors()), stage.path), float(self._ego_half[0]))
        self._limit_of_road_mps = stage.ego.get_speed_limit() / 3.6
        self._pedals = Pedals(PedalModel(), staging.step_s)
        self._steer = 0.0

    def step(self, command: Command) -> Frame:
        """Apply a command for one tick and return the frame it leads to.

        Args:
            command: Finite; steer is cut to [-1, 1].

        Raises:
            SimulatorCrashError: If the simulator died.
            SimulatorHangError: If the simulator missed its deadline.
        """
        assert self._stage is not None, "step() before begin()"
        try:
            ego = self._last_truth.ego
            throttle, brake = self._pedals(command.acceleration_mps2, ego.acceleration_mps2, ego.speed_mps)
            self._steer = max(-1.0, min(1.0, command.steer))
            self._stage.ego.apply_control(carla.VehicleControl(throttle=throttle, steer=self._steer, brake=brake))
            self._move_travellers((self._frame + 1) * self._staging.step_s)
            self._last_tick = self._tick()
            self._frame += 1
            return self._sense()
        except RuntimeError as error:
            raise self._failure(error) from error

    def end(self) -> None:
        """Take everything out of the world again; harmless when nothing is staged or the server is gone."""
        builder, self._builder, self._stage = self._builder, None, None
        if builder is None or not self._connection.alive():
            return
        try:
            clear(self._connection.client, builder.stage_actors)
        except RuntimeError:
            # a server that no longer answers has nothing left to clean up
            return

    # ---------------------------------------------------------------- what the loop asks for
    @property
    def ego_width_m(self) -> float:
        """Width of the ego."""
        return float(2.0 * self._ego_half[1])

    @property
    def ego_length_m(self) -> float:
        """Length of the ego."""
        return float(2.0 * self._ego_half[0])

    def _failure(self, error: RuntimeError) -> TestbedError:
        if not self._connection.alive():
            return SimulatorCrashError(f"the simulator died: {error}")
        if "time-out" in str(error) or "timeout" in str(error):
            self._connection.hung = True
            return SimulatorHangError(f"the simulator missed its deadline: {error}")
        return SimulatorCrashError(f"the simulator failed: {error}")

    def _tick(self) -> int:
        return int(self._world.tick(TICK_TIMEOUT_S))

    def _move_travellers(self, t_s: float) -> None:
        assert self._stage is not None
        commands = []
        for traveller in self._stage.travellers:
            s_m, speed_mps = traveller.at(t_s)
            pose = traveller.path.pose(s_m)
            yaw = math.radians(pose[4])
            velocity = carla.Vector3D(x=speed_mps * math.cos(yaw), y=speed_mps * math.sin(yaw), z=0.0)
            commands.append(carla.command.ApplyTransform(traveller.actor_id, to_transform(pose)))
            commands.append(carla.command.ApplyTargetVelocity(traveller.actor_id, velocity))
        if commands:
            self._connection.client.apply_batch(commands)

    # ---------------------------------------------------------------- sensing
    def _sense(self) -> Frame:
        assert self._stage is not None
        image, view = self._picture()
        t_s = self._frame * self._staging.step_s
        truth = self._last_truth = self._truth(view, t_s)
        crop, sign = None, truth.sign
        if sign is not None:
            cut = sign_crop_box(sign.box_px, view.width_px, view.height_px)
            assert cut is not None
            crop = np.ascontiguousarray(image[cut[1] : cut[3], cut[0] : cut[2]])
        observation = Observation(
            frame=self._frame,
            t_s=t_s,
            image=image,
            speed_mps=truth.ego.speed_mps,
            sign_crop=crop,
            sign_id=sign.sign_id if sign else None,
            sign_distance_m=sign.distance_m if sign else None,
        )
        return Frame(self._frame, t_s, observation, truth)

    def _picture(self) -> tuple[Image, View]:
        camera = self._staging.camera
        while True:
            try:
                picture = self._images.get(timeout=TICK_TIMEOUT_S)
            except queue.Empty:
                raise RuntimeError(f"timeout: no camera image for frame {self._last_tick}") from None
            if picture.frame >= self._last_tick:
                break
        bgra = np.frombuffer(picture.raw_data, dtype=np.uint8).reshape(picture.height, picture.width, 4)
        pose = to_pose(picture.transform)
        return bgra[:, :, 2::-1].copy(), View(pose, picture.width, picture.height, camera.fov_deg)

    def _truth(self, view: View, t_s: float) -> Truth:
        assert self._stage is not None
        snapshot = self._world.get_snapshot().find(self._stage.ego.id)
        pose = to_pose(snapshot.get_transform())
        ego = _ego_state(snapshot, pose, self._steer)
        lane = self._lane(pose)
        sign, passed = self._signs.look(self._s_m, view)
        limit = self._signs.limit_mps
        if limit is None and self._limit_of_road_mps > 0.5:
            limit = self._limit_of_road_mps
        return Truth(
            ego=ego,
            lane=lane,
            speed_limit_mps=limit,
            lead=self._lead(view, t_s),
            sign=sign,
            passed_signs=passed,
            collisions=self._collisions(),
            attack=self._attack(view),
        )

    def _lane(self, pose: tuple[float, ...]) -> LaneState:
        assert self._stage is not None
        path, yaw = self._stage.path, math.radians(pose[4])
        s_m, left_m = path.locate(pose[0], pose[1], near_s_m=self._s_m)
        self._s_m = s_m
        forward, preview_left = path.in_ego_frame(s_m + PREVIEW_M, pose[0], pose[1], yaw)
        place = carla.Location(x=pose[0], y=pose[1], z=pose[2])
        on_road = self._map.get_waypoint(place, project_to_road=False) is not None
        nearest = self._map.get_waypoint(place)
        centre, direction = nearest.transform.location, math.radians(nearest.transform.rotation.yaw)
        return LaneState(
            lateral_offset_m=left_m,
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

    def _lead(self, view: View, t_s: float) -> LeadTruth | None:
        assert self._stage is not None
        seen = (self._seen(traveller, view, t_s, self._stage.path) for traveller in self._stage.travellers)
        return min((lead for lead in seen if lead is not None), key=lambda lead: lead.distance_m, default=None)

    def _seen(self, traveller: Traveller, view: View, t_s: float, path: LanePath) -> LeadTruth | None:
        along_m, speed_mps = traveller.at(t_s)
        pose = traveller.path.pose(along_m)
        s_m, left_m = path.locate(pose[0], pose[1])
        centre, half = self._extents[traveller.actor_id]
        gap_m = s_m - self._s_m - float(self._ego_half[0]) - float(half[0])
        if abs(left_m) > path.width_m(s_m) / 2.0 or not 0.0 <= gap_m <= LEAD_RANGE_M:
            return None
        box = view.box(box_corners(pose, centre, half))
        if box is None or box[3] - box[1] < MIN_VEHICLE_PX:
            return None
        return LeadTruth(self._numbers.get(traveller.actor_id, traveller.actor_id), gap_m, speed_mps, box)

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

    def _attack(self, view: View) -> AttackTruth | None:
        assert self._stage is not None
        if not self._stage.decals:
            return None
        mask = np.zeros((view.height_px, view.width_px), dtype=np.bool_)
        for decal in self._stage.decals:
            mask |= view.polygon_mask(decal.corners_m)
        near_m = min(d.near_s_m for d in self._stage.decals)
        far_m = max(d.far_s_m for d in self._stage.decals)
        half_m = float(self._ego_half[0])
        return AttackTruth(int(mask.sum()), near_m - self._s_m - half_m, self._s_m - half_m > far_m)


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
