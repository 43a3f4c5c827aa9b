"""Oriented bounding boxes: the shape that actors and scenery have for collisions, rays and the client."""

from __future__ import annotations

import math
from dataclasses import dataclass

from testbed.core.geometry import Vector
from testbed.core.types import Pose
from testbed.server.simulation.transforms import ZERO


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A box in the frame of its owner.

    Attributes:
        centre_m: Centre in the owner's frame.
        extent_m: Half sizes along the box axes.
        rotation_deg: (pitch, yaw, roll) of the box in the owner's frame.
    """

    centre_m: Vector = ZERO
    extent_m: Vector = ZERO
    rotation_deg: Vector = ZERO


@dataclass(slots=True)
class Footprint:
    """A box in the world as collisions see it: a rectangle on the ground plane with a vertical range.

    Attributes:
        x_m: World x of the centre.
        y_m: World y of the centre.
        cos: Cosine of the world yaw of the rectangle.
        sin: Sine of that yaw.
        half_length_m: Half size along the rectangle's own x axis.
        half_width_m: Half size along its own y axis.
        z_min_m: Lowest world height.
        z_max_m: Highest world height.
        radius_m: Radius of the circle around the rectangle.
    """

    x_m: float
    y_m: float
    cos: float
    sin: float
    half_length_m: float
    half_width_m: float
    z_min_m: float
    z_max_m: float
    radius_m: float


def footprint(pose: Pose, box: BoundingBox) -> Footprint:
    """Return the footprint of ``box`` on an owner at ``pose``; pitch and roll of the owner are ignored."""
    yaw_rad = math.radians(pose[4])
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    cx, cy, cz = box.centre_m
    ex, ey, ez = box.extent_m
    x, y = pose[0] + cos * cx - sin * cy, pose[1] + sin * cx + cos * cy
    if box.rotation_deg[1]:
        yaw_rad += math.radians(box.rotation_deg[1])
        cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    z = pose[2] + cz
    return Footprint(x, y, cos, sin, ex, ey, z - ez, z + ez, math.hypot(ex, ey))


@dataclass(frozen=True, slots=True)
class Contact:
    """Two overlapping footprints.

    Attributes:
        normal_x: World x of the unit normal that points from the second body to the first.
        normal_y: World y of that normal.
        depth_m: How far they overlap along the normal.
        x_m: World x of the contact point.
        y_m: World y of the contact point.
    """

    normal_x: float
    normal_y: float
    depth_m: float
    x_m: float
    y_m: float


def overlap(a: Footprint, b: Footprint) -> Contact | None:
    """Return how two footprints overlap, or None; separating axis theorem for two rectangles.

    The contact point is the mean of the corners of each rectangle that lie inside the other, which is exact for a
    corner hit and the middle of the shared edge for a flat hit.
    """
    if a.z_min_m >= b.z_max_m or b.z_min_m >= a.z_max_m:
        return None
    dx, dy = a.x_m - b.x_m, a.y_m - b.y_m
    reach = a.radius_m + b.radius_m
    if dx * dx + dy * dy >= reach * reach:
        return None
    cos = abs(a.cos * b.cos + a.sin * b.sin)
    sin = abs(a.cos * b.sin - a.sin * b.cos)
    best = math.inf
    normal = (0.0, 0.0)
    for ux, uy, own, other_l, other_w, cl, cw in (
        (a.cos, a.sin, a.half_length_m, b.half_length_m, b.half_width_m, cos, sin),
        (-a.sin, a.cos, a.half_width_m, b.half_length_m, b.half_width_m, sin, cos),
        (b.cos, b.sin, b.half_length_m, a.half_length_m, a.half_width_m, cos, sin),
        (-b.sin, b.cos, b.half_width_m, a.half_length_m, a.half_width_m, sin, cos),
    ):
        distance = dx * ux + dy * uy
        depth = own + other_l * cl + other_w * cw - abs(distance)
        if depth <= 0.0:
            return None
        if depth < best:
            best = depth
            normal = (ux, uy) if distance >= 0.0 else (-ux, -uy)
    px, py = _contact_point(a, b)
    return Contact(normal[0], normal[1], best, px, py)


def corners(box: Footprint) -> list[tuple[float, float]]:
    """Return the four world corners of a footprint, in order around it."""
    lx, ly = box.cos * box.half_length_m, box.sin * box.half_length_m
    wx, wy = -box.sin * box.half_width_m, box.cos * box.half_width_m
    return [
        (box.x_m + lx + wx, box.y_m + ly + wy),
        (box.x_m + lx - wx, box.y_m + ly - wy),
        (box.x_m - lx - wx, box.y_m - ly - wy),
        (box.x_m - lx + wx, box.y_m - ly + wy),
    ]


def _inside(box: Footprint, x: float, y: float) -> bool:
    dx, dy = x - box.x_m, y - box.y_m
    along, across = dx * box.cos + dy * box.sin, dy * box.cos - dx * box.sin
    return abs(along) <= box.half_length_m + 1e-9 and abs(across) <= box.half_width_m + 1e-9


def _contact_point(a: Footprint, b: Footprint) -> tuple[float, float]:
    points = [p for p in corners(a) if _inside(b, *p)] + [p for p in corners(b) if _inside(a, *p)]
    if not points:  # two bars in a cross: no corner is inside, the middle of the smaller one's centre line will do
        return ((a.x_m + b.x_m) / 2.0, (a.y_m + b.y_m) / 2.0)
    return (sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points))
