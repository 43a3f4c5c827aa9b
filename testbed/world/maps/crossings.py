"""The surface of junctions, made from the roads that meet there rather than from the ways through.

The ways through a junction overlap each other and leave holes at its corners. What one sees instead is a single sheet
of asphalt, bounded by the ends of the arms and by rounded corners between neighbouring arms, with sidewalks or grass
around the corners. Its texture coordinates are world metres. A junction that is no such shape keeps its single ways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets.shapes import Shape, grid_triangles, merged, surface
from testbed.world.maps.carriageway import CURB_M, is_asphalt, is_raised
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import Lane, Road
from testbed.world.maps.reference_line import Floats
from testbed.world.maps.scenery_builder import SceneryBuilder
from testbed.world.render.mesh import Material

_CORNER_POINTS = 9
_QUARTER = 0.5523  # control points of a cubic that comes nearest to a quarter of a circle
_VERGE = ((0.0, -0.02), (1.6, -0.06), (4.5, -0.36), (8.0, -0.60))


@dataclass(frozen=True)
class _Side:
    """One side of an arm, seen out of the junction: where the asphalt ends and where the sidewalk ends.

    Attributes:
        kerb_m: World point (3,) of the asphalt's edge.
        outer_m: World point (3,) of the outermost lane's edge.
        beyond: Unit vector (3,) that points away from the road.
        raised: Whether a sidewalk lies between both.
    """

    kerb_m: Floats
    outer_m: Floats
    beyond: Floats
    raised: bool


@dataclass(frozen=True)
class _Arm:
    road: Road
    inwards: Floats
    left: _Side
    right: _Side


def build_junctions(network: RoadNetwork, builder: SceneryBuilder) -> frozenset[int]:
    """Put the surfaces of all junctions of an ordinary shape into the scenery.

    Returns:
        Ids of the junctions that are done; roads through others are to be drawn one by one.
    """
    done = set()
    for junction in sorted(network.junctions):
        arms = _arms(network, junction)
        if len(arms) >= 2 and _build(network, junction, arms, builder):
            done.add(junction)
    return frozenset(done)


def _arms(network: RoadNetwork, junction: int) -> list[_Arm]:
    """Return the arms of a junction counter-clockwise as seen from above."""
    found = []
    for road in network.roads.values():
        for link, at_end in ((road.predecessor, False), (road.successor, True)):
            if link is not None and link.element == "junction" and link.id == junction and road.junction == -1:
                arm = _arm(road, at_end)
                if arm is not None:
                    found.append(arm)
    return sorted(found, key=lambda arm: math.atan2(arm.inwards[1], -arm.inwards[0]))


def _arm(road: Road, at_end: bool) -> _Arm | None:
    s = road.length_m if at_end else 0.0
    section = road.sections[-1 if at_end else 0]
    stations = np.array([s])
    edges = {lane_id: float(t[0]) for lane_id, t in road.edges(section, stations).items()}
    sides = []
    for sign in (1, -1):
        kerb = outer = edges[0]
        raised = False
        for lane in section.outwards(sign):
            outer = edges[lane.id]
            if is_asphalt(lane) or _is_track(lane):
                if raised:
                    return None
                kerb = outer
            else:
                raised = raised or is_raised(lane)
        points = road.positions(np.array([s, s]), np.array([kerb, outer]))
        beyond = road.positions(np.array([s, s]), np.array([0.0, float(sign)]))
        sides.append(_Side(points[0], points[1], beyond[1] - beyond[0], raised))
    yaw = math.radians(road.pose(s, 0.0)[4])
    inwards = np.array([math.cos(yaw), math.sin(yaw)]) * (1.0 if at_end else -1.0)
    left, right = (sides[1], sides[0]) if at_end else (sides[0], sides[1])
    return _Arm(road, inwards, left, right)


def _is_track(lane: Lane) -> bool:
    return bool(lane.surface)


def _rounded(a: Floats, a_inwards: Floats, b: Floats, b_inwards: Floats) -> Floats | None:
    """Return points (N, 3) of a corner from a to b that starts and ends in the given directions.

    None where the two edges do not meet before them, so that there is no corner to round.
    """
    cross = float(a_inwards[0] * b_inwards[1] - a_inwards[1] * b_inwards[0])
    w = np.linspace(0.0, 1.0, _CORNER_POINTS)[:, None]
    if abs(cross) < 0.15:
        return np.asarray(a + w * (b - a))
    gap = (b - a)[:2]
    u = float(gap[0] * b_inwards[1] - gap[1] * b_inwards[0]) / cross
    v = float(gap[0] * a_inwards[1] - gap[1] * a_inwards[0]) / cross
    if u <= 0.02 or v <= 0.02:
        return None
    p = a[:2] + _QUARTER * u * a_inwards
    q = b[:2] + _QUARTER * v * b_inwards
    plane = (1 - w) ** 3 * a[:2] + 3 * w * (1 - w) ** 2 * p + 3 * w**2 * (1 - w) * q + w**3 * b[:2]
    return np.column_stack((plane, a[2] + w[:, 0] * (b[2] - a[2])))


def _build(network: RoadNetwork, junction: int, arms: list[_Arm], builder: SceneryBuilder) -> bool:
    corners: list[tuple[_Side, _Side, _Arm, _Arm]] = []
    outline: list[Floats] = []
    kerbs: list[Floats] = []
    for arm, following in zip(arms, arms[1:] + arms[:1], strict=True):
        kerb = _rounded(arm.left.kerb_m, arm.inwards, following.right.kerb_m, following.inwards)
        if kerb is None:
            return False
        outline += [arm.right.kerb_m[None], kerb]
        kerbs.append(kerb)
        corners.append((arm.left, following.right, arm, following))
    ring = np.concatenate(outline)
    ring = ring[np.hypot(*(ring - np.roll(ring, 1, axis=0))[:, :2].T) > 1e-4]
    sheet = _fan(ring)
    if sheet is None or not _covers(network, junction, ring):
        return False
    tracks = [arm for arm in arms if any(lane.surface for lane in arm.road.sections[0].lanes.values())]
    if len(tracks) == len(arms):
        surface_name = "gravel"
        sheet = sheet.with_uv(sheet.uv / 4.0)
    else:
        surface_name = "asphalt_plain"
        builder.scene.add_material(surface_name, Material(kind="road"))
    builder.add_shapes(f"junction_{junction}", [(sheet, surface_name)], tag=SemanticTag.ROADS, casts_shadow=False)
    for number, ((a, b, arm, following), kerb) in enumerate(zip(corners, kerbs, strict=True)):
        inner = kerb
        if a.raised and b.raised:
            outer = _rounded(a.outer_m, arm.inwards, b.outer_m, following.inwards)
            if outer is not None:
                builder.add_shapes(
                    f"corner_{junction}_{number}",
                    [(_sidewalk(kerb, outer), "paving")],
                    tag=SemanticTag.SIDEWALKS,
                    casts_shadow=False,
                )
                inner = outer
        elif a.raised or b.raised:
            continue
        rows = _verge(a, b, arm, following, inner)
        if rows is not None:
            grass = surface(rows, rows[..., :2] / 6.0, rows.reshape(-1, 3).mean(axis=0) - (0.0, 0.0, 40.0))
            builder.add_shapes(
                f"verge_{junction}_{number}", [(grass, "grass")], tag=SemanticTag.TERRAIN, casts_shadow=False
            )
    return True


def _fan(ring: Floats) -> Shape | None:
    """Return the sheet inside a ring of points (N, 3), or None where its middle does not see all of it."""
    middle = ring.mean(axis=0)
    vertices = np.concatenate((middle[None], ring))
    k = np.arange(len(ring))
    triangles = np.stack((np.zeros_like(k), 1 + k, 1 + (k + 1) % len(ring)), axis=1)
    a, b = (vertices[triangles[:, i]] - middle for i in (1, 2))
    turn = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    if not ((turn > -1e-6).all() or (turn < 1e-6).all()):
        return None
    normals = np.tile([0.0, 0.0, 1.0], (len(vertices), 1))
    return Shape(vertices, normals, vertices[:, :2].copy(), triangles)


def _covers(network: RoadNetwork, junction: int, ring: Floats) -> bool:
    """Tell whether the middle of every way through a junction lies inside a ring."""
    for road in network.roads.values():
        if road.junction != junction:
            continue
        for lane in road.sections[0].lanes.values():
            if lane.id and lane.drivable:
                for share in (0.2, 0.5, 0.8):
                    left, right = road.lane_bounds(share * road.length_m, lane.id)
                    x, y, *_ = road.pose(share * road.length_m, 0.5 * (left + right))
                    if not _inside(ring, x, y):
                        return False
    return True


def _inside(ring: Floats, x_m: float, y_m: float) -> bool:
    a, b = ring, np.roll(ring, -1, axis=0)
    crossing = (a[:, 1] > y_m) != (b[:, 1] > y_m)
    rise = np.where(crossing, b[:, 1] - a[:, 1], 1.0)
    at = a[:, 0] + (y_m - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    return bool((crossing & (x_m < at)).sum() % 2)


def _sidewalk(kerb: Floats, outer: Floats) -> Shape:
    """Return the raised strip between two curves (N, 3), with its kerb faces."""
    top = np.stack((kerb, outer), axis=1) + (0.0, 0.0, CURB_M)
    flat = Shape(
        top.reshape(-1, 3),
        np.tile([0.0, 0.0, 1.0], (2 * len(kerb), 1)),
        top.reshape(-1, 3)[:, :2] * 0.5,
        grid_triangles(len(kerb), 2),
    )
    middle = 0.5 * (kerb + outer)
    faces = []
    for line in (kerb, outer):
        away = line - middle
        away[:, 2] = 0.0
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        points = np.stack((line + (0.0, 0.0, CURB_M), line - (0.0, 0.0, 0.02)), axis=1).reshape(-1, 3)
        run = np.repeat(np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T)))), 2)
        uv = np.column_stack((run, np.tile([0.0, CURB_M], len(line)))) * 0.5
        faces.append(Shape(points, np.repeat(away, 2, axis=0), uv, grid_triangles(len(line), 2)))
    return merged([flat, *faces])


def _verge(a: _Side, b: _Side, arm: _Arm, following: _Arm, inner: Floats) -> Floats | None:
    """Return grass around a corner as a grid of points (N, rows, 3), drawn in where the corner is narrow."""
    reach = 1.0
    while reach > 0.05:
        curves = [
            _rounded(a.outer_m + reach * d * a.beyond, arm.inwards, b.outer_m + reach * d * b.beyond, following.inwards)
            for d, _ in _VERGE[1:]
        ]
        lines = [line for line in curves if line is not None]
        if len(lines) == len(curves):
            rows = [inner, *lines]
            return np.stack([row + (0.0, 0.0, z) for row, (_, z) in zip(rows, _VERGE, strict=True)], axis=1)
        reach *= 0.85
    return None
