"""The lane ahead of the ego, followed straight on: its centre, its lines and which vehicles stand in it.

A course runs from one station through the following roads. At a junction it takes the successor that turns least, as
the driving loop does; where the lane can only turn off, it ends, because nothing in the picture says which way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import MapError
from testbed.core.perception_tasks import LANE_ROWS_PX
from testbed.core.types import Pose
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.opendrive import LaneSection, Road
from testbed.world.render.camera import PinholeCamera

Floats = NDArray[np.float64]

STRAIGHT_ON_DEG = 30.0
"""A connecting lane that turns by more than this does not go straight on."""
FINE_STEP_M, FINE_TO_M, COARSE_STEP_M = 0.25, 30.0, 1.0
_MIN_PIECE_M = 0.05
MARKS_SEEN_M = (4.0, 30.0, 1.0)
"""From where on, how far and how closely paint is looked at: nearer it lies below the picture."""


@dataclass(frozen=True)
class CourseSegment:
    """A stretch of the course within one lane section.

    Attributes:
        road: Road.
        section: Lane section.
        lane_id: Lane.
        from_m: Distance along the course at which it begins.
        to_m: Distance along the course at which it ends.
        start_s_m: Station at `from_m`.
    """

    road: Road
    section: LaneSection
    lane_id: int
    from_m: float
    to_m: float
    start_s_m: float

    @property
    def sense(self) -> float:
        """+1 where the lane is driven along the road's reference line, -1 where against it."""
        return 1.0 if self.lane_id < 0 else -1.0

    def station_m(self, ahead_m: float) -> float:
        """Return the station at a distance along the course."""
        return self.start_s_m + self.sense * (ahead_m - self.from_m)


class LaneCourse:
    """A lane followed straight on.

    Args:
        network: Roads.
        road_id: Where it begins.
        lane_id: Where it begins.
        s_m: Where it begins.
        length_m: How far it is followed; it may end before.

    Attributes:
        pieces: Stretches in driving order.
        reach_m: Its length.
        junction: First junction on it or at its end, None without one.
        junction_from_m: Distance at which that junction begins.
        centre_m: (N, 3) points of the lane's centre in the world.
        ahead_m: (N,) their distance along the course.
    """

    def __init__(self, network: RoadNetwork, road_id: int, lane_id: int, s_m: float, length_m: float) -> None:
        """Follow the lane and sample it."""
        self._network = network
        self.junction: int | None = None
        self.junction_from_m = math.inf
        self.pieces = self._follow(road_id, lane_id, s_m, length_m)
        if not self.pieces:
            raise MapError(f"lane {lane_id} of road {road_id} ends at s = {s_m:.2f} m")
        self.reach_m = self.pieces[-1].to_m
        self._sample()

    def _follow(self, road_id: int, lane_id: int, s_m: float, length_m: float) -> list[CourseSegment]:
        pieces: list[CourseSegment] = []
        done_m = 0.0
        while done_m < length_m:
            road = self._network.roads[road_id]
            if road.junction != -1 and self.junction is None:
                self.junction, self.junction_from_m = road.junction, done_m
            sections = road.sections if lane_id < 0 else tuple(reversed(road.sections))
            for section in sections:
                end_m = section.end_m if lane_id < 0 else section.start_m
                room_m = (end_m - s_m) * (1.0 if lane_id < 0 else -1.0)
                if room_m <= _MIN_PIECE_M:
                    continue
                if lane_id not in section.lanes:
                    return pieces
                step_m = min(room_m, length_m - done_m)
                if step_m <= _MIN_PIECE_M:
                    break
                pieces.append(CourseSegment(road, section, lane_id, done_m, done_m + step_m, s_m))
                done_m += step_m
                s_m = end_m
            if length_m - done_m <= _MIN_PIECE_M:
                break
            following = self._network.successors(road_id, lane_id)
            if following and self.junction is None and self._network.roads[following[0][0]].junction != -1:
                self.junction, self.junction_from_m = self._network.roads[following[0][0]].junction, done_m
            turns = [(abs(turn_deg(self._network, *item)), item) for item in following]
            if not turns or min(turns)[0] > STRAIGHT_ON_DEG and self._network.roads[min(turns)[1][0]].junction != -1:
                break
            road_id, lane_id = min(turns)[1]
            s_m = 0.0 if lane_id < 0 else self._network.roads[road_id].length_m
        return pieces

    def _sample(self) -> None:
        ahead: list[Floats] = []
        lines: tuple[list[Floats], ...] = ([], [], [], [])
        for piece in self.pieces:
            at = _stations(piece.from_m, piece.to_m)
            stations = piece.start_s_m + piece.sense * (at - piece.from_m)
            edges = piece.road.edges(piece.section, stations)
            step = -1 if piece.lane_id < 0 else 1
            inner, outer = piece.lane_id - step, piece.lane_id
            lateral = [
                edges[inner - step] if inner != 0 and _drivable(piece.section, inner) else None,
                edges[inner],
                edges[outer],
                edges[outer + step] if _drivable(piece.section, outer + step) else None,
            ]
            ahead.append(at)
            for points, t_m in zip(lines, lateral, strict=True):
                unknown = np.full((len(at), 3), np.nan)
                points.append(unknown if t_m is None else piece.road.positions(stations, t_m))
        self.ahead_m: Floats = np.concatenate(ahead)
        self._lines = [np.concatenate(points) for points in lines]
        self.centre_m: Floats = 0.5 * (self._lines[1] + self._lines[2])
        step_m = np.gradient(self.centre_m, axis=0)
        self._yaw_rad = np.unwrap(np.arctan2(step_m[:, 1], step_m[:, 0]))
        self._pitch_rad = np.arctan2(step_m[:, 2], np.hypot(step_m[:, 0], step_m[:, 1]))
        self._width_m = np.linalg.norm(self._lines[1] - self._lines[2], axis=1)

    def pose(self, ahead_m: float, lateral_offset_m: float = 0.0, turn_deg: float = 0.0) -> Pose:
        """Return the pose on the lane a distance ahead, shifted to the left and turned clockwise."""
        x_m, y_m, z_m = (float(np.interp(ahead_m, self.ahead_m, self.centre_m[:, axis])) for axis in range(3))
        yaw_rad = float(np.interp(ahead_m, self.ahead_m, self._yaw_rad))
        pitch_rad = float(np.interp(ahead_m, self.ahead_m, self._pitch_rad))
        x_m, y_m = x_m + lateral_offset_m * math.sin(yaw_rad), y_m - lateral_offset_m * math.cos(yaw_rad)
        return (x_m, y_m, z_m, math.degrees(pitch_rad), math.degrees(yaw_rad) + turn_deg, 0.0)

    def width_m(self, ahead_m: float) -> float:
        """Return the lane's width a distance ahead."""
        return float(np.interp(ahead_m, self.ahead_m, self._width_m))

    def place(self, x_m: float, y_m: float) -> tuple[float, float, float] | None:
        """Return (ahead_m, lateral_offset_m, yaw_deg of the lane) of a world position; None beyond the ends."""
        dx, dy = x_m - self.centre_m[:, 0], y_m - self.centre_m[:, 1]
        index = int(np.argmin(dx * dx + dy * dy))
        yaw_rad = float(self._yaw_rad[index])
        along_m = float(dx[index]) * math.cos(yaw_rad) + float(dy[index]) * math.sin(yaw_rad)
        if index in (0, len(self.ahead_m) - 1) and abs(along_m) > COARSE_STEP_M:
            return None
        lateral_offset_m = float(dx[index]) * math.sin(yaw_rad) - float(dy[index]) * math.cos(yaw_rad)
        return float(self.ahead_m[index]) + along_m, lateral_offset_m, math.degrees(yaw_rad)

    def line_marks(self) -> tuple[bytes, bytes]:
        """Return the paint on the left and on the right edge of the lane over the next 30 m.

        It is ``solid``, ``broken`` or ``none``; empty where it changes, or is of two kinds side by side.
        """
        seen: tuple[set[str], set[str]] = (set(), set())
        for ahead_m in np.arange(*MARKS_SEEN_M):
            piece = next((piece for piece in self.pieces if piece.from_m <= ahead_m < piece.to_m), None)
            if piece is not None:
                inner = piece.lane_id - (-1 if piece.lane_id < 0 else 1)
                for found, lane_id in zip(seen, (inner, piece.lane_id), strict=True):
                    found.add(_paint(piece, lane_id, piece.station_m(float(ahead_m))))
        left, right = (found.pop().encode() if len(found) == 1 else b"" for found in seen)
        return left, right

    def lines_px(self, camera: PinholeCamera) -> NDArray[np.float32]:
        """Return where the lines of `testbed.core.perception_tasks.LANE_LINES` cross the rows `LANE_ROWS_PX`, (4, R).

        NaN where a line does not exist, is nearer or farther than the course, or lies behind the top of a hill; x may
        lie outside the image.
        """
        out = np.full((4, len(LANE_ROWS_PX)), np.nan, np.float32)
        for row, line in enumerate(self._lines):
            known = np.isfinite(line[:, 0]) & (self.ahead_m >= 1.0)
            pixels = camera.project(line[known])
            pixels = pixels[pixels[:, 2] > 0.5]
            if len(pixels) < 2:
                continue
            # Beyond a crest the road is hidden: only points higher in the image than all nearer ones are seen.
            seen = np.concatenate([[True], pixels[1:, 1] < np.minimum.accumulate(pixels[:-1, 1])])
            x, y = pixels[seen][::-1, 0], pixels[seen][::-1, 1]  # far to near: rows grow
            out[row] = np.interp(LANE_ROWS_PX, y, x, left=np.nan, right=np.nan)
        return out


def turn_deg(network: RoadNetwork, road_id: int, lane_id: int) -> float:
    """Return by how much a lane turns from its beginning to its end, clockwise positive, in (-180, 180]."""
    length_m = network.roads[road_id].length_m
    first, last = (0.0, length_m) if lane_id < 0 else (length_m, 0.0)
    turned = network.lane_centre(road_id, lane_id, last)[4] - network.lane_centre(road_id, lane_id, first)[4]
    return 180.0 - (180.0 - turned) % 360.0


def _stations(from_m: float, to_m: float) -> Floats:
    grid = np.concatenate(
        [np.arange(0.0, FINE_TO_M, FINE_STEP_M), np.arange(FINE_TO_M, max(to_m, 31.0), COARSE_STEP_M)]
    )
    inside = grid[(grid >= from_m + 1e-6) & (grid < to_m - 1e-6)]
    edges = [from_m, *inside.tolist()]
    # The last point of a piece is the first of the next: kept once, on the side of the next piece.
    return np.array([*edges, to_m - 1e-3])


def _paint(piece: CourseSegment, lane_id: int, s_m: float) -> str:
    """Return the paint on the outer edge of a lane at a station; empty for lines of two kinds side by side."""
    lane = piece.section.lanes.get(lane_id)
    if lane is None or piece.road.junction != -1:
        return "none"  # streets leave junctions unpainted, whatever the map says
    begun = [mark for mark in lane.marks if mark.s_offset_m <= s_m - piece.section.start_m + 1e-6]
    lines = begun[-1].lines if begun else ()
    words = {"broken" if line.dash_m > 0.0 else "solid" for line in lines}
    return "none" if not words else words.pop() if len(words) == 1 else ""


def _drivable(section: LaneSection, lane_id: int) -> bool:
    return lane_id in section.lanes and section.lanes[lane_id].drivable
