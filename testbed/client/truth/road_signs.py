"""The traffic signs along the ego's lane: which one is to be read now, and which were just passed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.surfaces import SignPlate
from testbed.client.transforms import to_bounds, to_pose
from testbed.core.errors import ScenarioError
from testbed.core.gtsrb import END_OF_LIMIT, NO_ENTRY, SIGN_NAMES, SPEED_LIMIT_KMH, STOP, YIELD, sign_class_of_limit
from testbed.core.lane_path import LanePath
from testbed.core.perception_tasks import sign_crop_box
from testbed.core.projection import PinholeProjection, box_corners, rotation
from testbed.core.types import Pose, SignTruth

RIGHT_OF_LANE_M = 11.0
LEFT_OF_LANE_M = 9.0
FACING_DEG = 60.0
MAP_SIGN_WITHIN_M = 25.0
TALL = 1.5

_BY_TYPE = {"traffic.stop": STOP, "traffic.yield": YIELD, "traffic.no_entry": NO_ENTRY}


@dataclass(frozen=True)
class RoadSign:
    """A sign meant for the ego: identity, class, place along the lane, world corners of its plate (8, 3)."""

    sign_id: str
    class_id: int
    s_m: float
    corners_m: NDArray[np.float64]


def class_of(actor: carla.Actor) -> int | None:
    """Return the GTSRB class of a sign actor, or None for signs outside the 43 classes."""
    attribute = actor.attributes.get("gtsrb_class")
    if attribute not in (None, ""):
        return int(attribute)
    limit = re.fullmatch(r"traffic\.speed_limit\.(\d+)", actor.type_id)
    if limit:
        return sign_class_of_limit(float(limit[1]))
    return _BY_TYPE.get(actor.type_id)


def find_signs(actors: Iterable[carla.Actor], path: LanePath) -> list[RoadSign]:
    """Return the signs that stand along a lane and face its traffic, in the order they are passed.

    Args:
        actors: All actors of the world.
        path: The ego's lane.
    """
    found: list[RoadSign] = []
    for actor in actors:
        if not (actor.type_id.startswith("traffic.") or actor.type_id.startswith("static.prop.trafficsign")):
            continue
        class_id = class_of(actor)
        if class_id is None:
            continue
        pose = to_pose(actor.get_transform())
        s_m, lateral_offset_m = path.locate(pose[0], pose[1])
        turned = abs((pose[4] - np.degrees(path.yaw_rad(s_m)) + 180.0) % 360.0 - 180.0)
        if (
            not 0.0 <= s_m <= path.length_m
            or not -RIGHT_OF_LANE_M < lateral_offset_m < LEFT_OF_LANE_M
            or turned > FACING_DEG
        ):
            continue
        bounds = to_bounds(actor.bounding_box)
        name = actor.attributes.get("role_name") or f"{actor.type_id}@{s_m:.0f}m"
        found.append(RoadSign(name, class_id, s_m, box_corners(pose, bounds.centre_m, bounds.half_m)))
    return sorted(found, key=lambda sign: (sign.s_m, sign.sign_id))


def find_map_sign(actors: Iterable[carla.Actor], path: LanePath, gtsrb_class: int, pose: Pose) -> carla.Actor:
    """Return the map's sign of a class that stands nearest to a place.

    Args:
        actors: All actors of the world.
        path: The ego's lane.
        gtsrb_class: Class of the sign.
        pose: The place.

    Raises:
        ScenarioError: If none stands within 25 m; the message says which signs the map has along the lane.
    """
    signs = [actor for actor in actors if actor.type_id.startswith("traffic.") and class_of(actor) is not None]
    away = [
        (float(np.hypot(at.location.x - pose[0], at.location.y - pose[1])), actor.id, actor)
        for actor in signs
        if class_of(actor) == gtsrb_class
        for at in (actor.get_transform(),)
    ]
    if away and min(away)[0] <= MAP_SIGN_WITHIN_M:
        return min(away)[2]
    along = ", ".join(f"{SIGN_NAMES[sign.class_id]} at {sign.s_m:.0f} m" for sign in find_signs(signs, path))
    raise ScenarioError(
        f"the map has no sign {SIGN_NAMES[gtsrb_class]!r} within {MAP_SIGN_WITHIN_M:.0f} m of this place",
        hint=f"along the ego's lane it has {along or 'none'}",
    )


def sign_plate(
    actor: carla.Actor, sign_id: str, gtsrb_class: int, path: LanePath, *, on_map: bool, pose: Pose | None = None
) -> SignPlate:
    """Return where the plate of a sign is.

    Args:
        actor: The sign.
        sign_id: Its id in the scenario.
        gtsrb_class: What it says.
        path: The ego's lane.
        on_map: Whether it came with the map.
        pose: Where it was spawned, for signs that the world has not shown yet.
    """
    pose = to_pose(actor.get_transform()) if pose is None else pose
    box = actor.bounding_box
    # a box that is taller than wide holds the pole, too: the plate is its top
    half_wide = float(box.extent.y)
    half_high = min(float(box.extent.z), half_wide) if box.extent.z > TALL * box.extent.y else float(box.extent.z)
    top = float(box.location.z + box.extent.z)
    middle = np.array([box.location.x, box.location.y, top - half_high]) @ rotation(pose).T + np.array(pose[:3])
    s_m, _ = path.locate(pose[0], pose[1])
    at: Pose = (float(middle[0]), float(middle[1]), float(middle[2]), pose[3], pose[4], pose[5])
    return SignPlate(sign_id, gtsrb_class, at, 2.0 * half_wide, 2.0 * half_high, s_m, actor.id, actor.type_id, on_map)


class SignWatch:
    """Follow the signs of one episode.

    Args:
        signs: Signs along the lane in order.
        front_m: Ego origin to front bumper.
    """

    def __init__(self, signs: Sequence[RoadSign], front_m: float) -> None:
        """Start before the first sign."""
        self._signs = list(signs)
        self._front_m = front_m
        self._passed = 0
        self.limit_mps: float | None = None

    def look(self, s_m: float, camera: PinholeProjection) -> tuple[SignTruth | None, tuple[SignTruth, ...]]:
        """Return (nearest sign that can be read in the picture, signs passed since the last call).

        Args:
            s_m: Ego origin along the lane.
            camera: The camera of the driver's view.
        """
        bumper_m = s_m + self._front_m
        passed = []
        while self._passed < len(self._signs) and self._signs[self._passed].s_m <= bumper_m:
            sign = self._signs[self._passed]
            passed.append(SignTruth(sign.sign_id, sign.class_id, sign.s_m - bumper_m, (0.0, 0.0, 0.0, 0.0)))
            if sign.class_id in SPEED_LIMIT_KMH:
                self.limit_mps = SPEED_LIMIT_KMH[sign.class_id] / 3.6
            elif sign.class_id in END_OF_LIMIT:
                self.limit_mps = None
            self._passed += 1
        for sign in self._signs[self._passed :]:
            if sign.s_m - bumper_m > 80.0:
                break
            box = camera.box(sign.corners_m)
            if box is not None and sign_crop_box(box, camera.width_px, camera.height_px) is not None:
                return SignTruth(sign.sign_id, sign.class_id, sign.s_m - bumper_m, box), tuple(passed)
        return None, tuple(passed)
