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

from testbed.core.questions import LEAD_RANGE_M, MIN_VEHICLE_PX, MIN_VISIBLE_FRACTION
from testbed.core.types import Box, Pose
from testbed.dataset.format import MAX_BOXES
from testbed.dataset.studio import Stand, Studio
from testbed.dataset.traffic import Placed, Traffic, box_of, fleet
from testbed.dataset.wear import Wear
from testbed.dataset.weather import sample_weather, weather_row
from testbed.server.render.camera import Camera, pose_matrix

RENEW_WEAR_EVERY = 100
VIEWS_PER_SCENE = 2
WANT = frozenset({"rgb", "instance"})
ONLY_IDS = frozenset({"instance"})
LABELLED_FRACTION = 0.25
"""A vehicle of which less is to be seen gets no box."""
FILL, FILL_NARROW = 0.7, 0.35
"""Share of the rectangle around its bounding box that a vehicle, a two-wheeler in full view covers, roughly."""
NARROW_M = 0.55
CLOSE_M, LEAD_M, FAR_M = (1.0, 12.0), (3.0, 57.0), (64.0, 110.0)
"""Gaps to leads drawn close, to other leads, and to vehicles in the ego's lane that are too far away to count."""
CLOSE_SHARE = 0.15
"""Leads drawn from close range only: there a box grows fast, and one that is too small is driven into."""
FAR_SHARE = 0.1
"""Views with a vehicle in the ego's lane that is too far away to count."""


def views(
    studio: Studio, split: str, count: int, seed: tuple[int, ...]
) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Yield `count` images (160, 320, 3) with one row of labels each; equal arguments give equal bytes."""
    rng = np.random.default_rng([*seed, 2, split == "test"])
    traffic, wear = fleet(studio, (*seed[:-1], 2, split == "test")), Wear(studio.scene)
    weather = studio.scene.weather
    scene: Stand | None = None
    present = 0
    for made in range(count):
        if made % RENEW_WEAR_EVERY == 0:
            wear.renew(rng)
        fresh = made % VIEWS_PER_SCENE == 0
        while True:
            if fresh or scene is None:
                scene, weather = studio.stand(rng, split, 0.0, 0.0), sample_weather(rng)
                studio.scene.set_weather(weather)
            stand = studio.again(rng, scene, *_offset(rng))
            # Leads that turn out hidden or too small count as absent: the rest makes up for them.
            lead = rng.random() < np.clip(0.5 + 0.1 * (0.5 * made - present), 0.1, 0.9)
            placed = _arrange(rng, traffic, stand, bool(lead))
            traffic.show(placed)
            wear.scatter(rng, stand.pose)
            camera = studio.camera(stand.pose)
            frame = studio.renderer.render(camera, want=WANT)
            assert frame.rgb is not None and frame.instance is not None
            labels = _label(studio, traffic, placed, camera, frame.instance)
            if labels is not None:
                break
            fresh = True
        present += bool(labels["present"])
        yield (
            frame.rgb,
            {"pose": stand.pose, "weather": weather_row(weather), "group": stand.group, **labels},
        )
    traffic.show([])
    wear.remove()


def _offset(rng: np.random.Generator) -> tuple[float, float]:
    lateral_m = float(np.clip(rng.normal(0.0, 0.35), -1.1, 1.1))
    return lateral_m, math.radians(float(np.clip(rng.normal(0.0, 1.2), -4.0, 4.0)))


def _arrange(rng: np.random.Generator, traffic: Traffic, stand: Stand, with_lead: bool) -> list[Placed]:
    """Place a vehicle ahead in the ego's lane if there is to be one, and others elsewhere."""
    lead, *others = traffic.draw(rng, 1 + int(rng.integers(0, 6)))
    placed: list[Placed] = []
    if with_lead or rng.random() < FAR_SHARE:
        if not with_lead:
            gap_m = float(rng.uniform(*FAR_M))
        else:
            gap_m = float(rng.uniform(*(CLOSE_M if rng.random() < CLOSE_SHARE else LEAD_M)))
            gap_m = min(gap_m, stand.course.reach_m - 2.0 * lead.half_length_m - 5.0)
        turn_deg = float(rng.normal(0.0, 1.5)) if rng.random() < 0.85 else float(rng.uniform(0.0, 360.0))
        left_m = float(np.clip(rng.normal(0.0, 0.3), -0.9, 0.9))
        item = traffic.ahead(stand, lead, gap_m, left_m, turn_deg)
        if item is not None:
            placed.append(item)
    return traffic.scatter(rng, stand, others, before=placed)


def _label(
    studio: Studio, traffic: Traffic, placed: list[Placed], camera: Camera, instance: NDArray[np.uint32]
) -> dict[str, Any] | None:
    """Return the label columns of one view, or None for a view that is left out."""
    seen: list[tuple[float, Box, float, Placed | None]] = []
    for item in placed:
        half_m = (item.member.half_length_m, item.member.half_width_m, item.member.half_height_m)
        found = _look(camera, instance, item.member.instance_id, item.pose, half_m)
        counts = item.own_lane and item.gap_m <= LEAD_RANGE_M + 4.0
        if found is None:
            if counts:
                return None
            continue
        box, fraction = found
        if counts:
            if any(_may_hide(item, other, camera.pose) for other in placed if other is not item):
                fraction = min(fraction, _visible(studio, traffic, item, placed, camera, instance))
            tall = box[3] - box[1]
            if 5.0 <= tall <= 6.0 or 57.0 < item.gap_m < 64.0 or fraction < MIN_VISIBLE_FRACTION + 0.1:
                return None
        if box[3] - box[1] >= MIN_VEHICLE_PX and fraction >= LABELLED_FRACTION:
            seen.append((item.gap_m, box, fraction, item))
    if studio.parked:
        in_view = set(np.unique(instance[instance >= studio.parked[0].instance_id]).tolist())
        for car in (car for car in studio.parked if car.instance_id in in_view):
            found = _look(camera, instance, car.instance_id, car.pose, car.extent_m)
            if found is not None and found[0][3] - found[0][1] >= MIN_VEHICLE_PX and found[1] >= LABELLED_FRACTION:
                gap_m = math.hypot(car.pose[0] - camera.pose[0], car.pose[1] - camera.pose[1])
                seen.append((gap_m, *found, None))
    seen = sorted(seen, key=lambda entry: entry[0])[:MAX_BOXES]
    boxes = np.full((MAX_BOXES, 4), np.nan, np.float32)
    visible = np.full(MAX_BOXES, np.nan, np.float32)
    lead = -1
    chosen: tuple[Box, Placed] | None = None
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


def _look(
    camera: Camera, instance: NDArray[np.uint32], number: int, pose: Pose, half_m: tuple[float, float, float]
) -> tuple[Box, float] | None:
    """Return the box around what is seen of a vehicle and roughly which share of it that is; None for nothing."""
    mask = instance == number
    box = box_of(mask)
    if box is None:
        return None
    corners = np.array(
        [(x, y, z, 1.0) for x in (-half_m[0], half_m[0]) for y in (-half_m[1], half_m[1]) for z in (0, 2 * half_m[2])]
    )
    pixels = camera.project((corners @ pose_matrix(pose).T)[:, :3])
    if (pixels[:, 2] < 0.5).any():
        return box, 1.0  # beside the camera: its outline cannot be told, and it is close
    low = np.clip(pixels[:, :2].min(0), 0.0, (camera.width_px, camera.height_px))
    high = np.clip(pixels[:, :2].max(0), 0.0, (camera.width_px, camera.height_px))
    area_px = float(np.prod(np.maximum(high - low, 1.0)))
    fill = FILL_NARROW if half_m[1] < NARROW_M else FILL
    return box, min(1.0, float(mask.sum()) / (fill * area_px))


def _visible(
    studio: Studio, traffic: Traffic, item: Placed, placed: list[Placed], camera: Camera, instance: NDArray[np.uint32]
) -> float:
    """Return which share of a vehicle's pixels other vehicles leave: against a picture with this vehicle alone."""
    traffic.show([item])
    alone = studio.renderer.render(camera, want=ONLY_IDS).instance
    traffic.show(placed)
    assert alone is not None
    number = item.member.instance_id
    return float((instance == number).sum()) / max(1.0, float((alone == number).sum()))


def _may_hide(item: Placed, other: Placed, eye: Pose) -> bool:
    """Tell whether the directions to two vehicles overlap, the other one being nearer."""

    def span(placed: Placed) -> tuple[float, float, float]:
        dx, dy = placed.pose[0] - eye[0], placed.pose[1] - eye[1]
        distance_m = math.hypot(dx, dy)
        half_rad = math.atan2(placed.member.half_length_m + 0.3, max(distance_m - 1.0, 0.5))
        return math.atan2(dy, dx), half_rad, distance_m

    bearing, half, distance_m = span(item)
    other_bearing, other_half, other_distance_m = span(other)
    apart = abs((bearing - other_bearing + math.pi) % (2.0 * math.pi) - math.pi)
    return other_distance_m < distance_m and apart < half + other_half
