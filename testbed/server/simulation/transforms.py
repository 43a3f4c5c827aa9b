"""Rigid transforms in CARLA's left-handed frame: x forward, y right, z up, degrees, yaw clockwise seen from above.

Plain floats and tuples: a tick handles a few dozen poses, for which array libraries cost more than they save.
"""

from __future__ import annotations

import math

from testbed.core.frames import Matrix, rotation_matrix
from testbed.core.geometry import Vector
from testbed.core.types import Pose

ORIGIN: Pose = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
ZERO: Vector = (0.0, 0.0, 0.0)


def apply(matrix: Matrix, vector: Vector) -> Vector:
    """Return ``matrix @ vector``: a vector of the body frame seen from the parent frame."""
    a, b, c = vector
    r0, r1, r2 = matrix
    return (
        r0[0] * a + r0[1] * b + r0[2] * c,
        r1[0] * a + r1[1] * b + r1[2] * c,
        r2[0] * a + r2[1] * b + r2[2] * c,
    )


def apply_inverse(matrix: Matrix, vector: Vector) -> Vector:
    """Return ``matrix.T @ vector``: a vector of the parent frame seen from the body frame."""
    a, b, c = vector
    r0, r1, r2 = matrix
    return (
        r0[0] * a + r1[0] * b + r2[0] * c,
        r0[1] * a + r1[1] * b + r2[1] * c,
        r0[2] * a + r1[2] * b + r2[2] * c,
    )


def compose(parent: Pose, relative: Pose) -> Pose:
    """Return the world pose of something that sits at ``relative`` in the frame of ``parent``."""
    rotation = rotation_matrix(*parent[3:])
    dx, dy, dz = apply(rotation, relative[:3])
    x, y, z = parent[0] + dx, parent[1] + dy, parent[2] + dz
    if relative[3] == 0.0 and relative[5] == 0.0 and parent[3] == 0.0 and parent[5] == 0.0:
        return (x, y, z, 0.0, wrap_deg(parent[4] + relative[4]), 0.0)
    inner = rotation_matrix(*relative[3:])
    columns = [apply(rotation, (inner[0][k], inner[1][k], inner[2][k])) for k in range(3)]
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, columns[0][2]))))
    yaw = math.degrees(math.atan2(columns[0][1], columns[0][0]))
    roll = math.degrees(math.atan2(-columns[1][2], columns[2][2]))
    return (x, y, z, pitch, yaw, roll)


def to_world(pose: Pose, point: Vector) -> Vector:
    """Return the world position of a point given in the frame of ``pose``."""
    dx, dy, dz = apply(rotation_matrix(*pose[3:]), point)
    return (pose[0] + dx, pose[1] + dy, pose[2] + dz)


def to_local(pose: Pose, point: Vector) -> Vector:
    """Return a world position in the frame of ``pose``."""
    offset = (point[0] - pose[0], point[1] - pose[1], point[2] - pose[2])
    return apply_inverse(rotation_matrix(*pose[3:]), offset)


def wrap_deg(angle_deg: float) -> float:
    """Return the same direction in (-180, 180]."""
    if -180.0 < angle_deg <= 180.0:
        return angle_deg
    return 180.0 - (180.0 - angle_deg) % 360.0
