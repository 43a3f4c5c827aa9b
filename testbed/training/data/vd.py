"""Driver's views with the boxes of all vehicles, and which of them is the one ahead in the ego's lane.

Ahead is what the driving loop calls ahead: its centre in the ego's lane, followed straight on, whichever way it looks.
Views whose answer hangs on a hair are left out: a vehicle in the ego's lane that is 5 or 6 px tall, 57 to 64 m away,
or hidden for the most part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.perception_tasks import LEAD_RANGE_M, MIN_VEHICLE_PX, MIN_VISIBLE_FRACTION
from testbed.core.types import Box
from testbed.training.data import visibility
from testbed.training.data.format import MAX_BOXES
from testbed.training.data.map_camera import EgoPlacement, MapCamera
from testbed.training.data.random_traffic import PlacedVehicle, RandomTraffic, fleet
from testbed.training.data.road_wear import RoadWear
from testbed.world.render.camera import PinholeCamera
from testbed.world.sampled_weather import sample_weather, weather_row

RENEW_WEAR_EVERY = 100
WANT = frozenset({"rgb", "instance"})
ONLY_INSTANCES = frozenset({"instance"})
SURELY_VISIBLE = MIN_VISIBLE_FRACTION + 0.1
"""Views with a lead of which less is to be seen are left out."""
HIDING_PX = 2.0
"""A nearer vehicle this close to a lead's outline may hide some of it, with what sticks out of a bounding box."""
LABELLED_FRACTION = 0.25
"""A vehicle of which less is to be seen gets no box."""
CLOSE_M, LEAD_M, FAR_M = (1.0, 12.0), (3.0, 57.0), (64.0, 110.0)
"""Gaps to leads drawn close, to other leads, and to vehicles in the ego's lane that are too far away to count."""
SURE_M, UNSURE_TO_M = LEAD_RANGE_M - 3.0, LEAD_RANGE_M + 4.0
"""Up to which gap a vehicle is near enough to count for sure, and from which on it is not."""
UNSURE_PX = (5.0, 6.0)
"""Views whose lead is so tall are left out. Pixels are whole, so a bounding box of that height has one of these two."""
CLOSE_SHARE = 0.15
"""Leads drawn from close range only: there a box grows fast, and one that is too small is driven into."""
FAR_SHARE = 0.1
"""Views with a vehicle in the ego's lane that is too far away to count."""


def views(
    map_camera: MapCamera, split: str, count: int, seed: tuple[int, ...], *, per_place: int
) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Yield `count` images (160, 320, 3) with one row of labels each; equal arguments give equal bytes.

    `per_place` images in a row share place and light, in other positions and traffic.
    """
    rng = np.random.default_rng([*seed, 2, split == "test"])
    traffic, wear = fleet(map_camera, (*seed[:-1], 2, split == "test")), RoadWear(map_camera.scene)
    weather = map_camera.scene.weather
    scene: EgoPlacement | None = None
    present = 0
    for made in range(count):
        if made % RENEW_WEAR_EVERY == 0:
            wear.renew(rng)
        fresh = made % per_place == 0
        while True:
            if fresh or scene is None:
                scene, weather = map_camera.stand(rng, split, 0.0, 0.0), sample_weather(rng)
                map_camera.scene.set_weather(weather)
            stand = map_camera.again(rng, scene, *_offset(rng))
            # Leads that turn out hidden or too small count as absent: the rest makes up for them.
            lead = rng.random() < np.clip(0.5 + 0.1 * (0.5 * made - present), 0.1, 0.9)
            placed = _arrange(rng, traffic, stand, bool(lead))
            traffic.show(placed)
            wear.scatter(rng, stand.pose)
            view = _photograph(map_camera, traffic, placed, map_camera.camera(stand.pose))
            if view is not None:
                break
            fresh = True
        image, labels = view
        present += bool(labels["present"])
        yield image, {"pose": stand.pose, "weather": weather_row(weather), "group": stand.group, **labels}
    traffic.show([])
    wear.remove()


def _offset(rng: np.random.Generator) -> tuple[float, float]:
    lateral_m = float(np.clip(rng.normal(0.0, 0.35), -1.1, 1.1))
    return lateral_m, math.radians(float(np.clip(rng.normal(0.0, 1.2), -4.0, 4.0)))


def _arrange(
    rng: np.random.Generator, traffic: RandomTraffic, stand: EgoPlacement, with_lead: bool
) -> list[PlacedVehicle]:
    """Place a vehicle ahead in the ego's lane if there is to be one, and others elsewhere."""
    lead, *others = traffic.draw(rng, 1 + int(rng.integers(0, 6)))
    placed: list[PlacedVehicle] = []
    if with_lead or rng.random() < FAR_SHARE:
        if not with_lead:
            gap_m = float(rng.uniform(*FAR_M))
        else:
            gap_m = float(rng.uniform(*(CLOSE_M if rng.random() < CLOSE_SHARE else LEAD_M)))
            gap_m = min(gap_m, stand.course.reach_m - 2.0 * lead.half_length_m - 5.0)
        turn_deg = float(rng.normal(0.0, 1.5)) if rng.random() < 0.85 else float(rng.uniform(0.0, 360.0))
        lateral_offset_m = float(np.clip(rng.normal(0.0, 0.3), -0.9, 0.9))
        item = traffic.ahead(stand, lead, gap_m, lateral_offset_m, turn_deg)
        if item is not None:
            placed.append(item)
    return traffic.scatter(rng, stand, others, before=placed)


def _photograph(
    map_camera: MapCamera, traffic: RandomTraffic, placed: list[PlacedVehicle], camera: PinholeCamera
) -> tuple[NDArray[np.uint8], dict[str, Any]] | None:
    """Return the image of a view and its label columns, or None for a view that is left out."""
    if any(_counts(item) and (item.gap_m > SURE_M or _will_be_unsure(camera, item)) for item in placed):
        return None
    frame = map_camera.renderer.render(camera, want=WANT)
    assert frame.rgb is not None and frame.instance is not None
    labels = _label(map_camera, traffic, placed, camera, frame.instance)
    return None if labels is None else (frame.rgb, labels)


def _label(
    map_camera: MapCamera,
    traffic: RandomTraffic,
    placed: list[PlacedVehicle],
    camera: PinholeCamera,
    instance: NDArray[np.uint32],
) -> dict[str, Any] | None:
    """Return the label columns of one view, or None for a view that is left out."""
    seen: list[tuple[float, Box, float, PlacedVehicle | None]] = []
    pixels = visibility.VehiclePixels.of(instance)
    looks = [
        visibility.visible_vehicle(camera, pixels, item.member.instance_id, item.pose, item.member.extent_m)
        for item in placed
    ]
    for item, look in zip(placed, looks, strict=True):
        if look is None:
            if _counts(item):
                return None
            continue
        fraction = look.fraction
        if _counts(item):
            if UNSURE_PX[0] <= look.tall_px <= UNSURE_PX[1] or fraction < SURELY_VISIBLE:
                return None
            far_m = visibility.distance_m(item.pose, camera)
            if any(
                other is not None
                and visibility.distance_m(car.pose, camera) < far_m
                and visibility.touch(other.box, look.outline, HIDING_PX)
                for car, other in zip(placed, looks, strict=True)
                if car is not item
            ):
                fraction = min(fraction, look.seen_px / _alone_px(map_camera, traffic, item, placed, camera))
            if fraction < SURELY_VISIBLE:
                return None
        if look.tall_px >= MIN_VEHICLE_PX and fraction >= LABELLED_FRACTION:
            seen.append((item.gap_m, look.box, fraction, item))
    if map_camera.parked:
        in_view = set(np.unique(pixels.vehicle).tolist())
        for car in (car for car in map_camera.parked if car.instance_id in in_view):
            look = visibility.visible_vehicle(camera, pixels, car.instance_id, car.pose, car.extent_m)
            if look is not None and look.tall_px >= MIN_VEHICLE_PX and look.fraction >= LABELLED_FRACTION:
                seen.append((visibility.distance_m(car.pose, camera), look.box, look.fraction, None))
    return _columns(seen)


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
    alone = map_camera.renderer.render(camera, want=ONLY_INSTANCES).instance
    traffic.show(placed)
    assert alone is not None
    return max(1.0, float((alone == item.member.instance_id).sum()))
