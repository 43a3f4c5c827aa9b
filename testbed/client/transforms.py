"""Between the types of this package and CARLA's: poses and bounding boxes."""

from __future__ import annotations

from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.core.types import Pose


@dataclass(frozen=True)
class ActorBounds:
    """A bounding box in the frame of its actor.

    Attributes:
        centre_m: Its middle, shape (3,).
        half_m: Its half extents, shape (3,).
    """

    centre_m: NDArray[np.float64]
    half_m: NDArray[np.float64]


def to_transform(pose: Pose) -> carla.Transform:
    """Return a pose as ``carla.Transform``."""
    x, y, z, pitch, yaw, roll = pose
    return carla.Transform(carla.Location(x=x, y=y, z=z), carla.Rotation(pitch=pitch, yaw=yaw, roll=roll))


def to_pose(transform: carla.Transform) -> Pose:
    """Return a ``carla.Transform`` as a pose."""
    place, turn = transform.location, transform.rotation
    return (place.x, place.y, place.z, turn.pitch, turn.yaw, turn.roll)


def to_bounds(box: carla.BoundingBox) -> ActorBounds:
    """Return a ``carla.BoundingBox`` as arrays."""
    place, extent = box.location, box.extent
    return ActorBounds(np.array([place.x, place.y, place.z]), np.array([extent.x, extent.y, extent.z]))
