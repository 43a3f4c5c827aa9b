"""A projector that was never trained starts from what its tower really says, not from numbers of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from testbed.training.vlm.batches import FormBatcher, ReplyBatcher
from testbed.training.vlm.examples import ExampleSource

LOOKED_AT = 64
"""Conversations of which the pictures are looked at."""


@torch.no_grad()
def whiten(network: Any, batcher: FormBatcher | ReplyBatcher, source: ExampleSource, seed: int) -> bool:
    """Start a projector's first layer so that it sees every channel of the tower with mean 0 and deviation 1.

    Args:
        network: transformers model with a ``multi_modal_projector`` of ``linear_1`` and more; others are left alone.
        batcher: Makes its inputs.
        source: Where pictures come from.
        seed: Of the choice of pictures and the layer's weights.

    Returns:
        Whether there was such a projector.
    """
    linear = getattr(getattr(network.model, "multi_modal_projector", None), "linear_1", None)
    if linear is None:
        return False
    seen: list[Tensor] = []
    hook = linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().float()))
    try:
        batcher.loss(network, batcher(source.draw(LOOKED_AT, np.random.default_rng([seed, 17]))))
    finally:
        hook.remove()
    tokens = torch.cat([one.flatten(0, -2) for one in seen])
    mean, deviation = tokens.mean(0), tokens.std(0).clamp(min=1e-3)
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(linear.weight.shape, generator=random).to(mean.device) * linear.in_features**-0.5 / deviation
    linear.weight.copy_(weight)
    linear.bias.copy_(-weight @ mean)
    return True
