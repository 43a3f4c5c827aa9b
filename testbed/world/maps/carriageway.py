"""Carriageways, sidewalks, medians and verges as meshes, for any OpenDRIVE road.

A road is cut along s where its lanes or marks change and at least every 120 m, so that the renderer can skip what is
out of view. Neighbouring lanes with the same surface share one mesh whose columns are the lane edges. On asphalt the
texture coordinates are metres (s, t), where t is the mean position of each edge over the piece: paint then follows its
lane edge exactly even where a lane widens, while the band itself stays a constant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets.shapes import Shape, grid_triangles, merged, smooth_normals
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import Lane, LaneSection, MapObject, Road
from testbed.world.maps.reference_line import Floats
from testbed.world.maps.scenery_builder import SceneryBuilder
from testbed.world.render.mesh import Band, Material

PIECE_M = 120.0
CURB_M = 0.12
OVERHANG_M = 0.2
_STEP_STRAIGHT_M, _STEP_CURVE_M, _STEP_CHANGING_M = 10.0, 4.0, 2.0
_ASPHALT = frozenset(
    "driving bidirectional entry exit onRamp offRamp connectingRamp shoulder stop parking biking border restricted bus "
    "taxi HOV mwyEntry mwyExit special1 special2 special3".split()
)
# Objects that are paint on the road: a strip of it as long as the object gets their bands.
PAINTED = frozenset({"crosswalk", "roadMark"})
_RAISED = frozenset({"sidewalk", "walking", "curb"})
_PAINT: dict[str, tuple[float, float, float]] = {"yellow": (0.72, 0.48, 0.05), "orange": (0.75, 0.3, 0.04)}
_WHITE = (0.8, 0.8, 0.78)


@dataclass(frozen=True)
class RoadStretch:
    """A part of a road within which lanes and marks stay the same.

    Attributes:
        road: The road.
        section: Its lane section.
        stations_m: Stations of the cross-sections, from its start to its end.
        edges_m: Outer edge t of each lane at the stations, by lane id; 0 is the centre line.
    """

    road: Road
    section: LaneSection
    stations_m: Floats
    edges_m: dict[int, Floats]

    def across(self) -> list[Lane]:
        """Return the lanes from right to left without the centre line, skipping those of no width."""
        lanes = [self.section.lanes[i] for i in sorted(self.section.lanes) if i]
        return [lane for lane in lanes if np.abs(np.subtract(*self.sides(lane))).max() > 0.02]

    def sides(self, lane: Lane) -> tuple[Floats, Floats]:
        """Return t of the right and the left edge of a lane."""
        inner = self.edges_m[lane.id - 1 if lane.id > 0 else lane.id + 1]
        outer = self.edges_m[lane.id]
        return (inner, outer) if lane.id > 0 else (outer, inner)


def road_stretches(road: Road, piece_m: float = PIECE_M) -> Iterator[RoadStretch]:
    """Cut a road into stretches, in order of station."""
    straight = float(np.abs(road.line.node_curvature_1pm).max()) < 1e-6 and road.elevation.constant
    for section in road.sections:
        start, end = section.start_m, min(section.end_m, road.length_m)
        if end - start < 0.05:
            continue
        cuts = {start, end}
        cuts.update(np.arange(math.ceil(start / piece_m) * piece_m, end, piece_m).tolist())
        for item in road.objects:
            if item.type in PAINTED:
                half = 0.5 * item.length_m
                cuts.update(s for s in (item.s_m - half, item.s_m + half) if start + 0.05 < s < end - 0.05)
        for lane in section.lanes.values():
            cuts.update(start + mark.s_offset_m for mark in lane.marks if 0.0 < mark.s_offset_m < end - start - 0.05)
        ordered = sorted(cuts)
        kept = [ordered[0]] + [cut for before, cut in zip(ordered, ordered[1:], strict=False) if cut - before > 0.05]
        kept[-1] = end
        changing = not all(lane.width.constant and not lane.width.rows[0][2] for lane in section.lanes.values())
        changing = changing or not road.lane_offset.constant or bool(road.lane_offset.rows[0][2])
        for a, b in zip(kept, kept[1:], strict=False):
            nodes = (road.line.node_s_m >= a - 10.0) & (road.line.node_s_m <= b + 10.0)
            curved = not straight and float(np.abs(road.line.node_curvature_1pm[nodes]).max(initial=0.0)) > 1e-6
            tight = float(np.abs(road.line.node_curvature_1pm[nodes]).max(initial=0.0)) > 0.02
            step = _STEP_CHANGING_M if changing or tight else _STEP_CURVE_M if curved else _STEP_STRAIGHT_M
            stations = np.linspace(a, b, max(2, math.ceil((b - a) / step) + 1))
            yield RoadStretch(road, section, stations, road.edges(section, stations))


def is_asphalt(lane: Lane) -> bool:
    """Tell whether a lane is paved for vehicles."""
    return lane.type in _ASPHALT and not lane.surface


def is_raised(lane: Lane) -> bool:
    """Tell whether a lane lies on a kerb."""
    return lane.type in _RAISED


def strip_shape(
    stretch: RoadStretch, columns_t: Sequence[Floats], columns_z: Sequence[float], columns_u: Sequence[float]
) -> Shape:
    """Return a strip along a stretch whose columns lie at t (N,) and a height above the road, with uv = (s, u)."""
    s = stretch.stations_m
    points = np.stack(
        [stretch.road.positions(s, t) + (0.0, 0.0, z) for t, z in zip(columns_t, columns_z, strict=True)], 1
    )
    uv = np.stack(np.broadcast_arrays(s[:, None], np.asarray(columns_u)[None, :]), axis=-1)
    vertices, triangles = points.reshape(-1, 3), grid_triangles(len(s), len(columns_t))
    flat = stretch.road.elevation.constant and len(set(columns_z)) == 1
    normals = (
        np.tile([0.0, 0.0, 1.0], (len(vertices), 1))
        if flat
        else smooth_normals(vertices, triangles, vertices[triangles].mean(axis=1) - (0.0, 0.0, 1.0))
    )
    return Shape(vertices, normals, uv.reshape(-1, 2), triangles)


def build_road(
    network: RoadNetwork, road: Road, builder: SceneryBuilder, junctions_done: frozenset[int] = frozenset()
) -> None:
    """Put the surfaces of one road into the scenery, unless it leads through a junction whose surface is done."""
    if road.junction in junctions_done:
        return
    # Connecting roads overlap each other and the roads they join; a centimetre decides which paint lies on top.
    lower = -0.01 if road.junction != -1 else 0.0
    for number, stretch in enumerate(road_stretches(road)):
        label = f"{road.id}_{number:03d}"
        for kind, lanes in _groups(stretch.across()):
            if kind == "asphalt":
                material = _asphalt(stretch, lanes, builder)
                edges = [stretch.sides(lanes[0])[0]] + [stretch.sides(lane)[1] for lane in lanes]
                # Pavement reaches a little past the outermost edge line, which would otherwise be cut in half.
                outermost = stretch.across()
                if lanes[0] is outermost[0]:
                    edges.insert(0, edges[0] - OVERHANG_M)
                if lanes[-1] is outermost[-1]:
                    edges.append(edges[-1] + OVERHANG_M)
                shape = strip_shape(stretch, edges, [lower] * len(edges), [float(edge.mean()) for edge in edges])
                builder.add_shapes(
                    f"road_{label}_{lanes[0].id}", [(shape, material)], tag=SemanticTag.ROADS, casts_shadow=False
                )
            elif kind == "gravel":
                edges = [stretch.sides(lanes[0])[0]] + [stretch.sides(lane)[1] for lane in lanes]
                shape = strip_shape(stretch, edges, [lower] * len(edges), [float(edge.mean()) for edge in edges])
                shape = shape.with_uv(shape.uv / 4.0)
                builder.add_shapes(
                    f"track_{label}_{lanes[0].id}", [(shape, "gravel")], tag=SemanticTag.ROADS, casts_shadow=False
                )
            elif kind == "raised":
                shape = _raised(stretch, lanes)
                builder.add_shapes(
                    f"sidewalk_{label}_{lanes[0].id}",
                    [(shape, "paving")],
                    tag=SemanticTag.SIDEWALKS,
                    casts_shadow=False,
                )
            else:
                right, left = stretch.sides(lanes[0])[0], stretch.sides(lanes[-1])[1]
                width = float((left - right).mean())
                shape = strip_shape(stretch, [right, left], [lower - 0.005] * 2, [0.0, width])
                scale = 1.0 / 4.0 if width < 2.0 else 1.0 / 6.0
                surface = "concrete" if width < 2.0 and kind == "median" else "grass"
                builder.add_shapes(
                    f"{kind}_{label}_{lanes[0].id}",
                    [(shape.with_uv(shape.uv * scale), surface)],
                    tag=SemanticTag.GROUND if surface == "concrete" else SemanticTag.TERRAIN,
                    casts_shadow=False,
                )
        if road.junction == -1:
            verges = [_verge(network, stretch, side) for side in (-1, 1)]
            shapes = [shape for shape in verges if shape is not None]
            if shapes:
                builder.add_shapes(
                    f"verge_{label}", [(merged(shapes), "grass")], tag=SemanticTag.TERRAIN, casts_shadow=False
                )


def _groups(lanes: Sequence[Lane]) -> Iterator[tuple[str, list[Lane]]]:
    """Yield neighbouring lanes of the same surface, from right to left."""
    current: list[Lane] = []
    kind = ""
    for lane in lanes:
        own = "asphalt" if is_asphalt(lane) else "raised" if is_raised(lane) else "median"
        own = "gravel" if lane.surface and lane.type in _ASPHALT else own
        if own != kind and current:
            yield kind, current
            current = []
        kind = own
        current.append(lane)
    if current:
        yield kind, current


def _asphalt(stretch: RoadStretch, lanes: Sequence[Lane], builder: SceneryBuilder) -> str:
    """Return the name of the road material with the paint of these lanes; equal paint shares a material."""
    ds = float(stretch.stations_m[0]) - stretch.section.start_m
    # Within junctions the edges of connecting roads cross each other; streets leave that area unpainted.
    ids = {lane.id for lane in lanes} if stretch.road.junction == -1 else set()
    if 1 in ids or -1 in ids:
        ids.add(0)
    bands: list[Band] = []
    for lane_id in sorted(ids):
        lane = stretch.section.lanes.get(lane_id)
        active = [mark for mark in lane.marks if mark.s_offset_m <= ds + 1e-6] if lane else []
        if not active:
            continue
        mark = active[-1]
        for line in mark.lines:
            t = float(stretch.edges_m[lane_id].mean()) + line.t_offset_m
            rgb = _PAINT.get(mark.colour, _WHITE)
            bands.append(Band(round(t, 3), line.width_m, line.dash_m, line.gap_m, rgb))
    for item in stretch.road.objects:
        if item.type in PAINTED and abs(item.s_m - 0.5 * float(stretch.stations_m[0] + stretch.stations_m[-1])) < 0.05:
            bands = _painted(item) if item.type == "crosswalk" else bands + _painted(item)
    material = Material(kind="road", bands=tuple(bands))
    for name, known in builder.scene.materials.items():
        if name.startswith("asphalt") and known == material:
            return name
    name = f"asphalt_{sum(name.startswith('asphalt') for name in builder.scene.materials)}"
    builder.scene.add_material(name, material)
    return name


def _painted(item: MapObject) -> list[Band]:
    """Return the paint of a crosswalk (stripes along the road), a stop line or the dashes of a yield line."""
    if item.type != "crosswalk" and item.name != "YieldLine":
        return [Band(round(item.t_m, 3), item.width_m, rgb=_WHITE)]
    stripe, pitch = (0.5, 1.0) if item.type == "crosswalk" else (0.5, 0.75)
    count = max(1, math.floor((item.width_m + pitch - stripe) / pitch))
    return [Band(round(item.t_m + pitch * (k - 0.5 * (count - 1)), 3), stripe, rgb=_WHITE) for k in range(count)]


def _raised(stretch: RoadStretch, lanes: Sequence[Lane]) -> Shape:
    """Return a sidewalk with its two curb faces."""
    right, left = stretch.sides(lanes[0])[0], stretch.sides(lanes[-1])[1]
    width = float((left - right).mean())
    top = strip_shape(stretch, [right, left], [CURB_M, CURB_M], [0.0, width])
    curbs = [strip_shape(stretch, [t, t], [CURB_M, -0.02], [0.0, CURB_M]) for t in (right, left)]
    shape = merged([top, *curbs, *(_end_face(stretch, right, left, end) for end in (0, -1))])
    return shape.with_uv(shape.uv * 0.5)


def _end_face(stretch: RoadStretch, right: Floats, left: Floats, end: int) -> Shape:
    """Return the kerb across the start (0) or the end (-1) of a sidewalk."""
    s, road = stretch.stations_m[[end, end]], stretch.road
    low, high = road.positions(s, np.array([right[end], left[end]])), CURB_M
    points = np.concatenate((low + (0.0, 0.0, high), low - (0.0, 0.0, 0.02)))
    yaw = float(road.line.sample(s)[2][0]) + (math.pi if end == 0 else 0.0)
    width = abs(float(left[end] - right[end]))
    uv = np.array([[0.0, 0.0], [width, 0.0], [0.0, high], [width, high]])
    normals = np.tile([math.cos(yaw), math.sin(yaw), 0.0], (4, 1))
    return Shape(points, normals, uv, np.array([[0, 1, 2], [1, 3, 2]]))


_VERGE: tuple[tuple[float, float], ...] = ((0.0, -0.02), (1.6, -0.06), (4.5, -0.36), (10.0, -0.60))


def _verge(network: RoadNetwork, stretch: RoadStretch, side: int) -> Shape | None:
    """Return the grass beside the outermost lane, or None where another road lies there."""
    lanes = stretch.across()
    if not lanes:
        return None
    edge = stretch.sides(lanes[-1])[1] if side > 0 else stretch.sides(lanes[0])[0]
    middle = len(edge) // 2
    for index in sorted({0, middle, len(edge) - 1}):
        for beyond in (0.5, 3.0):
            x, y, *_ = stretch.road.pose(float(stretch.stations_m[index]), float(edge[index]) + side * beyond)
            found = network.locate(x, y, lane_types=None, max_distance_m=2.0)
            if found is not None and found.distance_m < 0.2:
                return None
    # Inside of a tight curve the strip must not reach the centre of the circle.
    curvature = np.abs(stretch.road.line.sample(stretch.stations_m)[3]).max()
    reach = min(1.0, 0.5 / max(float(curvature), 1e-9) / 20.0)
    shape = strip_shape(
        stretch,
        [edge + side * offset * reach for offset, _ in _VERGE],
        [z for _, z in _VERGE],
        [side * offset for offset, _ in _VERGE],
    )
    return shape.with_uv(shape.uv / 6.0)


def sweep(road: Road, stations_m: Floats, profile: Sequence[tuple[float, float]], metres_per_tile: float) -> Shape:
    """Return a profile swept along a road with flat faces.

    Args:
        road: The road.
        stations_m: Stations (N,).
        profile: (t_m, z_m) points; faces look away from their mean.
        metres_per_tile: Texture repeats along both directions at this distance.
    """
    x, y, yaw, _ = road.line.sample(stations_m)
    left = np.stack((np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)), axis=-1)
    ground = np.stack((x, y, np.broadcast_to(road.elevation.sample(stations_m), x.shape)), axis=-1)
    line = np.asarray(profile, np.float64)
    centre = line.mean(axis=0)
    shapes, run = [], 0.0
    for a, b in zip(line, line[1:], strict=False):
        step = b - a
        length = float(np.hypot(*step))
        normal = np.array([step[1], -step[0]]) / max(length, 1e-9)
        if normal @ (0.5 * (a + b) - centre) < 0.0:
            normal = -normal
        points = np.stack([ground + p[0] * left + (0.0, 0.0, p[1]) for p in (a, b)], axis=1)
        normals = np.repeat((normal[0] * left + (0.0, 0.0, normal[1]))[:, None], 2, axis=1)
        v = np.array([run, run + length]) / metres_per_tile
        uv = np.stack(np.broadcast_arrays(stations_m[:, None] / metres_per_tile, v[None]), axis=-1)
        triangles = grid_triangles(len(stations_m), 2)
        shapes.append(Shape(points.reshape(-1, 3), normals.reshape(-1, 3), uv.reshape(-1, 2), triangles))
        run += length
    return merged(shapes)
