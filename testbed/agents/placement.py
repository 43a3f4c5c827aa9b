"""From a word for a device to torch's device, checked: a GPU that is not there is one sentence."""

from __future__ import annotations

from typing import Literal

import torch

from testbed.core.device import check_there, is_gpu


def placed(word: str, auto: Literal["cpu", "cuda"]) -> torch.device:
    """Return the device that a word stands for.

    Args:
        word: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        auto: What ``auto`` means: ``cuda`` is the first GPU where there is one, else the CPU.

    Raises:
        UsageError: It is no such word, or asks for a GPU that is not there.
    """
    count = torch.cuda.device_count()
    check_there(word, count, "torch")
    if word == "auto":
        return torch.device("cuda:0" if auto == "cuda" and count else "cpu")
    return torch.device("cuda:0" if word == "cuda" else word) if is_gpu(word) else torch.device("cpu")
