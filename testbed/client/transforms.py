"""Between poses and CARLA's transforms."""

from __future__ import annotations

from typing import Any

import carla

from testbed.core.types import Pose


def to_transform(pose: Pose) -> Any:
    """Return a pose as ``carla.Transform``."""
    x, y, z, pitch, yaw, roll = pose
    return carla.Transform(carla.Location(x=x, y=y, z=z), carla.Rotation(pitch=pitch, yaw=yaw, roll=roll))


def to_pose(transform: Any) -> Pose:
    """Return a ``carla.Transform`` as a pose."""
    place, turn = transform.location, transform.rotation
    return (place.x, place.y, place.z, turn.pitch, turn.yaw, turn.roll)
