from __future__ import annotations

import logging

import pytest
import torch

from testbed.agents import weights
from testbed.core.errors import UsageError
from testbed.core.perception_tasks import FOCAL_PX, STEERING_CLASSES, steering_class
from testbed.core.types import Steering
from testbed.training.nets import train, vlm, vlm_tower
from testbed.training.nets.warmup import RoadPictures

from ...agents.vlm import toy

SHORT = vlm.StageSteps(warm_up=0, signs=0, tower=(1, 1))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy.write(tmp_path_factory.mktemp("toy"), 32)


def test_procedural_pictures_repeat_and_are_labelled_by_the_published_rule() -> None:
    pixels, columns = RoadPictures(5).lanes(16)
    again, _ = RoadPictures(5).lanes(16)
    assert torch.equal(pixels, again) and pixels.shape == (16, 3, 96, 256) and pixels.dtype == torch.uint8
    for preview, label in zip(columns["preview_offset_m"], columns["steering"], strict=True):
        assert steering_class(float(preview)) == int(label)


def test_mirroring_swaps_left_and_right_and_undoes_itself() -> None:
    pixels, columns = RoadPictures(6).lanes(8)
    everything = torch.ones(8, dtype=torch.bool)
    mirrored, labels = vlm_tower.mirror("alc", pixels, columns, everything)
    assert torch.equal(mirrored, pixels.flip(3))
    for before, after in zip(columns["steering"], labels["steering"], strict=True):
        assert STEERING_CLASSES[int(before)].sign == -STEERING_CLASSES[int(after)].sign
    back, original = vlm_tower.mirror("alc", mirrored, labels, everything)
    assert torch.equal(back, pixels)
    torch.testing.assert_close(original["lane_x_px"], columns["lane_x_px"], atol=1e-3, rtol=0, equal_nan=True)


def test_turning_left_moves_the_road_to_the_right() -> None:
    pixels = torch.zeros(2, 3, 96, 256)
    pixels[:, :, :, 127:129] = 1.0  # straight ahead
    columns = {
        "preview_offset_m": torch.tensor([0.0, 0.0]),
        "heading_error_rad": torch.zeros(2),
        "lateral_offset_m": torch.zeros(2),
        "curvature_1pm": torch.zeros(2),
        "steering": torch.ones(2),
        "lane_x_px": torch.zeros(2, 4, 42),
    }
    turned, labels = vlm_tower.turn(pixels, columns, torch.tensor([0.02, 0.0]))
    torch.testing.assert_close(turned[1], pixels[1], atol=1e-4, rtol=0)
    centre = (turned[0, 0, 20] * torch.arange(256)).sum() / turned[0, 0, 20].sum()
    assert float(centre) == pytest.approx(127.5 + 0.02 * FOCAL_PX, abs=0.3)
    assert float(labels["preview_offset_m"][0]) == pytest.approx(-0.488, abs=1e-3)
    assert STEERING_CLASSES[int(labels["steering"][0])] is Steering.RIGHT
    assert labels["lane_x_px"][0].isnan().all() and not labels["lane_x_px"][1].isnan().any()


def test_the_learning_rate_rises_shortly_and_falls_to_nothing() -> None:
    assert vlm_tower.rate(0.0, 1.0) < vlm_tower.rate(0.03, 1.0) == pytest.approx(1.0)
    assert vlm_tower.rate(0.999, 1.0) < 1e-3


def test_every_stage_of_the_tower_is_stored(data, tmp_path, caplog) -> None:
    caplog.set_level(logging.INFO)
    train("vlm-tower", data, out=tmp_path, plan=SHORT)
    taken_s = weights.card("vlm-tower", tmp_path)["trained"]["seconds"]
    train("vlm-tower", data, out=tmp_path, plan=SHORT)  # nothing is trained, their time stays
    assert weights.card("vlm-tower", tmp_path)["trained"]["seconds"] == taken_s > 0


def test_a_tower_goes_on_from_an_earlier_one_and_repeats(data, tmp_path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder, origin in ((first, None), (second, first), (third, first)):
        train("vlm-tower", data, out=folder, plan=SHORT, start_from=origin)
    told = [weights.card("vlm-tower", folder) for folder in (first, second, third)]
    assert "start" not in told[0] and told[1]["start"] == {"vlm-tower": told[0]["sha256"]}
    assert told[1]["sha256"] == told[2]["sha256"] != told[0]["sha256"]
    assert told[1]["command"].split("--data data ")[1] == "--from work/1 --out work/2 --seed 1"


def test_options_a_trainer_does_not_take_are_refused(data, tmp_path) -> None:
    with pytest.raises(UsageError, match="takes no option 'start_from'"):
        train("dnn-vd", data, out=tmp_path, start_from=tmp_path)
