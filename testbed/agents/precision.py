"""Half precision where it is faster: a processor without bfloat16 arithmetic emulates it, at a third of the speed.

Measured on one thread, a training step of the row-anchor net with 32 pictures: 4.8 s in bfloat16 against 1.7 s in
single precision on a Xeon of 2.5 GHz without ``avx512_bf16``; with it bfloat16 is the faster one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch

BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""Names of x86 and Arm, as torch tells a processor's capabilities."""


@cache
def has_bfloat16(device: str = "cpu") -> bool:
    """Return whether a device type (``cpu``, ``cuda``) computes in bfloat16 rather than emulates it."""
    if device != "cpu":
        return True
    # Younger than the oldest torch that we support; there single precision is always right.
    capabilities: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)


def mixed(device: str = "cpu") -> torch.autocast:
    """Return the context in which networks compute in bfloat16, or in single precision where that is faster."""
    return torch.autocast(device, torch.bfloat16, enabled=has_bfloat16(device))


def name_of(device: str = "cpu") -> str:
    """Return what `mixed` computes in, for cards: ``bf16`` or ``fp32``."""
    return "bf16" if has_bfloat16(device) else "fp32"
