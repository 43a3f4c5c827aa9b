"""Which networks the ``dnn`` agent can be built of, by name; nothing heavy is imported to read the names.

Every sign net maps crops (N, 3, S, S) in 0…1 to 43 logits and states S as ``input_px``; every lane net offers
``preview_offset(images)``, differentiable down to the pixels.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from testbed.core.errors import UsageError, suggest

if TYPE_CHECKING:
    from torch import Tensor, nn


class LanePredictor(Protocol):
    """A lane net as agents, trainings and attacks use it."""

    def preview_offset(self, images: Tensor) -> Tensor:
        """Return the lane centre 25 m ahead, (N,) in m, positive left, of images (N, 3, 160, 320) in 0…1."""


@dataclass(frozen=True, slots=True)
class ShippedNet:
    """One network that is trained and shipped.

    Attributes:
        weights: Name of its weights.
        place: ``module:class``.
    """

    weights: str
    place: str

    def build(self, **options: Any) -> nn.Module:
        """Make the network with random weights."""
        module, _, name = self.place.partition(":")
        made: nn.Module = getattr(importlib.import_module(module), name)(**options)
        return made


_YOLO, _VIT = "testbed.agents.dnn.yolov5_cls:SignNet", "testbed.agents.dnn.vit_small:VitSmall"

SIGN_NETS: dict[str, ShippedNet] = {
    "yolov5_cls": ShippedNet("dnn-tsr", _YOLO),
    "yolov5_cls_label_smoothing": ShippedNet("dnn-tsr-label-smoothing", _YOLO),
    "yolov5_cls_dropout": ShippedNet("dnn-tsr-dropout", _YOLO),
    "yolov5_cls_adversarial": ShippedNet("dnn-tsr-adversarial", _YOLO),
    "yolov5_cls_distilled": ShippedNet("dnn-tsr-distilled", _YOLO),
    "vit_small": ShippedNet("vit-small", _VIT),
    "vit_small_adversarial": ShippedNet("vit-small-adversarial", _VIT),
    "gtsrb_cnn": ShippedNet("gtsrb-cnn", "testbed.agents.dnn.gtsrb_cnn:GtsrbCnn"),
}
"""Traffic sign classifiers; a suffix names the training that is meant as a defence."""

LANE_NETS: dict[str, ShippedNet] = {
    "clrernet": ShippedNet("dnn-lane", "testbed.agents.dnn.clrernet:LaneNet"),
    "row_anchor": ShippedNet("row-anchor", "testbed.agents.dnn.row_anchor:RowAnchorNet"),
}
"""Lane detectors."""


def choose(nets: Mapping[str, ShippedNet], name: str, task: str) -> ShippedNet:
    """Return a network by name.

    Raises:
        UsageError: When there is no such network.
    """
    if name not in nets:
        raise UsageError(f"no network {name!r} for {task}", hint=f"{suggest(str(name), nets)}known: {', '.join(nets)}")
    return nets[name]
