"""A lane followed through its successors, straight on at every junction, as the client's map follows it.

Nothing is sampled: a route is the lane sections that it runs over, so that one of any length costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from testbed.core.errors import MapError
from testbed.core.lane_path import SPACING_M, LanePath, wrap_deg
from testbed.core.types import Pose
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import LaneSection

MOST_SECTIONS = 2048
EDGE_M = 1e-6
"""Stations that are nearer than this are one; the section before a station is asked for a little before it."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A lane section that a route runs over, and how far along the route it begins and ends."""

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
        for _ in range(MOST_SECTIONS):
            section = network.road(road).section(s_m if lane < 0 else max(0.0, s_m - EDGE_M))
            end_m = begin_m + (section.end_m - s_m if lane < 0 else s_m - section.start_m)
            self._stretches.append(_Stretch(road, lane, s_m, begin_m, end_m))
            following = self._next(road, lane, section)
            if end_m >= length_m or following is None:
                break
            begin_m, (road, lane, s_m) = end_m, following
        self.length_m = self._stretches[-1].end_m

    def _next(self, road: int, lane: int, section: LaneSection) -> tuple[int, int, float] | None:
        """Return (road, lane, s) of what follows a lane in a section: the next one of the road, or another road."""
        whole_m = self._network.road(road).length_m
        at_end = section.end_m >= whole_m - EDGE_M if lane < 0 else section.start_m <= EDGE_M
        if at_end:
            following = self._network.successors(road, lane)
            if not following:
                return None
            road, lane = self._straightest(road, lane, following)
            return road, lane, 0.0 if lane < 0 else self._network.road(road).length_m
        after = _after(section, lane)
        return None if after is None else (road, after, section.end_m if lane < 0 else section.start_m)

    def at(self, ahead_m: float) -> tuple[int, int, float]:
        """Return (road, lane, s) at a distance along it; before its start and past its end, those of its ends."""
        ahead_m = min(max(ahead_m, 0.0), self.length_m)
        one = next(stretch for stretch in self._stretches if ahead_m <= stretch.end_m)
        # where one section ends and the next begins, the lanes are those of the one that was driven over
        into_m = min(ahead_m - one.begin_m, max(0.0, one.end_m - one.begin_m - EDGE_M))
        return one.road, one.lane, one.entry_s_m + (into_m if one.lane < 0 else -max(into_m, EDGE_M))

    def pose(self, ahead_m: float) -> Pose:
        """Return the lane's centre at a distance along it, see `at`."""
        return self._network.lane_centre(*self.at(ahead_m))

    def path(self, length_m: float) -> LanePath:
        """Return its beginning as a polyline, as far as it goes at most."""
        length_m = min(length_m, self.length_m)
        stations = np.linspace(0.0, length_m, max(2, math.ceil(length_m / SPACING_M) + 1))
        places = [self.at(float(ahead_m)) for ahead_m in stations]
        poses = [self._network.lane_centre(*place) for place in places]
        bounds = [self._network.road(road).lane_bounds(s_m, lane) for road, lane, s_m in places]
        points, yaw = np.array([pose[:3] for pose in poses]), np.array([pose[4] for pose in poses])
        return LanePath(points, yaw, np.array([abs(left - right) for left, right in bounds]))

    def _straightest(self, road: int, lane: int, following: list[tuple[int, int]]) -> tuple[int, int]:
        """Return the successor whose far end points most nearly where the lane before it pointed."""
        heading_deg = self._end_yaw_deg(road, lane)
        return min(
            following, key=lambda one: abs(wrap_deg(self._end_yaw_deg(one[0], self._end_lane(*one)) - heading_deg))
        )

    def _end_lane(self, road: int, lane: int) -> int:
        """Return the lane at a road's far end that is entered as `lane`."""
        sections = self._network.road(road).sections
        for section in (sections if lane < 0 else sections[::-1])[:-1]:
            after = _after(section, lane)
            if after is None:
                break
            lane = after
        return lane

    def _end_yaw_deg(self, road: int, lane: int) -> float:
        end_s_m = self._network.road(road).length_m if lane < 0 else 0.0
        try:
            return self._network.lane_centre(road, lane, end_s_m)[4]
        except MapError:  # a lane that ends on the way
            return self._network.road(road).pose(end_s_m, 0.0, backwards=lane > 0)[4]


def _after(section: LaneSection, lane: int) -> int | None:
    """Return the lane of the road's next section that continues a lane in its driving direction."""
    one = section.lanes.get(lane)
    return None if one is None else one.successor if lane < 0 else one.predecessor
