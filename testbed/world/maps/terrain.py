"""Land around the roads: level beside them, hills farther out, a patchwork of fields.

Two grids: fine cells near roads, coarse ones to the horizon. Heights come from one seeded function, so trees and houses
stand on it exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets.shapes import Shape
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.reference_line import Floats
from testbed.world.maps.scenery_builder import SceneryBuilder

BELOW_ROAD_M = 0.42
_NEAR_CELL_M, _NEAR_CHUNK = 20.0, 10
_FAR_CELL_M, _FAR_CHUNK = 100.0, 8
_NEAR_REACH_M, _FAR_REACH_M = 160.0, 1800.0
_MAX_FAR_CELLS = 20_000
FIELDS = ("meadow", "grain", "crop", "earth", "meadow", "crop")
_TILE_M = {"grass": 6.0, "meadow": 40.0, "grain": 40.0, "crop": 40.0, "earth": 40.0}


class Terrain:
    """Heights and land use as functions of position.

    Attributes:
        low_m: Lowest x and y of the roads, shape (2,).
        high_m: Highest x and y of the roads.
    """

    def __init__(self, network: RoadNetwork, seed: int) -> None:
        """Sample the roads every ten metres, every four on hills, and draw the hills from the seed."""
        elevations = {road.elevation.rows[0][1] if road.elevation.constant else None for road in network.roads.values()}
        self._flat = len(elevations) == 1 and None not in elevations
        spacing = 10.0 if self._flat else 4.0
        points: list[Floats] = []
        widths: list[Floats] = []
        for road in network.roads.values():
            s = np.linspace(0.0, road.length_m, max(2, math.ceil(road.length_m / spacing) + 1))
            for section in road.sections:
                own = s[(s >= section.start_m - 1e-6) & (s <= section.end_m + 1e-6)]
                if len(own):
                    edges = np.stack(list(road.edges(section, own).values()))
                    middle = 0.5 * (edges.max(axis=0) + edges.min(axis=0))
                    points.append(road.positions(own, middle))
                    widths.append(0.5 * (edges.max(axis=0) - edges.min(axis=0)))
        self._points = np.concatenate(points)
        self._half = np.concatenate(widths)
        self.low_m, self.high_m = self._points[:, :2].min(axis=0), self._points[:, :2].max(axis=0)
        plain = [road for road in network.roads.values() if road.junction == -1]
        street_m = sum(road.length_m for road in plain if road.type_at(0.0)[0] == "town")
        # Towns are built on level ground.
        self.lawn_m = 60.0 if street_m > 0.5 * sum(road.length_m for road in plain) else 0.0
        generator = np.random.default_rng(seed)
        count = 14
        wavelength = np.geomspace(260.0, 2600.0, count)
        direction = generator.uniform(0.0, 2.0 * np.pi, count)
        self._waves = np.stack((np.cos(direction), np.sin(direction))) * (2 * np.pi / wavelength)
        self._phase = generator.uniform(0.0, 2.0 * np.pi, count)
        self._gain = (wavelength / 2600.0) ** 0.8
        self._jitter = generator.uniform(-0.4, 0.4, (64, 64, 2))
        self._crop = generator.integers(0, len(FIELDS), (64, 64))

    def nearest(self, xy_m: Floats) -> tuple[Floats, Floats]:
        """Return distance from the nearest road's edge and height of the roads around, each (N,), at points (N, 2).

        Where roads lie at different heights, theirs are averaged with the inverse fourth power of the distance: beside
        a road the land follows it, between two it leads smoothly from one to the other.
        """
        distance = np.empty(len(xy_m))
        height = np.empty(len(xy_m))
        step = max(1, 4_000_000 // len(self._points))
        for first in range(0, len(xy_m), step):
            part = xy_m[first : first + step]
            squared = (part[:, :1] - self._points[:, 0]) ** 2 + (part[:, 1:] - self._points[:, 1]) ** 2
            best = squared.argmin(axis=1)
            rows = np.arange(len(part))
            distance[first : first + step] = np.sqrt(squared[rows, best]) - self._half[best]
            if self._flat:
                height[first : first + step] = self._points[best, 2]
            else:
                weight = (squared + 4.0) ** -2
                height[first : first + step] = weight @ self._points[:, 2] / weight.sum(axis=1)
        return np.maximum(distance, 0.0), height

    def heights(self, xy_m: Floats) -> Floats:
        """Return ground heights (N,) at points (N, 2)."""
        return self.heights_and_distance(xy_m)[0]

    def heights_and_distance(self, xy_m: Floats) -> tuple[Floats, Floats]:
        """Return ground heights and distances from the nearest road, each (N,), at points (N, 2)."""
        distance, base = self.nearest(xy_m)
        away = distance - self.lawn_m
        waves = np.sin(xy_m @ self._waves + self._phase) @ self._gain / self._gain.sum()
        ridge = np.sin(2.3 * (xy_m @ self._waves[:, :6]) + self._phase[:6]).mean(axis=1)
        bank = _smooth((away - 8.0) / 30.0) * 3.2 * ridge
        hills = _smooth((away - 40.0) / 420.0) * (26.0 * waves + 7.0)
        rim = _smooth((distance - 500.0) / 1300.0) * 55.0
        ground: Floats = base - BELOW_ROAD_M + bank + hills + rim
        return ground, distance

    def land_use(self, xy_m: Floats) -> NDArray[np.int64]:
        """Return an index into FIELDS for points (N, 2): Voronoi cells of about 130 m."""
        cell = np.floor(xy_m / 130.0).astype(np.int64)
        best = np.full(len(xy_m), np.inf)
        use = np.zeros(len(xy_m), np.int64)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                c, r = (cell[:, 0] + i) % 64, (cell[:, 1] + j) % 64
                site = (cell + (i, j) + 0.5 + self._jitter[c, r]) * 130.0
                gap = ((xy_m - site) ** 2).sum(axis=1)
                closer = gap < best
                use[closer] = self._crop[c, r][closer]
                best[closer] = gap[closer]
        return use


def _smooth(x: Floats) -> Floats:
    w = np.clip(x, 0.0, 1.0)
    result: Floats = w * w * (3.0 - 2.0 * w)
    return result


def build_terrain(terrain: Terrain, builder: SceneryBuilder) -> None:
    """Put the land into the scenery."""
    low = np.floor((terrain.low_m - _NEAR_REACH_M) / _NEAR_CELL_M)
    high = np.ceil((terrain.high_m + _NEAR_REACH_M) / _NEAR_CELL_M)
    for chunk in _chunks(low, high, _NEAR_CHUNK):
        _patch(terrain, builder, chunk, _NEAR_CELL_M, "near", 0.0, _NEAR_REACH_M)
    cell = _FAR_CELL_M
    size = terrain.high_m - terrain.low_m + 2.0 * _FAR_REACH_M
    while float(np.prod(size / cell)) > _MAX_FAR_CELLS:
        cell *= 2.0
    low = np.floor((terrain.low_m - _FAR_REACH_M) / cell)
    high = np.ceil((terrain.high_m + _FAR_REACH_M) / cell)
    for chunk in _chunks(low, high, _FAR_CHUNK):
        # The coarse grid starts inside the fine one and a little below, which hides the seam.
        _patch(terrain, builder, chunk, cell, "far", _NEAR_REACH_M - 2.0 * _NEAR_CELL_M, math.inf)


def _chunks(low: Floats, high: Floats, size: int) -> Iterable[tuple[int, int, int, int]]:
    for i in range(int(low[0]), int(high[0]), size):
        for j in range(int(low[1]), int(high[1]), size):
            yield i, j, min(i + size, int(high[0])), min(j + size, int(high[1]))


def _patch(
    terrain: Terrain,
    builder: SceneryBuilder,
    chunk: tuple[int, int, int, int],
    cell_m: float,
    label: str,
    from_m: float,
    to_m: float,
) -> None:
    """Put one chunk of a grid, with those cells whose middle lies in a range of distances from the roads."""
    i0, j0, i1, j1 = chunk
    gx, gy = np.meshgrid(np.arange(i0, i1 + 1) * cell_m, np.arange(j0, j1 + 1) * cell_m, indexing="ij")
    xy = np.stack((gx.ravel(), gy.ravel()), axis=-1)
    middle = np.array([[0.5 * (i0 + i1) * cell_m, 0.5 * (j0 + j1) * cell_m]])
    half = 0.5 * math.hypot(i1 - i0, j1 - j0) * cell_m
    reach = float(terrain.nearest(middle)[0][0])
    if reach - half > to_m or reach + half + 30.0 < from_m:
        return
    z, _ = terrain.heights_and_distance(xy)
    columns = j1 - j0 + 1
    a = (np.arange(i1 - i0)[:, None] * columns + np.arange(j1 - j0)[None]).ravel()
    centres = 0.5 * (xy[a] + xy[a + columns + 1])
    distance, _ = terrain.nearest(centres)
    keep = (distance >= from_m) & (distance < to_m)
    if not keep.any():
        return
    a, centres, distance = a[keep], centres[keep], distance[keep]
    vertices = np.column_stack((xy, z - (1.5 if label == "far" else 0.0)))
    triangles = np.concatenate(
        (np.stack((a, a + columns, a + 1), 1), np.stack((a + 1, a + columns, a + columns + 1), 1))
    )
    # Normals from the height function, not from the mesh: neighbouring chunks then shade alike at their seam.
    e = 0.5 * cell_m
    slope = [(terrain.heights(xy + d) - terrain.heights(xy - d)) / (2 * e) for d in ((e, 0.0), (0.0, e))]
    normals = np.column_stack((-slope[0], -slope[1], np.ones(len(xy))))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    use = np.array(FIELDS)[terrain.land_use(centres)]
    use[distance < max(14.0, terrain.lawn_m)] = "grass"
    parts = []
    for name in sorted(set(use.tolist())):
        chosen = np.tile(use == name, 2)
        own = triangles[chosen]
        used, compact = np.unique(own, return_inverse=True)
        shape = Shape(vertices[used], normals[used], xy[used] / _TILE_M[name], compact.reshape(-1, 3))
        parts.append((shape, name))
    builder.add_shapes(f"terrain_{label}_{i0}_{j0}", parts, tag=SemanticTag.TERRAIN, casts_shadow=False)
