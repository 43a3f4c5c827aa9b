"""The lane the ego is meant to keep, as a dense polyline, and where a pose is on it.

Plain geometry: ``testbed/client/truth/route.py`` makes it from CARLA's map, ``testbed/adversaries/scenario_scene.py``
from the embedded one. Lateral quantities are positive to the left of the driving direction; headings follow CARLA
(clockwise seen from above).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from testbed.core.types import Pose

SPACING_M = 1.0
SEARCH_M = 30.0


class LanePath:
    """Centre line of a lane, followed through its successors.

    Args:
        points_m: World x, y, z of the centre line, shape (n, 3), n >= 2.
        yaw_deg: Driving direction at each point, shape (n,).
        width_m: Lane width at each point, shape (n,).

    Attributes:
        length_m: Length of the polyline.
    """

    def __init__(
        self, points_m: NDArray[np.float64], yaw_deg: NDArray[np.float64], width_m: NDArray[np.float64]
    ) -> None:
        """Precompute arc lengths and curvature."""
        self._points = points_m
        self._yaw_rad = np.unwrap(np.radians(yaw_deg))
        self._width_m = width_m
        steps = np.hypot(*np.diff(points_m[:, :2], axis=0).T)
        self._s = np.concatenate([[0.0], np.cumsum(steps)])
        # CARLA's yaw grows clockwise, so curving left lowers it
        self._curvature = -np.gradient(self._yaw_rad, self._s) if len(self._s) > 2 else np.zeros_like(self._s)
        self.length_m = float(self._s[-1])

    def pose(self, s_m: float, lateral_offset_m: float = 0.0, up_m: float = 0.0) -> Pose:
        """Return the pose at a distance along the lane, shifted to the left and up."""
        x, y, z = (float(np.interp(s_m, self._s, self._points[:, axis])) for axis in range(3))
        yaw = float(np.interp(s_m, self._s, self._yaw_rad))
        beyond = min(s_m, 0.0) + max(s_m - self.length_m, 0.0)
        x += lateral_offset_m * math.sin(yaw) + beyond * math.cos(yaw)
        y += -lateral_offset_m * math.cos(yaw) + beyond * math.sin(yaw)
        return x, y, z + up_m, 0.0, wrap_deg(math.degrees(yaw)), 0.0

    def width_m(self, s_m: float) -> float:
        """Return the lane width there."""
        return float(np.interp(s_m, self._s, self._width_m))

    def curvature_1pm(self, s_m: float) -> float:
        """Return the curvature there, positive curving left."""
        return float(np.interp(s_m, self._s, self._curvature))

    def pitch_deg(self, s_m: float) -> float:
        """Return the slope there, positive uphill."""
        low, high = max(s_m - 1.5, 0.0), min(s_m + 1.5, self.length_m)
        rise = float(np.interp(high, self._s, self._points[:, 2]) - np.interp(low, self._s, self._points[:, 2]))
        return math.degrees(math.atan2(rise, high - low)) if high > low else 0.0

    def yaw_rad(self, s_m: float) -> float:
        """Return the driving direction there, clockwise, not wrapped."""
        return float(np.interp(s_m, self._s, self._yaw_rad))

    def locate(self, x_m: float, y_m: float, *, near_s_m: float | None = None) -> tuple[float, float]:
        """Return (distance along the lane, offset to the left) of a world position.

        Args:
            x_m: World x.
            y_m: World y.
            near_s_m: Search only within 30 m of this distance (a moving ego never jumps).
        """
        low, high = 0, len(self._s) - 1
        if near_s_m is not None:
            low = max(0, int(np.searchsorted(self._s, near_s_m - SEARCH_M)) - 1)
            high = min(high, int(np.searchsorted(self._s, near_s_m + SEARCH_M)) + 1)
        starts, ends = self._points[low:high, :2], self._points[low + 1 : high + 1, :2]
        along = ends - starts
        square = np.maximum((along**2).sum(axis=1), 1e-12)
        share = np.clip((((x_m, y_m) - starts) * along).sum(axis=1) / square, 0.0, 1.0)
        foot = starts + share[:, None] * along
        best = int(np.argmin(((foot - (x_m, y_m)) ** 2).sum(axis=1)))
        s_m = float(self._s[low + best] + share[best] * math.sqrt(square[best]))
        yaw = self.yaw_rad(s_m)
        dx, dy = x_m - float(foot[best, 0]), y_m - float(foot[best, 1])
        # beyond either end the foot point is the end itself: count the way along the lane too
        ahead = dx * math.cos(yaw) + dy * math.sin(yaw)
        if (share[best] in (0.0, 1.0)) and (best in (0, len(share) - 1)):
            s_m += ahead
        return s_m, dx * math.sin(yaw) - dy * math.cos(yaw)

    def in_ego_frame(self, s_m: float, x_m: float, y_m: float, yaw_rad: float) -> tuple[float, float]:
        """Return (forward, left) of the lane point at ``s_m`` as seen from a pose."""
        px, py = self.pose(s_m)[:2]
        dx, dy = px - x_m, py - y_m
        return dx * math.cos(yaw_rad) + dy * math.sin(yaw_rad), dx * math.sin(yaw_rad) - dy * math.cos(yaw_rad)


def wrap_deg(angle_deg: float) -> float:
    """Return an angle brought into (-180, 180] degrees."""
    return 180.0 - (180.0 - angle_deg) % 360.0
