"""The one border between CARLA's left-handed world and the right-handed one of traces, ROS and Foxglove.

In a trace of version 2 or later the world is x forward (east), y to the **left** (north), z up; yaw grows
counter-clockwise seen from above. Negating a float is exact, so that a pose read back is the pose that was written.
"""

from __future__ import annotations

import math
from typing import Any

from testbed.core.frames import rotation_matrix
from testbed.core.geometry import Pose, Vector

Json = dict[str, Any]
Quaternion = tuple[float, float, float, float]
"""``(x, y, z, w)``, w at least 0."""

_TURNED = ("y_m", "yaw_deg")


def turned_point(point_m: Vector) -> Vector:
    """Return a point of one world in the other."""
    return point_m[0], -point_m[1], point_m[2]


def turned_ego(message: Json) -> Json:
    """Return the ego's state, as JSON, of one world in the other."""
    return message | {name: -message[name] for name in _TURNED}


def turned_event(message: Json) -> Json:
    """Return an event, as JSON, of one world in the other."""
    x, y, z = message["location_xyz_m"]
    return message | {"location_xyz_m": [x, -y, z]}


def turned_rotation(pose: Pose) -> Quaternion:
    """Return the rotation of a body at a pose in CARLA's world, whose own frame is x forward, y left, z up."""
    rows = rotation_matrix(*pose[3:])
    sides = (1.0, -1.0, 1.0)
    columns = [[sides[i] * rows[i][j] * sides[j] for i in range(3)] for j in range(3)]
    return quaternion(columns[0], columns[1], columns[2])


def quaternion(first: list[float], second: list[float], third: list[float]) -> Quaternion:
    """Return the rotation that takes the axes to three vectors, a right-handed orthonormal triple.

    Source: Shepperd, Quaternion from Rotation Matrix (1978): the largest of four squares is the divisor.
    """
    (xx, yx, zx), (xy, yy, zy), (xz, yz, zz) = first, second, third
    squares = (1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz, 1 + xx + yy + zz)
    largest = max(range(4), key=squares.__getitem__)
    double = 2.0 * math.sqrt(squares[largest])
    products = (
        (squares[0], yx + xy, xz + zx, zy - yz),
        (yx + xy, squares[1], zy + yz, xz - zx),
        (xz + zx, zy + yz, squares[2], yx - xy),
        (zy - yz, xz - zx, yx - xy, squares[3]),
    )[largest]
    sign = -1.0 if products[3] < 0.0 else 1.0
    x, y, z, w = (sign * product / double for product in products)
    return x, y, z, w
