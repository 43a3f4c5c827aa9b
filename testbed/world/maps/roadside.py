"""What stands along a road: guard rails, concrete barriers, delineators, gantries with panels, bridges over it."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from testbed.core.geometry import Pose
from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets import textures
from testbed.world.assets.asset import Asset
from testbed.world.assets.shapes import Shape, box, cylinder, merged, plate, plate_back, repeated, surface
from testbed.world.maps.carriageway import RoadStretch, road_stretches, sweep
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import MapObject, Road
from testbed.world.maps.reference_line import Floats
from testbed.world.maps.scenery_builder import Extent, SceneryBuilder, upright
from testbed.world.render.mesh import Material

RAIL_GAP_M = 0.5  # from the edge of the pavement to the face of the guard rail
_TIGHT_1PM = 1.0 / 130.0
_RAILED = frozenset({"motorway", "rural", "townExpressway"})
_BEAM = ((0.00, 0.44), (0.07, 0.49), (0.07, 0.54), (0.01, 0.60), (0.07, 0.66), (0.07, 0.71), (0.00, 0.76))
_BARRIER = (
    (-0.30, 0.0),
    (-0.30, 0.08),
    (-0.17, 0.28),
    (-0.10, 0.90),
    (0.10, 0.90),
    (0.17, 0.28),
    (0.30, 0.08),
    (0.30, 0.0),
)


def outer_edges(stretch: RoadStretch, side: int) -> Floats | None:
    """Return t of the outermost lane edge of one side, or None when that side has no lanes."""
    lanes = stretch.across()
    if not lanes:
        return None
    return stretch.sides(lanes[-1])[1] if side > 0 else stretch.sides(lanes[0])[0]


def open_side(network: RoadNetwork, stretch: RoadStretch, side: int, beyond_m: float = 0.9) -> bool:
    """Tell whether no other road lies just beyond the outermost lane of one side."""
    edge = outer_edges(stretch, side)
    if edge is None:
        return False
    for index in (0, len(edge) // 2, len(edge) - 1):
        x, y, *_ = stretch.road.pose(float(stretch.stations_m[index]), float(edge[index]) + side * beyond_m)
        found = network.locate(x, y, lane_types=None, max_distance_m=2.0)
        if found is not None and found.distance_m < 0.05:
            return False
    return True


def _solids(road: Road, stations_m: Floats, t_m: Floats, thick_m: float, high_m: float) -> list[tuple[Pose, Extent]]:
    """Return collision boxes along a line, one per ten metres."""
    pieces = max(1, math.ceil((stations_m[-1] - stations_m[0]) / 10.0))
    at = np.linspace(stations_m[0], stations_m[-1], pieces + 1)
    points = road.positions(at, np.interp(at, stations_m, t_m))
    boxes: list[tuple[Pose, Extent]] = []
    for a, b in zip(points, points[1:], strict=False):
        d = b - a
        pose = (*(0.5 * (a + b) + (0, 0, 0.5 * high_m)).tolist(), 0.0, math.degrees(math.atan2(d[1], d[0])), 0.0)
        boxes.append((pose, (0.5 * float(np.hypot(d[0], d[1])), 0.5 * thick_m, 0.5 * high_m)))
    return boxes


def build_roadside(network: RoadNetwork, road: Road, builder: SceneryBuilder) -> None:
    """Put rails, barriers and delineators of one road into the scenery."""
    if road.junction != -1:
        return
    for number, stretch in enumerate(road_stretches(road)):
        if road.type_at(float(stretch.stations_m[0]))[0] not in _RAILED or len(stretch.stations_m) < 2:
            continue
        for side in (-1, 1):
            edge = outer_edges(stretch, side)
            if edge is None:
                continue
            label = f"{road.id}_{number:03d}_{'left' if side > 0 else 'right'}"
            outermost = stretch.across()[-1 if side > 0 else 0]
            if outermost.type == "median":
                _median_barrier(network, stretch, side, label, builder)
            elif outermost.type not in ("sidewalk", "walking") and open_side(network, stretch, side):
                if _needs_rail(stretch, side):
                    _guard_rail(stretch, side, edge, label, builder)
                _delineators(stretch, side, edge, label, builder)


def _needs_rail(stretch: RoadStretch, side: int) -> bool:
    """Tell whether a side has a guard rail: on country roads only the outside of tight curves does."""
    if stretch.road.type_at(float(stretch.stations_m[0]))[0] != "rural":
        return True
    # Curvature is positive to the right here, whose outside is the left.
    return float((stretch.road.line.sample(stretch.stations_m)[3] * side).max()) > _TIGHT_1PM


def _guard_rail(stretch: RoadStretch, side: int, edge: Floats, label: str, builder: SceneryBuilder) -> None:
    road, s = stretch.road, stretch.stations_m
    # The face looks back to the road, so the profile is mirrored on the left side.
    t = edge + side * RAIL_GAP_M
    base = float(t.mean())
    beam = sweep(road, s, [(base - side * depth, z) for depth, z in _BEAM], 2.0)
    posts_at = np.arange(s[0] + 2.0, s[-1], 4.0)
    positions = road.positions(posts_at, base + side * 0.08)
    yaw = road.line.sample(posts_at)[2]
    posts = repeated(box(0.06, 0.10, 0.74, top=False), positions - (0.0, 0.0, 0.05), yaw)
    builder.add_shapes(
        f"rail_{label}",
        [(beam, "steel"), (posts, "steel")],
        tag=SemanticTag.GUARD_RAIL,
        solids=_solids(road, s, t, 0.16, 0.78),
    )


def _median_barrier(network: RoadNetwork, stretch: RoadStretch, side: int, label: str, builder: SceneryBuilder) -> None:
    """Put a concrete barrier on the seam of two carriageways; the road with the lower id builds it."""
    road, s = stretch.road, stretch.stations_m
    edge = outer_edges(stretch, side)
    assert edge is not None
    middle = len(s) // 2
    x, y, *_ = road.pose(float(s[middle]), float(edge[middle]) + side * 0.3)
    other = network.locate(x, y, lane_types=None, max_distance_m=1.0)
    if other is None or other.road_id <= road.id or other.distance_m > 0.05:
        return
    base = float(edge.mean())
    shape = sweep(road, s, [(base + t, z) for t, z in _BARRIER], 4.0)
    builder.add_shapes(
        f"barrier_{label}", [(shape, "concrete")], tag=SemanticTag.WALLS, solids=_solids(road, s, edge, 0.5, 0.9)
    )


def _delineators(stretch: RoadStretch, side: int, edge: Floats, label: str, builder: SceneryBuilder) -> None:
    """Put posts with reflectors every 50 m, half a metre behind the rail so that they show above it."""
    road, s = stretch.road, stretch.stations_m
    at = np.arange(math.ceil(s[0] / 50.0) * 50.0, s[-1] - 1e-6, 50.0)
    if not len(at):
        return
    positions = road.positions(at, float(edge.mean()) + side * (RAIL_GAP_M + 0.32))
    yaw = road.line.sample(at)[2]
    body = repeated(box(0.10, 0.12, 1.05), positions - (0.0, 0.0, 0.05), yaw)
    band = repeated(box(0.11, 0.13, 0.18, top=False), positions + (0.0, 0.0, 0.76), yaw)
    light = repeated(box(0.115, 0.06, 0.12, top=False), positions + (0.0, 0.0, 0.79), yaw)
    builder.add_shapes(
        f"post_{label}", [(body, "white_plastic"), (band, "black_plastic"), (light, "reflector")], tag=SemanticTag.POLES
    )


_PLACES = (
    (("A 8", "Stuttgart", "Ulm"), ("A 81", "Heilbronn", "Singen")),
    (("A 8", "München", "Augsburg"), ("B 27", "Tübingen", "Reutlingen")),
    (("A 8", "Karlsruhe", "Pforzheim"), ("A 831", "S-Vaihingen", "Zentrum")),
)


def _panel(lines: tuple[str, ...]) -> textures.Pixels:
    """Return a blue direction panel with a road number, destinations and an arrow for the lane below, 384 x 224 px."""
    image = Image.new("RGB", (384, 224), (22, 78, 158))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((5, 5, 378, 218), 16, outline=(245, 245, 245), width=5)
    draw.rounded_rectangle((24, 22, 24 + 30 * len(lines[0]), 68), 8, fill=(245, 245, 245))
    draw.text(
        (24 + 15 * len(lines[0]), 45), lines[0], fill=(22, 78, 158), font=ImageFont.load_default(size=36), anchor="mm"
    )
    for row, text in enumerate(lines[1:]):
        draw.text((26, 104 + 52 * row), text, fill=(250, 250, 250), font=ImageFont.load_default(size=44), anchor="lm")
    draw.polygon(
        [(330, 60), (330, 150), (306, 150), (338, 196), (370, 150), (346, 150), (346, 60)], fill=(250, 250, 250)
    )
    return textures.from_image(image)


def panel_asset(number: int, lane: int, width_m: float = 3.6, height_m: float = 2.1) -> Asset:
    """Return a direction panel: faces -x, its lower edge at z = 0."""
    name = f"panel_{number % len(_PLACES)}_{lane % 2}"
    pixels = _panel(_PLACES[number % len(_PLACES)][lane % 2])
    outline = np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]]) * (0.5 * width_m, 0.5 * height_m)
    face = plate(outline, 1.0).moved(z_m=0.5 * height_m)
    uv = np.column_stack((face.vertices_m[:, 1] / width_m + 0.5, 1.0 - face.vertices_m[:, 2] / height_m))
    back = plate_back(outline, 0.05).moved(z_m=0.5 * height_m)
    return Asset(
        (face.with_uv(uv).mesh(name), back.mesh("panel_back")),
        {
            name: Material(texture=name, specular=0.1, wrap="clamp"),
            "panel_back": Material(albedo=textures.linear_rgb((120, 124, 128)), specular=0.2),
        },
        {name: pixels},
    )


def build_structures(network: RoadNetwork, builder: SceneryBuilder) -> None:
    """Put gantries and bridges, which the map states as objects, into the scenery."""
    for number, item in enumerate(network.objects()):
        road = network.roads[item.road_id]
        if item.type == "gantry":
            _gantry(network, road, item, number, builder)
        elif item.type == "bridge":
            _bridge(item, builder)


def _beam_between(a: Floats, b: Floats, thick_m: float) -> Shape:
    """Return a square beam from one point to another (not vertical)."""
    d = b - a
    level = float(np.hypot(d[0], d[1]))
    shape = box(float(np.linalg.norm(d)), thick_m, thick_m, metres_per_tile=1.0)
    shape = shape.moved(0.0, 0.0, -0.5 * thick_m).turned("y", -math.atan2(d[2], level))
    return shape.moved(*(0.5 * (a + b)).tolist(), yaw_rad=math.atan2(d[1], d[0]))


def _gantry(network: RoadNetwork, road: Road, item: MapObject, number: int, builder: SceneryBuilder) -> None:
    """Put a sign gantry over all carriageways: two columns, a truss, panels over the lanes of each direction."""
    high = item.height_m
    right = np.array(road.pose(item.s_m, item.t_m - 0.36 * item.width_m)[:3])
    left = np.array(road.pose(item.s_m, item.t_m + 0.36 * item.width_m)[:3])
    shapes = [cylinder(0.22, high + 1.0, 10).moved(*point.tolist()) for point in (right, left)]
    forward = np.array([math.cos(math.radians(item.pose[4])), math.sin(math.radians(item.pose[4])), 0.0]) * 0.25
    for z in (high, high + 0.8):
        for shift in (forward, -forward):
            shapes.append(_beam_between(right + shift + (0, 0, z), left + shift + (0, 0, z), 0.12))
    knots = np.linspace(0.0, 1.0, 25)
    for k in range(24):
        a, b = (right + (left - right) * knots[k + i] + forward + (0, 0, high + 0.8 * ((k + i) % 2)) for i in (0, 1))
        shapes.append(_beam_between(a, b, 0.06))
    solids = [upright((*point.tolist(), 0.0, item.pose[4], 0.0), 0.5, 0.5, high) for point in (right, left)]
    builder.add_shapes(f"gantry_{item.id}", [(merged(shapes), "steel")], tag=SemanticTag.STATIC, solids=solids)
    lane_number = 0
    for other in sorted(network.roads.values(), key=lambda other: other.id):
        at = _station_beside(other, item.pose)
        if at is None:
            continue
        for lane in other.section(at).lanes.values():
            if lane.id and lane.drivable:
                a, b = other.lane_bounds(at, lane.id)
                x, y, z, _, yaw, _ = other.pose(at, 0.5 * (a + b), backwards=lane.id > 0)
                back = 0.45
                pose = (
                    x - back * math.cos(math.radians(yaw)),
                    y - back * math.sin(math.radians(yaw)),
                    z + high - 0.55,
                    0.0,
                    yaw,
                    0.0,
                )
                asset = panel_asset(number, abs(lane.id), width_m=min(3.4, (a - b) - 0.15))
                builder.add_asset(f"panel_{item.id}_{lane_number}", asset, pose, tag=SemanticTag.STATIC)
                lane_number += 1


def _station_beside(road: Road, pose: Pose) -> float | None:
    """Return the station of a road abreast of a pose, or None when the road does not pass there."""
    gap = np.hypot(road.line.node_x_m - pose[0], road.line.node_y_m - pose[1])
    nearest = int(gap.argmin())
    if gap[nearest] > 15.0:
        return None
    return road.line.project(pose[0], pose[1], float(road.line.node_s_m[nearest]))


def _bridge(item: MapObject, builder: SceneryBuilder) -> None:
    """Put a road bridge across: deck with railings, piers in the median, earth dams that carry the road down."""
    yaw = math.radians(item.pose[4])
    high, deck = item.height_m, item.length_m
    span, thick = 0.5 * item.width_m + 4.0, 1.15
    under = high - thick
    slab = box(deck, 2 * span, thick, metres_per_tile=4.0).moved(z_m=under)
    soffit = box(deck, 2 * span, 0.02, metres_per_tile=4.0).moved(z_m=under - 0.02)
    walls = [box(deck, 0.8, under + 0.6, metres_per_tile=4.0).moved(0.0, side * (span - 2.0), -0.6) for side in (-1, 1)]
    parapets = [
        box(0.25, 2 * span, 0.8, metres_per_tile=4.0).moved(side * 0.5 * (deck - 0.3), 0.0, high) for side in (-1, 1)
    ]
    pier_x = np.linspace(-0.5 * deck + 1.0, 0.5 * deck - 1.0, 3 if deck > 7 else 2)
    piers = [cylinder(0.35, under, 10, cap=False).moved(float(x), 0.0, 0.0) for x in pier_x]
    rails = [box(0.10, 2 * span, 0.10).moved(side * 0.5 * (deck - 0.3), 0.0, high + 0.95) for side in (-1, 1)]
    rails += [
        box(0.06, 0.10, 0.20, top=False).moved(side * 0.5 * (deck - 0.3), float(y), high + 0.78)
        for side in (-1, 1)
        for y in np.arange(-span + 0.5, span, 4.0)
    ]
    ramps = [_ramp(side, span - 2.2, deck, high - 0.05) for side in (-1, 1)]
    asphalt = box(deck - 0.6, 2 * span, 0.02, metres_per_tile=4.0).moved(z_m=high)

    def world(shape: Shape) -> Shape:
        return shape.moved(item.pose[0], item.pose[1], item.pose[2], yaw_rad=yaw)

    pier_solids = []
    for x in pier_x:
        cx, cy = item.pose[0] + float(x) * math.cos(yaw), item.pose[1] + float(x) * math.sin(yaw)
        pier_solids.append(upright((cx, cy, item.pose[2], 0.0, item.pose[4], 0.0), 0.7, 0.7, under))
    builder.add_shapes(
        f"bridge_{item.id}",
        [
            (world(merged([slab, soffit, *walls, *parapets, *piers])), "concrete"),
            (world(asphalt), "steel"),
            (world(merged(rails)), "steel"),
        ],
        tag=SemanticTag.BRIDGE,
        solids=pier_solids,
    )
    builder.add_shapes(f"ramp_{item.id}", [(world(merged(ramps)), "grass")], tag=SemanticTag.TERRAIN)


def _ramp(side: int, start_m: float, deck_m: float, high_m: float) -> Shape:
    """Return the earth dam that carries a road down from a bridge: a ridge with sloping flanks, local frame."""
    length, flank = 95.0, 1.8 * high_m
    along = np.linspace(0.0, 1.0, 9)
    rows = []
    for w in along.tolist():
        z = high_m * (1.0 - w * w * (3.0 - 2.0 * w)) - 0.4
        y = side * (start_m + length * w)
        half = 0.5 * deck_m + 1.0
        spread = flank * (z + 0.8) / high_m
        rows.append([(-half - spread, y, -0.8), (-half, y, z), (half, y, z), (half + spread, y, -0.8)])
    # The head of the dam closes against the abutment.
    head = rows[0]
    front = [(x, side * (start_m - 1.2 * high_m), -0.8) for x, _, _ in head]
    points = np.array([front, *rows])
    uv = points[..., :2] / 6.0
    below = points.reshape(-1, 3).mean(axis=0) - (0.0, 0.0, 40.0)
    return surface(points, uv, below)
