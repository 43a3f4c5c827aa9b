"""How long a process lives: no longer than its parent, and not for ever where somebody stopped it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

PATIENCE_S = 3.0
"""Time after which a stopped process counts as lost."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends, whatever state this one is in (Linux alone).

    The kernel means the thread that started it, see `testbed.core.lasting_thread`.

    Args:
        parent: Process id; where it is no longer the parent's, this process ends at once.
    """
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def is_stopped(pid: int) -> bool:
    """Tell whether a process stands still because somebody sent it SIGSTOP (Linux; elsewhere nothing is known)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            # the name before it may hold anything, parentheses too
            return stream.read().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


class StandstillClock:
    """Tells for how long processes have been stopped, by how often it is asked.

    A debugger or a nervous finger stops a process for a moment: only one that stays so is given up.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        """Know nothing yet."""
        self._patience_s = patience_s
        self._since: dict[int, float] = {}

    def given_up(self, pid: int) -> bool:
        """Tell whether a process has been stopped at every look of the last seconds."""
        return self.note(pid, is_stopped(pid))

    def note(self, pid: int, stopped: bool) -> bool:
        """Take a look that was made elsewhere, see `given_up`."""
        if not stopped:
            self._since.pop(pid, None)
            return False
        now = time.monotonic()
        return now - self._since.setdefault(pid, now) >= self._patience_s
