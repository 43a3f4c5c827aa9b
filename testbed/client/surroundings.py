"""What of an episode's world is shown to people: lanes, signs, artefacts, road users, and where all of it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.planar import Quad
from testbed.client.compositing.surfaces import RoadRectangle, SignPlate, VehicleBody
from testbed.client.transforms import ActorBounds, to_bounds, to_pose
from testbed.client.truth.road_signs import RoadSign
from testbed.client.world_builder import EpisodeWorld
from testbed.core.geometry import Vector
from testbed.core.lane_path import LanePath
from testbed.core.surroundings import (
    ArtefactSurface,
    BodyBox,
    CameraMount,
    LaneEdges,
    RoadUser,
    SignBox,
    Surroundings,
    Whereabouts,
)
from testbed.core.types import Pose
from testbed.scenario.concrete import ConcreteScenario

LANES_WITHIN_M = 60.0
"""Lanes farther from the ego's way are left out: a town has hundreds."""

LANE_STEP_M = 2.0
ROUTE_STEP_M = 10.0
FLATTEN_M = 0.03
"""Points of a line nearer than this to the line without them are left out."""

GeoPlace = tuple[float, float, float]
"""Latitude and longitude in degrees, altitude in metres."""


class SurroundingsReader:
    """Read what surrounds the ego of one episode.

    Args:
        world: In synchronous mode.
        concrete: What was put into it.
        episode: What stands in it.
        signs: Signs along the ego's lane.
        numbers: Actor id in the world to its number in the records.
    """

    def __init__(
        self,
        world: carla.World,
        concrete: ConcreteScenario,
        episode: EpisodeWorld,
        signs: Sequence[RoadSign],
        numbers: Mapping[int, int],
    ) -> None:
        """Read nothing yet."""
        self._world = world
        self._concrete = concrete
        self._episode = episode
        self._signs = signs
        self._numbers = numbers
        self._geolocate = _geolocator(world.get_map())

    def surroundings(self) -> Surroundings:
        """Return what does not change during the episode."""
        camera, episode = self._concrete.camera, self._episode
        driven_m = episode.path.length_m
        route = [episode.path.pose(s_m)[:3] for s_m in np.arange(0.0, driven_m, ROUTE_STEP_M)]
        return Surroundings(
            camera=CameraMount(
                camera.width_px, camera.height_px, camera.fov_deg, camera.x_m, camera.z_m, camera.pitch_deg
            ),
            ego=_body_box(to_bounds(episode.ego.bounding_box)),
            route_m=_points(_flattened(_line_of(episode.path))),
            lanes=tuple(lanes_near(self._world.get_map(), np.array(route))),
            road_users=tuple(self._road_users()),
            signs=tuple(SignBox(sign.sign_id, sign.class_id, *_oriented(sign.corners_m)) for sign in self._signs),
            artefacts=tuple(self._artefacts()),
        )

    def whereabouts(self, t_s: float) -> Whereabouts:
        """Return where everything that moves is.

        Args:
            t_s: Simulation time since the start of the episode.
        """
        pose = to_pose(self._world.get_snapshot().find(self._episode.ego.id).get_transform())
        others = tuple(scripted.pose(t_s) for scripted in self._episode.scripted_actors)
        return Whereabouts(pose, others, *self._geolocate(pose))

    def _road_users(self) -> Iterator[RoadUser]:
        worn = {
            artefact.target.actor_id: artefact.adversary
            for artefact in self._episode.artefacts
            if isinstance(artefact.target, VehicleBody)
        }
        for scripted in self._episode.scripted_actors:
            identity = scripted.actor_id
            bounds = to_bounds(self._world.get_actor(identity).bounding_box)
            number = self._numbers.get(identity, identity)
            plan = scripted.plan
            yield RoadUser(number, plan.id, plan.blueprint, _body_box(bounds), worn.get(identity, ""))

    def _artefacts(self) -> Iterator[ArtefactSurface]:
        for artefact in self._episode.artefacts:
            if isinstance(artefact.target, (RoadRectangle, SignPlate)):
                corners = [corner for quad in artefact.target.quads() for corner in _triangles(quad)]
                yield ArtefactSurface(artefact.adversary, _points(np.array(corners)))


def lanes_near(carla_map: carla.Map, route_m: NDArray[np.float64]) -> Iterator[LaneEdges]:
    """Yield the pieces of driving lanes near a way, in the map's order.

    Args:
        carla_map: The client's map.
        route_m: World points along the way, shape (n, 3).
    """
    for begin, _ in carla_map.get_topology():
        waypoints = [begin, *begin.next_until_lane_end(LANE_STEP_M)]
        poses = np.array([to_pose(waypoint.transform) for waypoint in waypoints])
        away = np.hypot(*(poses[:, None, axis] - route_m[None, :, axis] for axis in (0, 1))).min(axis=1)
        widths = np.array([waypoint.lane_width for waypoint in waypoints])
        for part in _runs(away <= LANES_WITHIN_M):
            yield _edges(poses[part], widths[part])


def _edges(poses: NDArray[np.float64], widths_m: NDArray[np.float64]) -> LaneEdges:
    yaw = np.radians(poses[:, 4])
    # CARLA's yaw grows clockwise and y points right: left of the lane is (sin, -cos)
    left = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros(len(yaw))], axis=1) * widths_m[:, None] / 2.0
    return LaneEdges(_points(_flattened(poses[:, :3] + left)), _points(_flattened(poses[:, :3] - left)))


def _runs(chosen: NDArray[np.bool_]) -> Iterator[slice]:
    """Yield the stretches of at least two that are chosen."""
    padded = np.concatenate([[False], chosen, [False]])
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    for begin, end in zip(changes[::2], changes[1::2], strict=True):
        if end - begin > 1:
            yield slice(int(begin), int(end))


def _line_of(path: LanePath) -> NDArray[np.float64]:
    return np.array([path.pose(s_m)[:3] for s_m in np.arange(0.0, path.length_m, LANE_STEP_M)])


def _flattened(line_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a line with fewer points (Douglas and Peucker, 1973)."""
    kept, open_parts = {0, len(line_m) - 1}, [(0, len(line_m) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        along = line_m[last] - line_m[first]
        inner = line_m[first + 1 : last] - line_m[first]
        square = float(along @ along)
        share = np.clip(inner @ along / square, 0.0, 1.0) if square else np.zeros(len(inner))
        away = np.linalg.norm(inner - share[:, None] * along, axis=1)
        farthest = int(away.argmax())
        if away[farthest] > FLATTEN_M:
            middle = first + 1 + farthest
            kept.add(middle)
            open_parts += [(first, middle), (middle, last)]
    return line_m[sorted(kept)]


def _points(line_m: NDArray[np.float64]) -> tuple[Vector, ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in line_m)


def _triangles(quad: Quad) -> list[NDArray[np.float64]]:
    a, b, c, d = quad.corners_m()
    return [a, b, c, a, c, d]


def _body_box(bounds: ActorBounds) -> BodyBox:
    centre, size = _points(np.stack([bounds.centre_m, 2.0 * bounds.half_m]))
    return BodyBox(centre, size)


def _oriented(corners_m: NDArray[np.float64]) -> tuple[Pose, Vector]:
    """Return pose and size of an upright box, from its corners as `testbed.core.projection.box_corners` orders them."""
    middle = corners_m.mean(axis=0)
    along, across, up = (corners_m[index] - corners_m[0] for index in (4, 2, 1))
    yaw_deg = math.degrees(math.atan2(float(along[1]), float(along[0])))
    ((x, y, z),) = _points(middle[None, :])
    length, width, height = (float(np.linalg.norm(edge)) for edge in (along, across, up))
    return (x, y, z, 0.0, yaw_deg, 0.0), (length, width, height)


def _geolocator(carla_map: carla.Map) -> Callable[[Pose], GeoPlace]:
    """Return what tells latitude, longitude and altitude of a pose, left of east being north.

    For maps with a transverse Mercator projection CARLA 0.9.16 takes its y, which points right, for north, and so
    shows a mirrored world; for others it does not. Which of both is tried out.
    """
    origin, left = (carla_map.transform_to_geolocation(carla.Location(x=0.0, y=y, z=0.0)) for y in (0.0, -100.0))
    side = 1.0 if left.latitude > origin.latitude else -1.0

    def geolocate(pose: Pose) -> GeoPlace:
        found = carla_map.transform_to_geolocation(carla.Location(x=pose[0], y=side * pose[1], z=pose[2]))
        return float(found.latitude), float(found.longitude), float(found.altitude)

    return geolocate
