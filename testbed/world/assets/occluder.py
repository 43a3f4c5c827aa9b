"""A card in the sunlight whose shadow on a sign is a wanted polygon: where it hangs and what shape it has.

Sunlight is parallel: a corner P of the shadow has its corner of the card somewhere on the ray P + t s, with s the unit
vector to the sun. Which t is free, so all corners can be put into one plane, and the plane is chosen such that it
contains the driver's line of approach: from there the card is seen edge-on, a line without width.

The sun goes on while the card stays. ``sun_after`` turns it about the celestial pole, 15 degrees an hour, as seen from
a latitude; the world's x axis points east and its y axis south.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.projection import rotation
from testbed.core.types import Pose, Shade

DISTANCE_M = 4.0
"""From the plate's middle to the card along the sun's ray: near, so that a drifting sun moves the shadow little."""

CLEARANCE_M = 0.4
"""Every corner of the card is at least this far before the plate."""

FACE_M = 0.015
"""The painted face stands this far before the plate's middle."""

LEAST_COSINE = 0.12
"""Sun lower over the plate than this (83 degrees off its axis) grazes it: no shadow worth the name."""

LEAST_TILT = 0.18
"""Least cosine between the card's normal and the sun's ray; a flatter card would be many times its shadow long."""

EYE_LEFT_M, EYE_BELOW_M = 3.0, 1.1
"""Where a driver passes a sign if nobody says: to the left of the plate and below its middle."""

LATITUDE_DEG = 49.0
TURN_DEG_PER_MIN = 0.25


@dataclass(frozen=True, eq=False)
class OccluderCard:
    """A flat card in the world.

    Attributes:
        pose: Its frame: x is the normal, the card lies in the plane x = 0.
        corners_m: (n, 2) corners (y, z) in that frame.
    """

    pose: Pose
    corners_m: NDArray[np.float64]

    @property
    def blueprint_attributes(self) -> dict[str, str]:
        """Attributes of ``static.prop.occluder``."""
        return {"polygon": ";".join(f"{y:.5f},{z:.5f}" for y, z in self.corners_m)}

    def world_m(self) -> NDArray[np.float64]:
        """Return its corners in the world, (n, 3)."""
        flat = np.column_stack((np.zeros(len(self.corners_m)), self.corners_m))
        corners: NDArray[np.float64] = flat @ rotation(self.pose).T + np.array(self.pose[:3])
        return corners


def sun_vector(altitude_deg: float, azimuth_deg: float) -> NDArray[np.float64]:
    """Return the unit vector to the sun, CARLA's angles and world axes, (3,)."""
    altitude, azimuth = math.radians(altitude_deg), math.radians(azimuth_deg)
    flat = math.cos(altitude)
    return np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(altitude)])


def sun_after(
    altitude_deg: float, azimuth_deg: float, minutes: float, latitude_deg: float = LATITUDE_DEG
) -> tuple[float, float]:
    """Return the sun's (altitude, azimuth) some minutes later; negative minutes are earlier."""
    latitude, angle = math.radians(latitude_deg), math.radians(TURN_DEG_PER_MIN * minutes)
    pole = np.array([0.0, -math.cos(latitude), math.sin(latitude)])
    sun = sun_vector(altitude_deg, azimuth_deg)
    turned = (
        sun * math.cos(angle)
        + np.cross(pole, sun) * math.sin(angle)
        + pole * float(pole @ sun) * (1.0 - math.cos(angle))
    )
    return math.degrees(math.asin(max(-1.0, min(1.0, float(turned[2]))))), math.degrees(
        math.atan2(float(turned[1]), float(turned[0]))
    )


def plate_points(plate: Pose, size_m: float, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return where points in plate units lie in the world, (n, 3).

    Args:
        plate: Middle of the plate; its yaw is that of a driver who reads it.
        size_m: Side of the plate's bounding square.
        points: (n, 2), x to the right, y down, the square is [0, 1]².
    """
    flat = np.column_stack(
        (
            np.full(len(points), -FACE_M),
            (np.asarray(points)[:, 0] - 0.5) * size_m,
            (0.5 - np.asarray(points)[:, 1]) * size_m,
        )
    )
    placed: NDArray[np.float64] = flat @ rotation(plate).T + np.array(plate[:3])
    return placed


def occluder_for(
    shade: Shade,
    plate: Pose,
    size_m: float,
    sun_direction: NDArray[np.floating],
    *,
    eye_m: NDArray[np.floating] | None = None,
    distance_m: float = DISTANCE_M,
) -> OccluderCard | None:
    """Return the card that throws a shade on a plate, or None where the sun does not light the plate's face.

    Args:
        shade: The wanted polygon.
        plate: Middle of the plate; its yaw is that of a driver who reads it.
        size_m: Side of the plate's bounding square.
        sun_direction: Unit vector to the sun, world axes, (3,).
        eye_m: A point (3,) of the driver's approach, which runs along the plate's axis; from there the card is seen
            edge-on. None assumes a usual place.
        distance_m: From the plate to the card, along the sun's ray.
    """
    sun = np.asarray(sun_direction, np.float64)
    axes = rotation(plate)
    ahead, right, up = axes.T
    if float(-ahead @ sun) < LEAST_COSINE or sun[2] <= 0.0:
        return None
    centre = np.array(plate[:3])
    eye = centre - EYE_LEFT_M * right - EYE_BELOW_M * up if eye_m is None else np.asarray(eye_m, np.float64)
    corners = plate_points(plate, size_m, shade.polygon)
    for _ in range(20):
        middle = centre + distance_m * sun
        normal = _edge_on(ahead, middle - eye, sun)
        reach = ((middle - corners) @ normal) / float(sun @ normal)
        if float(reach.min()) >= CLEARANCE_M:
            break
        distance_m += CLEARANCE_M - float(reach.min())
    placed = corners + reach[:, None] * sun
    x, y, z = (float(value) for value in middle)
    pose: Pose = (x, y, z, *_turn_to(normal))
    local = (placed - middle) @ rotation(pose)
    return OccluderCard(pose, local[:, 1:])


def _edge_on(
    ahead: NDArray[np.float64], from_eye: NDArray[np.float64], sun: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the unit normal of a plane through the approach, tilted as little as the sun's ray needs."""
    normal = np.cross(ahead, from_eye)
    length = float(np.linalg.norm(normal))
    normal = sun.copy() if length < 1e-6 else normal / length
    if float(normal @ sun) < 0.0:
        normal = -normal
    across = normal - float(normal @ sun) * sun
    if float(normal @ sun) < LEAST_TILT:
        across /= np.linalg.norm(across)
        normal = LEAST_TILT * sun + math.sqrt(1.0 - LEAST_TILT**2) * across
    return np.asarray(normal / np.linalg.norm(normal))


def _turn_to(normal: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return (pitch, yaw, roll) in degrees of a frame whose x axis is a unit vector."""
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, float(normal[2])))))
    return pitch, math.degrees(math.atan2(float(normal[1]), float(normal[0]))), 0.0
