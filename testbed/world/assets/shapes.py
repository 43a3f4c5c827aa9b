"""Small solid-modelling kit: boxes, prisms, lathes, lofts and grids with normals and texture coordinates.

A `Shape` is geometry without a material; shapes are moved, merged and finally dressed as a renderer mesh. All
functions use CARLA's axes (x forward, y right, z up) and metres. Winding carries no meaning in the renderer, so shapes
only care about their normals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from testbed.world.render.mesh import Mesh

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shape:
    """Triangles without a material.

    Attributes:
        vertices_m: Shape (V, 3).
        normals: Shape (V, 3), unit length.
        uv: Shape (V, 2).
        triangles: Shape (T, 3), indices.
    """

    vertices_m: Floats
    normals: Floats
    uv: Floats
    triangles: NDArray[np.int64]

    def moved(self, x_m: float = 0.0, y_m: float = 0.0, z_m: float = 0.0, *, yaw_rad: float = 0.0) -> Shape:
        """Return the shape turned about z (positive from x to y) and then shifted."""
        c, s = math.cos(yaw_rad), math.sin(yaw_rad)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        return Shape(self.vertices_m @ turn + (x_m, y_m, z_m), self.normals @ turn, self.uv, self.triangles)

    def turned(self, axis: str, angle_rad: float) -> Shape:
        """Return the shape turned about an axis through the origin ("x": y to z, "y": z to x, "z": x to y)."""
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = math.cos(angle_rad)
        turn[i, j], turn[j, i] = math.sin(angle_rad), -math.sin(angle_rad)
        return Shape(self.vertices_m @ turn, self.normals @ turn, self.uv, self.triangles)

    def scaled(self, x: float, y: float, z: float) -> Shape:
        """Return the shape stretched along the axes."""
        normals = self.normals / (x, y, z)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return Shape(self.vertices_m * (x, y, z), normals, self.uv, self.triangles)

    def with_uv(self, uv: ArrayLike) -> Shape:
        """Return the shape with other texture coordinates: shape (V, 2), or one (u, v) for all."""
        return Shape(
            self.vertices_m,
            self.normals,
            np.broadcast_to(np.asarray(uv, np.float64), self.uv.shape),
            self.triangles,
        )

    def mesh(self, material: str, tag: int = 0) -> Mesh:
        """Return the shape as a renderer mesh of one material."""
        return Mesh(
            self.vertices_m.astype(np.float32),
            self.normals.astype(np.float32),
            self.uv.astype(np.float32),
            self.triangles.astype(np.int32),
            material,
            tag,
        )


def merged(shapes: Sequence[Shape]) -> Shape:
    """Return several shapes as one; at least one is needed."""
    offsets = np.cumsum([0] + [len(shape.vertices_m) for shape in shapes[:-1]])
    return Shape(
        np.concatenate([shape.vertices_m for shape in shapes]),
        np.concatenate([shape.normals for shape in shapes]),
        np.concatenate([shape.uv for shape in shapes]),
        np.concatenate([shape.triangles + offset for shape, offset in zip(shapes, offsets, strict=True)]),
    )


def repeated(shape: Shape, positions_m: Floats, yaw_rad: Floats | float = 0.0, scale: Floats | float = 1.0) -> Shape:
    """Return copies of a shape at positions (N, 3), each turned about z and scaled; vectorised for forests."""
    count = len(positions_m)
    yaw, factor = np.broadcast_to(yaw_rad, (count,)), np.broadcast_to(scale, (count,))
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]

    def turn(vectors: Floats) -> Floats:
        x, y, z = vectors.T
        return np.stack((c * x - s * y, s * x + c * y, np.broadcast_to(z, (count, len(z)))), axis=-1)

    vertices = turn(shape.vertices_m) * factor[:, None, None] + positions_m[:, None, :]
    triangles = shape.triangles[None] + (np.arange(count) * len(shape.vertices_m))[:, None, None]
    return Shape(
        vertices.reshape(-1, 3),
        turn(shape.normals).reshape(-1, 3),
        np.tile(shape.uv, (count, 1)),
        triangles.reshape(-1, 3),
    )


def grid_triangles(rows: int, columns: int) -> NDArray[np.int64]:
    """Return the triangles of a grid of rows x columns vertices numbered row by row, shape (T, 3)."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    b, c, d = a + 1, a + columns, a + columns + 1
    return np.concatenate((np.stack((a, c, b), 1), np.stack((b, c, d), 1)))


def smooth_normals(
    vertices_m: Floats, triangles: NDArray[np.int64], outwards_from: ArrayLike, crease_deg: float = 180.0
) -> Floats:
    """Return vertex normals (V, 3), averaged over faces that meet at a position within the crease angle.

    Args:
        vertices_m: Shape (V, 3); vertices at one position count as the same corner.
        triangles: Shape (T, 3).
        outwards_from: Point (3,) or points (T, 3) that faces look away from.
        crease_deg: Faces whose normals differ by more are kept apart where the vertices are separate.
    """
    corners = vertices_m[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    centre = corners.mean(axis=1)
    faces *= np.where(((centre - np.asarray(outwards_from)) * faces).sum(axis=1) < 0.0, -1.0, 1.0)[:, None]
    own = np.zeros_like(vertices_m)
    for k in range(3):
        np.add.at(own, triangles[:, k], faces)
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    _, place = np.unique(np.round(vertices_m, 5), axis=0, return_inverse=True)
    place = place.ravel()
    order = np.argsort(place, kind="stable")
    bounds = np.flatnonzero(np.diff(place[order])) + 1
    result = own.copy()
    limit = math.cos(math.radians(crease_deg))
    for group in np.split(order, bounds):
        if len(group) > 1:
            alike = own[group] @ own[group].T >= limit
            total = alike @ own[group]
            result[group] = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return result


def surface(points_m: Floats, uv: Floats, outwards_from: ArrayLike) -> Shape:
    """Return a smooth sheet through a grid of points (R, C, 3) with texture coordinates (R, C, 2)."""
    rows, columns = points_m.shape[:2]
    vertices, triangles = points_m.reshape(-1, 3), grid_triangles(rows, columns)
    return Shape(vertices, smooth_normals(vertices, triangles, outwards_from), uv.reshape(-1, 2), triangles)


def box(
    length_m: float, width_m: float, height_m: float, *, metres_per_tile: float | None = None, top: bool = True
) -> Shape:
    """Return a box that stands on z = 0 around the z axis, without its bottom.

    Args:
        length_m: Along x.
        width_m: Along y.
        height_m: Along z.
        metres_per_tile: Texture repeats at this distance; None maps each face to the unit square.
        top: Whether the top face exists.
    """
    hx, hy = 0.5 * length_m, 0.5 * width_m
    shapes = []
    faces = [((1, 0), width_m), ((-1, 0), width_m), ((0, 1), length_m), ((0, -1), length_m)]
    for (nx, ny), across in faces:
        centre, side = np.array([nx * hx, ny * hy, 0.0]), np.array([-ny, nx, 0.0]) * 0.5 * across
        up = np.array([0.0, 0.0, height_m])
        corners = np.stack((centre - side + up, centre + side + up, centre - side, centre + side))
        reach = (across, height_m) if metres_per_tile is None else (metres_per_tile, metres_per_tile)
        uv = np.array(
            [[0, 0], [across / reach[0], 0], [0, height_m / reach[1]], [across / reach[0], height_m / reach[1]]]
        )
        shapes.append(Shape(corners, np.tile([nx, ny, 0.0], (4, 1)), uv, np.array([[0, 1, 2], [1, 3, 2]])))
    if top:
        corners = np.array([[hx, -hy, height_m], [hx, hy, height_m], [-hx, -hy, height_m], [-hx, hy, height_m]])
        reach = (width_m, length_m) if metres_per_tile is None else (metres_per_tile, metres_per_tile)
        u, v = width_m / reach[0], length_m / reach[1]
        uv = np.array([[0, 0], [u, 0], [0, v], [u, v]])
        shapes.append(Shape(corners, np.tile([0.0, 0.0, 1.0], (4, 1)), uv, np.array([[0, 1, 2], [1, 3, 2]])))
    return merged(shapes)


def lathe(profile: Sequence[tuple[float, float]], sides: int, *, smooth: bool = True) -> Shape:
    """Return a body of revolution about z.

    Args:
        profile: (radius_m, z_m) points from one end to the other.
        sides: Number of facets around.
        smooth: Whether normals blend along the profile too (a ball) or keep its edges (a can).
    """
    angle = np.linspace(0.0, 2.0 * math.pi, sides + 1)
    around = np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    line = np.asarray(profile, np.float64)
    steps = np.diff(line, axis=0)
    across = np.stack((steps[:, 1], -steps[:, 0]), axis=-1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    middle = line.mean(axis=0)
    mids = 0.5 * (line[1:] + line[:-1])
    across *= np.where(((mids - (0.0, middle[1])) * across).sum(axis=1) < 0.0, -1.0, 1.0)[:, None]
    shapes = []
    for k in range(len(line) - 1):
        ends = line[k : k + 2]
        if smooth:
            blend = [across[max(k - 1, 0)] + across[k], across[k] + across[min(k + 1, len(across) - 1)]]
        else:
            blend = [across[k], across[k]]
        bent = np.asarray(blend) / np.maximum(np.linalg.norm(blend, axis=1, keepdims=True), 1e-12)
        points = np.concatenate(
            [np.column_stack((around * radius, np.full(sides + 1, z))) for radius, z in ends.tolist()]
        )
        normals = np.concatenate([np.column_stack((around * n[0], np.full(sides + 1, n[1]))) for n in bent])
        v0, v1 = k / (len(line) - 1), (k + 1) / (len(line) - 1)
        u = angle / (2 * math.pi)
        uv = np.concatenate((np.column_stack((u, np.full_like(u, v0))), np.column_stack((u, np.full_like(u, v1)))))
        triangles = grid_triangles(2, sides + 1)
        flat = points[triangles]
        area = np.linalg.norm(np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]), axis=1)
        shapes.append(Shape(points, normals, uv, triangles[area > 1e-10]))
    return merged(shapes)


def cylinder(radius_m: float, height_m: float, sides: int = 8, *, cap: bool = True) -> Shape:
    """Return an upright cylinder that stands on z = 0, with a top unless `cap` is False."""
    profile = [(radius_m, 0.0), (radius_m, height_m)] + ([(0.0, height_m)] if cap else [])
    return lathe(profile, sides, smooth=False)


def plate(outline: Floats, half_m: float) -> Shape:
    """Return a flat plate in the plane x = 0 that faces -x, with uv from the square of half size `half_m` around it.

    Args:
        outline: (N, 2) points (y_m, z_m) of a convex outline around the origin; the reader of the plate looks along +x
            and sees y grow to the right, as u does.
        half_m: Half side of the square that the texture covers.
    """
    y, z = outline.T
    vertices = np.concatenate(([[0.0, 0.0, 0.0]], np.column_stack((np.zeros(len(y)), y, z))))
    uv = 0.5 + 0.5 * np.column_stack((vertices[:, 1], -vertices[:, 2])) / half_m
    k = np.arange(len(y))
    triangles = np.stack((np.zeros_like(k), 1 + k, 1 + (k + 1) % len(y)), axis=1)
    return Shape(vertices, np.tile([-1.0, 0.0, 0.0], (len(vertices), 1)), uv, triangles)


def plate_back(outline: Floats, thickness_m: float) -> Shape:
    """Return the rim and the back of a plate (see `plate`), for the unpainted metal."""
    face = plate(outline, 1.0)
    back = Shape(face.vertices_m + (thickness_m, 0.0, 0.0), -face.normals, face.uv * 0.0, face.triangles)
    ring = face.vertices_m[1:]
    ring = np.concatenate((ring, ring[:1]))
    outwards = ring * (0.0, 1.0, 1.0)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    points = np.concatenate((ring, ring + (thickness_m, 0.0, 0.0)))
    rim = Shape(points, np.tile(outwards, (2, 1)), np.zeros((len(points), 2)), grid_triangles(2, len(ring)))
    return merged((back, rim))
