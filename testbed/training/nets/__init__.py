"""Training of the shipped weights: one module per network, each readable from top to bottom.

``python -m testbed train NAME --data DATA`` calls `train`; DATA has a folder per task (``tsr``, ``alc``, ``vd``).
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any, cast

from testbed.agents import weights
from testbed.core.errors import UsageError, suggest

__all__ = ["names", "train"]

WORK = Path("work")
"""Folder below the working directory that receives weights."""

_TRAINERS: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "denoiser": ("testbed.training.nets.denoiser", "train", ()),
    "dnn-lane": ("testbed.training.nets.clrernet", "train", ()),
    "dnn-tsr": ("testbed.training.nets.yolov5_cls", "train", ()),
    "dnn-tsr-adversarial": ("testbed.training.nets.sign_classifiers", "train", ("dnn-tsr-adversarial",)),
    "dnn-tsr-distilled": ("testbed.training.nets.sign_classifiers", "train", ("dnn-tsr-distilled",)),
    "dnn-tsr-dropout": ("testbed.training.nets.sign_classifiers", "train", ("dnn-tsr-dropout",)),
    "dnn-tsr-label-smoothing": ("testbed.training.nets.sign_classifiers", "train", ("dnn-tsr-label-smoothing",)),
    "dnn-vd": ("testbed.training.nets.yolov5", "train", ()),
    "gtsrb-cnn": ("testbed.training.nets.sign_classifiers", "train", ("gtsrb-cnn",)),
    "row-anchor": ("testbed.training.nets.row_anchor", "train", ()),
    "smollm": ("testbed.training.vlm.shipped_models", "train_smollm", ()),
    "vit-small": ("testbed.training.nets.sign_classifiers", "train", ("vit-small",)),
    "vit-small-adversarial": ("testbed.training.nets.sign_classifiers", "train", ("vit-small-adversarial",)),
    "vlm": ("testbed.training.vlm.shipped_models", "train_small", ()),
    "vlm-tower": ("testbed.training.nets.vlm", "train_tower", ()),
}
"""Name of the weights to (module, function, leading arguments)."""


def names() -> tuple[str, ...]:
    """Return the names of all weights that can be trained, sorted."""
    return tuple(sorted(_TRAINERS))


def train(name: str, data: Path, *, out: Path | None = None, **options: Any) -> Path:
    """Train one set of weights and write it with its card.

    Args:
        name: One of `names`.
        data: Folder with a data set per task.
        out: Folder of the weights; ``work/NAME`` when None. Never that of the shipped ones.
        options: What the trainer takes: ``seed``; ``epochs`` where it counts them; ``rate``, the peak learning rate;
            ``start_from`` where it can start from other weights.

    Raises:
        UsageError: When there are no such weights, their trainer does not take an option, or they would replace
            shipped ones.
        DatasetError: When the data set is missing or malformed.
    """
    if name not in _TRAINERS:
        raise UsageError(f"unknown weights {name!r}", hint=f"{suggest(name, _TRAINERS)}known: {', '.join(names())}")
    if options.get("epochs", 1) < 1:
        raise UsageError(f"--epochs is {options['epochs']}, not a number of passes over the data", hint="use 1 or more")
    if not options.get("rate", 1.0) > 0.0:
        raise UsageError(f"--rate is {options['rate']}, not a learning rate", hint="use a positive number such as 3e-4")
    folder = weights.writable(WORK / name if out is None else out)
    module, function, leading = _TRAINERS[name]
    trainer = getattr(importlib.import_module(module), function)
    for option in options:
        if option not in inspect.signature(trainer).parameters:
            raise UsageError(f"training {name!r} takes no option {option!r}", hint="leave it out")
    return cast(Path, trainer(*leading, Path(data), folder, **options))
