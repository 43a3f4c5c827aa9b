"""The physical attack at toy size: photographs of a scenario's sign, the search over them, and what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from testbed import adversaries
from testbed.adversaries.shadow.approach import SignApproach, homography, shaken
from testbed.adversaries.shadow.optimiser import optimise
from testbed.adversaries.shadow.particle_swarm import SwarmSettings
from testbed.adversaries.shadow.physical import PhysicalSettings, collect
from testbed.adversaries.shadow.polygon import area_on_plate
from testbed.core.errors import UsageError
from testbed.scenario.schema import Scenario

TOY = PhysicalSettings(SwarmSettings(starts=1, iterations=3, particles=4), situations=1, distances=3)
POLYGON = np.array([[0.2, 0.2], [0.9, 0.4], [0.3, 0.9]], np.float32)


def _scenario(azimuth_deg: float = 200.0) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "shadow_toy",
            "question": "Is the sign read?",
            "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}, "speed_mps": 20},
            "weather": {"sun_altitude_deg": 35, "sun_azimuth_deg": azimuth_deg, "cloudiness": 0},
            "signs": [{"id": "limit", "gtsrb_class": 5, "ahead_m": 60}],
            "adversaries": [{"id": "shadow", "kind": "shadow", "artefact": "shadow_toy", "sign": "limit"}],
        }
    )


@pytest.fixture(scope="module")
def approach() -> SignApproach:
    made = SignApproach(_scenario(), "limit")
    made.stage(3)
    return made


def test_a_modelled_shadow_looks_like_the_card_in_the_scene(approach: SignApproach) -> None:
    near_m, far_m = approach.readable_m()
    assert 3.0 < near_m < 10.0 < far_m < 40.0
    ahead_m, _ = approach.path.locate(*approach.plate.pose[:2])
    for before_m in (near_m + 1.0, 15.0, far_m - 1.0):
        view = approach.view(before_m)
        assert view is not None and view.width_px >= 10
        assert 0.4 < view.light_left < 0.8
        modelled = view.images(POLYGON[None])[0].astype(float)
        camera = approach.camera(ahead_m - before_m, 0.0)
        box = approach.crop_box(camera)
        assert box is not None
        assert approach.hang(POLYGON)
        seen = approach.picture(camera)[box[1] : box[3], box[0] : box[2]].astype(float)
        approach.hang(None)
        lit = view.images(POLYGON[None][:0])[0].astype(float)
        changed = np.abs(lit - seen).max(axis=2) > 8.0
        assert changed.any()
        assert np.abs(modelled - seen)[changed].mean() < 0.35 * np.abs(lit - seen)[changed].mean()
        assert np.abs(modelled - seen).mean() < 3.0


def test_shaken_views_stay_pictures_of_the_sign(approach: SignApproach) -> None:
    view = approach.view(9.0)
    assert view is not None
    for number in range(8):
        other = shaken(view, np.random.default_rng(number), rendered=number % 2 == 0)
        assert other.lit.shape == (3, *view.lit.shape[1:])
        assert np.isfinite(other.lit).all() and other.lit.min() >= 0.0 and other.lit.max() < 255.1
        # A sign that is brightened until it is white loses less.
        assert 0.35 < other.light_left < 0.99
        dark = other.images(np.array([[[-3, -3], [4, -3], [0.5, 6]]], np.float32))[0]
        assert dark.mean() < other.images(POLYGON[None][:0])[0].mean() - 0.5


def test_a_homography_takes_four_points_to_four_others() -> None:
    source = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    target = np.array([[0.1, 0.0], [0.9, 0.05], [1.0, 1.0], [0.0, 0.95]])
    moved = np.column_stack((source, np.ones(4))) @ homography(source, target).T
    assert moved[:, :2] / moved[:, 2:] == pytest.approx(target)


def test_attack_and_controls_are_written_sealed(tmp_path: Path) -> None:
    said: list[str] = []
    folders = optimise(_scenario(), out=tmp_path, seed=1, controls=2, face=True, settings=TOY, say=said.append)
    assert [folder.name for folder in folders] == [
        "shadow_toy",
        "random_shadow_toy_a",
        "random_shadow_toy_b",
        "shadow_toy_face",
    ]
    attack, first, second = (adversaries.load(folder, kind="shadow") for folder in folders[:3])
    face = adversaries.load(folders[3], kind="sign_face").payload()
    dark = face.rgba[..., 3] > 0.5 * face.rgba[..., 3].max()
    wanted = area_on_plate(attack.payload().polygon, 5)
    assert wanted == 0.0 or dark.any()
    assert face.rgba[..., :3].max() == 0.0 and face.rgba[..., 3].max() < 0.95
    assert attack.manifest.surrogate is not None and attack.manifest.surrogate.model == "dnn-tsr"
    assert attack.manifest.figures["views"] > 0 and attack.manifest.curve == ()
    assert not attack.manifest.control and first.manifest.control and first.manifest.surrogate is None
    share = area_on_plate(attack.payload().polygon, 5)
    for twin in (first, second):
        assert area_on_plate(twin.payload().polygon, 5) == pytest.approx(share, abs=0.02)
    assert any("full sun" in line for line in said)


def test_a_sign_in_its_own_shade_cannot_be_attacked() -> None:
    made = SignApproach(_scenario(azimuth_deg=10.0), "limit")
    with pytest.raises(UsageError, match="sun"):
        collect(made, 1, TOY, shake=False)
    with pytest.raises(UsageError, match="no sign"):
        SignApproach(_scenario(), "other")
