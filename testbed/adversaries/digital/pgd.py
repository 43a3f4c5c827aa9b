"""Projected gradient descent in an L∞ ball, untargeted, after Madry et al., ICLR 2018.

Thirty lines of our own: of the libraries that offer it, torchattacks has seen no release since 2023, and foolbox and
the Adversarial Robustness Toolbox wrap models and optimisers in layers of their own for one loop.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Network = Callable[[Tensor], Tensor]


def pgd(
    network: Network,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int = 20,
    step_size: float | None = None,
    restarts: int = 1,
    seed: int = 0,
) -> Tensor:
    """Return images that a network misreads, each within `epsilon` of the original in every value.

    A restart begins at a random point of the ball; an image keeps the restart that fools the network, or else the one
    of highest loss. The network must be in evaluation mode; its weights get no gradients.

    Args:
        network: Maps (N, 3, H, W) in 0…1 to logits (N, classes).
        images: (N, 3, H, W) in 0…1, at the network's input size.
        labels: (N,) true classes.
        epsilon: Radius of the L∞ ball, for pixels in 0…1.
        steps: Gradient steps per restart.
        step_size: Length of a step; None takes ``2.5 epsilon / steps``, with which any point of the ball is in reach.
        restarts: Number of random starts.
        seed: Seed of the starts; equal arguments give equal images.

    Returns:
        (N, 3, H, W) in 0…1, detached.
    """
    step = 2.5 * epsilon / steps if step_size is None else step_size
    generator = torch.Generator().manual_seed(seed)
    low, high = (images - epsilon).clamp(min=0.0), (images + epsilon).clamp(max=1.0)
    best, best_loss = images.clone(), torch.full((len(images),), -torch.inf, device=images.device)
    for _ in range(restarts):
        start = torch.rand(images.shape, generator=generator).to(images.device)
        altered = low + (high - low) * start
        for _ in range(steps):
            altered.requires_grad_(True)
            value = F.cross_entropy(network(altered).float(), labels, reduction="sum")
            (slope,) = torch.autograd.grad(value, altered)
            altered = torch.minimum(torch.maximum(altered.detach() + step * slope.sign(), low), high)
        if restarts == 1:
            return altered
        with torch.no_grad():
            logits = network(altered).float()
            # A misread image counts more than any loss of a rightly read one.
            value_each = F.cross_entropy(logits, labels, reduction="none") + 1e3 * (logits.argmax(-1) != labels)
        better = value_each > best_loss
        best[better], best_loss[better] = altered[better], value_each[better]
    return best
