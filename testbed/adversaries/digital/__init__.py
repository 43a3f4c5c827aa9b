"""Digital controls: perturbations of the network's input that no physical attacker can make.

They tell "robust to this physical attack" from "robust to anything": projected gradient descent within an L∞ ball as
the strongest case, random noise in the same ball as the weakest.
"""

from __future__ import annotations

from testbed.adversaries.digital.noise import uniform_noise
from testbed.adversaries.digital.pgd import pgd

__all__ = ["EPSILONS", "pgd", "uniform_noise"]

EPSILONS: tuple[float, ...] = (2.0 / 255.0, 4.0 / 255.0, 8.0 / 255.0)
"""Radii of the L∞ ball in which published comparisons are made, for pixels in 0…1."""
