"""The 3D scene of an episode as foxglove.SceneUpdate: what stands, once; who moves, at the rate of the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from testbed.core.geometry import Pose, Vector
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.marking import ARTEFACT_RGB, Rgb
from testbed.core.projection import rotation as axes_of
from testbed.core.surroundings import BodyBox, LaneEdges, RoadUser, Surroundings
from testbed.store.foxglove_messages import EGO, WORLD, colour, rotation, stamp, vector
from testbed.store.right_handed import turned_point, turned_rotation

Json = dict[str, Any]

LANE_RGB: Rgb = (225, 225, 220)
ROUTE_RGB: Rgb = (70, 150, 255)
EGO_RGB: Rgb = (70, 150, 255)
ROAD_USER_RGB: Rgb = (240, 140, 60)
SIGN_RGB: Rgb = (240, 220, 70)

LINE_STRIP = 0
EDGE_M, ROUTE_M = 0.15, 0.3
ABOVE_ROAD_M = 0.03
"""What lies on the road is drawn a little above it, so that it is seen."""

LABEL_PX = 12.0
LABEL_ABOVE_M = 0.6
_HERE: Json = {"position": {"x": 0.0, "y": 0.0, "z": 0.0}, "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}}
_KINDS = ("arrows", "cubes", "spheres", "cylinders", "lines", "triangles", "texts", "models")


def standing(around: Surroundings) -> Json:
    """Return everything that does not change: lanes, the ego's way, signs, artefacts, and the ego in its own frame."""
    entities = [
        _entity("lanes", lines=[_line(edge, EDGE_M, LANE_RGB) for lane in around.lanes for edge in _edges(lane)]),
        _entity("route", lines=[_line(around.route_m, ROUTE_M, ROUTE_RGB, 0.5)] if around.route_m else []),
    ]
    for sign in around.signs:
        cube = _cube(sign.pose, sign.size_m, SIGN_RGB)
        top = (sign.pose[0], sign.pose[1], sign.pose[2] + sign.size_m[2] / 2.0 + LABEL_ABOVE_M)
        told = {"class_id": str(sign.class_id)}
        label = _label(top, SIGN_NAMES[sign.class_id], SIGN_RGB)
        entities.append(_entity(f"sign {sign.sign_id}", metadata=told, cubes=[cube], texts=[label]))
    for artefact in around.artefacts:
        top = _highest(artefact.triangles_m)
        entities.append(
            _entity(
                f"artefact {artefact.adversary}",
                triangles=[_triangles(artefact.triangles_m, ARTEFACT_RGB, 0.7)],
                texts=[_label((top[0], top[1], top[2] + LABEL_ABOVE_M), artefact.adversary, ARTEFACT_RGB)],
            )
        )
    body = _cube((*around.ego.centre_m, 0.0, 0.0, 0.0), around.ego.size_m, EGO_RGB)
    entities.append(_entity("ego", frame_id=EGO, cubes=[body]))
    return {"deletions": [], "entities": entities}


def moving(t_s: float, road_users: Sequence[RoadUser], poses: Sequence[Pose]) -> Json:
    """Return the other road users where they are at a time, each with its box."""
    entities = []
    for user, pose in zip(road_users, poses, strict=True):
        rgb = ARTEFACT_RGB if user.artefact else ROAD_USER_RGB
        middle = _in_world(pose, user.box)
        name = f"{user.name} ({user.artefact})" if user.artefact else user.name
        told = {"number": str(user.number), "blueprint": user.blueprint} | (
            {"artefact": user.artefact} if user.artefact else {}
        )
        top = (middle[0], middle[1], middle[2] + user.box.size_m[2] / 2.0 + LABEL_ABOVE_M)
        cube = _cube((*middle, *pose[3:]), user.box.size_m, rgb)
        entities.append(_entity(user.name, t_s, metadata=told, cubes=[cube], texts=[_label(top, name, rgb)]))
    return {"deletions": [], "entities": entities}


def _entity(
    name: str, t_s: float = 0.0, *, frame_id: str = WORLD, metadata: dict[str, str] | None = None, **parts: list[Json]
) -> Json:
    head = {
        "timestamp": stamp(t_s),
        "frame_id": frame_id,
        "id": name,
        "lifetime": stamp(0.0),
        # what is given in the ego's frame goes with it
        "frame_locked": frame_id != WORLD,
        "metadata": [{"key": key, "value": value} for key, value in (metadata or {}).items()],
    }
    return head | {kind: parts.get(kind, []) for kind in _KINDS}


def _edges(lane: LaneEdges) -> Iterable[Sequence[Vector]]:
    return lane.left_m, lane.right_m


def _line(points_m: Sequence[Vector], thickness_m: float, rgb: Rgb, alpha: float = 1.0) -> Json:
    return {
        "type": LINE_STRIP,
        "pose": _HERE,
        "thickness": thickness_m,
        "scale_invariant": False,
        "points": [_raised(point) for point in points_m],
        "color": colour(rgb, alpha),
        "colors": [],
        "indices": [],
    }


def _triangles(points_m: Sequence[Vector], rgb: Rgb, alpha: float) -> Json:
    return {
        "pose": _HERE,
        "points": [_raised(point) for point in points_m],
        "color": colour(rgb, alpha),
        "colors": [],
        "indices": [],
    }


def _raised(point_m: Vector) -> Json:
    x, y, z = turned_point(point_m)
    return vector((x, y, z + ABOVE_ROAD_M), 2)


def _cube(pose: Pose, size_m: Vector, rgb: Rgb, alpha: float = 1.0) -> Json:
    position = vector(turned_point((pose[0], pose[1], pose[2])))
    where = {"position": position, "orientation": rotation(turned_rotation(pose))}
    return {"pose": where, "size": vector(size_m), "color": colour(rgb, alpha)}


def _label(point_m: Vector, text: str, rgb: Rgb) -> Json:
    return {
        "pose": {"position": vector(turned_point(point_m)), "orientation": _HERE["orientation"]},
        "billboard": True,
        "font_size": LABEL_PX,
        "scale_invariant": True,
        "color": colour(rgb),
        "text": text,
    }


def _in_world(pose: Pose, box: BodyBox) -> Vector:
    """Return where the middle of a body's box is."""
    turned = axes_of(pose) @ box.centre_m
    return float(pose[0] + turned[0]), float(pose[1] + turned[1]), float(pose[2] + turned[2])


def _highest(points_m: Sequence[Vector]) -> Vector:
    """Return a place above the middle of points."""
    count = len(points_m)
    x, y = (sum(point[axis] for point in points_m) / count for axis in (0, 1))
    return x, y, max(point[2] for point in points_m)
