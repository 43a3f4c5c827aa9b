"""The denoising autoencoder: every patch of a picture is squeezed through a short code and drawn again.

A linear autoencoder, whose best weights are known in closed form: for white noise the optimal code is the patch's
projection on the leading eigenvectors of the covariance of clean patches, and the optimal decoder shrinks each
coefficient as a Wiener filter does. Source: Baldi and Hornik, "Neural Networks and Principal Component Analysis", 1989;
Vincent et al., ICML 2008; Wiener shrinkage: Muresan and Parks, "Adaptive Principal Components and Image Denoising",
ICIP 2003. Patches overlap, so that a pixel is the mean of what 16 codes say of it, and none passes around the code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH_PX = 8
STRIDE = 2
CODE = 48
"""Numbers per patch of 8 x 8 x 3 = 192 values."""


class Denoiser(nn.Module):
    """The autoencoder as two convolutions.

    Args:
        code: Channels of the code.
    """

    encoder: Tensor
    decoder: Tensor
    mean: Tensor

    def __init__(self, code: int = CODE) -> None:
        """Start with weights of zero; `testbed.training.nets.denoiser` computes them."""
        super().__init__()
        self.register_buffer("encoder", torch.zeros(code, 3, PATCH_PX, PATCH_PX))
        self.register_buffer("decoder", torch.zeros(code, 3, PATCH_PX, PATCH_PX))
        self.register_buffer("mean", torch.zeros(3, PATCH_PX, PATCH_PX))

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) in 0…1 to the same shape; edge pixels continue a picture beyond its edges."""
        height, width = images.shape[-2:]
        edge = PATCH_PX - STRIDE
        padded = F.pad(images, (edge, edge + width % STRIDE, edge, edge + height % STRIDE), "replicate")
        offset = (self.encoder * self.mean).sum((1, 2, 3))
        code = F.conv2d(padded, self.encoder, -offset, STRIDE)
        drawn = F.conv_transpose2d(code, self.decoder, None, STRIDE)
        ones = torch.ones_like(code[:1, :1])
        drawn = drawn + F.conv_transpose2d(ones, self.mean[None], None, STRIDE)
        counts = F.conv_transpose2d(ones, torch.ones_like(self.mean[None]), None, STRIDE)
        return (drawn / counts)[..., edge : edge + height, edge : edge + width]
