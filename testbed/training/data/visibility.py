"""What is seen of vehicles in a picture: the box around the pixels of each, and roughly which share of it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.types import Box, Pose
from testbed.training.data.random_traffic import FIRST_INSTANCE
from testbed.world.render.camera import PinholeCamera, pose_matrix

FILL, FILL_NARROW = 0.7, 0.35
"""Share of the rectangle around its bounding box that a vehicle, a two-wheeler in full view covers, roughly."""
NARROW_M = 0.55


@dataclass(frozen=True)
class VehiclePixels:
    """The pixels of vehicles in a picture, each array of shape (n,): number of the vehicle, row and column."""

    vehicle: NDArray[np.uint32]
    row: NDArray[np.int64]
    column: NDArray[np.int64]

    @staticmethod
    def of(instance: NDArray[np.uint32]) -> VehiclePixels:
        """List them once: all vehicles together cover a small part of a picture."""
        flat = instance.ravel()
        at = np.flatnonzero(flat >= FIRST_INSTANCE)
        return VehiclePixels(flat[at], *np.divmod(at, instance.shape[1]))


@dataclass(frozen=True)
class VisibleVehicle:
    """What is seen of a vehicle.

    Attributes:
        box: Around its pixels, in px.
        outline: Around its bounding box, within the picture, in px; the whole picture for one beside the camera.
        seen_px: Its pixels.
        fraction: Roughly which share of it is seen.
    """

    box: Box
    outline: Box
    seen_px: int
    fraction: float

    @property
    def tall_px(self) -> float:
        """Height of the box."""
        return self.box[3] - self.box[1]


def visible_vehicle(
    camera: PinholeCamera, pixels: VehiclePixels, number: int, pose: Pose, half_m: tuple[float, float, float]
) -> VisibleVehicle | None:
    """Return what is seen of a vehicle, given its pose and half extents; None for nothing."""
    mine = pixels.vehicle == number
    row, column = pixels.row[mine], pixels.column[mine]
    if not len(row):
        return None
    box: Box = (float(column.min()), float(row[0]), float(column.max() + 1), float(row[-1] + 1))
    around = outline(camera, pose, half_m)
    if around is None:
        return VisibleVehicle(box, (0.0, 0.0, float(camera.width_px), float(camera.height_px)), len(row), 1.0)
    area_px = max(around[2] - around[0], 1.0) * max(around[3] - around[1], 1.0)
    fill = FILL_NARROW if half_m[1] < NARROW_M else FILL
    return VisibleVehicle(box, around, len(row), min(1.0, len(row) / (fill * area_px)))


def outline(camera: PinholeCamera, pose: Pose, half_m: tuple[float, float, float]) -> Box | None:
    """Return the rectangle around a bounding box; None beside the camera, where it cannot be told."""
    whole = rectangle(
        camera,
        pose,
        [(x, y, z) for x in (-half_m[0], half_m[0]) for y in (-half_m[1], half_m[1]) for z in (0.0, 2.0 * half_m[2])],
    )
    if whole is None:
        return None
    left, top, right, bottom = np.clip(whole, 0.0, (camera.width_px, camera.height_px) * 2).tolist()
    return left, top, right, bottom


def rectangle(camera: PinholeCamera, pose: Pose, points_m: Sequence[tuple[float, float, float]]) -> Box | None:
    """Return the rectangle in px around points given in the frame of a pose; None if one is beside the camera."""
    points = np.column_stack([points_m, np.ones(len(points_m))])
    pixels = camera.project((points @ pose_matrix(pose).T)[:, :3])
    if (pixels[:, 2] < 0.5).any():
        return None
    (left, top), (right, bottom) = pixels[:, :2].min(0).tolist(), pixels[:, :2].max(0).tolist()
    return left, top, right, bottom


def distance_m(pose: Pose, camera: PinholeCamera) -> float:
    """Return how far a vehicle stands from the camera on the ground."""
    return math.hypot(pose[0] - camera.pose[0], pose[1] - camera.pose[1])


def touch(one: Box, other: Box, slack_px: float = 0.0) -> bool:
    """Tell whether two rectangles overlap, or come closer than a slack."""
    return (
        one[0] < other[2] + slack_px
        and other[0] < one[2] + slack_px
        and one[1] < other[3] + slack_px
        and other[1] < one[3] + slack_px
    )


def box_of(mask: NDArray[np.bool_]) -> Box | None:
    """Return the box (x_min, y_min, x_max, y_max) around the true pixels, maxima exclusive; None without any."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
