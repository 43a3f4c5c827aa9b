"""The network of the denoising autoencoder: a picture is squeezed through a coarse code and drawn again.

Source: Vincent et al., ICML 2008; as a defence in front of a classifier: Meng and Chen, "MagNet", CCS 2017. A small
convolutional net without shortcuts, of stride 4, so that one pixel's perturbation has no way around the code. It is
trained on views and sign crops with noise added (``python -m testbed train denoiser --data DATA``), never on attacks.
"""

from __future__ import annotations

from torch import Tensor, nn

STRIDE = 4
"""Sides of the input are multiples of this."""


class Denoiser(nn.Module):
    """The autoencoder.

    Args:
        width: Channels at half resolution.
        code: Channels of the code, at a quarter of the resolution.
    """

    def __init__(self, width: int = 24, code: int = 48) -> None:
        """Build the network."""
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2),
            nn.ReLU(True),
            nn.Conv2d(width, code, 3, 2, 1),
            nn.ReLU(True),
            nn.Conv2d(code, code, 3, 1, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(code, code, 3, 1, 1),
            nn.ReLU(True),
            nn.Conv2d(code, 4 * width, 3, 1, 1),
            nn.PixelShuffle(2),
            nn.ReLU(True),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.ReLU(True),
            nn.Conv2d(width, 12, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) in 0…1, sides multiples of 4, to the same shape; values may leave 0…1 a little."""
        return self.decoder(self.encoder(images - 0.5)) + 0.5  # type: ignore[no-any-return]
