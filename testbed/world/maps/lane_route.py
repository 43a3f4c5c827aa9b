"""A lane followed through its successors, straight on at every junction, as the client's map follows it.

Nothing is sampled: a route is the roads that it runs over, so that one of any length costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.core.errors import MapError
from testbed.core.lane_path import wrap_deg
from testbed.core.types import Pose
from testbed.world.maps.network import RoadNetwork

MOST_ROADS = 512


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A road that a route runs over, and how far along the route it begins and ends."""

    road: int
    lane: int
    entry_s_m: float
    begin_m: float
    end_m: float


class LaneRoute:
    """Follow a lane.

    Args:
        network: The map's roads.
        road: OpenDRIVE road id.
        lane: OpenDRIVE lane id.
        s_m: Where on the road it starts.
        length_m: How far it is followed at least, where the lane goes on.

    Attributes:
        length_m: How far it goes along the roads' reference lines; where it was not followed to its end, at least as
            far as was asked for.

        drivable: Whether vehicles may drive where it starts.

    Raises:
        MapError: If there is no such lane.
    """

    def __init__(self, network: RoadNetwork, road: int, lane: int, s_m: float, length_m: float) -> None:
        """Walk over the roads once."""
        self._network = network
        network.lane_centre(road, lane, s_m)
        if lane == 0:
            raise MapError(f"lane 0 of road {road} is its centre line")
        self.drivable = network.road(road).section(s_m).lanes[lane].drivable
        self._stretches: list[_Stretch] = []
        begin_m = 0.0
        for _ in range(MOST_ROADS):
            whole_m = network.road(road).length_m
            end_m = begin_m + (whole_m - s_m if lane < 0 else s_m)
            self._stretches.append(_Stretch(road, lane, s_m, begin_m, end_m))
            following = network.successors(road, lane)
            if end_m >= length_m or not following:
                break
            road, lane = self._straightest(road, lane, following)
            begin_m, s_m = end_m, 0.0 if lane < 0 else network.road(road).length_m
        self.length_m = self._stretches[-1].end_m

    def at(self, ahead_m: float) -> tuple[int, int, float]:
        """Return (road, lane, s) at a distance along it; before its start and past its end, those of its ends."""
        ahead_m = min(max(ahead_m, 0.0), self.length_m)
        one = next(stretch for stretch in self._stretches if ahead_m <= stretch.end_m)
        into_m = ahead_m - one.begin_m
        return one.road, one.lane, one.entry_s_m + (into_m if one.lane < 0 else -into_m)

    def pose(self, ahead_m: float) -> Pose:
        """Return the lane's centre at a distance along it, see `at`."""
        return self._network.lane_centre(*self.at(ahead_m))

    def _straightest(self, road: int, lane: int, following: list[tuple[int, int]]) -> tuple[int, int]:
        """Return the successor whose far end points most nearly where the lane before it pointed."""
        heading_deg = self._end_yaw_deg(road, lane)
        return min(following, key=lambda one: abs(wrap_deg(self._end_yaw_deg(*one) - heading_deg)))

    def _end_yaw_deg(self, road: int, lane: int) -> float:
        end_s_m = self._network.road(road).length_m if lane < 0 else 0.0
        return self._network.lane_centre(road, lane, end_s_m)[4]
