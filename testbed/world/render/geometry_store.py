"""Triangles of a scene on the device: moved only when needed, with tables of their clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from testbed.world.render import geometry
from testbed.world.render.camera import PinholeCamera, pose_matrix
from testbed.world.render.device_arrays import GrowingArray
from testbed.world.render.scene import Scene
from testbed.world.render.structs import BandRow, PartRow, SceneArrays, table_dtype
from testbed.world.render.triangle_soup import (
    Clusters,
    Spheres,
    StaticTriangles,
    TriangleSoup,
    bounding_sphere,
    index_runs,
    join,
    mean_triangle_side_m,
)

STATIC_GRAIN_PX, MOVING_GRAIN_PX = 0.6, 0.1
"""Triangles smaller than this on average are thinned out; vehicles, which matter more, later than scenery."""


class ClusterTable:
    """Clusters on the device, for culling.

    Attributes:
        bounds: Vec4, centre in the world and radius in m; negative for a cluster that is not to be drawn.
        first: First triangle.
        count: Number of triangles.
        grain_m: As in ``Clusters``.
        finest_px: Clusters whose triangles are smaller than this on average are thinned out.
    """

    def __init__(self, clusters: Clusters, finest_px: float, device: str) -> None:
        """Upload what does not change; ``place`` gives the bounds."""
        self.finest_px = finest_px
        self._clusters = clusters
        self._bounds = GrowingArray(wp.vec4, device)
        self.bounds = self._bounds.array
        self.first, self.count = GrowingArray(wp.int32, device), GrowingArray(wp.int32, device)
        self.grain_m = GrowingArray(wp.float32, device)
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
        arrays: For the shader.
        vertices: World positions, vec3.
        normals: World normals, vec3.
        triangles: Vertex indices, vec3i.
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
        self.fixed: StaticTriangles = before.fixed if before is not None else StaticTriangles(scene, texture_rows)
        self.static = self.fixed.clusters
        self.first_moving = len(self.fixed.arrays[0])
        first_triangle = len(self.fixed.arrays[3])
        self.handles = [handle for handle, item in scene.objects.items() if not item.static]
        self.movers = [scene.objects[handle] for handle in self.handles]
        table = self.fixed.table.copy()
        signs = list(self.fixed.signs)
        soup = TriangleSoup(self.first_moving)
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
        spheres = [
            bounding_sphere(local[ids]) for ids in np.split(np.arange(len(local)), np.cumsum(self._vertex_count)[:-1])
        ]
        spheres = spheres[: len(self.movers)]
        self.moving = Clusters(
            np.array([centre for centre, _ in spheres]).reshape(-1, 3),
            np.array([radius_m for _, radius_m in spheres]),
            first_triangle + np.array(starts, np.int64),
            counts,
            np.array([item.casts_shadow for item in self.movers], bool),
            np.array(
                [mean_triangle_side_m(local, local_triangles[a : a + n]) for a, n in zip(starts, counts, strict=True)]
            ),
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
        self.triangles = upload(both[3], wp.vec3i)
        self.arrays = SceneArrays()
        self.arrays.vertices, self.arrays.normals, self.arrays.triangles = self.vertices, self.normals, self.triangles
        self.arrays.uvs = upload(both[2], wp.vec2)
        self.arrays.triangle_part = upload(both[4], wp.int32)
        self.arrays.parts = upload(np.array(table.rows, table_dtype(PartRow)), PartRow)
        self.arrays.bands = upload(np.array(table.bands, table_dtype(BandRow)), BandRow)
        self._local, self._local_normals = upload(local, wp.vec3), upload(moving[1], wp.vec3)
        self.signs = Spheres.gather(signs)
        self._owner = upload(join(owner, np.int32), wp.int32)
        self._ids, self._matrices = GrowingArray(wp.int32, device), GrowingArray(wp.mat44, device)
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

    def in_view(self, camera: PinholeCamera) -> NDArray[np.bool_]:
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
        ids = index_runs(np.array(self._vertex_first)[rows], np.array(self._vertex_count)[rows])
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
