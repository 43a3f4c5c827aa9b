"""What artefacts are put on: a piece of road, the plate of a sign, the body of a vehicle.

A target knows the volume in the world that its surface fills, so that whatever the depth camera sees inside of it is a
pixel that shows it: occlusion comes for free.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.planar import Quad
from testbed.core.lane_path import LanePath
from testbed.core.projection import PinholeProjection, rotation
from testbed.core.types import Pose
from testbed.world.assets.occluder import FACE_M

SEEN_FROM_M = 60.0
"""Distance from which what only needs to be seen acts: the range of the questions about vehicles ahead."""

ROAD_CLEARANCE_M = 0.25
PLATE_DEPTH_M = 0.10
BODY_MARGIN_M = 0.10


class TargetSurface(Protocol):
    """A surface that an artefact is put on."""

    @property
    def reach_m(self) -> float:
        """Distance ahead of the front bumper from which the artefact acts: 0 for what must be driven over."""

    def extent_s_m(self) -> tuple[float, float]:
        """Return where it now begins and ends along the ego's lane."""

    def seen(self, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which pixels show it, shape (height, width)."""


def points_m(camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the world point that every pixel shows, shape (height, width, 3); depth is along the camera's axis."""
    across, up = _rays(camera.width_px, camera.height_px, camera.fov_deg)
    depth = depth_m.astype(np.float64)
    local = np.stack([depth, depth * across[None, :], depth * up[:, None]], axis=2)
    turned: NDArray[np.float64] = local @ rotation(camera.pose).T + np.array(camera.pose[:3])
    return turned


def inside(
    camera: PinholeProjection,
    depth_m: NDArray[np.float32],
    pose: Pose,
    centre_m: NDArray[np.float64],
    half_m: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which pixels show something inside of a box, shape (height, width).

    Args:
        camera: The camera.
        depth_m: What its depth camera measured, shape (height, width).
        pose: Frame of the box.
        centre_m: Middle of the box in that frame.
        half_m: Half extents.
    """
    local = (points_m(camera, depth_m) - np.array(pose[:3])) @ rotation(pose) - centre_m
    within: NDArray[np.bool_] = (np.abs(local) <= half_m).all(axis=2)
    return within


@functools.lru_cache(maxsize=8)
def _rays(width_px: int, height_px: int, fov_deg: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    focal = width_px / 2.0 / np.tan(np.radians(fov_deg) / 2.0)
    across = (np.arange(width_px) + 0.5 - width_px / 2.0) / focal
    up = (height_px / 2.0 - np.arange(height_px) - 0.5) / focal
    return across, up


@dataclass(frozen=True)
class RoadRectangle:
    """A rectangle on the road.

    Attributes:
        pose: Middle of the rectangle; x points along the lane, level.
        length_m: Extent along the road.
        width_m: Extent across the road.
        near_s_m: Where it begins along the ego's lane.
        heights_m: World z of the road along the rectangle's middle line, evenly spaced from its near to its far end.
    """

    pose: Pose
    length_m: float
    width_m: float
    near_s_m: float
    heights_m: NDArray[np.float64]
    reach_m: float = 0.0

    def extent_s_m(self) -> tuple[float, float]:
        """Return where it begins and ends along the ego's lane."""
        return self.near_s_m, self.near_s_m + self.length_m

    def seen(self, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which pixels show it."""
        local = (points_m(camera, depth_m) - np.array(self.pose[:3])) @ rotation(self.pose)
        along = np.linspace(-0.5, 0.5, len(self.heights_m)) * self.length_m
        above = local[..., 2] + self.pose[2] - np.interp(local[..., 0], along, self.heights_m)
        within: NDArray[np.bool_] = (
            (np.abs(local[..., 0]) <= self.length_m / 2.0)
            & (np.abs(local[..., 1]) <= self.width_m / 2.0)
            & (np.abs(above) <= ROAD_CLEARANCE_M)
        )
        return within

    def quads(self) -> list[Quad]:
        """Return it as flat pieces that follow the road up and down; v runs from its far to its near end."""
        pieces = max(1, len(self.heights_m) - 1)
        x, y, _, _, yaw, _ = self.pose
        axes = rotation((0.0, 0.0, 0.0, 0.0, yaw, 0.0))
        found = []
        for piece in range(pieces):
            near, far = (
                np.array([x, y, 0.0])
                + axes[:, 0] * self.length_m * (step / pieces - 0.5)
                - axes[:, 1] * self.width_m / 2.0
                for step in (piece, piece + 1)
            )
            near[2], far[2] = self.heights_m[piece], self.heights_m[piece + 1]
            uv = (0.0, 1.0 - (piece + 1) / pieces, 1.0, 1.0 - piece / pieces)
            found.append(Quad(far, axes[:, 1] * self.width_m, near - far, uv))
        return found


@dataclass(frozen=True)
class SignPlate:
    """The plate of a sign.

    Attributes:
        sign_id: Id in the scenario.
        gtsrb_class: What it says.
        pose: Middle of the plate; it is read by a driver who looks along x.
        width_m: Width of the plate's bounding rectangle.
        height_m: Height of the plate's bounding rectangle.
        s_m: Where it stands along the ego's lane.
        actor_id: Id in the world.
        type_id: Blueprint.
        on_map: Whether it came with the map and stays when the episode ends.
    """

    sign_id: str
    gtsrb_class: int
    pose: Pose
    width_m: float
    height_m: float
    s_m: float
    actor_id: int
    type_id: str
    on_map: bool
    reach_m: float = SEEN_FROM_M

    def extent_s_m(self) -> tuple[float, float]:
        """Return where it stands along the ego's lane."""
        return self.s_m, self.s_m

    def quads(self) -> list[Quad]:
        """Return its face; u runs to the right and v down as the driver sees it."""
        axes = rotation(self.pose)
        across, down = axes[:, 1] * self.width_m, -axes[:, 2] * self.height_m
        corner = np.array(self.pose[:3]) - axes[:, 0] * FACE_M - (across + down) / 2.0
        return [Quad(corner, across, down, (0.0, 0.0, 1.0, 1.0))]

    def seen(self, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which pixels show its bounding rectangle."""
        half = np.array([PLATE_DEPTH_M, self.width_m / 2.0, self.height_m / 2.0])
        return inside(camera, depth_m, self.pose, np.zeros(3), half)


@dataclass(frozen=True)
class VehicleBody:
    """The body of another vehicle, wherever it is now.

    Attributes:
        actor_id: Id in the world.
        type_id: Blueprint.
        colour: Its own paint, sRGB bytes; None where the server does not say.
        pose: Tells where its origin is now.
        centre_m: Middle of its bounding box in its own frame.
        half_m: Half extents of its bounding box.
        path: The ego's lane.
    """

    actor_id: int
    type_id: str
    colour: tuple[int, int, int] | None
    pose: Callable[[], Pose]
    centre_m: NDArray[np.float64]
    half_m: NDArray[np.float64]
    path: LanePath
    reach_m: float = SEEN_FROM_M

    def extent_s_m(self) -> tuple[float, float]:
        """Return where its rear and front are now along the ego's lane."""
        x_m, y_m = self.pose()[:2]
        s_m, _ = self.path.locate(x_m, y_m)
        return s_m - float(self.half_m[0]), s_m + float(self.half_m[0])

    def seen(self, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which pixels show it."""
        return inside(camera, depth_m, self.pose(), self.centre_m, self.half_m + BODY_MARGIN_M)
