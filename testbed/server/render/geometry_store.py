"""Triangles of a scene on the device: flattened, grouped into clusters for culling, moved only when needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from testbed.server.render import geometry
from testbed.server.render.camera import Camera, pose_matrix
from testbed.server.render.mesh import Material, Mesh
from testbed.server.render.scene import Scene, SceneObject
from testbed.server.render.staging import Staging
from testbed.server.render.structs import KIND_ROAD, KIND_TEXTURED, BandRow, PartRow, table_dtype

CELL_M = 32.0
"""Static triangles are grouped by squares of this side."""

CLUSTER_TRIANGLES = 192
"""A static cluster has at most this many triangles."""

STATIC_GRAIN_PX, MOVING_GRAIN_PX = 0.6, 0.1
"""Triangles smaller than this on average are thinned out; vehicles, which matter more, later than scenery."""

TAG_SIGN = 8


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


class ClusterTable:
    """Clusters on the device, for culling.

    Attributes:
        bounds: vec4, centre in the world and radius in m; negative for a cluster that is not to be drawn.
        first: First triangle.
        count: Number of triangles.
        grain_m: As in ``Clusters``.
        finest_px: Clusters whose triangles are smaller than this on average are thinned out.
    """

    def __init__(self, clusters: Clusters, finest_px: float, device: str) -> None:
        """Upload what does not change; ``place`` gives the bounds."""
        self.finest_px = finest_px
        self._clusters = clusters
        self._bounds = Staging(wp.vec4, device)
        self.bounds = self._bounds.array
        self.first, self.count = Staging(wp.int32, device), Staging(wp.int32, device)
        self.grain_m = Staging(wp.float32, device)
        self.first.fill(clusters.first)
        self.count.fill(clusters.count)
        self.grain_m.fill(clusters.grain_m)

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self._clusters.count)

    def place(self, centres: NDArray[np.float64], drawn: NDArray[np.bool_]) -> None:
        """Tell where the clusters are, shape (n, 3), and which are to be drawn, shape (n,)."""
        radii_m = np.where(drawn, self._clusters.radii_m, -1.0)
        self.bounds = self._bounds.fill(np.column_stack([centres, radii_m]))


class GeometryStore:
    """Device arrays of all triangles, static ones first.

    Attributes:
        vertices: World positions, vec3.
        normals: World normals, vec3.
        uvs: Texture coordinates, vec2.
        triangles: Vertex indices, vec3i.
        triangle_part: Row of the part table for every triangle.
        parts: Part table.
        bands: Table of painted lines.
        static: Clusters of static triangles.
        moving: Clusters of moving objects, one each, in the order of ``movers``.
        static_table: The static clusters on the device.
        moving_table: The moving clusters on the device.
        movers: Objects that may move.
        handles: Their handles in the scene.
        matrices: Shape (len(movers), 4, 4), float64, object to world.
        moving_centres: World centres of the moving clusters, shape (len(movers), 3), float64.
        shown: Shape (len(movers),), whether each is visible.
        first_moving: First vertex that belongs to a moving object.
        signs: Bounding spheres of sign faces.
    """

    def __init__(self, scene: Scene, texture_rows: dict[str, int], device: str, before: GeometryStore | None) -> None:
        """Flatten and upload the scene.

        Args:
            scene: What to draw.
            texture_rows: Rows of the texture table by name.
            device: Where to.
            before: An earlier store of the same scene, whose static part still holds; None to flatten that as well.
        """
        self.device = device
        self.fixed: StaticSoup = before.fixed if before is not None else StaticSoup(scene, texture_rows)
        self.static = self.fixed.clusters
        self.first_moving = len(self.fixed.arrays[0])
        first_triangle = len(self.fixed.arrays[3])
        self.handles = [handle for handle, item in scene.objects.items() if not item.static]
        self.movers = [scene.objects[handle] for handle in self.handles]
        table = self.fixed.table.copy()
        signs = list(self.fixed.signs)
        soup = _Soup(self.first_moving)
        owner: list[NDArray[np.int32]] = []
        starts, self._vertex_first = [], []
        for k, item in enumerate(self.movers):
            starts.append(soup.triangle_count)
            self._vertex_first.append(self.first_moving + soup.vertex_count)
            before_count = soup.vertex_count
            sphere = table.add(item, soup, None)
            if sphere is not None:
                signs.append((k, *sphere))
            owner.append(np.full(soup.vertex_count - before_count, k, np.int32))
        self._vertex_count = [len(part) for part in owner]
        moving = soup.arrays()
        local, local_triangles = moving[0], moving[3] - np.int32(self.first_moving)
        counts = np.diff([*starts, soup.triangle_count]).astype(np.int64)
        spheres = [_sphere(local[ids]) for ids in np.split(np.arange(len(local)), np.cumsum(self._vertex_count)[:-1])]
        spheres = spheres[: len(self.movers)]
        self.moving = Clusters(
            np.array([centre for centre, _ in spheres]).reshape(-1, 3),
            np.array([radius_m for _, radius_m in spheres]),
            first_triangle + np.array(starts, np.int64),
            counts,
            np.array([item.casts_shadow for item in self.movers], bool),
            np.array([_grain(local, local_triangles[a : a + n]) for a, n in zip(starts, counts, strict=True)]),
        )

        self.moving_table = ClusterTable(self.moving, MOVING_GRAIN_PX, device)
        self.static_table: ClusterTable
        if before is not None:
            self.static_table = before.static_table
        else:
            self.static_table = ClusterTable(self.static, STATIC_GRAIN_PX, device)
            self.static_table.place(self.static.centres, np.ones(len(self.static.count), bool))

        def upload(array: NDArray[Any], dtype: Any) -> Any:
            return wp.array(array if len(array) else np.zeros((1, *array.shape[1:]), array.dtype), dtype, device=device)

        both = [np.concatenate(pair) for pair in zip(self.fixed.arrays, moving, strict=True)]
        self.vertices, self.normals = upload(both[0], wp.vec3), upload(both[1], wp.vec3)
        self.uvs, self.triangles = upload(both[2], wp.vec2), upload(both[3], wp.vec3i)
        self.triangle_part = upload(both[4], wp.int32)
        self.parts = upload(np.array(table.rows, table_dtype(PartRow)), PartRow)
        self.bands = upload(np.array(table.bands, table_dtype(BandRow)), BandRow)
        self._local, self._local_normals = upload(local, wp.vec3), upload(moving[1], wp.vec3)
        self.signs = Spheres.gather(signs)
        self._owner = upload(_join(owner, np.int32), wp.int32)
        self._ids, self._matrices = Staging(wp.int32, device), Staging(wp.mat44, device)
        self.matrices = np.zeros((len(self.movers), 4, 4))
        self.shown = np.zeros(len(self.movers), bool)
        self._poses: list[Any] = [None] * len(self.movers)
        self._stale = np.ones(len(self.movers), bool)
        self.follow()

    def follow(self) -> None:
        """Take over poses and visibility of the moving objects."""
        for k, item in enumerate(self.movers):
            if item.pose is not self._poses[k]:
                self._poses[k] = item.pose
                self.matrices[k] = pose_matrix(item.pose)
                self._stale[k] = True
            self.shown[k] = item.visible
        self.moving_centres = self._in_world(np.arange(len(self.movers)), self.moving.centres)

    def sign_centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return world centres, shape (n, 3), and radii in m, shape (n,), of the sign faces that can be seen."""
        owner = self.signs.owner
        fixed = owner < 0
        shown = fixed.copy()
        shown[~fixed] = self.shown[owner[~fixed]]
        centres = self.signs.centres.copy()
        centres[~fixed] = self._in_world(owner[~fixed], centres[~fixed])
        return centres[shown], self.signs.radii_m[shown]

    def _in_world(self, rows: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring a point of each listed mover, shape (n, 3), to the world."""
        matrices = self.matrices[rows]
        turned: NDArray[np.float64] = np.einsum("nij,nj->ni", matrices[:, :3, :3], points)
        return turned + matrices[:, :3, 3]

    def in_view(self, camera: Camera) -> NDArray[np.bool_]:
        """Return which moving objects may be in view, shape (len(movers),); the kernel looks closer."""
        to_world = pose_matrix(camera.pose)
        half = np.array([camera.width_px, camera.height_px]) * 0.5 / camera.focal_px
        local = (self.moving_centres - to_world[:3, 3]) @ to_world[:3, :3]
        beside = (np.abs(local[:, 1:]) - local[:, :1] * half) / np.sqrt(1.0 + half**2)
        reach_m = 1.001 * self.moving.radii_m + 0.01
        return np.asarray((beside <= reach_m[:, None]).all(axis=1) & (local[:, 0] + reach_m >= geometry.NEAR_M))

    def move(self, needed: NDArray[np.bool_]) -> None:
        """Bring the vertices of the needed objects, shape (len(movers),) bool, to where the objects are."""
        rows = np.flatnonzero(needed & self._stale)
        if not len(rows):
            return
        ids = expand(np.array(self._vertex_first)[rows], np.array(self._vertex_count)[rows])
        if len(ids):
            wp.launch(
                geometry.move,
                len(ids),
                [
                    self._ids.fill(ids),
                    self._owner,
                    self.first_moving,
                    self._matrices.fill(self.matrices),
                    self._local,
                    self._local_normals,
                    self.vertices,
                    self.normals,
                ],
                device=self.device,
            )
        self._stale[rows] = False


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
        self, item: SceneObject, soup: _Soup, matrix: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], float] | None:
        """Flatten an object, in the world if ``matrix`` is given; return the sphere around its sign faces, if any."""
        faces: list[NDArray[np.float32]] = []
        for mesh in item.parts:
            material = self._scene.materials[mesh.material]
            painted = item.painted is not None and material.kind == "textured" and material.texture == item.paint
            tag = mesh.tag or item.tag
            self.rows.append(self._row(item, material, mesh.material, tag, painted))
            soup.add(mesh, len(self.rows) - 1, matrix)
            if tag == TAG_SIGN:
                faces.append(mesh.vertices_m)
        if not faces:
            return None
        centre, radius_m = _sphere(np.concatenate(faces))
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


class StaticSoup:
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
        soup = _Soup()
        casts: list[NDArray[np.bool_]] = []
        for item in scene.objects.values():
            if item.static and item.visible:
                before = soup.triangle_count
                sphere = self.table.add(item, soup, pose_matrix(item.pose))
                if sphere is not None:
                    self.signs.append((-1, *sphere))
                casts.append(np.full(soup.triangle_count - before, item.casts_shadow))
        vertices, normals, uvs, triangles, parts = soup.arrays()
        order, self.clusters = _cluster(vertices, triangles, _join(casts, np.bool_))
        self.arrays = (vertices, normals, uvs, triangles[order], parts[order])


class _Soup:
    """Growing lists of mesh arrays with running indices."""

    def __init__(self, first_vertex: int = 0) -> None:
        self.vertex_count = 0
        self.triangle_count = 0
        self._first_vertex = first_vertex
        self._lists: tuple[list[NDArray[Any]], ...] = ([], [], [], [], [])

    def add(self, mesh: Mesh, part: int, matrix: NDArray[np.float64] | None) -> None:
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
        vertices, normals, uvs, triangles, parts = self._lists
        return (
            _join(vertices, np.float32, 3),
            _join(normals, np.float32, 3),
            _join(uvs, np.float32, 2),
            _join(triangles, np.int32, 3),
            _join(parts, np.int32),
        )


def expand(first: NDArray[Any], count: NDArray[Any]) -> NDArray[np.int32]:
    """Return ``concatenate([arange(f, f + c) for f, c in zip(first, count)])`` without the loop."""
    total = int(count.sum())
    ends = np.cumsum(count)
    ids: NDArray[np.int32] = (np.arange(total) + np.repeat(first - (ends - count), count)).astype(np.int32)
    return ids


def _join(arrays: list[NDArray[Any]], dtype: Any, columns: int = 0) -> NDArray[Any]:
    if arrays:
        return np.concatenate(arrays).astype(dtype, copy=False)
    return np.zeros((0, columns) if columns else 0, dtype)


def _sphere(points: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    if not len(points):
        return np.zeros(3), 0.0
    centre = 0.5 * (points.min(axis=0).astype(np.float64) + points.max(axis=0))
    return centre, float(np.sqrt(((points - centre) ** 2).sum(axis=1).max()))


def _areas(vertices: NDArray[np.float32], triangles: NDArray[Any]) -> NDArray[np.float64]:
    corners = vertices[triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.asarray(0.5 * np.linalg.norm(normals, axis=1))


def _grain(vertices: NDArray[np.float32], triangles: NDArray[Any]) -> float:
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
