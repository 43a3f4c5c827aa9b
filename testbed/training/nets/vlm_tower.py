"""Train the vision tower of the small V²LM with plain supervised heads on all three tasks at once.

Why before any language: a linear head on the mean image token needs a tenth of the pictures that the same knowledge
costs through a language model's answer loss, and whatever the mean token tells linearly, the text model reads at
once. The heads are thrown away afterwards; the tower is frozen from then on.

Three stages: `warm_up` on procedural road pictures (`testbed.training.nets.warmup`); `learn_signs`, for which there are
no procedural pictures, while those rehearse the other tasks; then all data sets together. All run on one thread for a
fixed number of steps; the learning rate rises shortly, then follows half a cosine.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from PIL import Image as PilImage
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.ops import generalized_box_iou_loss

from testbed.agents.precision import mixed
from testbed.agents.vlm import tower
from testbed.agents.vlm.images import IMAGE_SIZE, WINDOWS, fit
from testbed.core import perception_tasks as layout
from testbed.training.data.format import Split
from testbed.training.nets.loop import mirrorable
from testbed.training.nets.warmup import RoadPictures

log = logging.getLogger(__name__)

WARM_SHARES = {"alc": 24, "vd": 20}
SIGN_SHARES = {"alc": 12, "vd": 12, "tsr": 40}
SHARES = {"alc": 24, "vd": 28, "tsr": 12}
"""Pictures of each task in one step: signs are known first and need the fewest."""

_ALC_SCALE = {"preview_offset_m": 0.3, "lateral_offset_m": 0.3, "heading_error_rad": 0.015, "curvature_1pm": 0.001}
_MOST = 8.0
"""Geometry beyond this many scales is sharp bends, which must not outweigh everything else."""
_EGO_LINES = slice(1, 3)
_ROWS = len(layout.LANE_ROWS_PX)
_YAW_JITTER_RAD = 0.008
_VIEW = torch.tensor([layout.IMAGE_WIDTH_PX, layout.IMAGE_HEIGHT_PX] * 2, dtype=torch.float32)

Columns = dict[str, Tensor]


class TowerWithHeads(nn.Module):
    """The tower and one linear head per task on its mean token."""

    def __init__(self) -> None:
        """Build with random weights."""
        super().__init__()
        self.tower = timm.create_model(tower.TOWER_NAME, num_classes=0, image_size=IMAGE_SIZE)
        self.tower = self.tower.to(memory_format=torch.channels_last)
        self.heads = nn.ModuleDict(
            {
                "alc": nn.Linear(tower.WIDTH, 3 + len(_ALC_SCALE) + 2 * _ROWS),
                "vd": nn.Linear(tower.WIDTH, 5),
                "tsr": nn.Linear(tower.WIDTH, 43),
            }
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pictures (N, 3, H, W) to mean tokens (N, C), float32."""
        with mixed():
            tokens: Tensor = self.tower.forward_features(pixels)
        return tokens.float().mean((2, 3))


def alc_loss(output: Tensor, columns: Columns) -> Tensor:
    """Cross-entropy of the class, Huber losses of the lane's geometry and of the ego lines' columns."""
    loss = functional.cross_entropy(output[:, :3], columns["steering"].long())
    for index, (name, scale) in enumerate(_ALC_SCALE.items()):
        wanted = (columns[name] / scale).clamp(-_MOST, _MOST)
        loss = loss + functional.smooth_l1_loss(output[:, 3 + index], wanted, beta=0.3)
    wanted = (columns["lane_x_px"][:, _EGO_LINES].flatten(1) - layout.IMAGE_WIDTH_PX / 2) / 64.0
    known = wanted.abs() < 4  # also false where unknown
    lines = functional.smooth_l1_loss(output[:, 3 + len(_ALC_SCALE) :][known], wanted[known], beta=0.05)
    return loss + 3.0 * lines if known.any() else loss


def vd_loss(output: Tensor, columns: Columns) -> Tensor:
    """Cross-entropy of presence and, where present, generalised IoU and L1 of the box."""
    present = columns["present"].bool()
    loss = functional.binary_cross_entropy_with_logits(output[:, 0], present.float())
    if present.any():
        wanted = columns["lead_box_px"][present] / _VIEW
        found = corners(output[present, 1:])
        loss = loss + generalized_box_iou_loss(found, wanted, reduction="mean")
        loss = loss + 5.0 * functional.l1_loss(found, wanted)
    return loss


def corners(output: Tensor) -> Tensor:
    """Turn head outputs (N, 4) for centre and log size into boxes (N, 4) as fractions of the view."""
    centre = 0.5 + 0.1 * output[:, :2]
    size = 0.1 * torch.exp(0.5 * output[:, 2:].clamp(-6, 6))
    return torch.cat([centre - size / 2, centre + size / 2], 1)


def jitter(pixels: Tensor, random: torch.Generator) -> Tensor:
    """Vary brightness, contrast, tint and noise of pictures (N, 3, H, W) in 0-1, and normalise them to -1..1."""
    count = len(pixels)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((count, *shape), generator=random)

    mean = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (pixels - mean) * draw(0.7, 1.4, 1, 1, 1) + mean * draw(0.7, 1.3, 1, 1, 1)
    pixels = pixels * draw(0.93, 1.07, 3, 1, 1)
    pixels = pixels + draw(0.0, 0.02, 1, 1, 1) * torch.randn((count, 1, *pixels.shape[2:]), generator=random)
    return pixels.clamp(0, 1) * 2 - 1


def mirror(task: str, pixels: Tensor, columns: Columns, chosen: Tensor) -> tuple[Tensor, Columns]:
    """Mirror the chosen pictures left to right together with their labels."""
    pixels = torch.where(chosen[:, None, None, None], pixels.flip(3), pixels)
    columns = dict(columns)
    if task == "alc":
        for name in _ALC_SCALE:
            columns[name] = torch.where(chosen, -columns[name], columns[name])
        columns["steering"] = torch.where(chosen, 2 - columns["steering"], columns["steering"])
        mirrored = layout.IMAGE_WIDTH_PX - columns["lane_x_px"].flip(1)
        columns["lane_x_px"] = torch.where(chosen[:, None, None], mirrored, columns["lane_x_px"])
    elif task == "vd":
        box = columns["lead_box_px"]
        mirrored = torch.stack([_VIEW[0] - box[:, 2], box[:, 1], _VIEW[0] - box[:, 0], box[:, 3]], 1)
        columns["lead_box_px"] = torch.where(chosen[:, None], mirrored, box)
    return pixels, columns


def turn(pixels: Tensor, columns: Columns, yaw_rad: Tensor) -> tuple[Tensor, Columns]:
    """Turn the camera of steering pictures to the left by an angle: exact for pixels, since it stays where it is.

    The ego turns with it, so heading, preview offset and class change; line columns become unknown where it turned.
    """
    window = WINDOWS["alc"].pixels(layout.IMAGE_WIDTH_PX, layout.IMAGE_HEIGHT_PX)
    height, width = pixels.shape[2:]
    u = window[0] + (torch.arange(width) + 0.5) * (window[2] - window[0]) / width
    v = window[1] + (torch.arange(height) + 0.5) * (window[3] - window[1]) / height
    right = ((u - layout.IMAGE_WIDTH_PX / 2) / layout.FOCAL_PX)[None, None, :].expand(1, height, -1)
    up = (-(v - layout.IMAGE_HEIGHT_PX / 2) / layout.FOCAL_PX)[None, :, None].expand(1, -1, width)
    pitch = math.radians(layout.CAMERA_PITCH_DEG)
    ahead, rise = math.cos(pitch) - up * math.sin(pitch), math.sin(pitch) + up * math.cos(pitch)
    sine, cosine = yaw_rad.sin()[:, None, None], yaw_rad.cos()[:, None, None]
    old_ahead, old_right = ahead * cosine + right * sine, right * cosine - ahead * sine
    depth = old_ahead * math.cos(pitch) + rise * math.sin(pitch)
    old_up = rise * math.cos(pitch) - old_ahead * math.sin(pitch)
    old_u = layout.IMAGE_WIDTH_PX / 2 + layout.FOCAL_PX * old_right / depth
    old_v = layout.IMAGE_HEIGHT_PX / 2 - layout.FOCAL_PX * old_up / depth
    x = 2 * (old_u - window[0]) / (window[2] - window[0]) - 1
    y = 2 * (old_v - window[1]) / (window[3] - window[1]) - 1
    pixels = functional.grid_sample(
        pixels, torch.stack([x, y], 3), mode="bilinear", padding_mode="border", align_corners=False
    )
    columns = dict(columns)
    preview = columns["preview_offset_m"] - (layout.PREVIEW_M - layout.CAMERA_X_M) * yaw_rad
    straight = preview.abs() < layout.STRAIGHT_BELOW_M
    columns["preview_offset_m"] = preview
    columns["steering"] = torch.where(straight, 1, torch.where(preview > 0, 0, 2))
    columns["heading_error_rad"] = columns["heading_error_rad"] + yaw_rad
    columns["lateral_offset_m"] = columns["lateral_offset_m"] - layout.CAMERA_X_M * yaw_rad
    columns["lane_x_px"] = torch.where((yaw_rad != 0)[:, None, None], float("nan"), columns["lane_x_px"])
    return pixels, columns


class SplitBatches:
    """Draw training batches of one task from a data set split.

    Args:
        split: Train split of ``alc``, ``vd`` or ``tsr``.
        seed: Fixes order and augmentation.
    """

    KEPT = {
        "alc": (*_ALC_SCALE, "steering", "lane_x_px"),
        "vd": ("present", "lead_box_px"),
        "tsr": ("class_id",),
    }

    def __init__(self, split: Split, seed: int) -> None:
        """Load the pixels of driver's views into memory at model size; sign crops are resized when drawn."""
        self.task, self.split = split.task, split
        self._rng = np.random.default_rng(seed)
        self._random = torch.Generator().manual_seed(seed)
        self.columns = {key: np.asarray(split.labels[key]) for key in self.KEPT[split.task]}
        self._mirrorable = mirrorable(split)
        if split.task == "tsr":
            self._weights = _evened(self.columns["class_id"], 0.5)
            self._fitted = None
        else:
            # Half of the pictures are of the highway, which is learnt first: all maps come equally often.
            self._weights = _evened(split.map_of, 1.0)
            self._fitted = np.stack([fit(split.image(i), WINDOWS[split.task]) for i in range(len(split))])

    def draw(self, count: int) -> tuple[Tensor, Columns]:
        """Return (count, 3, H, W) pictures in 0-1, augmented in geometry, and their columns."""
        chosen = self._rng.choice(len(self.split), count, p=self._weights)
        columns = {key: torch.from_numpy(values[chosen]) for key, values in self.columns.items()}
        if self._fitted is None:
            images = np.stack([self._crop(int(index)) for index in chosen])
        else:
            images = self._fitted[chosen]
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        if self.task == "tsr":
            return pixels, columns
        half = (torch.rand(count, generator=self._random) < 0.5) & torch.from_numpy(self._mirrorable[chosen])
        pixels, columns = mirror(self.task, pixels, columns, half)
        if self.task == "alc":
            turned = torch.rand(count, generator=self._random) < 0.5
            yaw_rad = torch.where(turned, _YAW_JITTER_RAD * torch.randn(count, generator=self._random), 0.0)
            pixels, columns = turn(pixels, columns, yaw_rad)
        return pixels, columns

    def _crop(self, index: int) -> NDArray[np.uint8]:
        """Shift, scale and sometimes coarsen a sign crop, then bring it to model size."""
        image = self.split.image(index)
        height, width = image.shape[:2]
        inset = self._rng.uniform(0.0, 0.12, 4) * (width, height, width, height)
        picture = PilImage.fromarray(image)
        box = (inset[0], inset[1], width - inset[2], height - inset[3])
        if min(height, width) > 24 and self._rng.random() < 0.3:
            small = max(12, int(min(height, width) * self._rng.uniform(0.3, 0.8)))
            picture, box = picture.resize((small, small), PilImage.Resampling.BILINEAR, box=box), (0, 0, small, small)
        resized = picture.resize((IMAGE_SIZE[1], IMAGE_SIZE[0]), PilImage.Resampling.BILINEAR, box=box)
        return np.asarray(resized)


def _evened(kinds: NDArray[np.integer], power: float) -> NDArray[np.float64]:
    """Return drawing probabilities (N,) in which each kind's share is divided by its count to a power."""
    _, kind, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = counts[kind].astype(np.float64) ** -power
    return np.asarray(weights / weights.sum())


class WarmupBatches:
    """Draw batches of procedural pictures; each picture is used about three times before it is replaced."""

    def __init__(self, task: str, seed: int, pool: int = 2048) -> None:
        """Start with an empty pool."""
        self.task, self._road, self._pool_size = task, RoadPictures(seed, IMAGE_SIZE), pool
        self._random = torch.Generator().manual_seed(seed)
        self._pixels, self._columns, self._next = torch.empty(0), cast(Columns, {}), 0

    def draw(self, count: int) -> tuple[Tensor, Columns]:
        """Return (count, 3, H, W) pictures in 0-1 and their columns."""
        new = count * 2 if not len(self._pixels) else count // 3
        pixels, columns = self._road.lanes(new) if self.task == "alc" else self._road.vehicles(new)
        if len(self._pixels) < self._pool_size:
            self._pixels = torch.cat([self._pixels.to(pixels.dtype), pixels]) if len(self._pixels) else pixels
            self._columns = {k: torch.cat([self._columns[k], v]) if self._columns else v for k, v in columns.items()}
        else:
            place = (torch.arange(new) + self._next) % len(self._pixels)
            self._next = int(place[-1]) + 1
            self._pixels[place] = pixels
            for key, values in columns.items():
                self._columns[key][place] = values
        chosen = torch.randint(len(self._pixels), (count,), generator=self._random)
        half = torch.rand(count, generator=self._random) < 0.5
        picked = {key: values[chosen] for key, values in self._columns.items()}
        return mirror(self.task, self._pixels[chosen].float() / 255, picked, half)


def rate(done: float, peak: float, warm: float = 0.03) -> float:
    """Return the learning rate at a fraction of the training: linear rise, then half a cosine to zero."""
    if done < warm:
        return peak * (0.05 + 0.95 * done / warm)
    return peak * 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))


def optimise(
    model: TowerWithHeads,
    sources: dict[str, Any],
    *,
    steps: int,
    peak: float,
    seed: int,
    shares: Mapping[str, int] = SHARES,
    check: Callable[[], object] | None = None,
) -> None:
    """Train in place on mixed batches of all sources."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    losses = {"alc": alc_loss, "vd": vd_loss}
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=peak, betas=(0.9, 0.98)
    )
    model.train()
    shown, start = {task: 0.0 for task in sources}, time.monotonic()
    for step in range(1, steps + 1):
        done = (step - 1) / steps
        for group in optimiser.param_groups:
            group["lr"] = rate(done, peak)
        drawn = {task: source.draw(shares[task]) for task, source in sources.items()}
        mean = model(jitter(torch.cat([pixels for pixels, _ in drawn.values()]), random))
        total, first = torch.zeros(()), 0
        for task, (pixels, columns) in drawn.items():
            output = model.heads[task](mean[first : first + len(pixels)])
            first += len(pixels)
            if task == "tsr":
                loss = functional.cross_entropy(output, columns["class_id"].long(), label_smoothing=0.02)
            else:
                loss = losses[task](output, columns)
            total = total + loss
            shown[task] += 0.05 * (float(loss.detach()) - shown[task])
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        if step % 50 == 0:
            speed = step * first / (time.monotonic() - start)
            log.info("step %d %.0f%% %.0f/s %s", step, 100 * done, speed, {k: round(v, 3) for k, v in shown.items()})
        if check is not None and step % 500 == 0:
            log.info("held out: %s", check())


@torch.inference_mode()
def evaluate(model: TowerWithHeads, pixels: NDArray[np.uint8], columns: Columns, task: str) -> dict[str, float]:
    """Return held-out figures of one task for pictures (N, H, W, 3) uint8 at model size."""
    model.eval()
    outputs = []
    for start in range(0, len(pixels), 64):
        batch = torch.from_numpy(pixels[start : start + 64]).permute(0, 3, 1, 2).float() / 127.5 - 1
        outputs.append(model.heads[task](model(batch)))
    model.train()
    output = torch.cat(outputs)
    if task == "tsr":
        return {"tsr_accuracy": float((output.argmax(1) == columns["class_id"]).float().mean())}
    if task == "alc":
        error = (output[:, 3] * _ALC_SCALE["preview_offset_m"] - columns["preview_offset_m"]).abs()
        return {
            "alc_accuracy": float((output[:, :3].argmax(1) == columns["steering"]).float().mean()),
            "preview_error_m": float(error.mean()),
            "preview_error_p95_m": float(error.quantile(0.95)),
        }
    present = columns["present"].bool()
    overlap = box_overlap(corners(output[present, 1:]), columns["lead_box_px"][present] / _VIEW)
    return {
        "vd_presence": float(((output[:, 0] > 0) == present).float().mean()),
        "vd_mean_iou": float(overlap.mean()),
    }


def box_overlap(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the IoU (N,) of matching boxes (N, 4)."""
    low, high = torch.maximum(found[:, :2], wanted[:, :2]), torch.minimum(found[:, 2:], wanted[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = (found[:, 2:] - found[:, :2]).prod(1) + (wanted[:, 2:] - wanted[:, :2]).prod(1)
    return shared / (areas - shared).clamp(min=1e-9)


def held_out(split: Split, limit: int | None = None) -> tuple[NDArray[np.uint8], Columns]:
    """Return a split's first pictures (N, H, W, 3) at model size and their columns."""
    count = len(split) if limit is None else min(limit, len(split))
    pixels = np.stack([fit(split.image(i), WINDOWS[split.task]) for i in range(count)])
    return pixels, {
        key: torch.from_numpy(np.asarray(split.labels[key][:count])) for key in SplitBatches.KEPT[split.task]
    }


def store(model: TowerWithHeads, path: Path, started_s: float) -> None:
    """Write the weights of a finished stage, heads included, and how long it took since a reading of the clock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(tensors, path, {"seconds": f"{time.monotonic() - started_s:.1f}"})


def restore(model: TowerWithHeads, path: Path) -> float:
    """Load weights that `store` wrote and return how many seconds their stage took."""
    with safe_open(path, framework="pt") as stored:
        model.load_state_dict({key: stored.get_tensor(key) for key in stored.keys()})  # noqa: SIM118
        return float((stored.metadata() or {}).get("seconds", 0.0))


def warm_up(out: Path, *, steps: int, seed: int = 1) -> dict[str, float]:
    """Train a new tower on procedural pictures and store it, with its heads, as ``warmup.safetensors`` in `out`."""
    started_s = time.monotonic()
    torch.manual_seed(seed)
    model = TowerWithHeads()
    sources = {task: WarmupBatches(task, seed) for task in ("alc", "vd")}
    optimise(model, sources, steps=steps, peak=2e-3, seed=seed, shares=WARM_SHARES)
    figures: dict[str, float] = {"steps": steps}
    fresh = RoadPictures(seed + 1000, IMAGE_SIZE)
    for task, (pixels, columns) in (("alc", fresh.lanes(512)), ("vd", fresh.vehicles(512))):
        figures |= evaluate(model, pixels.permute(0, 2, 3, 1).numpy(), columns, task)
    store(model, out / "warmup.safetensors", started_s)
    log.info("warm-up: %s", figures)
    return figures


def learn_signs(model: TowerWithHeads, split: Split, out: Path, *, steps: int, seed: int = 1) -> None:
    """Train on sign crops, mostly, and store the weights as ``signs.safetensors`` in `out`."""
    started_s = time.monotonic()
    sources: dict[str, Any] = {task: WarmupBatches(task, seed + 1) for task in ("alc", "vd")}
    sources["tsr"] = SplitBatches(split, seed)
    optimise(model, sources, steps=steps, peak=1.5e-3, seed=seed, shares=SIGN_SHARES)
    store(model, out / "signs.safetensors", started_s)
