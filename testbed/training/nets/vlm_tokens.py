"""Tokens of the frozen vision tower with the answers that go with them: what the language side learns from.

The tower does not change any more, so its tokens are computed once per picture and augmentation and kept in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from testbed.agents.precision import mixed
from testbed.agents.vlm.images import WINDOWS, fit
from testbed.agents.vlm.model import VisionLanguageModel
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from testbed.training.data.format import Split, load_split
from testbed.training.data.unseen import refuse_attacked
from testbed.training.nets import vlm_tower

log = logging.getLogger(__name__)

TASKS = ("tsr", "alc", "vd")
ROUNDS: Mapping[str, int] = {"tsr": 1, "alc": 2, "vd": 2}
"""Augmented versions of each training picture whose tokens are kept; fewer where there are more pictures."""


@dataclass
class Features:
    """Tokens of the frozen tower with the answers that go with them.

    Attributes:
        tokens: (N, image tokens, C) float16.
        choice: (N,) index into `testbed.agents.vlm.readings.CHOICES` of the task.
        box: (N, 4) centre x, centre y, height, width as fractions; NaN without a vehicle; only ``vd``.
    """

    tokens: Tensor
    choice: Tensor
    box: Tensor

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.choice)

    def draw(self, count: int, random: torch.Generator) -> Features:
        """Return `count` random rows."""
        rows = torch.randint(len(self), (count,), generator=random)
        return Features(self.tokens[rows], self.choice[rows], self.box[rows])


Shared = tuple[dict[str, Features], dict[str, Features]]
"""Tokens of training and of held-out pictures by task."""


def open_data(data: Path, name: str, tasks: Sequence[str] = TASKS) -> dict[str, Split]:
    """Open a split of the folders ``tsr``, ``alc`` and ``vd`` below `data`; what is trained on must show no attack."""
    if name == "train":
        for task in tasks:
            refuse_attacked(data / task)
    return {task: load_split(data / task, name, task=task) for task in tasks}


def load_features(
    model: VisionLanguageModel, data: Path, rounds: float, seed: int, tasks: Sequence[str] = TASKS
) -> Shared:
    """Return tokens of augmented training pictures and of the first 500 held-out pictures as they are."""
    network = core(model.network)
    train = {}
    for task, split in open_data(data, "train", tasks).items():
        train[task] = features(network, vlm_tower.SplitBatches(split, seed), rounds * ROUNDS[task], seed)
        log.info("%s: %d augmented pictures seen by the tower", task, len(train[task]))
    return train, {task: clean_features(network, split, 500) for task, split in open_data(data, "test", tasks).items()}


def answers(task: str, columns: vlm_tower.Columns) -> tuple[Tensor, Tensor]:
    """Return choice (N,) and box (N, 4) of the columns of a task."""
    if task == "tsr":
        choice = columns["class_id"].long()
    elif task == "alc":
        choice = columns["steering"].long()
    else:
        choice = columns["present"].long()
        low, high = columns["lead_box_px"][:, :2], columns["lead_box_px"][:, 2:]
        view = torch.tensor([IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX], dtype=torch.float32)
        centre, size = (low + high) / 2 / view, (high - low) / view
        return choice, torch.cat([centre, size.flip(1)], 1)
    return choice, torch.full((len(choice), 4), float("nan"))


@torch.inference_mode()
def features(network: Any, source: Any, rounds: float, seed: int) -> Features:
    """Run the tower over augmented pictures of one task.

    Args:
        network: Built FastVLM network.
        source: Anything with ``task``, ``split`` and ``draw`` like `vlm_tower.SplitBatches`.
        rounds: Augmented versions per picture.
        seed: Of the augmentation.
    """
    random = torch.Generator().manual_seed(seed)
    parts: list[Features] = []
    for _ in range(max(1, round(rounds * len(source.split)) // 64)):
        pixels, columns = source.draw(64)
        choice, box = answers(source.task, columns)
        parts.append(Features(encode(network, vlm_tower.jitter(pixels, random)), choice, box))
    return Features(*(torch.cat([getattr(p, key) for p in parts]) for key in ("tokens", "choice", "box")))


@torch.inference_mode()
def clean_features(network: Any, split: Split, limit: int | None = None) -> Features:
    """Run the tower over the first pictures of a split as they are."""
    count = len(split) if limit is None else min(limit, len(split))
    columns = {
        key: torch.from_numpy(np.asarray(split.labels[key][:count])) for key in vlm_tower.SplitBatches.KEPT[split.task]
    }
    parts = []
    for start in range(0, count, 64):
        images = [fit(split.image(i), WINDOWS[split.task]) for i in range(start, min(start + 64, count))]
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
        parts.append(encode(network, pixels))
    return Features(torch.cat(parts), *answers(split.task, columns))


def encode(network: Any, pixels: Tensor) -> Tensor:
    """Return the tower's tokens (N, T, C) in half precision."""
    with mixed():
        maps = network.model.vision_tower(pixels, return_dict=True).last_hidden_state
    tokens: Tensor = maps.flatten(2).transpose(1, 2).half()
    return tokens


def core(network: Any) -> Any:
    """Return the FastVLM network, whether or not peft is wrapped around it."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network
