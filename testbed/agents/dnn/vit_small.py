"""ViT-small for traffic signs: timm's ``vit_small_patch16`` on 64 x 64 px crops, a vision transformer of 384 channels.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; the small variant of Touvron et al., "DeiT",
ICML 2021. Width, heads, MLP ratio and patch size are timm's; 64 px crops make 16 patches instead of 196. Depth is 6
instead of 12 blocks, so that the file of 8-bit weights takes 11 MB and training needs minutes on one CPU thread.
"""

from __future__ import annotations

from torch import Tensor, nn

from testbed.core.gtsrb import SIGN_NAMES

DEPTH = 6


class VitSmall(nn.Module):
    """The classifier.

    Args:
        classes: Number of classes.
        depth: Transformer blocks.
        dropout: Share of values dropped before the head.
    """

    input_px = 64

    def __init__(self, classes: int = len(SIGN_NAMES), depth: int = DEPTH, dropout: float = 0.0) -> None:
        """Build the network with random weights."""
        super().__init__()
        import timm

        self.body: nn.Module = timm.create_model(
            "vit_small_patch16_224",
            pretrained=False,
            img_size=self.input_px,
            depth=depth,
            num_classes=classes,
            drop_rate=dropout,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map crops (N, 3, 64, 64) in 0…1 (sRGB) to logits (N, classes)."""
        return self.body(2.0 * images - 1.0)  # type: ignore[no-any-return]
