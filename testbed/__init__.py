"""Simulation-in-the-loop safety testbed for vision-language driving models under physical attack.

``gymnasium.make("testbed:testbed/DrpHighway-v1")`` imports this package and expects the environments to be registered;
the command line must not pay for importing Gymnasium. So registration waits for Gymnasium to be imported.
"""

from __future__ import annotations

from types import ModuleType

import wrapt

__version__ = "0.1.0"


def _register_environments(_gymnasium: ModuleType) -> None:
    from testbed.registration import register

    register()


wrapt.register_post_import_hook(_register_environments, "gymnasium")
