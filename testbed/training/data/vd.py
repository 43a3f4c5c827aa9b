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

from testbed.training.data import view_labels
from testbed.training.data.alc import MAX_PREVIEW_M
from testbed.training.data.map_camera import EgoPlacement, MapCamera
from testbed.training.data.random_traffic import PlacedVehicle, RandomTraffic, fleet
from testbed.training.data.road_wear import RoadWear
from testbed.world.sampled_weather import sample_weather, weather_row

RENEW_WEAR_EVERY = 100
CLOSE_M, LEAD_M, FAR_M = (1.0, 12.0), (3.0, 57.0), (64.0, 110.0)
"""Gaps to leads drawn close, to other leads, and to vehicles in the ego's lane that are too far away to count."""
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
            view = _photograph(map_camera, traffic, placed, stand)
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
    map_camera: MapCamera,
    traffic: RandomTraffic,
    placed: list[PlacedVehicle],
    stand: EgoPlacement,
) -> tuple[NDArray[np.uint8], dict[str, Any]] | None:
    """Return the image of a view and its label columns, or None for a view that is left out."""
    camera = map_camera.camera(stand.pose)
    if view_labels.hangs_on_distance(camera, placed):
        return None
    frame = map_camera.renderer.render(camera, want=view_labels.WANT)
    assert frame.rgb is not None and frame.instance is not None
    vehicles = view_labels.vehicle_columns(map_camera, traffic, placed, camera, frame.instance)
    if not vehicles["lead_known"]:
        return None
    lane = view_labels.lane_columns(map_camera, stand, camera)
    if abs(stand.preview_offset_m) >= MAX_PREVIEW_M:
        lane["steering"] = -1
    return frame.rgb, lane | vehicles
