"""Two projectors that transformers lacks: MobileVLM's halves the grid of patches, Qwen-VL's resamples it.

Both stand in LLaVA's shell in place of its two-layer projector, and both make fewer tokens of a picture than the tower
has patches. Their models are registered with transformers' auto classes under `MOBILEVLM` and `QWEN_VL`. Importing this
module is enough to register them.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageTextToText, LlavaConfig, LlavaForConditionalGeneration
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

MOBILEVLM, QWEN_VL = "v2lm_mobilevlm", "v2lm_qwen_vl"
NORM_EPS = 1e-6
GATE_SHARE = 4
"""A block's gate squeezes the channels to this part of them, as in MobileNetV3."""
HEAD_WIDTH = 128
LONGEST_WAVE = 10000.0
"""Cells per radian that the waves of positions approach; the shortest turns by a radian per cell."""


class SeparableBlock(nn.Module):
    """MobileNetV3's block without expansion: depthwise 3 x 3, a gate over the channels, pointwise.

    Args:
        width: Channels, in and out.
        stride: 1 keeps the grid and adds what came in; 2 halves it.
    """

    def __init__(self, width: int, stride: int) -> None:
        """Build convolutions, norms and gate; a pointwise convolution of a grid whose channels are last is linear."""
        super().__init__()
        self.keeps_grid = stride == 1
        self.depthwise = nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False)
        self.depthwise_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.squeeze = nn.Linear(width, width // GATE_SHARE)
        self.excite = nn.Linear(width // GATE_SHARE, width)
        self.pointwise = nn.Linear(width, width, bias=False)
        self.pointwise_norm = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (N, rows, columns, width) to the same, or to half as many rows and columns."""
        seen = self.depthwise(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        seen = F.hardswish(self.depthwise_norm(seen))
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(seen.mean((1, 2), keepdim=True)))))
        made: Tensor = self.pointwise_norm(self.pointwise(seen * gate))
        return grid + made if self.keeps_grid else made


class DownsampleProjector(LlavaMultiModalProjector):  # type: ignore[misc]  # transformers ships no types
    """LDP (Chu et al., "MobileVLM", 2023, section 3.4): LLaVA's two layers, then blocks of stride 1 and 2.

    Args:
        config: Of the whole model.
    """

    def __init__(self, config: Any) -> None:
        """Build the two layers and the two blocks."""
        super().__init__(config)
        width = config.text_config.hidden_size
        self.blocks = nn.Sequential(SeparableBlock(width, stride=1), SeparableBlock(width, stride=2))

    def forward(self, image_features: Tensor) -> Tensor:
        """Map the patches of a square grid (N, patches, tower width) to tokens (N, patches / 4, text width)."""
        patches = super().forward(image_features)
        side = isqrt(patches.shape[1])
        grid: Tensor = self.blocks(patches.unflatten(1, (side, side)))
        return grid.flatten(1, 2)


def grid_positions(cells: int, unit: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return where the cells of a square grid lie: sines and cosines of their columns, then of their rows.

    Args:
        cells: Of one side.
        unit: Cells of one side of the grid in whose cells places are measured, so that grids of two sizes over the
            same picture agree about places.
        width: Numbers per cell, a multiple of 4.
        device: Where.

    Returns:
        (cells * cells, width), row by row, float32.
    """
    waves = torch.arange(width // 4, device=device) / (width // 4)
    places = (torch.arange(cells, device=device) + 0.5) * (unit / cells) - 0.5
    angles = places[:, None] / LONGEST_WAVE**waves
    along = torch.cat([angles.sin(), angles.cos()], -1)
    columns, rows = along.expand(cells, -1, -1), along[:, None].expand(-1, cells, -1)
    return torch.cat([columns, rows], -1).flatten(0, 1)


class Resampler(nn.Module):
    """Position-aware adapter (Bai et al., "Qwen-VL", 2023, section 2.1): learnt queries attend once to all patches.

    Queries stand for the cells of a grid of their own; they and the patches, as keys but not as values, are told their
    places, which are computed where the published ones are interpolated from the queries' grid. The norm and the linear
    layer behind them belong to the published tower.

    Args:
        config: Of the whole model; ``image_seq_length`` is the number of queries, a square.
    """

    def __init__(self, config: Any) -> None:
        """Build queries, one layer of attention, and what follows it."""
        super().__init__()
        width = config.text_config.hidden_size
        self.side = isqrt(config.image_seq_length)
        self.heads = max(1, width // HEAD_WIDTH)
        self.queries = nn.Embedding(config.image_seq_length, width)
        self.query_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.widen = nn.Linear(config.vision_config.hidden_size, width, bias=False)
        self.patch_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width) for _ in range(4))
        self.out_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, image_features: Tensor) -> Tensor:
        """Map the patches of a square grid (N, patches, tower width) to tokens (N, queries, text width)."""
        patches = self.patch_norm(self.widen(image_features))
        queries = self.query_norm(self.queries.weight).expand(len(patches), -1, -1)
        attended = F.scaled_dot_product_attention(
            self._by_head(self.q_proj(queries + self._places(self.side, queries))),
            self._by_head(self.k_proj(patches + self._places(isqrt(patches.shape[1]), patches))),
            self._by_head(self.v_proj(patches)),
        )
        tokens: Tensor = self.out(self.out_norm(self.o_proj(attended.transpose(1, 2).flatten(2))))
        return tokens

    def _places(self, cells: int, like: Tensor) -> Tensor:
        return grid_positions(cells, self.side, like.shape[-1], like.device).to(like.dtype)

    def _by_head(self, tokens: Tensor) -> Tensor:
        """Map (N, tokens, width) to (N, heads, tokens, width of a head)."""
        return tokens.view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class MobileVlmConfig(LlavaConfig):  # type: ignore[misc]  # transformers ships no types
    """LLaVA's configuration, with MobileVLM's projector."""

    model_type = MOBILEVLM


class QwenVlConfig(LlavaConfig):  # type: ignore[misc]  # transformers ships no types
    """LLaVA's configuration, with Qwen-VL's resampler of ``image_seq_length`` queries."""

    model_type = QWEN_VL


class _LlavaWithProjector(LlavaForConditionalGeneration):  # type: ignore[misc]  # transformers ships no types
    """LLaVA with a projector of ours.

    Attributes:
        projector: Its class, built from the configuration of the whole model.
    """

    projector: type[nn.Module]

    def __init__(self, config: Any) -> None:
        """Build LLaVA and put the projector in place of its own."""
        super().__init__(config)
        self.model.multi_modal_projector = self.projector(config)
        self.post_init()


class MobileVlmForConditionalGeneration(_LlavaWithProjector):
    """MobileVLM: tower, `DownsampleProjector`, text model."""

    config_class = MobileVlmConfig
    projector = DownsampleProjector


class QwenVlForConditionalGeneration(_LlavaWithProjector):
    """Qwen-VL: tower, `Resampler`, text model."""

    config_class = QwenVlConfig
    projector = Resampler


AutoConfig.register(MOBILEVLM, MobileVlmConfig)
AutoConfig.register(QWEN_VL, QwenVlConfig)
AutoModelForImageTextToText.register(MobileVlmConfig, MobileVlmForConditionalGeneration)
AutoModelForImageTextToText.register(QwenVlConfig, QwenVlForConditionalGeneration)
