"""Differentiable twin, in torch, of the renderer's last step: ``linear = L * texture + R``.

A frame with the outputs ``NEEDED`` is drawn once by the engine; any other texture on the same object or decal can
then be put in without the engine, with gradients to the texels. The lookup repeats ``sampling.sample`` number by
number: which texels of the mip pyramid a pixel reads, and with which weights, depends on the frame only, so it is
worked out once and a picture costs one weighted gather. There are no gradients through silhouettes or shadows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from testbed.world.render.renderer import RenderedFrame
    from testbed.world.render.scene import Wrap

OBJECT_TAPS, DECAL_TAPS = 2, 16
"""Steps along the footprint, as in ``sampling`` (kept apart so that torch users need no warp; a test compares them)."""

SLACK = 1.1

NEEDED = frozenset({"linear", "material", "instance", "uv", "duv", "shading", "residual", "under"})
"""Outputs a frame must have."""


class TexelReads(NamedTuple):
    """Which texels the pixels of a mask read: pixel i those from ``starts[i]`` up to the next start.

    Attributes:
        texels: Numbers of texels, int64, counted through all levels of ``pyramid`` in turn.
        weights: What each of them counts, float32.
        starts: First read of every pixel of the mask, int64.
    """

    texels: torch.Tensor
    weights: torch.Tensor
    starts: torch.Tensor


class Rerenderer:
    """Puts textures of one size on one object or decal of one frame.

    Attributes:
        mask: Shape (H, W), bool: pixels that show the texture.
        reads: Which texels those pixels read.
    """

    def __init__(
        self,
        frame: RenderedFrame,
        number: int,
        size_px: tuple[int, int],
        *,
        wrap: Wrap = "repeat",
        instance: int | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """Work out which texels every pixel reads.

        Args:
            frame: Drawn with at least the outputs ``NEEDED``.
            number: ``Scene.texture_number`` of the object or decal in that frame.
            size_px: Height and width of the textures to come; they need not have the size of the one in the frame.
            wrap: ``Scene.texture_wrap`` of the object or decal.
            instance: Restricts the mask to one of several objects that share a texture.
            device: Where to compute.

        Raises:
            ValueError: If the frame lacks an output.
        """
        arrays = {name: getattr(frame, name) for name in NEEDED}
        missing = sorted(name for name, array in arrays.items() if array is None)
        if missing:
            raise ValueError(f"frame lacks {missing}; render it with want=rerender.NEEDED")
        mask = arrays["material"] == number
        if instance is not None:
            mask &= arrays["instance"] == instance
        self.size_px = size_px
        indices, weights, starts = _plan(arrays["uv"][mask], arrays["duv"][mask], size_px, wrap)

        def tensor(array: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        self.mask = tensor(mask)
        self.reads = TexelReads(tensor(indices), tensor(weights), tensor(starts))
        self._indices, self._weights, self._starts = self.reads
        self._linear = tensor(arrays["linear"])
        self._shading, self._residual = tensor(arrays["shading"][mask]), tensor(arrays["residual"][mask])
        self._under = tensor(arrays["under"][mask])

    def __call__(self, texture: torch.Tensor) -> torch.Tensor:
        """Return the linear picture with a texture in place.

        Args:
            texture: Shape (3, h, w), linear; or (4, h, w) premultiplied for a decal, whose alpha then counts as well.
                With three channels a decal keeps the alpha it was drawn with.

        Returns:
            Shape (H, W, 3), linear, differentiable with respect to ``texture``.

        Raises:
            ValueError: If the size is not the one agreed on.
        """
        if texture.ndim != 3 or texture.shape[0] not in (3, 4) or tuple(texture.shape[1:]) != self.size_px:
            raise ValueError(f"texture has shape {tuple(texture.shape)}, expected (3 or 4, *{self.size_px})")
        found = self.sample(texture)
        picture = self._shading * found[:, :3] + self._residual
        if texture.shape[0] == 4:
            picture = picture + self._under[:, :3] * (self._under[:, 3:] - found[:, 3:])
        return self._linear.masked_scatter(self.mask[..., None], picture)

    def sample(self, texture: torch.Tensor) -> torch.Tensor:
        """Return what every pixel of the mask reads from a (c, h, w) texture, shape (pixels, c)."""
        return torch.nn.functional.embedding_bag(
            self._indices,
            torch.cat([level.flatten(1).T for level in pyramid(texture)]),
            self._starts,
            mode="sum",
            per_sample_weights=self._weights,
        )


def rerender(
    frame: RenderedFrame,
    texture: torch.Tensor,
    number: int,
    *,
    wrap: Wrap = "repeat",
    instance: int | None = None,
) -> torch.Tensor:
    """Return the linear picture (H, W, 3) of a frame with a texture (3|4, h, w) put in, see ``Rerenderer``."""
    height, width = texture.shape[1:]
    return Rerenderer(frame, number, (height, width), wrap=wrap, instance=instance, device=texture.device)(texture)


def pyramid(texture: torch.Tensor) -> list[torch.Tensor]:
    """Return the mip levels of a (c, h, w) texture, halved by 2 x 2 means down to one texel."""
    levels = [texture]
    while max(levels[-1].shape[1:]) > 1:
        image = levels[-1]
        height, width = image.shape[1:]
        image = torch.nn.functional.pad(image[None], (0, width % 2, 0, height % 2), mode="replicate")
        levels.append(torch.nn.functional.avg_pool2d(image, 2)[0])
    return levels


def to_srgb(linear: torch.Tensor) -> torch.Tensor:
    """Map exposed linear light to display values in [0, 1] as `testbed.core.colour.film_curve` does, differentiably."""
    x = 0.72 * linear.clamp(min=0.0)
    film = (x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)).clamp(max=1.0)
    # The root's slope is infinite at zero; below the threshold its branch is not taken, but torch would multiply it.
    root = film.clamp(min=0.0031308) ** (1.0 / 2.4)
    return torch.where(film <= 0.0031308, 12.92 * film, 1.055 * root - 0.055)


def _plan(
    uv: NDArray[np.float32], duv: NDArray[np.float32], size_px: tuple[int, int], wrap: Wrap
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return (texel, weight) of every read, and the first read of every pixel."""
    taps = DECAL_TAPS if wrap == "zero" else OBJECT_TAPS
    height, width = size_px
    sizes = [(height, width)]
    while max(sizes[-1]) > 1:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    heights, widths = (np.array([size[k] for size in sizes], np.int64) for k in (0, 1))
    offsets = np.concatenate([[0], np.cumsum(heights * widths)])[:-1]

    scale = np.array([width, height], np.float32)
    length_x = np.sqrt(((duv[:, :2] * scale) ** 2).sum(axis=1))
    length_y = np.sqrt(((duv[:, 2:] * scale) ** 2).sum(axis=1))
    step = np.where((length_y > length_x)[:, None], duv[:, 2:], duv[:, :2])
    longer = np.maximum(length_x, length_y)
    shorter = np.maximum(np.minimum(length_x, length_y), longer / np.float32(taps))
    count = np.ones(len(uv), np.int64)
    while True:
        grow = (longer > 1.0) & (count < taps) & (longer > np.float32(SLACK) * shorter * count)
        if not grow.any():
            break
        count[grow] *= 2
    lod = np.log2(np.maximum(shorter, np.float32(1.0)))
    level = np.minimum(lod.astype(np.int64), len(sizes) - 1)
    blend = np.where(level == len(sizes) - 1, 0.0, np.clip((lod - level) * 2.0 - 0.5, 0.0, 1.0))

    pixel = np.repeat(np.arange(len(uv)), count)
    k = np.arange(len(pixel)) - np.repeat(np.cumsum(count) - count, count)
    at = (k + 0.5) / count[pixel] - 0.5
    place = uv[pixel] + step[pixel] * at[:, None].astype(np.float32)
    place = place - np.floor(place) if wrap == "repeat" else np.clip(place, -2.0, 3.0)
    reads: list[NDArray[np.int64]] = []
    shares: list[NDArray[np.float64]] = []
    for up, share in ((0, 1.0 - blend[pixel]), (1, blend[pixel])):
        at_level = np.minimum(level[pixel] + up, len(sizes) - 1)
        w, h = widths[at_level], heights[at_level]
        x, y = place[:, 0] * w.astype(np.float32) - 0.5, place[:, 1] * h.astype(np.float32) - 0.5
        ix, iy = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        fx, fy = x - ix, y - iy
        for jx, wx in ((ix, 1.0 - fx), (ix + 1, fx)):
            for jy, wy in ((iy, 1.0 - fy), (iy + 1, fy)):
                weight = wx * wy * share / count[pixel]
                if wrap == "repeat":
                    tx, ty = jx % w, jy % h
                else:
                    tx, ty = np.clip(jx, 0, w - 1), np.clip(jy, 0, h - 1)
                    if wrap == "zero":
                        weight = np.where((tx == jx) & (ty == jy), weight, 0.0)
                reads.append(offsets[at_level] + ty * w + tx)
                shares.append(weight)
    starts = 8 * (np.cumsum(count) - count)
    return np.stack(reads, 1).reshape(-1), np.stack(shares, 1).reshape(-1).astype(np.float32), starts
