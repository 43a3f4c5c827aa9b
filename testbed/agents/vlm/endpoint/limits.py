"""A limit on requests per second and at a time that all processes of a user on this machine keep together.

Workers of one run know nothing of each other, and a server counts all of them. What they share is a folder per server
with files under locks: the kernel frees a lock when its process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from testbed.core.errors import AgentError

_POLL_S = 0.01


class RequestLimit:
    """Keep requests to one server apart.

    Args:
        server: Its address; processes that name the same one share the limit.
        per_s: Most requests begun per second; None: no limit.
        at_once: Most requests under way; None: no limit.
        folder: Where the shared files lie; a private folder for temporary files when None.
    """

    def __init__(
        self, server: str, per_s: float | None = None, at_once: int | None = None, folder: Path | None = None
    ) -> None:
        """Make the folder where it is needed."""
        self._per_s = per_s
        self._at_once = at_once
        self._folder = folder
        if per_s is not None or at_once is not None:
            self._folder = (folder or _private_folder()) / hashlib.sha256(server.encode()).hexdigest()[:16]
            self._folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it for the length of the block."""
        with self._slot():
            self._pace()
            yield

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        if self._at_once is None:
            yield
            return
        assert self._folder is not None
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(self._folder / f"slot-{n}", "a")) for n in range(self._at_once)]
            while not any(_try_lock(file) for file in files):
                time.sleep(_POLL_S)
            yield

    def _pace(self) -> None:
        """Take the next free moment and sleep until then."""
        if self._per_s is None:
            return
        assert self._folder is not None
        with open(self._folder / "next", "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            try:
                # a clock that was set back must not make anybody wait for it
                free = min(float(file.read() or 0.0), now + 3600.0)
            except ValueError:
                free = 0.0
            mine = max(now, free)
            file.truncate(0)
            file.write(repr(mine + 1.0 / self._per_s))
        time.sleep(max(0.0, mine - now))


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private_folder() -> Path:
    """Return a folder of this user's own among the temporary files.

    Raises:
        AgentError: Somebody else has put one there.
    """
    folder = Path(tempfile.gettempdir()) / f"v2lm-testbed-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = folder.lstat()
    if folder.is_symlink() or owner.st_uid != os.getuid():
        raise AgentError(f"{folder} belongs to somebody else", hint="remove it, or set TMPDIR")
    return folder
