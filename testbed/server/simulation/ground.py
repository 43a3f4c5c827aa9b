"""Height and slope of the ground below a point, and the lane that lies there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from testbed.world.maps.network import LanePoint, RoadNetwork


@dataclass(frozen=True, slots=True)
class GroundSurface:
    """The ground below a vehicle.

    Attributes:
        z_m: World height.
        pitch_deg: Slope along the heading, positive uphill (CARLA's pitch).
        roll_deg: Slope across the heading (CARLA's roll).
    """

    z_m: float
    pitch_deg: float = 0.0
    roll_deg: float = 0.0


class Ground:
    """Answers height questions; on a level map without looking anything up."""

    def __init__(self, network: RoadNetwork) -> None:
        """Find out whether the whole map lies at one height."""
        self._network = network
        heights = {
            road.elevation.rows[0][1] if road.elevation.constant else math.nan for road in network.roads.values()
        }
        self._level: float | None = None
        if len(heights) == 1 and not math.isnan(next(iter(heights))):
            self._level = heights.pop()
        self._last: dict[int, LanePoint] = {}

    def height_m(self, x_m: float, y_m: float, actor_id: int = 0) -> float:
        """Return the height of the nearest road, or 0 where no road is near."""
        if self._level is not None:
            return self._level
        point = self.lane(x_m, y_m, actor_id)
        return point.z_m if point is not None else 0.0

    def lane(self, x_m: float, y_m: float, actor_id: int = 0) -> LanePoint | None:
        """Return the nearest drivable lane; ``actor_id`` lets the search start where that actor was last."""
        point = self._network.locate(x_m, y_m, near=self._last.get(actor_id))
        if actor_id and point is not None:
            self._last[actor_id] = point
        return point

    def forget(self, actor_id: int) -> None:
        """Drop what is remembered about an actor that is gone."""
        self._last.pop(actor_id, None)

    def surface(self, x_m: float, y_m: float, yaw_rad: float, half_m: float, actor_id: int) -> GroundSurface:
        """Return height and slope below a vehicle with axles ``half_m`` before and behind its origin."""
        if self._level is not None:
            return GroundSurface(self._level)
        dx, dy = half_m * math.cos(yaw_rad), half_m * math.sin(yaw_rad)
        front = self.height_m(x_m + dx, y_m + dy, actor_id)
        rear = self.height_m(x_m - dx, y_m - dy, actor_id)
        return GroundSurface(0.5 * (front + rear), math.degrees(math.atan2(front - rear, 2.0 * half_m)))
