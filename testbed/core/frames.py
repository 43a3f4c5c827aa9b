"""CARLA's rotation convention: left-handed frames, x forward, y right, z up, degrees, yaw clockwise seen from above.

Plain floats and tuples: the server's tick handles a few dozen poses, for which array libraries cost more than they
save.
"""

from __future__ import annotations

import math

from testbed.core.geometry import Vector

Matrix = tuple[Vector, Vector, Vector]


def rotation_matrix(pitch_deg: float, yaw_deg: float, roll_deg: float) -> Matrix:
    """Return the matrix whose columns are the body's forward, right and up axes in the parent frame.

    Pitch is positive upwards, roll turns about the forward axis. Source: ``carla::geom::Transform::GetMatrix``
    (LibCarla).
    """
    cp, sp = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    cy, sy = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    cr, sr = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    return (
        (cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr),
        (cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr),
        (sp, -cp * sr, cp * cr),
    )
