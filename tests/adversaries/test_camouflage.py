"""Vehicle camouflage: repainting against the engine, the loss, the search, the baselines, the figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from testbed import adversaries
from testbed.adversaries.camouflage import blueprint_of, optimise
from testbed.adversaries.camouflage.baselines import filled, plain_colour, random_camouflage
from testbed.adversaries.camouflage.car import Subject, vehicle_subject
from testbed.adversaries.camouflage.measure import (
    ScoredBox,
    agent_answers,
    average_precision,
    detector_answers,
    measure,
)
from testbed.adversaries.camouflage.search import Paint, PaintSearchSettings, linear_of, scores, search
from testbed.adversaries.camouflage.surrogate import VehicleVictim, load_victim
from testbed.adversaries.camouflage.views import (
    LIGHTS,
    VehicleScene,
    VehicleView,
    Viewpoint,
    as_bytes,
    free_grid,
    repaint,
)
from testbed.adversaries.picture import srgb_to_linear
from testbed.core.errors import UsageError
from testbed.core.types import Skin
from testbed.scenario.schema import Scenario

SCENARIO = Scenario.model_validate(
    {
        "name": "blocked",
        "question": "Does paint hide a car?",
        "map": "highway",
        "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 40}},
        "actors": [{"id": "lead", "ahead_m": 40}],
        "adversaries": [{"id": "paint", "kind": "camouflage", "artefact": "rauca_model3", "actor": "lead"}],
    }
)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return vehicle_subject("vehicle.tesla.model3")


@pytest.fixture(scope="module")
def scene(subject: Subject) -> VehicleScene:
    return VehicleScene(subject)


@pytest.fixture(scope="module")
def victim() -> VehicleVictim:
    torch.set_num_threads(1)
    return load_victim()


@pytest.fixture(scope="module")
def views(scene: VehicleScene) -> list[VehicleView]:
    """Side views, near, in three lights."""
    lights = (("clear", "noon"), ("rain", "noon"), ("clear", "night"))
    looks = [
        Viewpoint(distance_m, yaw_deg, 1.45, -2.0, 0.0, *light, LIGHTS[light], False)
        for distance_m, yaw_deg, light in zip((9.0, 14.0, 11.0), (90.0, 70.0, 0.0), lights, strict=True)
    ]
    rng = np.random.default_rng(5)
    return [scene.photograph(look, rng) for look in looks]


def test_a_repainted_picture_is_the_one_that_the_engine_draws(scene: VehicleScene, views: list[VehicleView]) -> None:
    texture = np.random.default_rng(1).random((512, 512, 3)).astype(np.float32)
    repainted = as_bytes(repaint(views, torch.from_numpy(np.ascontiguousarray(texture.transpose(2, 0, 1)))))
    for view, picture in zip(views, repainted, strict=True):
        drawn = scene.show(view, texture)
        assert np.abs(drawn.astype(int) - view.base.numpy()).max() > 30  # the paint is to be seen at all
        assert np.abs(drawn.astype(int) - picture).max() <= 1


def test_the_mask_is_the_painted_body(subject: Subject) -> None:
    # Sheet metal of the left door and of the hood, glass of the windscreen, the gap between two charts.
    assert subject.mask[75, 250] and subject.mask[330, 420]
    assert not subject.mask[330, 320] and not subject.mask[127, 250]
    assert 0.3 < subject.mask.mean() < 0.5


def test_gradients_point_the_right_way(victim: VehicleVictim, views: list[VehicleView]) -> None:
    texture = torch.full((3, 512, 512), 0.4, requires_grad=True)
    boxes = torch.tensor([view.box_px for view in views])

    def score(paint: torch.Tensor) -> torch.Tensor:
        return scores(victim.decode(repaint(views, paint)), boxes)[0].sum()

    before = score(texture)
    (gradient,) = torch.autograd.grad(before, texture)
    assert gradient.abs().sum() > 0
    with torch.no_grad():
        assert score(texture - 2e-3 * gradient.sign()) < before.detach()


def test_the_score_is_confidence_times_overlap() -> None:
    rows = torch.tensor([[[10.0, 10, 30, 30, 0.9, 0.5], [10, 10, 30, 20, 0.95, 1.0], [90, 90, 99, 99, 1.0, 1.0]]])
    padded = torch.cat([rows, torch.tensor([200.0, 90, 240, 120, 0.0, 0.0]).expand(1, 40, 6)], dim=1)
    box_score, lead_score = scores(padded, torch.tensor([[10.0, 10.0, 30.0, 30.0]]))
    assert box_score.item() == pytest.approx(0.9, abs=1e-4)  # the exact box wins over the surer, worse one
    assert lead_score.item() == pytest.approx(0.95)  # of those that touch the vehicle


def test_the_search_hides_a_car(subject: Subject, victim: VehicleVictim, views: list[VehicleView]) -> None:
    rng = np.random.default_rng(0)
    paint = Paint(subject.mask, 64, rng)
    said: list[float] = []
    settings = PaintSearchSettings(steps=30, batch=2, rate=0.1, cells=64, relight=0.0)
    search(views[:2], victim.decode, paint, settings, rng, lambda progress: said.append(progress.box_score), every=1)
    assert said[-1] < 0.6 * said[0]
    attack = linear_of(paint.srgb().detach()).permute(1, 2, 0).numpy()
    textures = {"original": subject.original, "attack": attack}
    cells = measure(views[:2], textures, detector_answers(victim), threshold=victim.threshold, factors=["yaw"])
    whole = {cell.texture: cell for cell in cells if cell.factor == "all"}
    assert whole["original"].found == 2 and whole["original"].ap50 == 1.0
    assert whole["attack"].ap50 <= whole["original"].ap50
    assert {cell.value for cell in cells if cell.factor == "yaw"} == {"90 deg", "70 deg"}


def test_a_search_can_go_on_from_a_texture() -> None:
    mask = np.ones((64, 64), bool)
    atlas = np.random.default_rng(2).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    again = Paint(mask, 64, np.random.default_rng(0), start=atlas).pixels()
    assert np.abs(again.astype(int) - atlas).max() <= 3  # black and white come a little closer to grey


def test_average_precision_of_known_answers(views: list[VehicleView]) -> None:
    one, two = views[0], views[1]
    exact = [[ScoredBox(one.box_px, 0.9)], [ScoredBox(two.box_px, 0.8)]]
    assert average_precision([one, two], exact) == 1.0
    assert average_precision([one, two], [exact[0], []]) == 0.5
    alarm = ScoredBox((0.0, 0.0, 9.0, 9.0), 0.95)
    assert average_precision([one, two], [[alarm, *exact[0]], exact[1]]) == pytest.approx(2 / 3)
    twice = [[*exact[0], ScoredBox(one.box_px, 0.85)], exact[1]]
    assert average_precision([one, two], twice) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision([one], [[]]) == 0.0


def test_any_agent_can_be_measured(subject: Subject, views: list[VehicleView]) -> None:
    from testbed import agents

    cells = measure(views, {"original": subject.original}, agent_answers(agents.load("dnn")), threshold=0.0, factors=[])
    assert [(cell.texture, cell.views) for cell in cells] == [("original", 3)]


def test_the_grid_has_every_combination() -> None:
    looks = free_grid(distances_m=(10.0, 20.0), yaws_deg=(0.0, 90.0, 180.0), heights_m=(1.45,))
    assert len(looks) == 2 * 3 * len(LIGHTS)
    assert len({(look.distance_m, look.yaw_deg, look.weather, look.time) for look in looks}) == len(looks)


def test_random_camouflage_holds_the_same_texels() -> None:
    rng = np.random.default_rng(3)
    atlas = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[10:50, 5:60] = True
    control = random_camouflage(atlas, mask, 0)

    def palette(pixels: np.ndarray) -> list[tuple[int, ...]]:
        return sorted(tuple(int(value) for value in texel) for texel in pixels[mask])

    assert palette(control) == palette(atlas)
    assert (control[mask] != atlas[mask]).any(axis=1).mean() > 0.9
    assert (random_camouflage(atlas, mask, 0) == control).all() and (random_camouflage(atlas, mask, 1) != control).any()


def test_plain_colour_reflects_as_much_light() -> None:
    atlas = np.zeros((8, 8, 3), np.uint8)
    atlas[:, ::2] = (255, 128, 0)
    mask = np.ones((8, 8), bool)
    plain = plain_colour(atlas, mask)
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) == 1
    assert srgb_to_linear(plain)[0, 0] == pytest.approx(srgb_to_linear(atlas).mean(axis=(0, 1)), abs=3e-3)


def test_unseen_texels_repeat_their_neighbours() -> None:
    atlas = np.zeros((4, 4, 3), np.uint8)
    atlas[1, 1] = 200
    mask = np.zeros((4, 4), bool)
    mask[1, 1] = True
    assert (filled(atlas, mask) == 200).all()


def test_optimise_writes_an_attack_and_what_it_is_compared_with(tmp_path: Path) -> None:
    folders = optimise(
        SCENARIO, out=tmp_path, steps=2, views=4, batch=2, cells=32, maps="highway", check=False, say=lambda text: None
    )
    names = ["rauca_model3", "random_camouflage", "plain_camouflage"]
    assert [folder.name for folder in folders] == names
    attack, random, plain = (adversaries.load(folder) for folder in folders)
    assert attack.manifest.surrogate is not None and not attack.manifest.control
    assert random.manifest.control and plain.manifest.control and plain.manifest.surrogate is None
    skin = attack.payload()
    assert isinstance(skin, Skin) and skin.rgb.shape == (512, 512, 3) and skin.blueprint == "vehicle.tesla.model3"


def test_a_scenario_without_camouflage_is_told_so() -> None:
    bare = SCENARIO.model_copy(update={"adversaries": []})
    with pytest.raises(UsageError, match="has no adversary of kind camouflage"):
        blueprint_of(bare)


def test_two_wheelers_have_no_atlas() -> None:
    with pytest.raises(UsageError, match="no paint atlas"):
        vehicle_subject("vehicle.kawasaki.ninja")


def test_a_vehicle_that_nobody_could_see_is_reported(scene: VehicleScene, views: list[VehicleView]) -> None:
    from testbed.core.errors import MapError

    hidden = replace(views[0].look, aside_m=400.0)
    yard_of_one = VehicleScene.TRIES
    VehicleScene.TRIES = 3
    try:
        with pytest.raises(MapError, match="found no place"):
            scene.photograph(hidden, np.random.default_rng(0))
    finally:
        VehicleScene.TRIES = yard_of_one
