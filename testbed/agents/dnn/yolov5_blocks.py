"""Building blocks of YOLOv5, written from its published architecture: Conv, Bottleneck, C3, SPPF.

Source: Jocher et al., "YOLOv5" (architecture summary in its documentation, release 6.0); CSP bottleneck: Wang et al.,
"CSPNet", CVPRW 2020; spatial pyramid pooling: He et al., ECCV 2014.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        """Pad to keep the size unless `padding` is given."""
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return self.act(self.norm(self.conv(x)))  # type: ignore[no-any-return]

    def fuse(self) -> None:
        """Fold the normalisation into the convolution, for inference."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = torch.nn.utils.fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class Bottleneck(nn.Module):
    """1x1 and 3x3 convolution with an optional shortcut."""

    def __init__(self, inputs: int, outputs: int, shortcut: bool) -> None:
        """Add the input to the output when `shortcut` is set and the widths agree."""
        super().__init__()
        self.reduce = Conv(inputs, outputs, 1)
        self.expand = Conv(outputs, outputs, 3)
        self.shortcut = shortcut and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Keep height and width."""
        out = self.expand(self.reduce(x))
        if self.shortcut:
            out = out + x
        return out  # type: ignore[no-any-return]


class C3(nn.Module):
    """Cross-stage partial block with three convolutions."""

    def __init__(self, inputs: int, outputs: int, depth: int = 1, shortcut: bool = True) -> None:
        """Stack `depth` bottlenecks in one of the two branches."""
        super().__init__()
        hidden = outputs // 2
        self.main = Conv(inputs, hidden, 1)
        self.skip = Conv(inputs, hidden, 1)
        self.stack = nn.Sequential(*(Bottleneck(hidden, hidden, shortcut) for _ in range(depth)))
        self.merge = Conv(2 * hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep height and width."""
        return self.merge(torch.cat((self.stack(self.main(x)), self.skip(x)), 1))  # type: ignore[no-any-return]


class SPPF(nn.Module):
    """Spatial pyramid pooling by three 5x5 maxima in a row, equal to pools of 5, 9 and 13."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Halve the width inside."""
        super().__init__()
        hidden = inputs // 2
        self.reduce = Conv(inputs, hidden, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.merge = Conv(4 * hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep height and width."""
        x = self.reduce(x)
        once = self.pool(x)
        twice = self.pool(once)
        return self.merge(torch.cat((x, once, twice, self.pool(twice)), 1))  # type: ignore[no-any-return]


def fuse(model: nn.Module) -> nn.Module:
    """Fold every normalisation of a model in evaluation mode; return the model."""
    for module in model.modules():
        if isinstance(module, Conv):
            module.fuse()
    return model
