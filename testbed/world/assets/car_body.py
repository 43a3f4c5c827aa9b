"""Car bodies as deformed cubes: a lower body and a greenhouse, each a smooth map from the surface of a cube.

The six faces of the cube become the five sides one paints (left, right, top, rear, front) and the floor. As a side of
the car is a face of the cube, its texture coordinates are a plain orthographic view of the car: the paint atlas holds
five undistorted pictures with gaps between them, and no picture wraps around a seam.

Cube coordinates: a from rear (-1) to front (+1), b from left (-1) to right (+1), c from bottom (-1) to top (+1). Shape
parameters are fractions of the vehicle's length, width and height, so one style fits cars of different size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from testbed.world.assets.shapes import Floats, Shape, grid_triangles, merged, smooth_normals

Knots = tuple[tuple[float, float], ...]

ATLAS_PX = 512
# Picture of each side in the atlas, in pixels: (left, top, right, bottom). Between them lie at least four pixels.
CHARTS: dict[str, tuple[int, int, int, int]] = {
    "left": (4, 4, 508, 124),
    "right": (4, 130, 508, 250),
    "top": (4, 256, 508, 406),
    "rear": (4, 412, 252, 508),
    "front": (260, 412, 508, 508),
}


@dataclass(frozen=True)
class BodyStyle:
    """Proportions of a body.

    Attributes:
        deck: Top line of the lower body (hood, belt, trunk): knots (x / half length, z / height).
        floor: Bottom line: knots (x / half length, z / height).
        plan: Half width along the car: knots (x / half length, share of the body's half width).
        flank: Half width over the height of the lower body: knots (c, share).
        body_width: Body width without mirrors, share of the box width.
        nose: How far the corners of the front lie back, metres.
        tail: How far the corners of the rear lie back, metres.
        nose_profile: How far the front lies back over c: knots (c, metres).
        tail_profile: How far the rear lies back over c: knots (c, metres).
        cabin_base: Rear and front end of the greenhouse at its base, x / half length.
        cabin_roof: Rear and front end of the roof, x / half length.
        roof_width: Half width of the roof, share of the body's half width.
        cabin_width: Half width of the greenhouse at its base, share of the body's half width.
        side_windows: Windows on each side: (a0, a1) along the greenhouse.
        rear_window: Whether there is glass at the rear.
        window_low: Lower edge of the side glass, 0 base to 1 roof.
        window_high: Upper edge of the side glass.
        wheel_radius_m: Wheel radius.
        mirrors: Whether there are door mirrors.
        grille: Upper grille on the nose: (b, c0, c1), or None.
        head_lamps: Lamps at the front: (b0, b1, c0, c1).
        tail_lamps: Lamps at the rear: (b0, b1, c0, c1).
        plate_c: Height of the rear plate's centre on the tail.
    """

    deck: Knots
    floor: Knots = ((-1.0, 0.20), (-0.8, 0.13), (0.8, 0.12), (1.0, 0.17))
    plan: Knots = ((-1.0, 0.90), (-0.8, 0.98), (-0.3, 1.0), (0.4, 1.0), (0.8, 0.97), (1.0, 0.87))
    flank: Knots = ((-1.0, 0.93), (-0.6, 0.985), (-0.1, 1.0), (0.4, 0.985), (0.75, 0.965), (0.9, 0.945), (1.0, 0.89))
    body_width: float = 0.885
    nose: float = 0.26
    tail: float = 0.16
    nose_profile: Knots = ((-1.0, 0.10), (-0.5, 0.0), (0.0, 0.01), (0.6, 0.06), (1.0, 0.20))
    tail_profile: Knots = ((-1.0, 0.10), (-0.6, 0.0), (-0.1, 0.02), (0.0, 0.06), (0.6, 0.07), (1.0, 0.11))
    cabin_base: tuple[float, float] = (-0.72, 0.42)
    cabin_roof: tuple[float, float] = (-0.36, 0.08)
    roof_width: float = 0.64
    cabin_width: float = 0.90
    side_windows: tuple[tuple[float, float], ...] = ((-0.74, -0.02), (0.05, 0.86))
    rear_window: bool = True
    window_low: float = 0.10
    window_high: float = 0.84
    wheel_radius_m: float = 0.34
    mirrors: bool = True
    grille: tuple[float, float, float] | None = (0.40, 0.05, 0.55)
    head_lamps: tuple[float, float, float, float] = (0.52, 0.94, 0.42, 0.74)
    tail_lamps: tuple[float, float, float, float] = (0.50, 0.97, 0.36, 0.74)
    plate_c: float = 0.10


@dataclass(frozen=True)
class CarBody:
    """A style at the size of one vehicle; maps cube coordinates to metres.

    Attributes:
        style: Proportions.
        length_m: Length of the vehicle.
        width_m: Width of the vehicle with mirrors.
        height_m: Height of the vehicle.
        centre_x_m: Middle of this body along x (trucks carry a cab at the front).
        own_length_m: Length of this body, at most that of the vehicle.
        own_height_m: Height of this body.
    """

    style: BodyStyle
    length_m: float
    width_m: float
    height_m: float
    centre_x_m: float = 0.0
    own_length_m: float = 0.0
    own_height_m: float = 0.0

    @property
    def half_length(self) -> float:
        """Half length of this body."""
        return 0.5 * (self.own_length_m or self.length_m)

    @property
    def half_width(self) -> float:
        """Half width without mirrors."""
        return 0.5 * self.width_m * self.style.body_width

    @property
    def top_m(self) -> float:
        """Height of the roof."""
        return self.own_height_m or self.height_m

    def lower(self, a: Floats, b: Floats, c: Floats) -> Floats:
        """Map cube coordinates (any shape) to points (..., 3) of the lower body."""
        style, half = self.style, self.half_length
        low = _knots(style.floor, a) * self.top_m
        high = _knots(style.deck, a) * self.top_m
        z = low + (high - low) * 0.5 * (c + 1.0)
        z = z + np.where(c > 0.0, c, 0.0) ** 8 * 0.025 * (1.0 - np.abs(b) ** 3)
        y = b * self.half_width * _knots(style.plan, a) * _knots(style.flank, c)
        corner = np.where(a > 0.0, style.nose, style.tail) * np.abs(b) ** 3.5
        profile = np.where(a > 0.0, _knots(style.nose_profile, c), _knots(style.tail_profile, c))
        x = a * half - np.sign(a) * np.abs(a) ** 10 * (corner + profile)
        return np.stack(np.broadcast_arrays(x + self.centre_x_m, y, z), axis=-1)

    def cabin(self, a: Floats, b: Floats, c: Floats) -> Floats:
        """Map cube coordinates to points of the greenhouse; here c runs from 0 at its base to 1 at the roof."""
        style, half = self.style, self.half_length
        ease = c + 0.10 * c * (1.0 - c)
        rear = style.cabin_base[0] + (style.cabin_roof[0] - style.cabin_base[0]) * ease
        front = style.cabin_base[1] + (style.cabin_roof[1] - style.cabin_base[1]) * ease
        x = (rear + (front - rear) * 0.5 * (a + 1.0)) * half
        bend = 0.10 * np.abs(b) ** 2.5 * np.abs(a) ** 6
        x = x - np.sign(a) * bend
        belt = _knots(style.deck, x / half) * self.top_m - 0.03
        wheel_arch = 1.0 - 0.03 * ((a + 0.1) ** 2) * (c**4)
        z = belt + (self.top_m * wheel_arch - 0.02 - belt) * c + 0.02 * c**4 * (1.0 - np.abs(b) ** 2.5)
        share = style.cabin_width + (style.roof_width - style.cabin_width) * c - 0.03 * np.clip(c - 0.9, 0.0, 0.1) / 0.1
        y = b * self.half_width * share * (1.0 - 0.07 * np.abs(a) ** 4)
        return np.stack(np.broadcast_arrays(x + self.centre_x_m, y, z), axis=-1)

    def side_y(self, x_m: Floats, z_m: Floats) -> Floats:
        """Return the half width of the lower body at (x, z)."""
        a = np.clip((x_m - self.centre_x_m) / self.half_length, -1.0, 1.0)
        low = _knots(self.style.floor, a) * self.top_m
        high = _knots(self.style.deck, a) * self.top_m
        c = np.clip(2.0 * (z_m - low) / (high - low) - 1.0, -1.0, 1.0)
        half: Floats = self.half_width * _knots(self.style.plan, a) * _knots(self.style.flank, c)
        return half

    def uv(self, points: Floats, side: str) -> Floats:
        """Return atlas coordinates of points (..., 3) on one side."""
        return chart_uv(points, side, self.length_m, self.width_m, self.height_m)


def chart_uv(points_m: Floats, side: str, length_m: float, width_m: float, height_m: float) -> Floats:
    """Return atlas coordinates (..., 2) of points (..., 3) of a vehicle as one side's orthographic view sees them."""
    x = points_m[..., 0] / length_m + 0.5
    y = points_m[..., 1] / width_m + 0.5
    z = 1.0 - points_m[..., 2] / height_m
    u, v = {"left": (1.0 - x, z), "right": (x, z), "top": (x, y), "rear": (y, z), "front": (1.0 - y, z)}[side]
    left, top, right, bottom = CHARTS[side]
    u, v = np.clip(u, 0.0, 1.0), np.clip(v, 0.0, 1.0)
    return np.stack((left + (right - left) * u, top + (bottom - top) * v), axis=-1) / ATLAS_PX


def _knots(knots: Knots, at: Floats) -> Floats:
    """Interpolate knots with a monotone cubic (Fritsch-Carlson), so that lines have no kinks and no overshoot."""
    x, y = np.array(knots).T
    if len(x) == 1:
        return np.full(np.shape(at), y[0])
    step = np.diff(x)
    secant = np.diff(y) / step
    slope = np.concatenate(([secant[0]], 0.5 * (secant[1:] + secant[:-1]), [secant[-1]]))
    slope[1:-1][secant[1:] * secant[:-1] <= 0.0] = 0.0
    limit = 3.0 * np.minimum(np.abs(np.append(secant, np.inf)), np.abs(np.insert(secant, 0, np.inf)))
    slope = np.clip(slope, -limit, limit)
    at = np.clip(at, x[0], x[-1])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(step) - 1)
    w = (at - x[i]) / step[i]
    result: Floats = (
        (1 + 2 * w) * (1 - w) ** 2 * y[i]
        + w * w * (3 - 2 * w) * y[i + 1]
        + step[i] * (w * (1 - w) ** 2 * slope[i] + w * w * (w - 1) * slope[i + 1])
    )
    return result


Map = Callable[[Floats, Floats, Floats], Floats]

_A = np.array([-1, -0.985, -0.95, -0.88, -0.76, -0.6, -0.42, -0.22, 0, 0.2, 0.4, 0.56, 0.7, 0.82, 0.91, 0.965, 0.99, 1])
_B = np.array([-1.0, -0.94, -0.8, -0.55, -0.25, 0.25, 0.55, 0.8, 0.94, 1.0])
_C = np.array([-1.0, -0.75, -0.4, -0.05, 0.3, 0.6, 0.8, 0.92, 1.0])
_CABIN_A = np.array([-1.0, -0.97, -0.8, -0.4, 0.0, 0.4, 0.8, 0.97, 1.0])
_CABIN_B = np.array([-1.0, -0.9, -0.6, 0.0, 0.6, 0.9, 1.0])
_CABIN_C = np.array([0.0, 0.3, 0.6, 0.85, 0.95, 1.0])


def paint_shape(body: CarBody) -> Shape:
    """Return the painted skin of a body: both cubes without their floors, uv in the atlas."""
    parts: list[Shape] = []
    for mapping, axes in ((body.lower, (_A, _B, _C)), (body.cabin, (_CABIN_A, _CABIN_B, _CABIN_C))):
        skin = []
        for side in ("left", "right", "top", "rear", "front"):
            a, b, c = _face(side, axes)
            points = mapping(a, b, c)
            rows, columns = points.shape[:2]
            uv = body.uv(points, side).reshape(-1, 2)
            vertices = points.reshape(-1, 3)
            skin.append(Shape(vertices, np.zeros_like(vertices), uv, grid_triangles(rows, columns)))
        shape = merged(skin)
        centres = shape.vertices_m[shape.triangles].mean(axis=1)
        low, high = shape.vertices_m.min(axis=0), shape.vertices_m.max(axis=0)
        spine = 0.5 * (low + high) + 0.0 * centres
        reach = 0.30 * (high[0] - low[0])
        spine[:, 0] = np.clip(centres[:, 0], spine[:, 0] - reach, spine[:, 0] + reach)
        normals = smooth_normals(shape.vertices_m, shape.triangles, spine, crease_deg=48.0)
        parts.append(Shape(shape.vertices_m, normals, shape.uv, shape.triangles))
    return merged(parts)


def floor_shape(body: CarBody) -> Shape:
    """Return the underside."""
    a, b = np.meshgrid(_A[::3], np.array([-1.0, 1.0]), indexing="ij")
    points = body.lower(a, b, np.full_like(a, -1.0)) - (0.0, 0.0, 0.0)
    vertices = points.reshape(-1, 3)
    triangles = grid_triangles(*points.shape[:2])
    return Shape(vertices, np.tile([0.0, 0.0, -1.0], (len(vertices), 1)), np.zeros((len(vertices), 2)), triangles)


def _face(side: str, axes: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    a, b, c = axes
    if side in ("left", "right"):
        ga, gc = np.meshgrid(a, c, indexing="ij")
        return ga, np.full_like(ga, -1.0 if side == "left" else 1.0), gc
    if side == "top":
        ga, gb = np.meshgrid(a, b, indexing="ij")
        return ga, gb, np.ones_like(ga)
    gb, gc = np.meshgrid(b, c, indexing="ij")
    return np.full_like(gb, -1.0 if side == "rear" else 1.0), gb, gc


def body_patch(
    mapping: Map,
    side: str,
    u_range: tuple[float, float],
    v_range: tuple[float, float],
    *,
    lift_m: float = 0.006,
    cells: tuple[int, int] = (4, 3),
    corner: float = 0.0,
) -> Shape:
    """Return a sheet that hugs a face of a mapped cube, for glass, lamps and plates.

    Args:
        mapping: `CarBody.lower` or `CarBody.cabin`.
        side: Face of the cube; "left" and "right" are spanned by (a, c), "rear" and "front" by (b, c).
        u_range: Range of the first coordinate.
        v_range: Range of c.
        lift_m: Distance from the face along its normal.
        cells: Cells along both.
        corner: Share of the width by which the upper edge is pulled in at both ends.

    Returns:
        The sheet; its uv runs 0..1 from left to right and top to bottom as seen from outside.
    """
    u = np.linspace(*u_range, cells[0] + 1)
    v = np.linspace(*v_range, cells[1] + 1)
    gu, gv = np.meshgrid(u, v, indexing="ij")
    if corner:
        middle, pull = 0.5 * (u_range[0] + u_range[1]), corner * (gv - v_range[0]) / (v_range[1] - v_range[0])
        gu = middle + (gu - middle) * (1.0 - pull)
    fixed = np.full_like(gu, -1.0 if side in ("left", "rear") else 1.0)
    points = mapping(gu, fixed, gv) if side in ("left", "right") else mapping(fixed, gu, gv)
    triangles = grid_triangles(*points.shape[:2])
    vertices = points.reshape(-1, 3)
    inside = vertices.mean(axis=0) * (0.6, 0.2, 1.0) if side in ("rear", "front") else vertices * (1.0, 0.0, 1.0)
    origin = inside if inside.ndim == 1 else inside.mean(axis=0)
    normals = smooth_normals(vertices, triangles, origin)
    mirrored = side in ("left", "front")
    across = (gu - u_range[0]) / (u_range[1] - u_range[0])
    uv = np.stack((1.0 - across if mirrored else across, 1.0 - (gv - v_range[0]) / (v_range[1] - v_range[0])), axis=-1)
    return Shape(vertices + lift_m * normals, normals, uv.reshape(-1, 2), triangles)


def wheel_arch(body: CarBody, x_m: float, z_m: float, radius_m: float, side: int) -> Shape:
    """Return the dark disc of a wheel arch, hugging the flank (side -1 left, +1 right)."""
    angle = np.linspace(0.0, 2.0 * np.pi, 19)
    rings = []
    for share in (0.0, 0.55, 1.0):
        x = x_m + share * radius_m * np.cos(angle)
        z = np.maximum(z_m + share * radius_m * np.sin(angle), 0.11 * body.top_m)
        rings.append(np.stack((x, side * (body.side_y(x, z) + 0.004), z), axis=-1))
    points = np.stack(rings)
    vertices = points.reshape(-1, 3)
    return Shape(
        vertices,
        np.tile([0.0, float(side), 0.0], (len(vertices), 1)),
        np.zeros((len(vertices), 2)),
        grid_triangles(*points.shape[:2]),
    )


__all__: Sequence[str] = [
    "ATLAS_PX", "CHARTS", "BodyStyle", "CarBody", "body_patch", "chart_uv", "floor_shape", "paint_shape", "wheel_arch",
]  # fmt: skip
