"""Denoising autoencoder: networks see a reconstruction that was learnt from clean pictures of this simulator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from testbed.agents import weights
from testbed.agents.defences.base import Defence
from testbed.core.errors import WeightsError
from testbed.core.types import Image

if TYPE_CHECKING:
    from testbed.agents.defences.denoiser import Denoiser

WEIGHTS = "denoiser"


@dataclass(frozen=True, kw_only=True)
class Autoencoder(Defence):
    """Show the autoencoder's reconstruction.

    Attributes:
        folder: Folder of the weights; the shipped ones when None.
    """

    kind = "autoencoder"

    folder: str | None = None

    @property
    def latency_ms(self) -> float:
        """CPU time per decision, measured on one thread."""
        return 8.0

    @property
    def weights(self) -> dict[str, str]:
        """File name to sha256 of the autoencoder's weights."""
        return {f"{WEIGHTS}.safetensors": str(weights.card(WEIGHTS, self._place)["sha256"])}

    @property
    def _place(self) -> Path | None:
        return None if self.folder is None else Path(self.folder)

    @cached_property
    def _net(self) -> Denoiser:
        import torch

        from testbed.agents.defences.denoiser import Denoiser

        net = Denoiser()
        tensors, _ = weights.load(WEIGHTS, self._place)
        try:
            net.load_state_dict(tensors)
        except RuntimeError as error:
            raise WeightsError(f"weights {WEIGHTS!r} do not fit: {str(error).splitlines()[0]}") from error
        return net.eval().to(memory_format=torch.channels_last)

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Encode and decode."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255.0
            seen = self._net(pixels.contiguous(memory_format=torch.channels_last))[0]
            drawn: Image = (seen.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        return drawn
