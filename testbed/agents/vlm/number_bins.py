"""Numbers from 0 to 1 as tokens: one per bin, read as an expectation, so that a number is finer than a bin."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 128
"""Into how many bins a number from 0 to 1 is cut."""
LOCATIONS: tuple[str, ...] = tuple(f"<loc_{index:03d}>" for index in range(BINS))
"""The tokens, in order."""
NEIGHBOURS = 3
"""Bins on either side of the most probable one that take part in a number's expectation."""
BELL_BINS = 1.0
"""Standard deviation of a number's soft target, in bins."""


def expectation(logits: Tensor) -> Tensor:
    """Turn logits of number bins (..., BINS) into numbers in 0…1 (...,): mean over the bins around the peak."""
    bins = torch.arange(logits.shape[-1], device=logits.device)
    peak = logits.argmax(-1, keepdim=True)
    near = (bins - peak).abs() <= NEIGHBOURS
    weights = logits.masked_fill(~near, float("-inf")).softmax(-1)
    return (weights * (bins + 0.5)).sum(-1) / logits.shape[-1]


def soft_target(numbers: Tensor) -> Tensor:
    """Turn numbers in 0…1 (...,) into what is learnt: a bell over the bins (..., BINS), sum 1."""
    place = numbers.clamp(0, 1)[..., None] * BINS - 0.5
    return (-0.5 * ((torch.arange(BINS, device=numbers.device) - place) / BELL_BINS) ** 2).softmax(-1)
