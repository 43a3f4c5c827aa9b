"""Where files are kept that can be made or fetched again: one folder per user."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "TESTBED_CACHE"
"""Environment variable with the folder."""


def user_cache() -> Path:
    """Return the folder; by default ``v2lm-testbed`` in the user's cache."""
    usual = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "v2lm-testbed"
    return Path(os.environ.get(VARIABLE) or usual).expanduser()
