"""Fine-tuning of V²LMs: any checkpoint or family, on questions about the testbed's pictures or on conversations."""

from __future__ import annotations

from testbed.training.vlm.fine_tuning import tune
from testbed.training.vlm.plan import Plan

__all__ = ["Plan", "tune"]
