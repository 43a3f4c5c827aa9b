"""Simulation-in-the-loop safety testbed for vision-language driving models under physical attack."""

from __future__ import annotations

__version__ = "0.1.0"
