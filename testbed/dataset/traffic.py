"""Other vehicles for the data sets: a pool of cars, vans, trucks and motorcycles, placed anew for every picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.questions import EGO_HALF_LENGTH_M
from testbed.core.types import Pose
from testbed.dataset.studio import Stand, Studio
from testbed.server.assets import vehicle_asset
from testbed.server.simulation.vehicles import VEHICLES

POOL = 14
_SHARES = {"car": 3.0, "van": 2.0, "truck": 2.0, "bus": 1.5}
FIRST_INSTANCE = 101
_COLOURS = (
    (200, 200, 205), (230, 230, 230), (25, 25, 28), (70, 72, 78), (120, 124, 130), (150, 20, 24), (20, 45, 110),
    (15, 80, 140), (30, 70, 40), (190, 150, 30), (110, 60, 30), (220, 90, 20),
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A vehicle of the pool.

    Attributes:
        handle: Handle in the scene.
        instance_id: Value in instance pictures.
        type_id: Blueprint.
        half_length_m: Half its length.
        half_width_m: Half its width.
        half_height_m: Half its height.
    """

    handle: int
    instance_id: int
    type_id: str
    half_length_m: float
    half_width_m: float
    half_height_m: float


@dataclass(frozen=True)
class Placed:
    """A vehicle of the pool in one picture.

    Attributes:
        member: Which one.
        gap_m: From the ego's front bumper to its near end along the lane.
        own_lane: Whether its centre is in the ego's lane.
        pose: World pose.
    """

    member: Member
    gap_m: float
    own_lane: bool
    pose: Pose


class Traffic:
    """The pool.

    Args:
        studio: Where the vehicles drive.
    """

    def __init__(self, studio: Studio) -> None:
        """Start without vehicles; call `renew`."""
        self._studio = studio
        self.members: list[Member] = []

    def remove(self) -> None:
        """Take all vehicles out of the scene."""
        for member in self.members:
            self._studio.scene.remove(member.handle)
        self.members = []

    def renew(self, rng: np.random.Generator) -> None:
        """Replace the pool by newly drawn models in newly drawn colours; mostly cars, as on a road."""
        self.remove()
        weight = np.array([_SHARES.get(model.base_type, 0.3) for model in VEHICLES])
        for index, choice in enumerate(rng.choice(len(VEHICLES), POOL, p=weight / weight.sum())):
            model = VEHICLES[choice]
            colour = _COLOURS[rng.integers(len(_COLOURS))]
            if rng.random() < 0.3:
                red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
                colour = (red, green, blue)
            asset = vehicle_asset(model.type_id, colour, extent_m=model.half_extent_m, wheelbase_m=model.wheelbase_m)
            handle = asset.place(
                self._studio.scene,
                f"traffic_{index}",
                (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
                tag=model.tag,
                instance_id=FIRST_INSTANCE + index,
            )
            self._studio.scene.set_visible(handle, False)
            self.members.append(Member(handle, FIRST_INSTANCE + index, model.type_id, *model.half_extent_m))

    def show(self, placed: list[Placed]) -> None:
        """Show exactly these vehicles."""
        shown = {item.member.handle: item.pose for item in placed}
        for member in self.members:
            if member.handle in shown:
                self._studio.scene.set_pose(member.handle, shown[member.handle])
            self._studio.scene.set_visible(member.handle, member.handle in shown)

    def pose_ahead(
        self, stand: Stand, lane: tuple[int, int], centre_ahead_m: float, left_m: float, turn_deg: float
    ) -> Pose | None:
        """Return a pose on a lane a distance ahead of the ego (negative: behind), or None beyond the road's end.

        Args:
            stand: Where the ego stands.
            lane: (road id, lane id); oncoming roads run beside the ego's own at the same stations.
            centre_ahead_m: Along the ego's driving direction, to the vehicle's centre.
            left_m: Offset from that lane's centre, positive to the left of its own driving direction.
            turn_deg: Added to the lane's yaw.
        """
        road_id, lane_id = lane
        road = self._studio.network.roads[road_id]
        s_m = stand.s_m + stand.sense * centre_ahead_m
        if not 1.0 < s_m < road.length_m - 1.0:
            return None
        x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg = self._studio.network.lane_centre(road_id, lane_id, s_m)
        yaw_rad = math.radians(yaw_deg)
        x_m, y_m = x_m + left_m * math.sin(yaw_rad), y_m - left_m * math.cos(yaw_rad)
        return (x_m, y_m, z_m, pitch_deg, yaw_deg + turn_deg, roll_deg)

    def scatter(
        self, rng: np.random.Generator, stand: Stand, members: list[Member], *, own_lane_from_m: float | None = None
    ) -> list[Placed]:
        """Place vehicles in other lanes, oncoming and on the shoulder, not into one another.

        Args:
            rng: Source of chance.
            stand: Where the ego stands.
            members: Vehicles to place.
            own_lane_from_m: When given, some may also drive in the ego's own lane from this gap on.
        """
        network = self._studio.network
        section = network.roads[stand.road_id].section(stand.s_m)
        same_way = [lane for lane in section.lanes.values() if lane.drivable and lane.id * stand.lane_id > 0]
        beside = [(stand.road_id, lane.id) for lane in same_way if lane.id != stand.lane_id]
        shoulders = [
            (stand.road_id, lane.id)
            for lane in section.lanes.values()
            if lane.type in ("shoulder", "parking") and lane.id * stand.lane_id > 0
        ]
        oncoming = [lane for lane in self._studio.lanes if lane[0] != stand.road_id or lane[1] * stand.lane_id < 0]
        choices = [("beside", beside)] * 5 + [("oncoming", oncoming)] * 3 + [("shoulder", shoulders)] * 2
        if own_lane_from_m is not None:
            choices += [("own", [(stand.road_id, stand.lane_id)])] * 3
        choices = [choice for choice in choices if choice[1]]
        placed: list[Placed] = []
        for member in members:
            kind, lanes = choices[rng.integers(len(choices))]
            lane = lanes[rng.integers(len(lanes))]
            near = own_lane_from_m if kind == "own" and own_lane_from_m is not None else 1.0
            if kind == "oncoming":
                near = 10.0
            gap_m = near + float(rng.gamma(1.6, 22.0))
            turn = float(rng.normal(0.0, 1.0)) if rng.random() < 0.9 else float(rng.normal(0.0, 10.0))
            reach = EGO_HALF_LENGTH_M + member.half_length_m
            pose = self.pose_ahead(stand, lane, gap_m + reach, float(rng.normal(0.0, 0.25)), turn)
            if pose is None or any(_close(pose, member, other) for other in placed):
                continue
            placed.append(Placed(member, gap_m, kind == "own", pose))
        return placed


def _close(pose: Pose, member: Member, other: Placed) -> bool:
    """Tell whether two vehicles would stand less than 2 m from each other."""
    distance_m = math.hypot(pose[0] - other.pose[0], pose[1] - other.pose[1])
    return distance_m < 2.9 or (
        distance_m < member.half_length_m + other.member.half_length_m + 2.0
        and abs(_left_of(other.pose, pose)) < member.half_width_m + other.member.half_width_m + 0.2
    )


def _left_of(pose: Pose, other: Pose) -> float:
    yaw_rad = math.radians(pose[4])
    return (other[0] - pose[0]) * math.sin(yaw_rad) - (other[1] - pose[1]) * math.cos(yaw_rad)


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Return the box (x_min, y_min, x_max, y_max) around the true pixels, maxima exclusive; None without any."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
