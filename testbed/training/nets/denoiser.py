"""Weights of the denoising autoencoder (`testbed.agents.defences.denoiser`), in closed form from clean pictures.

Half of the patches come from driver's views, half from sign crops at the size they were seen at. The noise that the
decoder is best for is Gaussian with a deviation of 8 levels. No attacked picture takes part.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from testbed.agents.defences.autoencoder import WEIGHTS
from testbed.agents.defences.denoiser import CODE, PATCH_PX, Denoiser
from testbed.core.errors import DatasetError
from testbed.training.data.format import Split, load_split
from testbed.training.data.unseen import refuse_attacked
from testbed.training.nets.commands import training_commands
from testbed.training.nets.loop import ProgressReport, training_card
from testbed.training.nets.stored import keep

SIGMA = 8.0 / 255.0
PER_PICTURE = 16
PICTURES = 2500


def patches(split: Split, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return random patches of random pictures, (count * PER_PICTURE, 192) in 0…1, channels first."""
    found = []
    for index in rng.integers(0, len(split), count):
        image = split.image(int(index))
        height, width = image.shape[:2]
        for _ in range(PER_PICTURE):
            top, left = int(rng.integers(0, height - PATCH_PX + 1)), int(rng.integers(0, width - PATCH_PX + 1))
            found.append(image[top : top + PATCH_PX, left : left + PATCH_PX].transpose(2, 0, 1).reshape(-1))
    return np.stack(found) / 255.0


def solve(clean: NDArray[np.float64], code: int = CODE, sigma: float = SIGMA) -> Denoiser:
    """Return the best linear autoencoder for white noise.

    Args:
        clean: (N, 192) patches in 0…1.
        code: Numbers per patch.
        sigma: Deviation of the noise.
    """
    mean = clean.mean(0)
    values, vectors = np.linalg.eigh(np.cov(clean - mean, rowvar=False))
    values, vectors = values[::-1][:code], vectors[:, ::-1][:, :code]
    shrink = values / (values + sigma**2)
    shape = (code, 3, PATCH_PX, PATCH_PX)
    net = Denoiser(code)
    net.encoder.copy_(torch.from_numpy(vectors.T.copy()).view(shape))
    net.decoder.copy_(torch.from_numpy((vectors * shrink).T.copy()).view(shape))
    net.mean.copy_(torch.from_numpy(mean).view(shape[1:]))
    return net.eval()


def train(data: Path, out: Path | None = None, *, code: int = CODE, seed: int = 0, name: str = WEIGHTS) -> Path:
    """Compute the autoencoder and write weights and card.

    Args:
        data: Folder that holds ``alc`` and ``tsr``.
        out: Folder of the weights; the shipped one when None.
        code: Numbers per patch.
        seed: Seed of the choice of patches.
        name: Name of the weights.

    Returns:
        Path of the weights.

    Raises:
        DatasetError: When `data` does not hold both data sets.
    """
    torch.set_num_threads(1)
    if (data / "dataset.json").is_file():
        raise DatasetError(f"{data} is one data set; the denoiser learns from tsr and alc", hint="give their parent")
    for task in ("alc", "tsr"):
        refuse_attacked(data / task)
    rng, report = np.random.default_rng(seed), ProgressReport(1)
    splits = {
        task: [load_split(data / task, split, task=task) for split in ("train", "test")] for task in ("alc", "tsr")
    }
    net = solve(np.concatenate([patches(train_split, PICTURES, rng) for train_split, _ in splits.values()]), code)
    report.images = 2 * PICTURES
    settings = {"code": code, "patch_px": PATCH_PX, "sigma_levels": round(255.0 * SIGMA), "seed": seed}
    commands = training_commands(name, {"seed": seed}, [data / task for task in splits])
    card = training_card(commands, data, "alc", report, settings | {"optimiser": "closed form"}, net)
    card["parameters"] = sum(buffer.numel() for buffer in net.buffers())
    return keep(
        name, net, card, out, lambda kept: {task: psnr(kept, held_out) for task, (_, held_out) in splits.items()}
    )


@torch.inference_mode()
def psnr(net: Denoiser, split: Split, count: int = 60) -> dict[str, float]:
    """Return held-out peak signal-to-noise ratios in dB: of noisy pictures, and of what is drawn of them."""
    rng = np.random.default_rng(1)
    noisy_error, drawn_error, size = 0.0, 0.0, 0
    for index in np.linspace(0, len(split) - 1, min(count, len(split))).astype(int):
        clean = torch.from_numpy(np.array(split.image(int(index)))).permute(2, 0, 1)[None].float() / 255.0
        noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32)) * SIGMA
        noisy = (clean + noise).clamp(0.0, 1.0)

        def error(seen: Tensor, clean: Tensor = clean) -> float:
            return float((seen - clean).square().sum())

        noisy_error += error(noisy)
        drawn_error += error(net(noisy).clamp(0.0, 1.0))
        size += clean.numel()
    return {
        "noisy_psnr_db": round(-10.0 * math.log10(noisy_error / size), 2),
        "drawn_psnr_db": round(-10.0 * math.log10(drawn_error / size), 2),
    }
