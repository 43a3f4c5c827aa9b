"""Perception under test: agents that answer questions about pictures, by name, by file and by entry point."""

from __future__ import annotations

from testbed.agents.registry import card, check_extras, configured, load, names, parts, resolve

__all__ = ["card", "check_extras", "configured", "load", "names", "parts", "resolve"]
