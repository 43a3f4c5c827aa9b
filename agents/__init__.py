"""What drives: perception agents, and the planner and controller they share."""

from __future__ import annotations

from agents.registry import card, configured, file_of, load, names

__all__ = ["card", "configured", "file_of", "load", "names"]
