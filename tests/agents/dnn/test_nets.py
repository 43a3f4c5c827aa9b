"""The three networks: shapes, gradients down to the pixels, and that each can learn a handful of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from testbed.agents.dnn.clrernet import ROLES, LaneNet, Lanes
from testbed.agents.dnn.preview import PREVIEW_METRES_PER_PIXEL, PREVIEW_ROW_PX, metres_per_pixel, row_of_distance
from testbed.agents.dnn.yolov5 import OUTPUTS, VehicleNet, pick_lead, suppress
from testbed.agents.dnn.yolov5_blocks import fuse
from testbed.agents.dnn.yolov5_cls import SignNet, sign_batch
from testbed.core.perception_tasks import FOCAL_PX, IMAGE_WIDTH_PX, LANE_ROWS_PX
from testbed.training.nets import clrernet as lane_training
from testbed.training.nets import yolov5 as vehicle_training


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def _line(at_top: float, at_bottom: float) -> Tensor:
    return torch.linspace(at_top, at_bottom, len(LANE_ROWS_PX))


def test_the_preview_row_shows_25_m() -> None:
    assert 84.0 < PREVIEW_ROW_PX < 86.0
    assert PREVIEW_METRES_PER_PIXEL == pytest.approx(24.4 / FOCAL_PX, rel=0.02)
    assert metres_per_pixel(row_of_distance(10.0)) < PREVIEW_METRES_PER_PIXEL
    with pytest.raises(ValueError, match="no ground"):
        metres_per_pixel(60.0)


def test_lane_net_shapes_and_gradient_reach_the_pixels() -> None:
    net = LaneNet().eval()
    images = torch.rand(2, 3, 160, 320, requires_grad=True)
    stages = net(images)
    assert [stage.x_px.shape for stage in stages] == [(2, 24, len(LANE_ROWS_PX))] * 3
    assert stages[-1].roles.shape == (2, 24, ROLES + 1)
    offset = net.preview_offset(images)
    assert offset.shape == (2,)
    offset.sum().backward()
    assert images.grad is not None and images.grad[:, :, 70:].abs().sum() > 0
    assert torch.isfinite(images.grad).all()


def test_offset_is_positive_when_the_lane_lies_left() -> None:
    net = LaneNet()
    x_px = torch.stack([_line(140.0, -40.0), _line(150.0, 200.0)])[None]
    roles = torch.full((1, 2, ROLES + 1), -20.0)
    roles[0, 0, 1] = roles[0, 1, 2] = 20.0
    assert float(net.offset_of(Lanes(x_px, roles))) > 0.5
    mirrored = Lanes((IMAGE_WIDTH_PX - x_px).flip(1), roles)
    assert float(net.offset_of(mirrored)) == pytest.approx(-float(net.offset_of(Lanes(x_px, roles))), abs=1e-4)


def test_lane_iou_is_one_for_equal_lines_and_falls_with_distance() -> None:
    line = _line(150.0, 20.0)
    valid = torch.ones_like(line, dtype=torch.bool)
    assert float(lane_training.lane_iou(line, line, valid)) == pytest.approx(1.0)
    near, far = (float(lane_training.lane_iou(line + d, line, valid)) for d in (3.0, 60.0))
    assert 1.0 > near > 0.0 > far


def test_lane_net_learns_four_pictures() -> None:
    net = LaneNet(widths=(8, 16, 24, 32, 32), channels=24).train()
    images = torch.rand(4, 3, 160, 320)
    offset_m = torch.tensor([0.8, -0.5, 0.2, -1.0])
    shift = -offset_m / PREVIEW_METRES_PER_PIXEL
    lines = torch.stack([torch.stack([_line(150.0, 60.0) + d, _line(170.0, 260.0) + d]) for d in shift])
    x_px = torch.zeros(4, 4, len(LANE_ROWS_PX))
    x_px[:, 1:3] = lines
    valid = torch.zeros_like(x_px, dtype=torch.bool)
    valid[:, 1:3] = True
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
    history = []
    for _ in range(25):
        parts = lane_training.loss(net, net(images), x_px, valid, offset_m)
        value = parts["role"] + 2.0 * parts["shape"] + 4.0 * parts["offset"]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        history.append(float(value.detach()))
    assert history[-1] < 0.6 * history[0]


def test_vehicle_net_decodes_what_its_targets_encode() -> None:
    net = VehicleNet(widths=(8, 8, 16, 16, 16)).eval()
    raw = net(torch.rand(2, 3, 160, 320))
    assert [out.shape for out in raw] == [(2, 3, 160 // s, 320 // s, OUTPUTS) for s in (8, 16, 32)]
    box = torch.tensor([[1.0, 100.0, 70.0, 130.0, 95.0, 1.0]])
    index, which = vehicle_training.assign(box, net.anchors_px[1], 16, 10, 20)
    assert len(which) >= 3 and (index[:, 0] == 1).all()
    assert [7, 5] in index[:, [3, 2]].tolist()  # centre (115, 82.5) lies in column 7, row 5 of stride 16


def test_vehicle_net_learns_one_vehicle() -> None:
    net = VehicleNet(widths=(8, 16, 24, 32, 32)).train()
    image = torch.full((2, 3, 160, 320), 0.5)
    image[0, :, 70:95, 100:130] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    boxes = torch.tensor([[0.0, 100.0, 70.0, 130.0, 95.0, 1.0]])
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3)
    for _ in range(60):
        parts = vehicle_training.loss(net, net(image), boxes)
        value = 3.0 * parts["box"] + 4.0 * parts["object"] + parts["lead"]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    decoded = net.decode(net(image)).detach()
    score, found = pick_lead(suppress(decoded[0]))
    assert score > 0.25 and found is not None
    assert float(torch.as_tensor(found - boxes[0, 1:5]).abs().max()) < 8.0
    assert pick_lead(suppress(decoded[1], threshold=0.2))[0] < score


def test_nothing_is_found_in_nothing() -> None:
    assert pick_lead(suppress(torch.zeros(5, OUTPUTS))) == (0.0, None)


def test_sign_net_takes_crops_of_any_size_and_learns() -> None:
    rng = np.random.default_rng(0)
    crops = [np.full((size, size, 3), value, np.uint8) for size, value in ((12, 20), (60, 90), (31, 160), (20, 240))]
    crops[0][2:5] = rng.integers(0, 255, (3, 12, 3))
    net = SignNet(classes=4).train()
    batch = sign_batch(crops)
    assert batch.shape == (4, 3, 64, 64) and 0.0 <= float(batch.min()) and float(batch.max()) <= 1.0
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(15):
        value = torch.nn.functional.cross_entropy(net(batch), torch.arange(4))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    assert float(value.detach()) < 0.5


def test_fusing_changes_no_answer() -> None:
    net = SignNet(classes=4).eval()
    batch = torch.rand(2, 3, 64, 64)
    before = net(batch)
    torch.testing.assert_close(fuse(net)(batch), before, atol=1e-4, rtol=1e-3)
