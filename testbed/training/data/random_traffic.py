"""Other vehicles for the data sets: a fleet of cars, vans, trucks and motorcycles, placed anew for every picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from testbed.core.perception_tasks import EGO_HALF_LENGTH_M
from testbed.core.types import Pose
from testbed.training.data.colour_words import colour_word
from testbed.training.data.map_camera import EgoPlacement, MapCamera
from testbed.training.data.odd_paint import KINDS, livery
from testbed.world.assets import vehicle_asset
from testbed.world.assets.vehicle_models import VEHICLES
from testbed.world.maps.network import RoadNetwork

FLEET = 40
LIVERY_SHARE = 0.12
FIRST_INSTANCE = 101
_SHARES = {"car": 3.0, "van": 2.0, "truck": 2.0, "bus": 1.5}
_COLOURS = (
    (200, 200, 205), (230, 230, 230), (25, 25, 28), (70, 72, 78), (120, 124, 130), (150, 20, 24), (20, 45, 110),
    (15, 80, 140), (30, 70, 40), (190, 150, 30), (110, 60, 30), (220, 90, 20),
)  # fmt: skip
_INTRUSION_M = 0.15
"""A vehicle outside the ego's lane reaches into it by no more than this."""
_OTHER_CARRIAGEWAY_M = 40.0


@dataclass(frozen=True)
class FleetVehicle:
    """A vehicle of the fleet.

    Attributes:
        handle: Handle in the scene.
        instance_id: Value in instance pictures.
        type_id: Blueprint.
        half_length_m: Half its length.
        half_width_m: Half its width.
        half_height_m: Half its height.
        colour: Word for its paint, see `testbed.training.data.colour_words`; empty in odd paint and on two wheels.
    """

    handle: int
    instance_id: int
    type_id: str
    half_length_m: float
    half_width_m: float
    half_height_m: float
    colour: str = ""

    @property
    def extent_m(self) -> tuple[float, float, float]:
        """Half extents."""
        return self.half_length_m, self.half_width_m, self.half_height_m

    def reach_m(self, turned_rad: float) -> tuple[float, float]:
        """Return how far its footprint reaches along and across a lane that it is turned against, from its middle."""
        along, across = abs(math.cos(turned_rad)), abs(math.sin(turned_rad))
        return (
            along * self.half_length_m + across * self.half_width_m,
            along * self.half_width_m + across * self.half_length_m,
        )


@dataclass(frozen=True)
class PlacedVehicle:
    """A vehicle of the fleet in one picture.

    Attributes:
        member: Which one.
        gap_m: From the ego's front bumper to its near end along the lane; straight distance for one beside the lane.
        own_lane: Whether its centre is in the ego's lane.
        pose: World pose.
    """

    member: FleetVehicle
    gap_m: float
    own_lane: bool
    pose: Pose


class RandomTraffic:
    """The fleet of one map and split: newly drawn models in newly drawn colours, mostly cars, some in odd paint.

    Building a body takes longer than drawing a picture, so a fleet stays: see `fleet`.

    Args:
        map_camera: Where the vehicles drive.
        rng: Draws them.
    """

    def __init__(self, map_camera: MapCamera, rng: np.random.Generator) -> None:
        """Put the vehicles into the scene, hidden."""
        self._map_camera = map_camera
        self.members: list[FleetVehicle] = []
        weight = np.array([_SHARES.get(model.base_type, 0.3) for model in VEHICLES])
        for index, choice in enumerate(rng.choice(len(VEHICLES), FLEET, p=weight / weight.sum())):
            model = VEHICLES[choice]
            colour = _COLOURS[rng.integers(len(_COLOURS))]
            if rng.random() < 0.3:
                red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
                colour = (red, green, blue)
            asset = vehicle_asset(model.type_id, colour, extent_m=model.half_extent_m, wheelbase_m=model.wheelbase_m)
            name, number = f"traffic_{index}", FIRST_INSTANCE + index
            handle = asset.place(map_camera.scene, name, (0.0,) * 6, tag=model.tag, instance_id=number)
            word = colour_word(*colour) if model.wheels > 2 else ""
            if rng.random() < LIVERY_SHARE:
                word = ""
                map_camera.scene.set_object_texture(name, livery(KINDS[rng.integers(len(KINDS))], rng))
            map_camera.scene.set_visible(handle, False)
            length_m, width_m, height_m = model.half_extent_m
            self.members.append(FleetVehicle(handle, number, model.type_id, length_m, width_m, height_m, word))

    def remove(self) -> None:
        """Take all vehicles out of the scene."""
        for member in self.members:
            self._map_camera.scene.remove(member.handle)
        self.members = []

    def draw(self, rng: np.random.Generator, count: int) -> list[FleetVehicle]:
        """Return some members in random order."""
        return [self.members[i] for i in rng.permutation(len(self.members))[:count]]

    def show(self, placed: list[PlacedVehicle]) -> None:
        """Show exactly these vehicles."""
        shown = {item.member.handle: item.pose for item in placed}
        for member in self.members:
            if member.handle in shown:
                self._map_camera.scene.set_pose(member.handle, shown[member.handle])
            self._map_camera.scene.set_visible(member.handle, member.handle in shown)

    def ahead(
        self,
        stand: EgoPlacement,
        member: FleetVehicle,
        gap_m: float,
        lateral_offset_m: float = 0.0,
        turn_deg: float = 0.0,
    ) -> PlacedVehicle | None:
        """Place a vehicle in the ego's lane, or return None where the lane does not reach that far.

        Args:
            stand: Where the ego stands.
            member: The vehicle.
            gap_m: From the ego's front bumper to its near end.
            lateral_offset_m: Of the lane's centre, positive left.
            turn_deg: Against the lane, clockwise.
        """
        centre_m = gap_m + EGO_HALF_LENGTH_M + member.reach_m(math.radians(turn_deg))[0]
        if centre_m > stand.course.reach_m - 1.0:
            return None
        return PlacedVehicle(member, gap_m, True, stand.course.pose(centre_m, lateral_offset_m, turn_deg))

    def scatter(
        self,
        rng: np.random.Generator,
        stand: EgoPlacement,
        members: list[FleetVehicle],
        *,
        own_lane_from_m: float | None = None,
        before: list[PlacedVehicle] | None = None,
    ) -> list[PlacedVehicle]:
        """Place vehicles beside the ego's lane, oncoming, at the roadside and crossing, not into one another.

        Args:
            rng: Source of chance.
            stand: Where the ego stands.
            members: Vehicles to place.
            own_lane_from_m: When given, some may also drive in the ego's own lane from this gap on.
            before: Vehicles that stand there already; they are returned too.
        """
        weights = {"beside": 5.0, "oncoming": 3.0, "side": 2.0, "crossing": 3.0}
        if stand.course.junction is None:
            weights["crossing"] = 0.0
        if not any(kind.startswith("beside") for kind in self._lanes(stand, 10.0)):
            weights["beside"] = 0.0
        if own_lane_from_m is not None:
            weights["own"] = 3.0
        kinds, share = list(weights), np.array(list(weights.values()))
        placed = list(before or [])
        for member in members:
            kind = kinds[rng.choice(len(kinds), p=share / share.sum())]
            turn = float(rng.normal(0.0, 1.0)) if rng.random() < 0.9 else float(rng.normal(0.0, 10.0))
            distance_m, lateral_offset_m = float(rng.gamma(1.6, 22.0)), float(rng.normal(0.0, 0.25))
            item: PlacedVehicle | None = None
            if kind == "own":
                item = self.ahead(stand, member, (own_lane_from_m or 0.0) + distance_m, lateral_offset_m, turn)
            elif kind == "crossing":
                item = self._crossing(rng, stand, member, turn)
            else:
                near_m = 10.0 if kind == "oncoming" else 1.0
                ahead_m = near_m + distance_m + EGO_HALF_LENGTH_M + member.half_length_m
                lanes = self._lanes(stand, ahead_m).get(kind, [])
                if lanes:
                    road_id, lane_id, s_m = lanes[rng.integers(len(lanes))]
                    item = self._on(stand, member, road_id, lane_id, s_m, lateral_offset_m, turn)
            if item is not None and not any(_close(item, other) for other in placed) and self._free(item):
                placed.append(item)
        return placed

    def _lanes(self, stand: EgoPlacement, ahead_m: float) -> dict[str, list[tuple[int, int, float]]]:
        """Return lanes beside the ego's at a distance ahead as (road, lane, station), by what drives there."""
        piece = next((piece for piece in stand.course.pieces if piece.from_m <= ahead_m < piece.to_m), None)
        if piece is None or piece.road.junction != -1:
            return {}
        s_m = piece.station_m(ahead_m)
        found: dict[str, list[tuple[int, int, float]]] = {"beside": [], "oncoming": [], "side": []}
        for lane in piece.section.lanes.values():
            if lane.drivable and lane.id != piece.lane_id:
                found["beside" if lane.id * piece.lane_id > 0 else "oncoming"].append((piece.road.id, lane.id, s_m))
            elif lane.type in ("shoulder", "parking") and lane.width.at(s_m - piece.section.start_m) > 1.8:
                found["side"].append((piece.road.id, lane.id, s_m))
        if not found["oncoming"]:
            here = self._map_camera.network.lane_centre(piece.road.id, piece.lane_id, s_m)
            found["oncoming"] = [
                (road_id, lane_id, s_m)
                for road_id, lane_id in self._map_camera.lanes
                if road_id != piece.road.id
                and _other_carriageway(self._map_camera.network, here, road_id, lane_id, s_m)
            ]
        return found

    def _on(
        self,
        stand: EgoPlacement,
        member: FleetVehicle,
        road_id: int,
        lane_id: int,
        s_m: float,
        lateral_offset_m: float,
        turn_deg: float,
    ) -> PlacedVehicle | None:
        x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg = self._map_camera.network.lane_centre(road_id, lane_id, s_m)
        yaw_rad = math.radians(yaw_deg)
        x_m, y_m = x_m + lateral_offset_m * math.sin(yaw_rad), y_m - lateral_offset_m * math.cos(yaw_rad)
        return _seen_from(stand, member, (x_m, y_m, z_m, pitch_deg, yaw_deg + turn_deg, roll_deg))

    def _crossing(
        self, rng: np.random.Generator, stand: EgoPlacement, member: FleetVehicle, turn_deg: float
    ) -> PlacedVehicle | None:
        """Place a vehicle on its way through the junction ahead, or shortly before or behind it on another road."""
        network, junction = self._map_camera.network, stand.course.junction
        own = {(piece.road.id, piece.lane_id) for piece in stand.course.pieces}
        links = [
            (incoming, before, connecting, lane)
            for incoming, connecting, _, lanes in network.junctions.get(junction if junction is not None else -1, [])
            for before, lane in lanes.items()
            if (connecting, lane) not in own
        ]
        if not links:
            return None
        incoming, before, connecting, lane = links[rng.integers(len(links))]
        if rng.random() < 0.6:
            length_m = network.roads[connecting].length_m
            return self._on(stand, member, connecting, lane, float(rng.uniform(0.0, length_m)), 0.0, turn_deg)
        back_m = float(rng.uniform(1.0, 25.0))
        length_m = network.roads[incoming].length_m
        if back_m > length_m or (incoming, before) in own:
            return None
        return self._on(stand, member, incoming, before, length_m - back_m if before < 0 else back_m, 0.0, turn_deg)

    def _free(self, item: PlacedVehicle) -> bool:
        """Tell whether no parked car of the map stands there."""
        reach_m = item.member.half_length_m + 2.6
        return all(
            math.hypot(item.pose[0] - car.pose[0], item.pose[1] - car.pose[1]) > reach_m
            or abs(_left_of(car.pose, item.pose)) > item.member.half_width_m + 1.1
            for car in self._map_camera.parked
        )


_FLEETS: WeakKeyDictionary[MapCamera, tuple[tuple[int, ...], RandomTraffic]] = WeakKeyDictionary()


def fleet(map_camera: MapCamera, seed: tuple[int, ...]) -> RandomTraffic:
    """Return the fleet of a map for a seed; another seed replaces the one before."""
    kept = _FLEETS.get(map_camera)
    if kept is not None and kept[0] == seed:
        return kept[1]
    if kept is not None:
        kept[1].remove()
    traffic = RandomTraffic(map_camera, np.random.default_rng(seed))
    _FLEETS[map_camera] = (seed, traffic)
    return traffic


def _seen_from(stand: EgoPlacement, member: FleetVehicle, pose: Pose) -> PlacedVehicle | None:
    """Return a vehicle with its relation to the ego's lane; None where it reaches into the lane from beside."""
    distance_m = math.hypot(pose[0] - stand.pose[0], pose[1] - stand.pose[1])
    if distance_m < EGO_HALF_LENGTH_M + member.half_length_m + 1.0:
        return None
    beside = PlacedVehicle(member, distance_m, False, pose)
    found = stand.course.place(pose[0], pose[1])
    if found is None or found[0] < 0.0:
        return beside
    ahead_m, lateral_offset_m, lane_yaw_deg = found
    half_m = 0.5 * stand.course.width_m(ahead_m)
    if abs(lateral_offset_m) <= half_m:
        gap_m = ahead_m - EGO_HALF_LENGTH_M - member.half_length_m
        return PlacedVehicle(member, gap_m, True, pose) if gap_m > 1.0 else None
    _, across_m = member.reach_m(math.radians(pose[4] - lane_yaw_deg))
    return beside if abs(lateral_offset_m) - across_m > half_m - _INTRUSION_M - 0.35 * (half_m < 1.5) else None


def _other_carriageway(network: RoadNetwork, here: Pose, road_id: int, lane_id: int, s_m: float) -> bool:
    """Tell whether a lane of another road runs beside a lane whose centre is here, the other way."""
    if not 0.0 < s_m < network.roads[road_id].length_m:
        return False
    there = network.lane_centre(road_id, lane_id, s_m)
    opposed = abs((here[4] - there[4]) % 360.0 - 180.0) < 10.0
    return opposed and math.hypot(here[0] - there[0], here[1] - there[1]) < _OTHER_CARRIAGEWAY_M


def _close(one: PlacedVehicle, other: PlacedVehicle) -> bool:
    """Tell whether two vehicles would stand less than 2 m from each other."""
    distance_m = math.hypot(one.pose[0] - other.pose[0], one.pose[1] - other.pose[1])
    turned = abs((one.pose[4] - other.pose[4] + 90.0) % 180.0 - 90.0) > 20.0
    if turned:
        reach_m = math.hypot(one.member.half_length_m, one.member.half_width_m)
        return distance_m < reach_m + math.hypot(other.member.half_length_m, other.member.half_width_m)
    return distance_m < 2.6 or (
        distance_m < one.member.half_length_m + other.member.half_length_m + 2.0
        and abs(_left_of(other.pose, one.pose)) < one.member.half_width_m + other.member.half_width_m + 0.2
    )


def _left_of(pose: Pose, other: Pose) -> float:
    yaw_rad = math.radians(pose[4])
    return (other[0] - pose[0]) * math.sin(yaw_rad) - (other[1] - pose[1]) * math.cos(yaw_rad)
