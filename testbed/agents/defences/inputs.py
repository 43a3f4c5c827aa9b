"""Input transformations: the published ways to wash a perturbation out of a picture before a network sees it.

Sources: JPEG – Dziugaite et al. 2016 and Das et al. 2017; bit depth and median blur – Xu et al., "Feature Squeezing",
NDSS 2018; random crop and resize – Xie et al., ICLR 2018 and Guo et al., ICLR 2018; Gaussian noise – Cohen et al.,
ICML 2019 (the noise alone, without their vote). A setting that would change nothing is refused.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image as PilImage
from PIL import ImageFilter, ImageOps

from testbed.agents.defences.base import Cropping, Defence
from testbed.core.types import Box, Image


@dataclass(frozen=True, kw_only=True)
class Jpeg(Defence):
    """Compress and decompress.

    Attributes:
        quality: 1-95 as libjpeg counts; above 95 it hardly compresses.
    """

    kind = "jpeg"

    quality: int = 50

    def __post_init__(self) -> None:
        """Check the settings."""
        self.need_int("quality", 1, 95)

    @property
    def latency_ms(self) -> float:
        """CPU time per decision, measured on one thread."""
        return 0.6

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Compress and decompress."""
        stored = io.BytesIO()
        PilImage.fromarray(image).save(stored, "JPEG", quality=self.quality)
        return np.asarray(PilImage.open(stored).convert("RGB"))


@dataclass(frozen=True, kw_only=True)
class BitDepth(Defence):
    """Keep fewer levels per channel.

    Attributes:
        bits: 1-7; at 8 every level stays.
    """

    kind = "bit_depth"

    bits: int = 4

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.bits == 8:
            raise self.refuse("bits", 8, "changes nothing: pictures have 8 bits; choose 1 to 7")
        self.need_int("bits", 1, 7)

    @property
    def latency_ms(self) -> float:
        """CPU time per decision, measured on one thread."""
        return 0.2

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Round every value to the nearest of ``2 ** bits`` levels between 0 and 255."""
        most = 2**self.bits - 1
        table = np.round(np.round(np.arange(256) / 255.0 * most) / most * 255.0).astype(np.uint8)
        levels: Image = table[image]
        return levels


@dataclass(frozen=True, kw_only=True)
class RandomCrop(Cropping):
    """Show a random part of the picture at full size. Steering is judged on the shifted view as it is.

    Attributes:
        share: Least share of width and height that is kept, below 1.
    """

    kind = "random_crop"

    share: float = 0.85

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.share == 1:
            raise self.refuse("share", self.share, "changes nothing: the whole picture is kept; choose less than 1")
        if self.need_float("share", 0.3, 1.0) >= 1.0:
            raise self.refuse("share", self.share, "must be below 1")

    def window(self, width_px: int, height_px: int, rng: np.random.Generator) -> Box:
        """Draw the part that is shown; its sides keep the picture's ratio."""
        kept = float(rng.uniform(self.share, 1.0))
        left, top = (float(value) * (1.0 - kept) for value in rng.random(2))
        return left * width_px, top * height_px, (left + kept) * width_px, (top + kept) * height_px

    @property
    def latency_ms(self) -> float:
        """CPU time per decision, measured on one thread."""
        return 0.5

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Cut the window out and enlarge it, bilinear."""
        height_px, width_px = image.shape[:2]
        window = self.window(width_px, height_px, rng)
        size = (width_px, height_px)
        return np.asarray(PilImage.fromarray(image).resize(size, PilImage.Resampling.BILINEAR, box=window))


@dataclass(frozen=True, kw_only=True)
class Equalise(Defence):
    """Spread the histogram of the luma channel evenly; hue stays."""

    kind = "equalise"

    @property
    def latency_ms(self) -> float:
        """CPU time per decision, measured on one thread."""
        return 0.6

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Equalise Y of YCbCr."""
        luma, blue, red = PilImage.fromarray(image).convert("YCbCr").split()
        return np.asarray(PilImage.merge("YCbCr", (ImageOps.equalize(luma), blue, red)).convert("RGB"))


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Defence):
    """Add Gaussian noise.

    Attributes:
        sigma: Standard deviation in levels of 255.
    """

    kind = "noise"

    sigma: float = 8.0

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.sigma == 0:
            raise self.refuse("sigma", self.sigma, "changes nothing; choose more than 0")
        # Below a quarter of a level rounding undoes nearly all of it.
        self.need_float("sigma", 0.25, 128.0)

    @property
    def latency_ms(self) -> float:
        """CPU time per decision, measured on one thread."""
        return 1.6

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Add noise, round and clip."""
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(self.sigma)
        return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Median(Defence):
    """Replace every value by the median of its neighbourhood, channel by channel.

    Attributes:
        size_px: Side of the neighbourhood, odd, 3-15; at 1 every pixel is its own neighbourhood.
    """

    kind = "median"

    size_px: int = 3

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.size_px == 1:
            raise self.refuse("size_px", 1, "changes nothing: every pixel is its own neighbourhood; choose 3, 5, 7 …")
        if self.need_int("size_px", 3, 15) % 2 == 0:
            raise self.refuse("size_px", self.size_px, "must be odd")

    @property
    def latency_ms(self) -> float:
        """CPU time per decision, measured on one thread."""
        return 1.05 * self.size_px**2

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Filter."""
        return np.asarray(PilImage.fromarray(image).filter(ImageFilter.MedianFilter(self.size_px)))
