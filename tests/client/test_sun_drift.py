"""A card's shadow through the real server and client: where the driver sees it, and how the drifting sun moves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from testbed import adversaries
from testbed.adversaries.delivery import load_payloads
from testbed.client import Session, connect
from testbed.core.projection import PinholeProjection
from testbed.core.records import EpisodePlan
from testbed.core.types import Pose
from testbed.scenario.concrete import concretise
from testbed.scenario.schema import Scenario
from testbed.world.assets.occluder import plate_points, sun_after, sun_vector
from testbed.world.assets.sign_assets import PLATE_BOTTOM_M

POLYGON = ((0.3, 0.3), (0.75, 0.4), (0.4, 0.75))
SUN = (35.0, 190.0)
SIZE_M, AHEAD_M, RIGHT_M = 1.0, 12.0, 4.0
DRIFT_MIN = 6.0


def _scenario(drift_min: float) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "drift",
            "question": "Where does the shadow fall?",
            "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}, "speed_mps": 0, "vary": False},
            "camera": {"width_px": 640, "height_px": 320},
            "weather": {
                "sun_altitude_deg": SUN[0],
                "sun_azimuth_deg": SUN[1],
                "cloudiness": 0,
                "sun_drift_min": drift_min,
                "vary": False,
            },
            "duration_s": 1,
            # A priority road's sign is one large yellow face, on which a shadow shows everywhere.
            "signs": [
                {"id": "sign", "gtsrb_class": 12, "ahead_m": AHEAD_M, "lateral_m": -RIGHT_M, "size_m": SIZE_M},
            ],
            "adversaries": [{"id": "shadow", "kind": "shadow", "artefact": "card", "sign": "sign", "inject": "world"}],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shadows")
    adversaries.save(folder / "card", adversaries.ShadowManifest(name="card", polygon=POLYGON))
    return folder


def test_the_shadow_is_where_the_polygon_says_and_drifts_with_the_sun(folder: Path) -> None:
    middles = {}
    with connect(None, map_name="highway") as connection:
        session = Session(connection)
        for drift_min in (0.0, DRIFT_MIN):
            images = {}
            for condition in ("benign", "shadow"):
                made = _scenario(drift_min)
                plan = EpisodePlan(scenario=made.name, scene=made.dump(), agent="", condition=condition, seed=1)
                concrete = concretise(plan)
                payloads, _ = load_payloads(concrete.injections, folder)
                tick = session.begin(concrete, payloads)
                images[condition] = tick.observation.image.astype(float)
                truth = tick.truth
            session.end()
            assert truth.sign is not None
            x0, y0, x1, y1 = (round(value) for value in truth.sign.box_px)
            darker = np.zeros(images["benign"].shape[:2])
            darker[y0:y1, x0:x1] = (images["benign"] - images["shadow"]).mean(axis=2)[y0:y1, x0:x1].clip(0.0)
            rows, columns = np.mgrid[0 : len(darker), 0 : darker.shape[1]] + 0.5
            weight = darker * (darker > 0.3 * darker.max())
            middles[drift_min] = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
            if drift_min == 0.0:
                wanted, width_px = _middle_px(truth.ego, np.array(POLYGON)), x1 - x0
                assert 28 < width_px < 50
                assert np.abs(middles[0.0] - wanted).max() < 1.5
    moved = middles[DRIFT_MIN] - middles[0.0]
    before, after = sun_vector(*SUN), sun_vector(*sun_after(*SUN, DRIFT_MIN))
    # From the card, 4 m along the first ray, down the second ray to the plate's plane.
    expected_px = -4.0 * before[0] * (after / after[0] - before / before[0])[1:] * width_px / SIZE_M
    assert np.hypot(*moved) > 1.0
    assert moved[0] == pytest.approx(expected_px[0], abs=1.5)
    assert moved[1] == pytest.approx(-expected_px[1], abs=1.5)


def _middle_px(ego: object, polygon: np.ndarray) -> np.ndarray:
    """Return where the middle of a polygon on the plate is in the driver's view."""
    x, y, yaw = ego.x_m, ego.y_m, ego.yaw_deg  # type: ignore[attr-defined]
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    plate: Pose = (
        x + AHEAD_M * c - RIGHT_M * s,
        y + AHEAD_M * s + RIGHT_M * c,
        PLATE_BOTTOM_M + SIZE_M / 2.0,
        0.0,
        yaw,
        0.0,
    )
    camera = PinholeProjection((x + 0.6 * c, y + 0.6 * s, 1.45, -2.0, yaw, 0.0), 640, 320, 75.0)
    corners = plate_points(plate, SIZE_M, polygon)
    return camera.pixels(camera.to_camera(corners)).mean(axis=0)
