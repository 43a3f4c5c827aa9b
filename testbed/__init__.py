"""Simulation-in-the-loop safety testbed for vision-language driving models under physical attack.

``gymnasium.make("testbed:testbed/DrpHighway-v1")`` imports this package and expects the environments to be registered;
the command line must not pay for importing Gymnasium. So registration waits for Gymnasium to be imported.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import wrapt

__version__ = "0.1.0"


def _register_environments(_gymnasium: ModuleType) -> None:
    from testbed.registration import register

    register()


wrapt.register_post_import_hook(_register_environments, "gymnasium")

_API = ("load", "run")
"""What is here under its own name; all of it is in `testbed.api`, whose import is not for the command line to pay."""


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(importlib.import_module("testbed.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
