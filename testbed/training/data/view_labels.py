"""What a driver's view shows, as label columns: where the lane goes, which vehicles and signs are seen.

The columns are those of `testbed.training.data.format`, the same for ``alc`` and ``vd``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.perception_tasks import LEAD_RANGE_M, MIN_VEHICLE_PX, MIN_VISIBLE_FRACTION, steering_class
from testbed.core.types import Box
from testbed.training.data import visibility
from testbed.training.data.format import MAX_BOXES
from testbed.training.data.map_camera import EgoPlacement, MapCamera
from testbed.training.data.random_traffic import PlacedVehicle, RandomTraffic
from testbed.world.render.camera import PinholeCamera

WANT = frozenset({"rgb", "instance"})
"""Outputs of the renderer that picture and labels are made of."""
_ONLY_INSTANCES = frozenset({"instance"})
SURELY_VISIBLE = MIN_VISIBLE_FRACTION + 0.1
"""What is known of the vehicle ahead hangs on a hair when less of it is to be seen."""
HIDING_PX = 2.0
"""A nearer vehicle this close to a lead's outline may hide some of it, with what sticks out of a bounding box."""
LABELLED_FRACTION = 0.25
"""A vehicle of which less is to be seen gets no box."""
SURE_M, UNSURE_TO_M = LEAD_RANGE_M - 3.0, LEAD_RANGE_M + 4.0
"""Up to which gap a vehicle is near enough to count for sure, and from which on it is not."""
UNSURE_PX = (5.0, 6.0)
"""Heights of a lead that hang on a hair. Pixels are whole, so a bounding box of that height has one of these two."""


def lane_columns(map_camera: MapCamera, stand: EgoPlacement, camera: PinholeCamera) -> dict[str, Any]:
    """Return where the lane goes and how the ego stands in it."""
    return {
        "steering": steering_class(stand.preview_offset_m),
        "preview_offset_m": stand.preview_offset_m,
        "lateral_offset_m": stand.lateral_offset_m,
        "heading_error_rad": stand.heading_error_rad,
        "curvature_1pm": stand.curvature_1pm,
        "lane_x_px": map_camera.lane_lines_px(stand, camera),
        "line_marks": stand.course.line_marks(),
    }


def hangs_on_distance(camera: PinholeCamera, placed: list[PlacedVehicle]) -> bool:
    """Tell before a picture is drawn that a vehicle's distance or height makes its answer hang on a hair."""
    return any(_counts(item) and (item.gap_m > SURE_M or _will_be_unsure(camera, item)) for item in placed)


def vehicle_columns(
    map_camera: MapCamera,
    traffic: RandomTraffic,
    placed: list[PlacedVehicle],
    camera: PinholeCamera,
    instance: NDArray[np.uint32],
) -> dict[str, Any]:
    """Return which vehicles and signs are seen; ``lead_known`` is False where the answer hangs on a hair.

    Args:
        map_camera: The map with its parked cars and signs.
        traffic: The fleet, shown as placed; it is shown so again afterwards.
        placed: Which vehicles of the fleet stand where.
        camera: Of the view.
        instance: Instance ids of the view, shape (H, W).
    """
    seen: list[tuple[float, Box, float, PlacedVehicle | None]] = []
    sure = not hangs_on_distance(camera, placed)
    pixels = visibility.VehiclePixels.of(instance)
    looks = [
        visibility.visible_vehicle(camera, pixels, item.member.instance_id, item.pose, item.member.extent_m)
        for item in placed
    ]
    for item, look in zip(placed, looks, strict=True):
        if look is None:
            sure = sure and not _counts(item)
            continue
        fraction = look.fraction
        if sure and _counts(item):
            sure = not UNSURE_PX[0] <= look.tall_px <= UNSURE_PX[1] and fraction >= SURELY_VISIBLE
            if sure and _may_be_hidden(camera, item, look, placed, looks):
                fraction = min(fraction, look.seen_px / _alone_px(map_camera, traffic, item, placed, camera))
                sure = fraction >= SURELY_VISIBLE
        if look.tall_px >= MIN_VEHICLE_PX and fraction >= LABELLED_FRACTION:
            seen.append((item.gap_m, look.box, fraction, item))
    if map_camera.parked:
        in_view = set(np.unique(pixels.vehicle).tolist())
        for car in (car for car in map_camera.parked if car.instance_id in in_view):
            look = visibility.visible_vehicle(camera, pixels, car.instance_id, car.pose, car.extent_m)
            if look is not None and look.tall_px >= MIN_VEHICLE_PX and look.fraction >= LABELLED_FRACTION:
                seen.append((visibility.distance_m(car.pose, camera), look.box, look.fraction, None))
    return {"lead_known": sure, **_columns(seen), "sign_px": _widest_sign_px(map_camera, pixels)}


def _may_be_hidden(
    camera: PinholeCamera,
    item: PlacedVehicle,
    look: visibility.VisibleVehicle,
    placed: list[PlacedVehicle],
    looks: list[visibility.VisibleVehicle | None],
) -> bool:
    """Tell whether a nearer vehicle stands where it may hide some of this one."""
    far_m = visibility.distance_m(item.pose, camera)
    return any(
        other is not None
        and visibility.distance_m(car.pose, camera) < far_m
        and visibility.touch(other.box, look.outline, HIDING_PX)
        for car, other in zip(placed, looks, strict=True)
        if car is not item
    )


def _widest_sign_px(map_camera: MapCamera, pixels: visibility.VehiclePixels) -> float:
    """Return the width of the widest sign of the map in the view, 0 without one."""
    numbers = [sign.instance_id for sign in map_camera.signs]
    if not numbers:
        return 0.0
    # Signs are numbered in a row: this leaves few pixels to look up.
    near = (pixels.vehicle >= min(numbers)) & (pixels.vehicle <= max(numbers))
    vehicle, column = pixels.vehicle[near], pixels.column[near]
    widths = [float(np.ptp(column[vehicle == number]) + 1) for number in np.intersect1d(vehicle, numbers)]
    return max(widths, default=0.0)


def _columns(seen: list[tuple[float, Box, float, PlacedVehicle | None]]) -> dict[str, Any]:
    """Return the label columns of (distance, box, visible fraction, vehicle of the fleet or None) of what is seen."""
    seen = sorted(seen, key=lambda entry: entry[0])[:MAX_BOXES]
    boxes = np.full((MAX_BOXES, 4), np.nan, np.float32)
    visible = np.full(MAX_BOXES, np.nan, np.float32)
    lead = -1
    chosen: tuple[Box, PlacedVehicle] | None = None
    for row, (_, box, fraction, vehicle) in enumerate(seen):
        boxes[row], visible[row] = box, fraction
        if lead < 0 and vehicle is not None and vehicle.own_lane and vehicle.gap_m <= LEAD_RANGE_M:
            lead, chosen = row, (box, vehicle)
    return {
        "present": lead >= 0,
        "lead_box_px": np.full(4, np.nan, np.float32) if chosen is None else np.array(chosen[0], np.float32),
        "lead_distance_m": math.nan if chosen is None else chosen[1].gap_m,
        "lead_kind": b"" if chosen is None else chosen[1].member.type_id.encode(),
        "lead_colour": b"" if chosen is None else chosen[1].member.colour.encode(),
        "boxes_px": boxes,
        "visible": visible,
        "box_count": len(seen),
        "lead_index": lead,
    }


def _counts(item: PlacedVehicle) -> bool:
    """Tell whether a vehicle is one ahead in the ego's lane, or so far away that it nearly is."""
    return item.own_lane and item.gap_m < UNSURE_TO_M


def _will_be_unsure(camera: PinholeCamera, item: PlacedVehicle) -> bool:
    """Tell before the picture is drawn that a vehicle will be as tall as leaves a view out."""
    outline = visibility.outline(camera, item.pose, item.member.extent_m)
    return outline is not None and UNSURE_PX[0] <= outline[3] - outline[1] <= UNSURE_PX[1]


def _alone_px(
    map_camera: MapCamera,
    traffic: RandomTraffic,
    item: PlacedVehicle,
    placed: list[PlacedVehicle],
    camera: PinholeCamera,
) -> float:
    """Return how many pixels of a vehicle would be seen without other vehicles, at least 1."""
    traffic.show([item])
    alone = map_camera.renderer.render(camera, want=_ONLY_INSTANCES).instance
    traffic.show(placed)
    assert alone is not None
    return max(1.0, float((alone == item.member.instance_id).sum()))
