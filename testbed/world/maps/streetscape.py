"""What stands along streets in towns: rows of houses, lamps, trees on the sidewalk, cars in the parking lanes.

A street is a road of type "town" with sidewalks. Everything is drawn from a seed, road by road. Houses stand wall to
wall as far as the roads around leave room; parked cars are part of the map, with instance ids of their own and paint
that the texture calls accept, and vehicles collide with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from testbed.core.geometry import Pose
from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets.props import prop_asset
from testbed.world.assets.shapes import Shape, box, grid_triangles, merged, repeated
from testbed.world.assets.textures import SHOP_FRONTS, STREET_FACADES
from testbed.world.assets.vehicle_assets import vehicle_asset
from testbed.world.maps.carriageway import PAINTED
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import LaneSection, Road
from testbed.world.maps.scenery_builder import Extent, SceneryBuilder, upright
from testbed.world.maps.terrain import Terrain
from testbed.world.maps.vegetation import house, tree

_SLOT_M, _SHARE_TAKEN = 6.4, 0.6
_LAMP_EVERY_M, _TREE_EVERY_M = 34.0, 17.0
_BAY_M, _FLOOR_M = 3.0, 3.0
_CARS: tuple[tuple[str, Extent, float], ...] = (
    ("vehicle.seat.leon", (2.096, 0.908, 0.737), 2.64),
    ("vehicle.audi.a2", (1.853, 0.895, 0.775), 2.41),
    ("vehicle.citroen.c3", (1.994, 0.926, 0.812), 2.54),
    ("vehicle.toyota.prius", (2.257, 1.003, 0.762), 2.70),
    ("vehicle.audi.tt", (2.091, 0.997, 0.693), 2.47),
    ("vehicle.mercedes.coupe_2020", (2.337, 1.001, 0.719), 2.84),
    ("vehicle.volkswagen.t2", (2.240, 1.035, 1.019), 2.40),
)
_COLOURS = ((58, 62, 70), (196, 198, 200), (222, 222, 218), (30, 32, 36), (34, 58, 110), (140, 26, 28), (112, 118, 122))


def is_street(road: Road) -> bool:
    """Tell whether a road is a street of a town, with houses and lamps."""
    return road.junction == -1 and road.type_at(0.0)[0] == "town"


def has_sidewalk(section: LaneSection, side: int) -> bool:
    """Tell whether a section's outermost lane of one side is a sidewalk."""
    lanes = section.outwards(side)
    return bool(lanes) and lanes[-1].type in ("sidewalk", "walking")


def build_streetscape(network: RoadNetwork, terrain: Terrain, builder: SceneryBuilder, seed: int) -> None:
    """Put cars, lamps, trees and houses along all streets."""
    generator = np.random.default_rng((seed, 3))
    rows = _Rows(network, terrain, builder)
    for road in network.roads.values():
        if not is_street(road):
            continue
        _parked_cars(road, builder, generator)
        for side in (-1, 1):
            if all(has_sidewalk(section, side) for section in road.sections):
                _lamps(road, side, builder)
                _trees(road, side, builder, generator)
                rows.build(road, side, generator)


def _kerb(road: Road, s_m: float, side: int) -> tuple[float, float]:
    """Return t of the kerb and of the outer edge of the sidewalk, both positive towards the side."""
    section = road.section(s_m)
    lane = section.outwards(side)[-1]
    left, right = road.lane_bounds(s_m, lane.id)
    return (right, left) if side > 0 else (-left, -right)


def _parked_cars(road: Road, builder: SceneryBuilder, generator: np.random.Generator) -> None:
    for section in road.sections:
        for lane in section.lanes.values():
            if lane.type != "parking":
                continue
            start, end = max(section.start_m, 16.0), min(section.end_m, road.length_m - 16.0)
            for s in np.arange(start + 0.5 * _SLOT_M, end - 0.5 * _SLOT_M, _SLOT_M).tolist():
                taken = generator.uniform() < _SHARE_TAKEN
                number = int(generator.integers(len(_CARS)))
                # Two colours per model: a body is built once and shared by all cars that look the same.
                model, colour = _CARS[number], _COLOURS[(number + 3 * int(generator.integers(2))) % len(_COLOURS)]
                s += float(generator.uniform(-0.4, 0.4))
                blocked = any(abs(item.s_m - s) < 9.0 for item in road.objects if item.type in PAINTED)
                if not taken or blocked:
                    continue
                left, right = road.lane_bounds(s, lane.id)
                # In a one-way street (no driving lane on this side) cars look along the street on both sides.
                backwards = lane.id > 0 and any(other.drivable for other in section.outwards(1))
                x, y, z, pitch, yaw, roll = road.pose(s, 0.5 * (left + right), backwards=backwards)
                yaw += float(generator.normal() * 0.8)
                asset = vehicle_asset(model[0], colour, extent_m=model[1], wheelbase_m=model[2])
                name = f"parked_{road.id}_{sum(item.name.startswith('parked_') for item in builder.objects):03d}"
                pose = (x, y, z, pitch, yaw, roll)
                item = builder.add_asset(name, asset, pose, tag=SemanticTag.CAR)
                builder.make_solid(item, upright(pose, *(2.0 * half for half in model[1])))


def _lamps(road: Road, side: int, builder: SceneryBuilder) -> None:
    asset = prop_asset("static.prop.streetlamp")
    first = 14.0 if side > 0 else 14.0 + 0.5 * _LAMP_EVERY_M
    for number, s in enumerate(np.arange(first, road.length_m - 8.0, _LAMP_EVERY_M).tolist()):
        if any(abs(signal.s_m - s) < 2.5 and signal.t_m * side > 0 for signal in road.signals):
            s += 5.0
        kerb, _ = _kerb(road, s, side)
        # The lamp's arm reaches towards -x, so its x axis points away from the road.
        x, y, z, _, yaw, _ = road.pose(s, side * (kerb + 0.45))
        pose = (x, y, z, 0.0, yaw - side * 90.0, 0.0)
        item = builder.add_asset(
            f"lamp_{road.id}_{'l' if side > 0 else 'r'}{number}", asset, pose, tag=SemanticTag.POLES
        )
        builder.make_solid(item, upright(pose, 0.2, 0.2, 7.5))


def _trees(road: Road, side: int, builder: SceneryBuilder, generator: np.random.Generator) -> None:
    """Put a row of small trees on wide sidewalks, behind the line of the signs."""
    crowns: dict[str, list[Shape]] = {}
    solids: list[tuple[Pose, Extent]] = []
    for s in np.arange(20.0, road.length_m - 18.0, _TREE_EVERY_M).tolist():
        kerb, outer = _kerb(road, s, side)
        kind, turn, scale = int(generator.integers(0, 4)), generator.uniform(0, 6.28), generator.uniform(0.62, 0.8)
        if outer - kerb < 4.0:
            continue
        x, y, z, *_ = road.pose(s, side * (kerb + 3.2))
        top, trunk, material = tree(kind, True)
        for shape, name in ((top, material), (trunk, "bark")):
            at = np.array([[x, y, z]])
            crowns.setdefault(name, []).append(repeated(shape, at, np.array([turn]), np.array([scale])))
        solids.append(upright((x, y, z, 0.0, 0.0, 0.0), 0.3, 0.3, 3.0))
    if crowns:
        parts = [(merged(shapes), material) for material, shapes in sorted(crowns.items())]
        label = f"trees_{road.id}_{'left' if side > 0 else 'right'}"
        builder.add_shapes(label, parts, tag=SemanticTag.VEGETATION, solids=solids)


@dataclass(frozen=True)
class _Plot:
    """An oriented rectangle on the ground: middle, half length along `yaw_rad`, half depth."""

    x_m: float
    y_m: float
    yaw_rad: float
    half_length_m: float
    half_depth_m: float

    def corners(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        local = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) * (self.half_length_m, self.half_depth_m)
        return np.asarray(local @ np.array([[c, s], [-s, c]]) + (self.x_m, self.y_m))

    def overlaps(self, other: _Plot) -> bool:
        """Tell whether two rectangles share ground (separating axes)."""
        reach = self.half_length_m + self.half_depth_m + other.half_length_m + other.half_depth_m
        if abs(self.x_m - other.x_m) > reach or abs(self.y_m - other.y_m) > reach:
            return False
        a, b = self.corners(), other.corners()
        for yaw in (self.yaw_rad, other.yaw_rad):
            for axis in ((math.cos(yaw), math.sin(yaw)), (-math.sin(yaw), math.cos(yaw))):
                p, q = a @ axis, b @ axis
                if p.max() <= q.min() + 0.02 or q.max() <= p.min() + 0.02:
                    return False
        return True


class _Rows:
    """Rows of houses; remembers what is built so that rows around a corner do not cross."""

    def __init__(self, network: RoadNetwork, terrain: Terrain, builder: SceneryBuilder) -> None:
        self._network, self._terrain, self._builder = network, terrain, builder
        self._plots: list[_Plot] = []

    def build(self, road: Road, side: int, generator: np.random.Generator) -> None:
        """Fill one side of a street from its start to its end."""
        city = any(lane.type == "parking" for section in road.sections for lane in section.lanes.values())
        s = 0.0
        while s < road.length_m - 6.0:
            bays = int(generator.integers(3, 6))
            length, depth = bays * _BAY_M, float(generator.choice([9.0, 12.0]))
            floors = int(generator.integers(3, 6)) if city else int(generator.integers(2, 4))
            gap = generator.uniform() < (0.10 if city else 0.25)
            setback = 0.25 if city else 0.25 + float(generator.uniform(0.6, 2.2))
            wall, roof = int(generator.integers(STREET_FACADES)), float(generator.uniform())
            shop = int(generator.integers(SHOP_FRONTS)) if city and generator.uniform() < 0.65 else None
            if gap:
                s += 6.0
                continue
            if s + length > road.length_m:
                break
            middle = s + 0.5 * length
            _, outer = _kerb(road, middle, side)
            x, y, _, _, yaw, _ = road.pose(middle, side * (outer + setback + 0.5 * depth))
            plot = _Plot(x, y, math.radians(yaw), 0.5 * length, 0.5 * depth)
            if not self._free(plot):
                s += 3.0
                continue
            self._plots.append(plot)
            self._house(plot, side, floors, wall, roof, shop)
            s += length + (0.0 if city else float(generator.choice([0.0, 0.0, 3.0, 5.0])))

    def _free(self, plot: _Plot) -> bool:
        if any(plot.overlaps(other) for other in self._plots):
            return False
        for x, y in [*plot.corners().tolist(), (plot.x_m, plot.y_m)]:
            found = self._network.locate(x, y, lane_types=None, max_distance_m=3.0)
            if found is not None and found.distance_m < 0.15:
                return False
        return True

    def _house(self, plot: _Plot, side: int, floors: int, wall: int, roof: float, shop: int | None) -> None:
        length, depth, high = 2.0 * plot.half_length_m, 2.0 * plot.half_depth_m, floors * _FLOOR_M
        facade = f"facade_{wall}"
        if roof < 0.72:
            shapes = house(length, depth, high, 2.2 + 2.0 * roof, facade)
            parts = [shapes[0], (shapes[1][0], "tiles" if roof < 0.45 else "slate")]
        else:
            parts = [
                (box(length, depth, high + 1.5, metres_per_tile=6.0, top=False).moved(z_m=-1.5), facade),
                (_flat_roof(length, depth, high), "concrete"),
            ]
        if shop is not None:
            parts.append((_front(length, depth, -side), f"shop_{shop}"))
        ground = float(self._terrain.heights(np.array([[plot.x_m, plot.y_m]]))[0])
        # Streets decide where the ground floor lies; the land beside them is lower.
        near = self._network.locate(plot.x_m, plot.y_m, lane_types=None, max_distance_m=60.0)
        ground = max(ground, near.z_m + 0.1) if near is not None else ground
        pose = (plot.x_m, plot.y_m, ground, 0.0, math.degrees(plot.yaw_rad), 0.0)
        number = sum(item.name.startswith("townhouse_") for item in self._builder.objects)
        self._builder.add_shapes(
            f"townhouse_{number:03d}",
            [(shape.moved(*pose[:3], yaw_rad=plot.yaw_rad), material) for shape, material in parts],
            tag=SemanticTag.BUILDINGS,
            solids=[upright(pose, length, depth, high)],
        )


def _flat_roof(length_m: float, depth_m: float, high_m: float) -> Shape:
    """Return a flat roof with a parapet that stands out a little."""
    slab = box(length_m, depth_m, 0.02, metres_per_tile=4.0).moved(z_m=high_m)
    along = box(length_m + 0.2, 0.25, 0.5, metres_per_tile=4.0)
    across = box(0.25, depth_m + 0.2, 0.5, metres_per_tile=4.0)
    rims = [along.moved(0.0, k * 0.5 * depth_m, high_m - 0.05) for k in (-1, 1)]
    rims += [across.moved(k * 0.5 * length_m, 0.0, high_m - 0.05) for k in (-1, 1)]
    return merged([slab, *rims])


def _front(length_m: float, depth_m: float, side: int) -> Shape:
    """Return the ground floor's front, a hand's breadth before the wall; `side` is the sign of t it looks to.

    In the house's frame x runs along the street and y to its right, so positive t is negative y.
    """
    y = -side * (0.5 * depth_m + 0.06)
    points = np.array([[x, y, z] for z in (3.0, -0.2) for x in (-0.5 * length_m, 0.5 * length_m)])
    u = length_m / 6.0
    uv = np.array([[0.0, 0.0], [u, 0.0], [0.0, 1.0], [u, 1.0]])
    return Shape(points, np.tile([0.0, -float(side), 0.0], (4, 1)), uv, grid_triangles(2, 2))
