"""Trees and houses, drawn from a seed: rows and groups behind the rails, woods, hamlets, a hall or two."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from testbed.core.geometry import Pose
from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets.shapes import Floats, Shape, box, cylinder, lathe, merged, repeated, smooth_normals
from testbed.world.maps.carriageway import road_stretches
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import Road
from testbed.world.maps.roadside import open_side, outer_edges
from testbed.world.maps.scenery_builder import Extent, SceneryBuilder, upright
from testbed.world.maps.terrain import Terrain

_ROW_NEAR_M, _ROW_FAR_M = 7.5, 28.0


@cache
def _icosphere() -> tuple[Floats, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Return unit points (42, 3) and triangles (80, 3) of an icosahedron whose faces are split once."""
    g = 0.5 * (1 + math.sqrt(5))
    points: list[tuple[float, float, float]] = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g)]
    points += [(0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6)]
    faces += [(7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10)]
    faces += [(8, 6, 7), (9, 8, 1)]
    vertices = [np.array(p, np.float64) / math.hypot(*p) for p in points]
    middle: dict[tuple[int, int], int] = {}

    def halfway(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in middle:
            m = vertices[a] + vertices[b]
            vertices.append(m / np.linalg.norm(m))
            middle[key] = len(vertices) - 1
        return middle[key]

    split = []
    for a, b, c in faces:
        ab, bc, ca = halfway(a, b), halfway(b, c), halfway(c, a)
        split += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.array(vertices), np.array(split, np.int64)


@cache
def _octasphere() -> tuple[Floats, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Return unit points (14, 3) and triangles (24, 3): a cube whose faces are raised to pyramids."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / math.sqrt(3)
    tips = np.concatenate((np.eye(3), -np.eye(3)))
    faces = []
    for number, tip in enumerate(tips):
        ring = [k for k in range(8) if corners[k] @ tip > 0.1]
        u, v = np.roll(tip, 1), np.roll(tip, 2)
        ring.sort(key=lambda k, u=u, v=v: math.atan2(corners[k] @ v, corners[k] @ u))  # type: ignore[misc]
        faces += [(ring[k], ring[(k + 1) % 4], 8 + number) for k in range(4)]
    return np.concatenate((corners, tips)), np.array(faces, np.int64)


def crown(seed: int, width_m: float, height_m: float, *, coarse: bool = False) -> Shape:
    """Return a lumpy broadleaf crown around the origin, 80 triangles, or 24 when coarse."""
    sphere, triangles = _octasphere() if coarse else _icosphere()
    generator = np.random.default_rng(seed)
    lumps = generator.standard_normal((5, 3))
    lumps /= np.linalg.norm(lumps, axis=1, keepdims=True)
    swell = (
        1.0 + 0.28 * np.maximum(sphere @ lumps.T - 0.35, 0.0).max(axis=1) + generator.uniform(-0.12, 0.12, len(sphere))
    )
    swell *= 1.0 - 0.18 * np.maximum(-sphere[:, 2], 0.0)
    points = sphere * swell[:, None] * (0.5 * width_m, 0.5 * width_m, 0.5 * height_m)
    normals = smooth_normals(points, triangles, (0.0, 0.0, 0.0))
    # Leaves are wrapped around like a label; triangles across its seam get corners of their own.
    around = np.arctan2(sphere[:, 1], sphere[:, 0]) / (2.0 * math.pi)
    tiles = max(1, round(math.pi * width_m / 2.6))
    across = np.ptp(around[triangles], axis=1) > 0.5
    behind = (around < 0.0)[triangles] & across[:, None]
    used = np.unique(triangles[behind])
    moved = np.searchsorted(used, triangles) + len(points)
    uv = np.column_stack(
        (np.concatenate((around, around[used] + 1.0)) * tiles, np.append(points[:, 2], points[used, 2]) / 2.6)
    )
    return Shape(
        np.concatenate((points, points[used])),
        np.concatenate((normals, normals[used])),
        uv,
        np.where(behind, moved, triangles),
    )


@cache
def tree(kind: int, close: bool) -> tuple[Shape, Shape, str]:
    """Return (crown, trunk, crown material) of one of six trees, standing on z = 0 and about 9 m high.

    Args:
        kind: 0 to 3 broadleaf, 4 spruce, 5 bush.
        close: Whether it stands near the road; others have about a third of the triangles.
    """
    trunk = cylinder(0.16, 3.4, 6 if close else 3, cap=False)
    if kind < 4:
        parts = [crown(kind, 4.6 + 0.4 * kind, 5.4, coarse=not close).moved(z_m=5.4)]
        parts.append(crown(kind + 10, 3.8, 3.6, coarse=True).moved(1.2, 0.7, 3.9))
        if kind % 2 and close:
            parts.append(crown(kind + 20, 3.4, 3.2, coarse=True).moved(-1.1, -0.6, 4.2))
        return merged(parts), trunk, "leaves" if kind % 2 else "leaves_light"
    if kind == 4:
        sides, tiers = (8, 3) if close else (6, 2)
        step = 6.0 / tiers
        cones = [
            lathe([(2.3 - 0.28 * step * k, 1.2 + step * k), (0.08, 1.2 + step * (k + 1) + 1.5)], sides)
            for k in range(tiers)
        ]
        return merged(cones), trunk.scaled(1.0, 1.0, 0.5), "needles"
    return crown(21, 2.6, 2.2, coarse=True).moved(z_m=0.9), trunk.scaled(0.4, 0.4, 0.2), "leaves"


def build_vegetation(network: RoadNetwork, terrain: Terrain, builder: SceneryBuilder, seed: int) -> None:
    """Put trees along all roads that have open sides, and woods in the land around."""
    generator = np.random.default_rng((seed, 1))
    for road in network.roads.values():
        if road.junction != -1:
            continue
        for number, stretch in enumerate(road_stretches(road)):
            for side in (-1, 1):
                edge = outer_edges(stretch, side)
                if edge is None or not open_side(network, stretch, side, 4.0):
                    continue
                if stretch.across()[-1 if side > 0 else 0].type in ("sidewalk", "walking"):
                    continue
                length = float(stretch.stations_m[-1] - stretch.stations_m[0])
                mood = generator.uniform()
                count = int(generator.poisson(length * (0.02 if mood < 0.35 else 0.10 if mood < 0.75 else 0.22)))
                s = np.sort(generator.uniform(stretch.stations_m[0], stretch.stations_m[-1], count))
                away = _ROW_NEAR_M + (_ROW_FAR_M - _ROW_NEAR_M) * generator.beta(1.3, 1.6, count)
                t = np.interp(s, stretch.stations_m, edge) + side * away
                label = f"{road.id}_{number:03d}_{'left' if side > 0 else 'right'}"
                _plant(network, terrain, builder, generator, road.positions(s, t)[:, :2], f"trees_{label}", away < 15.0)
    _woods(network, terrain, builder, generator)


def _plant(
    network: RoadNetwork,
    terrain: Terrain,
    builder: SceneryBuilder,
    generator: np.random.Generator,
    xy_m: Floats,
    name: str,
    close: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> None:
    """Put one tree at each point (N, 2) that is clear of roads; trees close to a road stop vehicles."""
    if not len(xy_m):
        return
    z, distance = terrain.heights_and_distance(xy_m)
    keep = (distance > 4.5) & _clear_of_structures(network, xy_m)
    if not keep.any():
        return
    xy_m, z, close = xy_m[keep], z[keep], close[keep]
    # Whole groups share a kind more often than not, as planted rows do.
    main = int(generator.integers(0, 6))
    kinds = np.where(generator.uniform(size=len(xy_m)) < 0.5, main, generator.integers(0, 6, len(xy_m)))
    yaw, scale = generator.uniform(0, 2 * math.pi, len(xy_m)), generator.uniform(0.7, 1.25, len(xy_m))
    positions = np.column_stack((xy_m, z - 0.1))
    crowns: dict[str, list[Shape]] = {}
    for kind, near in sorted(set(zip(kinds.tolist(), close.tolist(), strict=True))):
        chosen = (kinds == kind) & (close == near)
        top, trunk, material = tree(kind, near)
        crowns.setdefault(material, []).append(repeated(top, positions[chosen], yaw[chosen], scale[chosen]))
        crowns.setdefault("bark", []).append(repeated(trunk, positions[chosen], yaw[chosen], scale[chosen]))
    solids: list[tuple[Pose, Extent]] = []
    for index in np.flatnonzero(close & (kinds != 5)):
        x, y, ground = positions[index].tolist()
        solids.append(upright((x, y, ground, 0.0, 0.0, 0.0), 0.35, 0.35, 4.0))
    builder.add_shapes(
        name,
        [(merged(shapes), material) for material, shapes in sorted(crowns.items())],
        tag=SemanticTag.VEGETATION,
        solids=solids,
    )


def _clear_of_structures(network: RoadNetwork, xy_m: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    clear = np.ones(len(xy_m), bool)
    for item in network.objects():
        if item.type in ("bridge", "gantry"):
            yaw = math.radians(item.pose[4])
            along = (xy_m[:, 0] - item.pose[0]) * math.cos(yaw) + (xy_m[:, 1] - item.pose[1]) * math.sin(yaw)
            clear &= np.abs(along) > item.length_m * 0.5 + (15.0 if item.type == "bridge" else 4.0)
    for signal in network.signals():
        # A driver must see a sign from 80 m before it.
        yaw = math.radians(signal.pose[4])
        dx, dy = xy_m[:, 0] - signal.pose[0], xy_m[:, 1] - signal.pose[1]
        along, across = dx * math.cos(yaw) + dy * math.sin(yaw), dy * math.cos(yaw) - dx * math.sin(yaw)
        clear &= ~((along > -90.0) & (along < 3.0) & (np.abs(across) < 4.0))
    return clear


def _woods(network: RoadNetwork, terrain: Terrain, builder: SceneryBuilder, generator: np.random.Generator) -> None:
    """Put woods of simple trees at some distance from the roads, one patch per 500 m of road, at most 40."""
    roads = [road for road in network.roads.values() if road.junction == -1]
    total = sum(road.length_m for road in roads)
    simple = lathe([(1.6, 0.5), (2.1, 4.4), (0.0, 8.2)], 5)
    simple = simple.with_uv(simple.uv * (3.0, 2.0))
    pointed = lathe([(2.2, 0.0), (0.0, 10.5)], 5)
    pointed = pointed.with_uv(pointed.uv * (3.0, 2.0))
    for number in range(min(40, math.ceil(total / 500.0))):
        road = _pick(roads, generator)
        s = float(generator.uniform(0.0, road.length_m))
        offset = float(generator.uniform(70.0, 230.0)) * (1 if generator.uniform() < 0.5 else -1)
        centre = np.array(road.pose(s, offset)[:2])
        count = int(generator.integers(70, 150))
        spread = generator.normal(size=(count, 2)) * (38.0, 22.0)
        turn = float(generator.uniform(0, math.pi))
        c, d = math.cos(turn), math.sin(turn)
        xy = centre + np.column_stack((c * spread[:, 0] - d * spread[:, 1], d * spread[:, 0] + c * spread[:, 1]))
        z, distance = terrain.heights_and_distance(xy)
        keep = distance > 35.0
        if keep.sum() < 10:
            continue
        xy, z = xy[keep], z[keep]
        yaw, scale = generator.uniform(0, 6.28, len(xy)), generator.uniform(0.8, 1.35, len(xy))
        needles = generator.uniform(size=len(xy)) < 0.6
        positions = np.column_stack((xy, z - 0.3))
        parts = []
        for shape, material, chosen in ((pointed, "needles", needles), (simple, "leaves", ~needles)):
            if chosen.any():
                parts.append((repeated(shape, positions[chosen], yaw[chosen], scale[chosen]), material))
        builder.add_shapes(f"wood_{number:02d}", parts, tag=SemanticTag.VEGETATION, casts_shadow=False)


def _pick(roads: list[Road], generator: np.random.Generator) -> Road:
    lengths = np.cumsum([road.length_m for road in roads])
    return roads[int(np.searchsorted(lengths, generator.uniform(0.0, lengths[-1])))]


def house(length_m: float, width_m: float, wall_m: float, roof_m: float, wall: str) -> list[tuple[Shape, str]]:
    """Return a house with a gabled roof around the z axis; the ridge runs along x."""
    walls = box(length_m, width_m, wall_m + 1.5, metres_per_tile=6.0, top=False).moved(z_m=-1.5)
    hx, hy = 0.5 * length_m, 0.5 * width_m
    eave, over = 0.4, 0.35
    slope = np.array([roof_m, hy]) / math.hypot(roof_m, hy)
    parts: list[Shape] = []
    for side in (-1, 1):
        low = wall_m - eave * roof_m / hy
        points = np.array(
            [[x, side * y, z] for y, z in ((hy + eave, low), (0.0, wall_m + roof_m)) for x in (-hx - over, hx + over)]
        )
        uv = np.array([[0, 1], [length_m / 3, 1], [0, 0], [length_m / 3, 0]]) * (1.0, math.hypot(roof_m, hy) / 3.0)
        normals = np.tile([0.0, side * slope[0], slope[1]], (4, 1))
        parts.append(Shape(points, normals, uv, np.array([[0, 1, 2], [1, 3, 2]])))
    gables = []
    for side in (-1, 1):
        points = np.array([[side * hx, -hy, wall_m], [side * hx, hy, wall_m], [side * hx, 0.0, wall_m + roof_m]])
        uv = np.full((3, 2), 0.02)
        gables.append(Shape(points, np.tile([float(side), 0.0, 0.0], (3, 1)), uv, np.array([[0, 1, 2]])))
    return [(merged([walls, *gables]), wall), (merged(parts), "tiles")]


def build_houses(network: RoadNetwork, terrain: Terrain, builder: SceneryBuilder, seed: int) -> None:
    """Put hamlets beside country roads and motorways; houses along streets are part of the streetscape."""
    generator = np.random.default_rng((seed, 2))
    roads = [road for road in network.roads.values() if road.junction == -1]
    total = sum(road.length_m for road in roads)
    number = 0
    for _ in range(min(30, max(1, round(total / 1200.0)))):
        road = _pick(roads, generator)
        side = 1 if generator.uniform() < 0.5 else -1
        centre_s = float(generator.uniform(0.05, 0.95)) * road.length_m
        if road.type_at(centre_s)[0] == "town":
            continue
        for _ in range(int(generator.integers(4, 9))):
            s = float(np.clip(centre_s + generator.normal() * 55.0, 0.0, road.length_m))
            pose = road.pose(s, side * float(generator.uniform(55.0, 150.0)))
            yaw = (
                math.radians(pose[4]) + float(generator.choice([0.0, 0.5 * math.pi])) + float(generator.normal() * 0.15)
            )
            hall = generator.uniform() < 0.12
            number += _house(terrain, builder, generator, pose[0], pose[1], yaw, number, hall, clear_m=25.0)


def _house(
    terrain: Terrain,
    builder: SceneryBuilder,
    generator: np.random.Generator,
    x_m: float,
    y_m: float,
    yaw_rad: float,
    number: int,
    hall: bool,
    clear_m: float,
) -> int:
    """Put one building if the place is clear; return how many were put."""
    z, distance = terrain.heights_and_distance(np.array([[x_m, y_m]]))
    size = (float(generator.uniform(9, 14)), float(generator.uniform(8, 10)), float(generator.uniform(3.0, 6.2)))
    wall = "brick" if generator.uniform() < 0.3 else "plaster"
    if hall:
        size, wall = (float(generator.uniform(35, 60)), float(generator.uniform(18, 28)), 8.0), "hall"
    if distance[0] < clear_m + (15.0 if hall else 0.0):
        return 0
    roof = 1.2 if hall else float(generator.uniform(2.6, 3.8))
    parts = house(*size, roof, wall)
    if hall:
        parts = [parts[0], (parts[1][0], "steel")]
    ground = float(z[0])
    pose = (x_m, y_m, ground, 0.0, math.degrees(yaw_rad), 0.0)
    builder.add_shapes(
        f"building_{number:03d}",
        [(shape.moved(x_m, y_m, ground, yaw_rad=yaw_rad), material) for shape, material in parts],
        tag=SemanticTag.BUILDINGS,
        solids=[upright(pose, size[0], size[1], size[2])],
    )
    return 1
