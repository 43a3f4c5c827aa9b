"""A home that can be written to: without one carla's client dies, and kernels are compiled again for every drive.

Containers and services often run without ``HOME``, or with one of somebody else's.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def usable_home() -> Path:
    """Return the user's home; where there is none that can be written to, make one among the temporary files.

    Programs that are started later find it as ``HOME``.
    """
    told = os.environ.get("HOME", "")
    if told and _can_write(Path(told)):
        return Path(told)
    # one per user, so that what is kept there is found again
    made = Path(tempfile.gettempdir()) / f"v2lm-testbed-home-{os.getuid()}"
    if not _is_ours(made):
        made = Path(tempfile.mkdtemp(prefix="v2lm-testbed-home-"))
    os.environ["HOME"] = str(made)
    return made


def _is_ours(folder: Path) -> bool:
    """Make a folder, or tell whether one that is there is this user's own and nobody's link to somewhere else."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        there = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(there.st_mode) and there.st_uid == os.getuid() and _can_write(folder)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
