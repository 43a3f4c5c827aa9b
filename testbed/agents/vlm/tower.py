"""Vision tower of the default small V²LM: a thin ResNet-10 whose image tokens know where they are.

FastVLM's projector has no positional term, and lane geometry is all about position. So the last feature map gets one
global context block: the map is squeezed, flattened (each cell keeps weights of its own), passed through a two-layer
perceptron and added to every token. The block is the CNN counterpart of the attention stage of FastVLM's own towers.

The tower is registered with timm under `TOWER_NAME`, so that transformers' ``timm_wrapper`` builds it from a
configuration like any other timm model. Importing this module is enough to register it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import torch
from timm.models import register_model
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn

from testbed.agents import weights
from testbed.agents.vlm.cards import BASE
from testbed.core.errors import WeightsError

TOWER_NAME = "v2lm_resnet10"
STRIDE = 32
WIDTH = 320


def configuration(image_size: tuple[int, int]) -> dict[str, Any]:
    """Return what transformers builds the tower from.

    Args:
        image_size: (height_px, width_px), multiples of `STRIDE`.
    """
    return {
        "model_type": "timm_wrapper",
        "architecture": TOWER_NAME,
        "do_pooling": False,
        "hidden_size": WIDTH,
        "model_args": {"image_size": list(image_size)},
    }


TOWER = "vlm-tower"
"""Weights of the tower alone, with the heads that taught it."""
_PREFIXES = {TOWER: "tower.", BASE: "model.vision_tower.timm_model."}
"""Weights that hold a tower to what its tensors' names begin with, those of a training in progress first."""


def restore(vision_tower: nn.Module, folder: Path | None = None) -> None:
    """Give a freshly built tower the weights of one that was trained.

    Args:
        vision_tower: What transformers built from `configuration`.
        folder: Of the weights ``vlm-tower`` or ``vlm-base``; None for the shipped ones.

    Raises:
        WeightsError: If there are none, or they do not fit.
    """
    inner = cast(nn.Module, vision_tower.timm_model)
    known, own = inner.state_dict(), trained(folder)
    odd = sorted(set(known) ^ set(own))
    if odd:
        raise WeightsError(f"the stored tower does not fit, for instance {odd[0]!r}")
    inner.load_state_dict({key: value.to(known[key].dtype) for key, value in own.items()})


def stored_in(folder: Path | None = None) -> str:
    """Return the name of the weights that hold a tower in a folder: ``vlm-tower`` where it is, else ``vlm-base``."""
    return next((name for name in _PREFIXES if folder is not None and (folder / f"{name}.json").is_file()), BASE)


def trained(folder: Path | None = None) -> dict[str, Tensor]:
    """Return the tensors of a tower that was trained, by their names in `ContextResNet`; see `restore`."""
    name = stored_in(folder)
    tensors, _ = weights.load(name, folder)
    prefix = _PREFIXES[name]
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def digest(folder: Path | None = None) -> str:
    """Return a sha256 over a trained tower's numbers, whatever file they are in; see `restore`."""
    found = hashlib.sha256()
    for key, value in sorted(trained(folder).items()):
        found.update(key.encode())
        found.update(value.float().numpy().tobytes())
    return found.hexdigest()


class GlobalContext(nn.Module):
    """Add to every cell of a feature map a vector computed from all cells, with weights per cell.

    Args:
        channels: C, channels of the map.
        cells: H * W, fixed by the image size.
        squeeze: Channels after the 1x1 squeeze.
        hidden: Width of the perceptron.
    """

    def __init__(self, channels: int, cells: int, squeeze: int = 64, hidden: int = 512) -> None:
        """Build the squeeze and the perceptron."""
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(channels, squeeze, 1, bias=False), nn.BatchNorm2d(squeeze), nn.SiLU())
        self.mix = nn.Sequential(nn.Linear(squeeze * cells, hidden), nn.SiLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        context: Tensor = self.mix(self.squeeze(x).flatten(1))
        return x + context[:, :, None, None]


class ContextResNet(ResNet):  # type: ignore[misc]  # timm ships no types
    """Thin ResNet-10 with a `GlobalContext` behind its last stage.

    Args:
        image_size: (height_px, width_px), both multiples of 32.
        **kwargs: Passed on to ``timm.models.resnet.ResNet``.
    """

    def __init__(self, image_size: tuple[int, int] = (96, 256), **kwargs: Any) -> None:
        """Build trunk and context block."""
        super().__init__(
            block=BasicBlock,
            layers=(1, 1, 1, 1),
            channels=(32, 64, 160, WIDTH),
            stem_type="deep",
            stem_width=16,
            avg_down=True,
            **kwargs,
        )
        self.context = GlobalContext(WIDTH, (image_size[0] // STRIDE) * (image_size[1] // STRIDE))

    def forward_features(self, x: Tensor) -> Tensor:
        """Map normalised images (B, 3, H, W) to feature maps (B, 320, H / 32, W / 32)."""
        x = super().forward_features(x.contiguous(memory_format=torch.channels_last))
        return cast(Tensor, self.context(x))


@register_model  # type: ignore[untyped-decorator]  # timm ships no types
def v2lm_resnet10(pretrained: bool = False, **kwargs: Any) -> ContextResNet:
    """Build the tower the way ``timm.create_model`` asks for it."""
    if pretrained:
        raise ValueError(f"{TOWER_NAME} has no pretrained weights in timm")
    wanted = {key: kwargs[key] for key in ("image_size", "num_classes", "in_chans") if key in kwargs}
    if "image_size" in wanted:
        wanted["image_size"] = tuple(wanted["image_size"])
    return ContextResNet(**wanted)
