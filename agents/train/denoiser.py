"""Training of the denoising autoencoder (`agents.defences.denoiser`) on clean views and sign crops with noise added.

Patches of 48 x 48 px: half from driver's views, half sign crops at the size they were seen at, continued at their edges
up to a whole patch. The noise is Gaussian with a deviation of up to 20 levels; the loss is the mean absolute error of
the clean patch. No attacked picture takes part.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from agents import weights
from agents.defences.autoencoder import WEIGHTS
from agents.defences.denoiser import Denoiser
from agents.train.common import Training, run, seed_everything, training_card
from agents.train.victims import halved
from testbed.core.errors import DatasetError
from testbed.dataset.format import Split, load_split

PATCH_PX = 48
MOST_SIGMA = 20.0 / 255.0
CHECK_SIGMA = 8.0 / 255.0


def view_patch(view: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a random patch out of a driver's view; three in four show the road, which fills the lower half."""
    height, width = view.shape[:2]
    low = height // 3 if rng.random() < 0.75 else 0
    top, left = int(rng.integers(low, height - PATCH_PX + 1)), int(rng.integers(0, width - PATCH_PX + 1))
    return view[top : top + PATCH_PX, left : left + PATCH_PX]


def sign_patch(crop: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a patch of a sign crop, or the whole crop continued at its edges."""
    height, width = crop.shape[:2]
    top, left = (int(rng.integers(0, max(0, side - PATCH_PX) + 1)) for side in (height, width))
    part = crop[top : top + PATCH_PX, left : left + PATCH_PX]
    return np.pad(part, ((0, PATCH_PX - part.shape[0]), (0, PATCH_PX - part.shape[1]), (0, 0)), mode="edge")


def patches(views: Split, signs: Split, index: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
    """Return one patch of each named view and as many of random signs, (2 N, 3, 48, 48) in 0…1."""
    found = [view_patch(views.image(int(i)), rng) for i in index]
    found += [sign_patch(signs.image(int(i)), rng) for i in rng.integers(0, len(signs), len(index))]
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255.0


def train(
    data: Path,
    out: Path | None = None,
    *,
    epochs: int = 24,
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
    name: str = WEIGHTS,
) -> Path:
    """Train the autoencoder and write weights, in half precision, and card; arguments as in `agents.train.rows.train`.

    Raises:
        DatasetError: When `data` does not hold both ``tsr`` and ``alc``.
    """
    torch.set_num_threads(1)
    if (data / "dataset.json").is_file():
        raise DatasetError(f"{data} is one data set; the denoiser learns from tsr and alc", hint="give their parent")
    rng = seed_everything(seed)
    splits = {
        split: [load_split(data / task, split, task=task) for task in ("alc", "tsr")] for split in ("train", "test")
    }
    views, signs = splits["train"]
    model = Denoiser().to(memory_format=torch.channels_last).train()

    def lesson(index: NDArray[np.int64]) -> tuple[Tensor, dict[str, Tensor]]:
        clean = patches(views, signs, index, rng)
        sigma = torch.from_numpy(rng.uniform(0.0, MOST_SIGMA, (len(clean), 1, 1, 1)).astype(np.float32))
        noisy = (clean + sigma * torch.randn_like(clean)).clamp_(0.0, 1.0)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = model(noisy.contiguous(memory_format=torch.channels_last)).float()
        value = F.l1_loss(drawn, clean)
        return value, {"l1": value}

    def check(averaged: Denoiser) -> dict[str, float]:
        return figures(averaged, *splits["test"])

    averaged, report = run(
        Training(epochs, batch, rate, seed, decay=0.0, max_norm=1.0), model, len(views), rng, lesson, check
    )
    tensors = halved(averaged)
    averaged.load_state_dict(tensors)
    settings = {"epochs": epochs, "batch": 2 * batch, "rate": rate, "seed": seed, "optimiser": "AdamW, EMA 0.998, bf16"}
    card = training_card(data, "alc", report, settings, model)
    return weights.save(name, tensors, card | {"figures": figures(averaged, *splits["test"])}, out)


@torch.inference_mode()
def figures(model: Denoiser, views: Split, signs: Split) -> dict[str, float]:
    """Return held-out peak signal-to-noise ratios in dB: of what noise of 8 levels leaves, and of what is drawn."""
    rng = np.random.default_rng(1)
    clean = patches(views, signs, np.arange(0, len(views), max(1, len(views) // 200)), rng)
    noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32)) * CHECK_SIGMA
    noisy = (clean + noise).clamp(0.0, 1.0)
    drawn = torch.cat([model(part) for part in noisy.split(64)]).clamp(0.0, 1.0)  # type: ignore[no-untyped-call]

    def decibel(seen: Tensor) -> float:
        return round(-10.0 * math.log10(float((seen - clean).square().mean())), 2)

    return {"noisy_psnr_db": decibel(noisy), "drawn_psnr_db": decibel(drawn)}
