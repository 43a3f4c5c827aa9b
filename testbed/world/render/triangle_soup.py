"""Objects of a scene flattened into lists of triangles, and triangles grouped into clusters for culling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.semantic_tags import SemanticTag
from testbed.world.render.camera import pose_matrix
from testbed.world.render.mesh import Material, Mesh
from testbed.world.render.scene import Scene, SceneObject
from testbed.world.render.structs import KIND_ROAD, KIND_TEXTURED

CELL_M = 32.0
"""Static triangles are grouped by squares of this side."""

CLUSTER_TRIANGLES = 192
"""A static cluster has at most this many triangles."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Runs of triangles with a bounding sphere each.

    Attributes:
        centres: Shape (n, 3), float64; world frame for static clusters, object frame for moving ones.
        radii_m: Shape (n,).
        first: Shape (n,), first triangle.
        count: Shape (n,), number of triangles.
        casts: Shape (n,), whether the cluster casts shadows.
        grain_m: Shape (n,), side of a square as large as an average triangle of the cluster.
    """

    centres: NDArray[np.float64]
    radii_m: NDArray[np.float64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    casts: NDArray[np.bool_]
    grain_m: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spheres:
    """Spheres that stand still or ride on moving objects.

    Attributes:
        owner: Shape (n,), int64, row of the mover, -1 for what is static.
        centres: Shape (n, 3), float64; world frame for static spheres, frame of the owner for the others.
        radii_m: Shape (n,), float64.
    """

    owner: NDArray[np.int64]
    centres: NDArray[np.float64]
    radii_m: NDArray[np.float64]

    @staticmethod
    def gather(spheres: list[tuple[int, NDArray[np.float64], float]]) -> Spheres:
        """Return the table of (owner, centre, radius) in a list."""
        return Spheres(
            np.array([owner for owner, _, _ in spheres], np.int64),
            np.array([centre for _, centre, _ in spheres], np.float64).reshape(-1, 3),
            np.array([radius_m for _, _, radius_m in spheres], np.float64),
        )


class PartTable:
    """Rows of the part and band tables, filled while objects are flattened."""

    def __init__(self, scene: Scene, texture_rows: dict[str, int]) -> None:
        """Start empty."""
        self.rows: list[tuple[Any, ...]] = []
        self.bands: list[tuple[Any, ...]] = []
        self._band_start: dict[str, int] = {}
        self._scene = scene
        self._texture_rows = texture_rows

    def copy(self) -> PartTable:
        """Return a table that can grow on its own."""
        other = PartTable(self._scene, self._texture_rows)
        other.rows, other.bands, other._band_start = list(self.rows), list(self.bands), dict(self._band_start)
        return other

    def add(
        self, item: SceneObject, soup: TriangleSoup, matrix: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], float] | None:
        """Flatten an object, in the world if ``matrix`` is given; return the sphere around its sign faces, if any."""
        faces: list[NDArray[np.float32]] = []
        for mesh in item.parts:
            material = self._scene.materials[mesh.material]
            painted = item.painted is not None and material.kind == "textured" and material.texture == item.paint
            tag = mesh.tag or item.tag
            self.rows.append(self._row(item, material, mesh.material, tag, painted))
            soup.add(mesh, len(self.rows) - 1, matrix)
            if tag == SemanticTag.TRAFFIC_SIGNS:
                faces.append(mesh.vertices_m)
        if not faces:
            return None
        centre, radius_m = bounding_sphere(np.concatenate(faces))
        return (centre if matrix is None else matrix[:3, :3] @ centre + matrix[:3, 3]), radius_m

    def _row(self, item: SceneObject, material: Material, name: str, tag: int, painted: bool) -> tuple[Any, ...]:
        if name not in self._band_start:
            self._band_start[name] = len(self.bands)
            self.bands += [(band.t_m, band.width_m, band.dash_m, band.gap_m, band.rgb) for band in material.bands]
        texture = item.painted if painted else material.texture
        return (
            tag,
            item.instance_id,
            KIND_ROAD if material.kind == "road" else KIND_TEXTURED,
            -1 if texture is None else self._texture_rows[texture],
            self._band_start[name],
            len(material.bands),
            (1.0, 1.0, 1.0) if painted else material.albedo,
            material.specular,
            material.shininess,
            material.emissive,
        )


class StaticTriangles:
    """Everything static, flattened in the world and sorted into clusters.

    Attributes:
        arrays: Vertices, normals, uv, triangles and part of every triangle.
        clusters: Runs of the triangles.
        table: Part table so far.
        signs: (-1, centre, radius in m) of sign faces.
    """

    def __init__(self, scene: Scene, texture_rows: dict[str, int]) -> None:
        """Flatten what is static and visible."""
        self.table = PartTable(scene, texture_rows)
        self.signs: list[tuple[int, NDArray[np.float64], float]] = []
        soup = TriangleSoup()
        casts: list[NDArray[np.bool_]] = []
        for item in scene.objects.values():
            if item.static and item.visible:
                before = soup.triangle_count
                sphere = self.table.add(item, soup, pose_matrix(item.pose))
                if sphere is not None:
                    self.signs.append((-1, *sphere))
                casts.append(np.full(soup.triangle_count - before, item.casts_shadow))
        vertices, normals, uvs, triangles, parts = soup.arrays()
        order, self.clusters = _cluster(vertices, triangles, join(casts, np.bool_))
        # Vertices in the order in which the clusters use them: what is drawn together lies together in memory.
        used, first, back = np.unique(triangles[order], return_index=True, return_inverse=True)
        by_use = np.argsort(first)
        place = np.empty(len(used), np.int32)
        place[by_use] = np.arange(len(used), dtype=np.int32)
        kept = used[by_use]
        self.arrays = (vertices[kept], normals[kept], uvs[kept], place[back].reshape(-1, 3), parts[order])


class TriangleSoup:
    """Growing lists of mesh arrays with running indices.

    Attributes:
        vertex_count: Vertices so far.
        triangle_count: Triangles so far.
    """

    def __init__(self, first_vertex: int = 0) -> None:
        """Start empty; vertices are counted from ``first_vertex``."""
        self.vertex_count = 0
        self.triangle_count = 0
        self._first_vertex = first_vertex
        self._lists: tuple[list[NDArray[Any]], ...] = ([], [], [], [], [])

    def add(self, mesh: Mesh, part: int, matrix: NDArray[np.float64] | None) -> None:
        """Append a mesh, in the world if ``matrix`` is given; ``part`` is its row of the part table."""
        vertices, normals = mesh.vertices_m, mesh.normals
        if matrix is not None:
            rotation = matrix[:3, :3]
            vertices = (vertices @ rotation.T + matrix[:3, 3]).astype(np.float32)
            normals = (normals @ rotation.T).astype(np.float32)
        self._lists[0].append(vertices)
        self._lists[1].append(normals)
        self._lists[2].append(mesh.uv)
        self._lists[3].append(mesh.triangles + np.int32(self._first_vertex + self.vertex_count))
        self._lists[4].append(np.full(len(mesh.triangles), part, np.int32))
        self.vertex_count += len(vertices)
        self.triangle_count += len(mesh.triangles)

    def arrays(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[Any], NDArray[Any]]:
        """Return vertices (n, 3), normals (n, 3), uv (n, 2), triangles (m, 3) and the part of every triangle (m,)."""
        vertices, normals, uvs, triangles, parts = self._lists
        return (
            join(vertices, np.float32, 3),
            join(normals, np.float32, 3),
            join(uvs, np.float32, 2),
            join(triangles, np.int32, 3),
            join(parts, np.int32),
        )


def index_runs(first: NDArray[Any], count: NDArray[Any]) -> NDArray[np.int32]:
    """Return ``concatenate([arange(f, f + c) for f, c in zip(first, count)])`` without the loop."""
    total = int(count.sum())
    ends = np.cumsum(count)
    ids: NDArray[np.int32] = (np.arange(total) + np.repeat(first - (ends - count), count)).astype(np.int32)
    return ids


def join(arrays: list[NDArray[Any]], dtype: Any, columns: int = 0) -> NDArray[Any]:
    """Return arrays behind each other, also when there are none; ``columns`` is 0 for flat ones."""
    if arrays:
        return np.concatenate(arrays).astype(dtype, copy=False)
    return np.zeros((0, columns) if columns else 0, dtype)


def bounding_sphere(points: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Return centre and radius in m of a sphere around points, shape (n, 3)."""
    if not len(points):
        return np.zeros(3), 0.0
    centre = 0.5 * (points.min(axis=0).astype(np.float64) + points.max(axis=0))
    return centre, float(np.sqrt(((points - centre) ** 2).sum(axis=1).max()))


def _areas(vertices: NDArray[np.float32], triangles: NDArray[Any]) -> NDArray[np.float64]:
    corners = vertices[triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.asarray(0.5 * np.linalg.norm(normals, axis=1))


def mean_triangle_side_m(vertices: NDArray[np.float32], triangles: NDArray[Any]) -> float:
    """Return the side in m of a square as large as an average triangle."""
    return float(np.sqrt(_areas(vertices, triangles).mean())) if len(triangles) else 0.0


def _cluster(
    vertices: NDArray[np.float32], triangles: NDArray[Any], casts: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Clusters]:
    """Sort static triangles by size class and place, shuffled within, and cut them into clusters.

    Returns:
        The order of the triangles, and the clusters.
    """
    if not len(triangles):
        empty = np.zeros(0, np.int64)
        return empty, Clusters(np.zeros((0, 3)), np.zeros(0), empty, empty, np.zeros(0, bool), np.zeros(0))
    corners = vertices[triangles].astype(np.float64)
    areas = _areas(vertices, triangles)
    size_class = np.floor(0.5 * np.log2(np.maximum(areas, 1e-6))).astype(np.int64)
    cell = np.floor(corners.mean(axis=1)[:, :2] / CELL_M).astype(np.int64)
    shuffle = np.random.default_rng(0).permutation(len(triangles))
    order = np.lexsort((shuffle, cell[:, 1], cell[:, 0], size_class, casts))
    key = np.column_stack([casts[order], size_class[order], cell[order]])
    fresh = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]).any(axis=1)])
    sizes = np.diff(np.r_[fresh, len(order)])
    chunks = -(-sizes // CLUSTER_TRIANGLES)
    first = np.repeat(fresh, chunks) + CLUSTER_TRIANGLES * (
        np.arange(chunks.sum()) - np.repeat(np.cumsum(chunks) - chunks, chunks)
    )
    count = np.diff(np.r_[first, len(order)])
    low = np.minimum.reduceat(corners[order].min(axis=1), first, axis=0)
    high = np.maximum.reduceat(corners[order].max(axis=1), first, axis=0)
    radii_m = 0.5 * np.linalg.norm(high - low, axis=1)
    grain_m = np.sqrt(np.add.reduceat(areas[order], first) / count)
    return order, Clusters(0.5 * (low + high), radii_m, first, count, casts[order][first], grain_m)
