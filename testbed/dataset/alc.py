"""Driver's views with the steering class, the preview offset and the lane lines.

Poses are a mixture: most near the lane centre as in good driving, some off it so that recovery is learnt, a few far
off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.questions import steering_class
from testbed.dataset.studio import Studio
from testbed.dataset.traffic import Traffic
from testbed.dataset.wear import Wear
from testbed.dataset.weather import sample_weather, weather_row

RENEW_EVERY = 250
POSES: dict[str, str] = {
    "45 %": "lateral N(0, 0.2 m), heading N(0, 0.5 deg)",
    "40 %": "lateral N(0, 0.5 m), heading N(0, 1.5 deg)",
    "15 %": "lateral U(-1.6 m, 1.6 m), heading N(0, 2 deg) within 5 deg",
}


def sample_offset(rng: np.random.Generator) -> tuple[float, float]:
    """Draw (lateral offset in m, heading error in rad), both positive left, with the shares of `POSES`."""
    kind = rng.random()
    if kind < 0.45:
        lateral_m, heading_deg = rng.normal(0.0, 0.2), rng.normal(0.0, 0.5)
    elif kind < 0.85:
        lateral_m, heading_deg = rng.normal(0.0, 0.5), rng.normal(0.0, 1.5)
    else:
        lateral_m, heading_deg = rng.uniform(-1.6, 1.6), np.clip(rng.normal(0.0, 2.0), -5.0, 5.0)
    return float(np.clip(lateral_m, -1.6, 1.6)), math.radians(float(np.clip(heading_deg, -5.0, 5.0)))


def views(
    studio: Studio, split: str, count: int, seed: int, part: int
) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Yield `count` images (160, 320, 3) with one row of labels each; equal arguments give equal bytes."""
    rng = np.random.default_rng([seed, 1, split == "test", part])
    traffic, wear = Traffic(studio), Wear(studio.scene)
    for index in range(count):
        if index % RENEW_EVERY == 0:
            traffic.renew(rng)
            wear.renew(rng)
        stand = studio.stand(rng, split, *sample_offset(rng))
        members = [traffic.members[i] for i in rng.permutation(len(traffic.members))[: rng.integers(0, 6)]]
        traffic.show(traffic.scatter(rng, stand, members, own_lane_from_m=12.0))
        wear.scatter(rng, stand.pose)
        weather = sample_weather(rng)
        studio.scene.set_weather(weather)
        camera = studio.camera(stand.pose)
        frame = studio.renderer.render(camera)
        assert frame.rgb is not None
        yield (
            frame.rgb,
            {
                "pose": stand.pose,
                "weather": weather_row(weather),
                "group": stand.group,
                "steering": steering_class(stand.preview_offset_m),
                "preview_offset_m": stand.preview_offset_m,
                "lateral_offset_m": stand.lateral_offset_m,
                "heading_error_rad": stand.heading_error_rad,
                "curvature_1pm": stand.curvature_1pm,
                "lane_x_px": studio.lane_lines_px(stand, camera),
            },
        )
    traffic.remove()
    wear.remove()
