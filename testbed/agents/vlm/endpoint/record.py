"""Every reply of a server, by the hash of its request: a drive that was recorded needs no server.

One SQLite file per folder, ``replies.sqlite``. A reply is there whole or not at all, whatever dies, and any number of
processes may read and write: of two that asked the same at the same time, the first one's reply stands for both. The
default rollback journal is used, which keeps its promises on network file systems with locks, too.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from testbed.agents.vlm.endpoint.reply import ChatReply, MalformedReplyError
from testbed.core.errors import StoreError

NAME = "replies.sqlite"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS replies "
    "(hash TEXT PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT NULL, seconds REAL NOT NULL)"
)
_BUSY_S = 60.0


class ReplyRecord:
    """The record of one folder.

    Args:
        folder: Where it lies; made when something is recorded.
        read_only: Whether nothing will be written.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Touch nothing yet."""
        self.path = folder / NAME
        self._read_only = read_only

    def find(self, hash_: str) -> ChatReply | None:
        """Return the reply to a request, None when it was never recorded.

        Raises:
            StoreError: The record cannot be read.
        """
        if not self.path.is_file():
            return None
        with self._open() as stored:
            row = stored.execute("SELECT reply FROM replies WHERE hash = ?", (hash_,)).fetchone()
        try:
            return None if row is None else ChatReply.from_json(row[0])
        except MalformedReplyError as error:
            raise StoreError(f"{self.path} is damaged at {hash_[:12]}…: {error}") from None

    def keep(self, hash_: str, canonical: str, reply: ChatReply, seconds: float, *, anew: bool = False) -> ChatReply:
        """Record a reply and return the one that stands, another process's if it was faster.

        Args:
            hash_: `testbed.agents.vlm.endpoint.request.request_hash` of the request.
            canonical: The request without keys, addresses and pictures.
            reply: What was answered.
            seconds: How long it took.
            anew: Whether it takes the place of an earlier one.

        Raises:
            StoreError: The record cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {self.path.parent}: {error.strerror}") from error
        verb = "INSERT OR REPLACE" if anew else "INSERT OR IGNORE"
        with self._open() as stored:
            stored.execute(_TABLE)
            stored.execute(f"{verb} INTO replies VALUES (?, ?, ?, ?)", (hash_, canonical, reply.to_json(), seconds))
            row = stored.execute("SELECT reply FROM replies WHERE hash = ?", (hash_,)).fetchone()
        return ChatReply.from_json(row[0])

    def latency_ms(self) -> tuple[float, float] | None:
        """Return (p50, p95) over the recorded requests in milliseconds, None without any; raises as `find` does."""
        if not self.path.is_file():
            return None
        with self._open() as stored:
            seconds = [row[0] for row in stored.execute("SELECT seconds FROM replies")]
        if not seconds:
            return None
        p50, p95 = np.quantile(seconds, (0.5, 0.95)) * 1e3
        return float(p50), float(p95)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open, commit at the end and close: a decision asks three times a second, opening takes a tenth of a ms."""
        mode = "ro" if self._read_only else "rwc"
        try:
            stored = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_S)
            with contextlib.closing(stored), stored:
                yield stored
        except sqlite3.Error as error:
            raise StoreError(f"cannot use the record {self.path}: {error}") from error
