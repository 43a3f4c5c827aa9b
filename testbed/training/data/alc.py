"""Driver's views for lane centring, with what else they show.

Poses are a mixture: most near the lane centre as in good driving, some off it so that recovery is learnt, a few far
off. The three classes come equally often, as far as a place allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.perception_tasks import STEERING_CLASSES, steering_class
from testbed.core.types import Steering
from testbed.training.data import view_labels
from testbed.training.data.map_camera import EgoPlacement, MapCamera
from testbed.training.data.random_traffic import fleet
from testbed.training.data.road_wear import RoadWear
from testbed.world.sampled_weather import sample_weather, weather_row

RENEW_WEAR_EVERY = 150
MAX_PREVIEW_M = 5.0
"""Views of a lane that bends away farther than this within 25 m are left out: street corners turned at a crawl."""
NEARLY_STRAIGHT_M = 0.5
TRIES = 12
POSES: dict[str, str] = {
    "45 %": "lateral N(0, 0.2 m), heading N(0, 0.5 deg)",
    "40 %": "lateral N(0, 0.5 m), heading N(0, 1.5 deg)",
    "15 %": "lateral U(-1.6 m, 1.6 m), heading N(0, 2 deg) within 5 deg",
    "all": "lateral within 0.45 lane widths",
}


def sample_offset(rng: np.random.Generator, width_m: float = 3.6) -> tuple[float, float]:
    """Draw (lateral offset in m, heading error in rad), both positive left, with the shares of `POSES`."""
    limit_m = min(1.6, 0.45 * width_m)
    kind = rng.random()
    if kind < 0.45:
        lateral_m, heading_deg = rng.normal(0.0, 0.2), rng.normal(0.0, 0.5)
    elif kind < 0.85:
        lateral_m, heading_deg = rng.normal(0.0, 0.5), rng.normal(0.0, 1.5)
    else:
        lateral_m, heading_deg = rng.uniform(-limit_m, limit_m), np.clip(rng.normal(0.0, 2.0), -5.0, 5.0)
    return float(np.clip(lateral_m, -limit_m, limit_m)), math.radians(float(np.clip(heading_deg, -5.0, 5.0)))


def views(
    map_camera: MapCamera, split: str, count: int, seed: tuple[int, ...], *, per_place: int
) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Yield `count` images (160, 320, 3) with one row of labels each; equal arguments give equal bytes.

    `per_place` images in a row share place and light, in other positions and traffic.
    """
    rng = np.random.default_rng([*seed, 1, split == "test"])
    traffic, wear = fleet(map_camera, (*seed[:-1], 1, split == "test")), RoadWear(map_camera.scene)
    weather = map_camera.scene.weather
    scene: EgoPlacement | None = None
    for index in range(count):
        if index % RENEW_WEAR_EVERY == 0:
            wear.renew(rng)
        wanted = int(rng.integers(len(STEERING_CLASSES)))
        if scene is None or index % per_place == 0:
            scene, weather = _place(rng, map_camera, split, wanted), sample_weather(rng)
            map_camera.scene.set_weather(weather)
        stand = _towards(rng, map_camera, scene, wanted)
        members = traffic.draw(rng, int(rng.integers(0, 6)))
        placed = traffic.scatter(rng, stand, members, own_lane_from_m=12.0)
        traffic.show(placed)
        wear.scatter(rng, stand.pose)
        camera = map_camera.camera(stand.pose)
        frame = map_camera.renderer.render(camera, want=view_labels.WANT)
        assert frame.rgb is not None and frame.instance is not None
        yield (
            frame.rgb,
            {
                "pose": stand.pose,
                "weather": weather_row(weather),
                "group": stand.group,
                **view_labels.lane_columns(map_camera, stand, camera),
                **view_labels.vehicle_columns(map_camera, traffic, placed, camera, frame.instance),
            },
        )
    traffic.show([])
    wear.remove()


def _place(rng: np.random.Generator, map_camera: MapCamera, split: str, wanted: int) -> EgoPlacement:
    """Return a place whose lane does not bend too far, nor too far for the wanted class."""
    limit_m = NEARLY_STRAIGHT_M if STEERING_CLASSES[wanted] is Steering.STRAIGHT else MAX_PREVIEW_M
    while True:
        stand = map_camera.stand(rng, split, 0.0, 0.0)
        if abs(stand.preview_offset_m) < limit_m:
            return stand


def _towards(rng: np.random.Generator, map_camera: MapCamera, scene: EgoPlacement, wanted: int) -> EgoPlacement:
    """Return a stand at the same place whose answer is the wanted class, unless the bend allows none."""
    width_m = scene.course.width_m(0.0)
    for _ in range(TRIES):
        stand = map_camera.again(rng, scene, *sample_offset(rng, width_m))
        if steering_class(stand.preview_offset_m) == wanted:
            break
    return stand
