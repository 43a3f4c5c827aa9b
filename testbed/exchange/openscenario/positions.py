"""OpenSCENARIO positions as places of a scenario.

OpenSCENARIO's world is right-handed with radians, CARLA's left-handed with degrees: y and yaw are negated here, once.
Files whose header's description begins with ``CARLA:`` state CARLA's own coordinates (a convention of ScenarioRunner).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from testbed.core.errors import MapError
from testbed.core.lane_path import wrap_deg
from testbed.exchange.lane_fit import place_of
from testbed.exchange.reading import bounded
from testbed.world.maps import LanePoint, RoadNetwork
from testbed.world.maps.xml_reader import LARGEST, XmlElement

BESIDE_M = 30.0
"""How far beside its lane a road user may be."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a road user starts.

    Attributes:
        spawn: Place on the map; None where it is told from the ego.
        ahead_m: Along the ego's lane from its start.
        lane: OpenDRIVE lane there; None for the ego's own.
        lateral_m: From its lane's centre, left of its driving direction.
        turned_deg: Turned against its lane's driving direction, to the left.
    """

    spawn: dict[str, float] | None = None
    ahead_m: float = 0.0
    lane: int | None = None
    lateral_m: float = 0.0
    turned_deg: float = 0.0


class Locator:
    """Finds places on a map.

    Args:
        network: The map's roads.
        carla: Whether the file states CARLA's coordinates.
    """

    def __init__(self, network: RoadNetwork, carla: bool) -> None:
        """Keep both."""
        self._network = network
        self._handed = 1.0 if carla else -1.0

    def absolute(self, position: XmlElement) -> Place | None:
        """Return the place of a ``<Position>`` on the map; None where it is told from something else.

        Raises:
            MapError: It is on no lane.
        """
        for tag, find in (
            ("WorldPosition", self._world),
            ("LanePosition", self._lane),
            ("RoadPosition", self._road),
        ):
            element = position.child(tag)
            if element is not None:
                return find(element)
        return None

    def relative(self, position: XmlElement, ego: str, ego_lane: int) -> Place | None:
        """Return a place that is told from the ego; None where it is told from something else, or otherwise.

        Args:
            position: A ``<Position>``.
            ego: The ego's name in the file.
            ego_lane: The OpenDRIVE lane it starts on.
        """
        sense = 1.0 if ego_lane < 0 else -1.0  # along the reference line, or against it
        for tag in ("RelativeLanePosition", "RelativeRoadPosition", "RelativeObjectPosition"):
            element = position.child(tag)
            if element is None or element.string("entityRef") != ego:
                continue
            turned_deg = self._orientation(element)
            if tag == "RelativeObjectPosition":
                return Place(
                    ahead_m=element.number("dx"), lateral_m=-self._handed * element.number("dy"), turned_deg=turned_deg
                )
            if tag == "RelativeRoadPosition":
                lateral_m = sense * element.number("dt", 0.0)
                return Place(ahead_m=sense * element.number("ds"), lateral_m=lateral_m, turned_deg=turned_deg)
            along = element.number("ds") if "ds" in element.attributes else element.number("dsLane")
            lane = ego_lane + element.integer("dLane", 0)
            lane += 0 if lane * ego_lane > 0 else (1 if ego_lane < 0 else -1)  # there is no lane 0
            lateral_m = (1.0 if lane < 0 else -1.0) * element.number("offset", 0.0)
            other = None if lane == ego_lane else lane
            return Place(ahead_m=sense * along, lane=other, lateral_m=lateral_m, turned_deg=turned_deg)
        return None

    def _world(self, element: XmlElement) -> Place:
        x, y = element.number("x"), self._handed * element.number("y")
        point = self._network.locate(x, y, max_distance_m=BESIDE_M)
        if point is None:
            raise MapError(f"no lane is within {BESIDE_M:g} m of x = {x:g}, y = {y:g} (CARLA's frame)")
        turned_deg = 0.0
        if "h" in element.attributes:
            yaw_deg = self._handed * math.degrees(element.number("h"))
            turned_deg = wrap_deg(point.yaw_deg - yaw_deg)
        return self._on(point, turned_deg)

    def _lane(self, element: XmlElement) -> Place:
        road, lane, s_m = element.integer("roadId"), element.integer("laneId"), _station_m(element)
        self._network.lane_centre(road, lane, s_m)
        lateral_m = (1.0 if lane < 0 else -1.0) * element.number("offset", 0.0)
        spawn = {"road": road, "lane": lane, "s_m": round(s_m, 2)}
        return Place(spawn, lateral_m=lateral_m, turned_deg=self._orientation(element))

    def _road(self, element: XmlElement) -> Place:
        road_id, s_m, t_m = element.integer("roadId"), _station_m(element), element.number("t", 0.0)
        road = self._network.road(road_id)
        nearest: tuple[float, int, float] | None = None
        for lane in road.section(s_m).lanes.values():
            if lane.id and lane.drivable:
                centre_m = 0.5 * sum(road.lane_bounds(s_m, lane.id))
                if nearest is None or abs(t_m - centre_m) < nearest[0]:
                    nearest = abs(t_m - centre_m), lane.id, (t_m - centre_m) * (1.0 if lane.id < 0 else -1.0)
        if nearest is None:
            raise MapError(f"road {road_id} has no driving lane at s = {s_m:g} m")
        spawn = {"road": road_id, "lane": nearest[1], "s_m": round(s_m, 2)}
        return Place(spawn, lateral_m=nearest[2], turned_deg=self._orientation(element))

    def _orientation(self, element: XmlElement) -> float:
        """Return how far something is turned to the left of its lane: what an ``<Orientation>`` states relatively."""
        orientation = element.child("Orientation")
        if orientation is None or orientation.string("type", "relative") != "relative":
            return 0.0
        return wrap_deg(-self._handed * math.degrees(orientation.number("h", 0.0)))

    @staticmethod
    def _on(point: LanePoint, turned_deg: float) -> Place:
        return Place(dict(place_of(point)), lateral_m=point.lateral_offset_m, turned_deg=turned_deg)


def _station_m(element: XmlElement) -> float:
    """Return how far along a road's reference line a position is, which begins at 0."""
    return bounded(element, "s", 0.0, LARGEST)
