"""The testbed's own projectors compute what was published, and in the published sizes."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig
from transformers import AutoModelForImageTextToText

from testbed.agents.vlm import families
from testbed.agents.vlm.projectors import NORM_EPS, Resampler, SeparableBlock, grid_positions


class NormOverChannels(nn.LayerNorm):
    """A layer norm of maps (N, C, H, W)."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_is_mobilenets(stride: int) -> None:
    torch.manual_seed(stride)
    width, grid = 32, torch.randn(2, 6, 6, 32)
    ours = SeparableBlock(width, stride)
    shape = InvertedResidualConfig(width, 3, width, width, True, "HS", stride, 1, 1.0)
    theirs = InvertedResidual(shape, partial(NormOverChannels, eps=NORM_EPS))
    with torch.no_grad():
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.normal_()
            other.copy_(one.view(other.shape))
        torch.testing.assert_close(ours(grid), theirs(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


def tiny_resampler() -> Resampler:
    config, _ = families.get("qwen_vl").sizes["tiny"](())
    torch.manual_seed(0)
    return Resampler(config).eval()


@torch.no_grad()
def test_the_resampler_is_one_layer_of_attention_with_places_in_queries_and_keys() -> None:
    ours, patches = tiny_resampler(), torch.randn(2, 64, 192)
    width = ours.out.in_features
    theirs = nn.MultiheadAttention(width, ours.heads, batch_first=True)
    linears = (ours.q_proj, ours.k_proj, ours.v_proj)
    theirs.in_proj_weight.copy_(torch.cat([one.weight for one in linears]))
    theirs.in_proj_bias.copy_(torch.cat([one.bias for one in linears]))
    theirs.out_proj.load_state_dict(ours.o_proj.state_dict())
    values = ours.patch_norm(ours.widen(patches))
    queries = ours.query_norm(ours.queries.weight) + grid_positions(4, 4, width)
    attended, _ = theirs(queries.expand(2, -1, -1), values + grid_positions(8, 4, width), values)
    torch.testing.assert_close(ours(patches), ours.out(ours.out_norm(attended)), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_resampler_knows_where_a_patch_is() -> None:
    ours, patches = tiny_resampler(), torch.randn(1, 64, 192)
    assert float((ours(patches) - ours(patches.flip(1))).abs().max()) > 1e-2


def test_places_are_measured_in_cells_of_the_queries() -> None:
    coarse, fine = grid_positions(2, 2, 8), grid_positions(4, 2, 8)
    # at column 1 and row 0 of two cells: sine and cosine of both waves, columns before rows
    first = torch.tensor([1.0, 0.01])
    still = torch.zeros(2)
    expected = torch.cat([first.sin(), first.cos(), still.sin(), still.cos()])
    torch.testing.assert_close(coarse[1], expected)
    # a cell of the finer grid lies a quarter of a coarse cell beside the middle of the coarse one
    torch.testing.assert_close(fine[0, 0], torch.tensor(-0.25).sin())


@pytest.mark.parametrize(
    ("family", "size", "tokens", "projector", "whole"),
    [("mobilevlm", "1.7b", 144, 18.94e6, 1.67e9), ("qwen_vl", "7b", 256, 91.8e6, 9.66e9)],
)
def test_a_full_size_is_as_large_as_published(
    family: str, size: str, tokens: int, projector: float, whole: float
) -> None:
    config, processor = families.get(family).sizes[size](())
    with torch.device("meta"):
        network = AutoModelForImageTextToText.from_config(config)
    made = network.model.multi_modal_projector
    side_px, vision = processor.image_processor.size["height"], config.vision_config
    patches = torch.empty(1, (side_px // vision.patch_size) ** 2, vision.hidden_size, device="meta")
    assert made(patches).shape == (1, tokens, config.text_config.hidden_size)
    assert (side_px // processor.patch_size) ** 2 == tokens == config.image_seq_length
    counts = [sum(one.numel() for one in part.parameters()) for part in (made, network)]
    assert counts == pytest.approx([projector, whole], rel=2e-3)
