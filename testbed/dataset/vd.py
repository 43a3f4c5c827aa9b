"""Driver's views with the boxes of all vehicles, and which of them is the one ahead in the ego's lane.

Views whose answer hangs on a hair are left out: a vehicle in the ego's lane that is 5 or 6 px tall, or 57 to 64 m away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.questions import EGO_HALF_LENGTH_M, LEAD_RANGE_M, MIN_VEHICLE_PX, MIN_VISIBLE_FRACTION
from testbed.core.types import Box, Pose
from testbed.dataset.format import MAX_BOXES
from testbed.dataset.studio import Stand, Studio
from testbed.dataset.traffic import Placed, Traffic, box_of
from testbed.dataset.wear import Wear
from testbed.dataset.weather import sample_weather, weather_row
from testbed.server.render.camera import Camera

RENEW_EVERY = 125
WANT = frozenset({"rgb", "instance"})
ONLY_IDS = frozenset({"instance"})
LABELLED_FRACTION = 0.25
"""A vehicle of which less is to be seen gets no box."""


def views(
    studio: Studio, split: str, count: int, seed: int, part: int
) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Yield `count` images (160, 320, 3) with one row of labels each; equal arguments give equal bytes."""
    rng = np.random.default_rng([seed, 2, split == "test", part])
    traffic, wear = Traffic(studio), Wear(studio.scene)
    made = 0
    while made < count:
        if made % RENEW_EVERY == 0:
            traffic.renew(rng)
            wear.renew(rng)
        while True:
            stand = studio.stand(rng, split, *_offset(rng))
            placed = _arrange(rng, traffic, stand)
            traffic.show(placed)
            wear.scatter(rng, stand.pose)
            weather = sample_weather(rng)
            studio.scene.set_weather(weather)
            camera = studio.camera(stand.pose)
            frame = studio.renderer.render(camera, want=WANT)
            assert frame.rgb is not None and frame.instance is not None
            labels = _label(studio, traffic, placed, camera, frame.instance)
            if labels is not None:
                break
        yield (
            frame.rgb,
            {"pose": stand.pose, "weather": weather_row(weather), "group": stand.group, **labels},
        )
        made += 1
    traffic.remove()
    wear.remove()


def _offset(rng: np.random.Generator) -> tuple[float, float]:
    lateral_m = float(np.clip(rng.normal(0.0, 0.35), -1.2, 1.2))
    return lateral_m, math.radians(float(np.clip(rng.normal(0.0, 1.2), -4.0, 4.0)))


def _arrange(rng: np.random.Generator, traffic: Traffic, stand: Stand) -> list[Placed]:
    """Place, in half of the views, a vehicle ahead in the ego's lane, and distractors elsewhere."""
    members = [traffic.members[i] for i in rng.permutation(len(traffic.members))]
    lead, others = members[0], members[1 : 1 + int(rng.integers(0, 6))]
    placed: list[Placed] = []
    kind = rng.random()
    if kind < 0.62:
        # Half of the views in the end: some leads of this share are hidden or too small.
        gap_m = float(rng.uniform(3.0, 57.0)) if kind < 0.52 else float(rng.uniform(64.0, 110.0))
        turn_deg = float(rng.normal(0.0, 1.5)) if rng.random() < 0.85 else float(rng.uniform(0.0, 360.0))
        reach_m = EGO_HALF_LENGTH_M + lead.half_length_m
        left_m = float(np.clip(rng.normal(0.0, 0.3), -0.9, 0.9))
        pose = traffic.pose_ahead(stand, (stand.road_id, stand.lane_id), gap_m + reach_m, left_m, turn_deg)
        if pose is not None:
            placed.append(Placed(lead, gap_m, True, pose))
    free = [item for item in traffic.scatter(rng, stand, others) if not any(_touch(item, other) for other in placed)]
    return placed + free


def _touch(one: Placed, other: Placed) -> bool:
    reach_m = math.hypot(one.member.half_length_m, one.member.half_width_m)
    reach_m += math.hypot(other.member.half_length_m, other.member.half_width_m)
    turned = abs((one.pose[4] - other.pose[4] + 90.0) % 180.0 - 90.0) > 20.0
    distance_m = math.hypot(one.pose[0] - other.pose[0], one.pose[1] - other.pose[1])
    return distance_m < (reach_m if turned else 2.6)


def _label(
    studio: Studio, traffic: Traffic, placed: list[Placed], camera: Camera, instance: NDArray[np.uint32]
) -> dict[str, Any] | None:
    """Return the label columns of one view, or None for a view that is left out."""
    seen: list[tuple[Placed, Box, float]] = []
    for item in placed:
        mask = instance == item.member.instance_id
        box = box_of(mask)
        if box is None:
            continue
        fraction = _visible(studio, traffic, item, placed, camera, mask)
        tall = box[3] - box[1] >= MIN_VEHICLE_PX
        if item.own_lane and (5.0 <= box[3] - box[1] <= 6.0 or 57.0 < item.gap_m < 64.0 or 0.2 < fraction < 0.5):
            return None
        if tall and fraction >= LABELLED_FRACTION:
            seen.append((item, box, fraction))
    seen = sorted(seen, key=lambda entry: entry[0].gap_m)[:MAX_BOXES]
    boxes = np.full((MAX_BOXES, 4), np.nan, np.float32)
    visible = np.full(MAX_BOXES, np.nan, np.float32)
    lead = -1
    for row, (item, box, fraction) in enumerate(seen):
        boxes[row], visible[row] = box, fraction
        if lead < 0 and item.own_lane and item.gap_m <= LEAD_RANGE_M and fraction >= MIN_VISIBLE_FRACTION:
            lead = row
    chosen = seen[lead] if lead >= 0 else None
    return {
        "present": lead >= 0,
        "lead_box_px": np.full(4, np.nan, np.float32) if chosen is None else np.array(chosen[1], np.float32),
        "lead_distance_m": math.nan if chosen is None else chosen[0].gap_m,
        "lead_kind": b"" if chosen is None else chosen[0].member.type_id.encode(),
        "boxes_px": boxes,
        "visible": visible,
        "box_count": len(seen),
        "lead_index": lead,
    }


def _visible(
    studio: Studio, traffic: Traffic, item: Placed, placed: list[Placed], camera: Camera, mask: NDArray[np.bool_]
) -> float:
    """Return which share of a vehicle's pixels nothing hides: against a second picture with this vehicle alone."""
    if not any(_may_hide(item, other, camera.pose) for other in placed if other is not item):
        return 1.0
    traffic.show([item])
    alone = studio.renderer.render(camera, want=ONLY_IDS).instance
    traffic.show(placed)
    assert alone is not None
    return float(mask.sum()) / max(1.0, float((alone == item.member.instance_id).sum()))


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
