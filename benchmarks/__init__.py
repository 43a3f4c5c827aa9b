"""Figures of this installation: ``python -m benchmarks.env_steps``, ``python -m benchmarks.agents``."""

from __future__ import annotations
