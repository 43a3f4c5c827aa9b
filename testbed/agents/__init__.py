"""Perception under test: agents that answer questions about pictures, by name, by file and by entry point."""

from __future__ import annotations

from testbed.agents.registry import (
    card,
    check_device,
    check_extras,
    configured,
    device_of,
    load,
    load_to_serve,
    names,
    parts,
    resolve,
    serving,
)

__all__ = [
    "card",
    "check_device",
    "check_extras",
    "configured",
    "device_of",
    "load",
    "load_to_serve",
    "names",
    "parts",
    "resolve",
    "serving",
]
