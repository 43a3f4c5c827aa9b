"""What one tick brings: the driver's picture for the agent, ground truth for the judges."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from dataclasses import dataclass, replace

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.layers import draw
from testbed.client.surroundings import SurroundingsReader
from testbed.client.transforms import to_pose
from testbed.client.truth.collisions import CollisionReports
from testbed.client.truth.ground_truth import GroundTruthReader
from testbed.client.world_builder import EpisodeWorld
from testbed.core.perception_tasks import sign_crop_box
from testbed.core.pixels import swap_red_and_blue
from testbed.core.projection import PinholeProjection
from testbed.core.types import Image, Observation, Truth
from testbed.scenario.concrete import ConcreteScenario

TICK_TIMEOUT_S = 10.0
DEPTH_RANGE_M = 1000.0


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
    """Read one episode's world; its sensors listen from the moment it is made.

    Args:
        world: In synchronous mode.
        concrete: What was put into the world.
        episode: What stands in the world.
        numbers: Actor id in the world to its number in the records.

    Attributes:
        around: Tells people what surrounds the ego.
    """

    def __init__(
        self, world: carla.World, concrete: ConcreteScenario, episode: EpisodeWorld, numbers: Mapping[int, int]
    ) -> None:
        """Start listening to camera and collision sensor."""
        self._world = world
        self._concrete = concrete
        self._episode = episode
        self._images: queue.SimpleQueue[carla.Image] = queue.SimpleQueue()
        self._depths: queue.SimpleQueue[carla.Image] = queue.SimpleQueue()
        episode.camera.listen(self._images.put)
        self._collisions = CollisionReports(world, episode.collision, dict(numbers))
        if episode.depth is not None:
            episode.depth.listen(self._depths.put)
        self._ground_truth = GroundTruthReader(world, episode.ego, episode.path, episode.scripted_actors, dict(numbers))
        self.around = SurroundingsReader(world, concrete, episode, self._ground_truth.signs, numbers)

    @property
    def ego_half_m(self) -> NDArray[np.float64]:
        """Half extents of the ego, shape (3,)."""
        return self._ground_truth.ego_half_m

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
        truth = self._ground_truth.read(camera, t_s, steer)
        image = self._picture(server_frame)
        image, shown = self._composite(image, camera, self._depth(server_frame))
        targets = [artefact.target for artefact in self._episode.artefacts]
        attack = None if shown is None else self._ground_truth.attack(targets, int(shown.sum()))
        truth = replace(truth, collisions=self._collisions.take(), attack=attack)
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

    def _camera(self) -> PinholeProjection:
        mounted = self._concrete.camera
        pose = to_pose(self._world.get_snapshot().find(self._episode.camera.id).get_transform())
        return PinholeProjection(pose, mounted.width_px, mounted.height_px, mounted.fov_deg)

    def _picture(self, server_frame: int) -> Image:
        picture = _newest(self._images, server_frame)
        bgra = np.frombuffer(picture.raw_data, dtype=np.uint8).reshape(picture.height, picture.width, 4)
        image = np.empty((picture.height, picture.width, 3), np.uint8)
        swap_red_and_blue(bgra, image)
        return image

    def _composite(
        self, image: Image, camera: PinholeProjection, depth_m: NDArray[np.float32] | None
    ) -> tuple[Image, NDArray[np.bool_] | None]:
        """Return the picture with what is not in the world drawn over it, and all pixels that show artefacts."""
        if depth_m is None:
            return image, None
        shown = np.zeros(depth_m.shape, dtype=np.bool_)
        for artefact in self._episode.artefacts:
            if artefact.layer is None:
                shown |= artefact.target.seen(camera, depth_m)
        layers = [artefact.layer for artefact in self._episode.artefacts if artefact.layer is not None]
        if layers:
            image, masks = draw(image, camera, depth_m, layers)
            shown |= np.logical_or.reduce(masks)
        return image, shown


def _newest(pictures: queue.SimpleQueue[carla.Image], server_frame: int) -> carla.Image:
    """Return the picture of a server's frame; RuntimeError if it does not come in time."""
    while True:
        try:
            picture = pictures.get(timeout=TICK_TIMEOUT_S)
        except queue.Empty:
            raise RuntimeError(f"timeout: no camera image for frame {server_frame}") from None
        if picture.frame >= server_frame:
            return picture
