"""What lane and vehicle training share: which pictures are mirrored, figures per map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from testbed.core.perception_tasks import IMAGE_WIDTH_PX
from testbed.training.data.format import MAP_GROUPS, Split
from testbed.training.nets.clrernet import mirror
from testbed.training.nets.loop import mirrorable, per_map
from testbed.training.nets.yolov5 import targets


@pytest.fixture
def split() -> Split:
    boxes = np.full((4, 16, 4), np.nan, np.float32)
    boxes[:, 0] = (10.0, 60.0, 50.0, 90.0)
    labels = {
        "group": np.array([1002, MAP_GROUPS + 5010, 2 * MAP_GROUPS + 2006, 1003]),
        "boxes_px": boxes,
        "box_count": np.ones(4, np.int16),
        "lead_index": np.array([0, -1, 0, -1]),
    }
    card = {"maps": ["highway", "town", "rural"]}
    return Split("vd", "train", np.zeros((4, 160, 320, 3), np.uint8), labels, card)


def test_only_one_way_carriageways_are_mirrored(split: Split) -> None:
    assert split.map_names == ("highway", "town", "rural")
    assert mirrorable(split).tolist() == [True, False, False, True]
    older = Split("vd", "train", split.pixels, {"group": np.array([7])}, {"map": "highway"})
    assert mirrorable(older).tolist() == [True]


def test_figures_are_told_per_map(split: Split) -> None:
    assert per_map(split, lambda mask: int(mask.sum())) == {"highway": 2, "town": 1, "rural": 1}


def test_boxes_follow_their_image_when_it_is_mirrored(split: Split) -> None:
    found = targets(split, np.arange(2), np.array([True, False]))
    assert found[0].tolist() == [0.0, IMAGE_WIDTH_PX - 50.0, 60.0, IMAGE_WIDTH_PX - 10.0, 90.0, 1.0]
    assert found[1].tolist() == [1.0, 10.0, 60.0, 50.0, 90.0, 0.0]


def test_lines_follow_their_image_when_it_is_mirrored() -> None:
    images = torch.rand(2, 3, 4, 320)
    x_px = torch.arange(8.0).reshape(1, 4, 2).repeat(2, 1, 1)
    valid = torch.ones(2, 4, 2, dtype=torch.bool)
    valid[:, 0] = False
    out, x, known, offset = mirror(torch.tensor([True, False]), images, x_px, valid, torch.tensor([0.4, 0.4]))
    assert torch.equal(out[0], images[0].flip(-1)) and torch.equal(out[1], images[1])
    assert torch.equal(x[0], IMAGE_WIDTH_PX - x_px[0].flip(0)) and torch.equal(x[1], x_px[1])
    assert not known[0, 3].any() and known[0, 0].all() and torch.equal(known[1], valid[1])
    assert offset.tolist() == pytest.approx([-0.4, 0.4])
