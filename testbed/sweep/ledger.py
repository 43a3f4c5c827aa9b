"""The ledger of a run: which episodes were planned, in which order, and how far each has come.

One SQLite file (``ledger.sqlite``), write-ahead log, FULL synchronisation: a state that was reported as written is
there after a power cut. The stored episodes are the truth about results; the ledger is the truth about intentions.
After a crash ``running`` means "was under way": it is planned again. Every row carries a hash of itself, so that a
flipped byte is noticed; a damaged ledger is named and set aside, never read as empty.

====================  ======================================================================
state                 meaning
====================  ======================================================================
``planned``           not carried out yet, or its attempt was interrupted
``running``           a worker has it
``done``              its record is stored
``failed``            a record that says why is stored; the next run tries it again
====================  ======================================================================
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from testbed.core.errors import StoreError
from testbed.core.records import EpisodePlan

LEDGER_VERSION = 2
FILE_NAME = "ledger.sqlite"

_COLUMNS = "key, position, state, attempts, code, stamp"

EpisodeState = Literal["planned", "running", "done", "failed"]

_SCHEMA = """
create table if not exists episodes (
    key text primary key, position integer not null unique, state text not null, attempts integer not null,
    code text not null, stamp text not null, seal text not null
) without rowid;
"""


class LedgerDamagedError(StoreError):
    """Raised when a ledger exists but is not what was written."""

    code = "TB201"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One planned episode.

    Attributes:
        key: Of its plan.
        position: Place in the order of the run.
        state: How far it has come.
        attempts: How often it was begun.
        code: Error code of a failed one.
        stamp: Of its files when they were stored, see `testbed.store.RunFolder.stamp`; empty where there are none.
    """

    key: str
    position: int
    state: EpisodeState
    attempts: int = 0
    code: str = ""
    stamp: str = ""

    @property
    def seal(self) -> str:
        """The hash that a row carries of itself."""
        words = f"{self.key}{self.code}{self.stamp}"
        if words.isalnum() and words.isascii():
            # what json would write, at a fifth of its time: a long run has a hundred thousand rows
            text = f'["{self.key}", {self.position}, "{self.state}", {self.attempts}, "{self.code}", "{self.stamp}"]'
        else:
            text = json.dumps([self.key, self.position, self.state, self.attempts, self.code, self.stamp])
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


class Ledger:
    """An open ledger; one process at a time writes to it.

    Args:
        path: The SQLite file; made when absent.

    Raises:
        LedgerDamagedError: It exists and is not sound.
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        """Open and check it."""
        self.path = path
        self._entries: dict[str, LedgerEntry] = {}
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: cannot be opened: {error}") from error
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        try:
            problems = [row[0] for row in self._db.execute("pragma integrity_check(3)")]
            if problems != ["ok"]:
                raise LedgerDamagedError(f"{self.path}: damaged: {problems[0]}")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute("create table if not exists meta (version integer not null)")
            versions = [row[0] for row in self._db.execute("select version from meta")]
            if not versions:
                self._db.execute("insert into meta values (?)", (LEDGER_VERSION,))
            elif versions == [1]:
                # what is done is known by the stored episodes: only how often failed ones were tried is lost
                self._db.executescript("drop table episodes; update meta set version = 2")
            elif versions != [LEDGER_VERSION]:
                raise StoreError(f"{self.path}: written by a later version (layout {versions[0]})")
            self._db.executescript(_SCHEMA)
            self._read()
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise LedgerDamagedError(f"{self.path}: damaged: {error}") from error

    def _read(self) -> None:
        for *values, seal in self._db.execute(f"select {_COLUMNS}, seal from episodes order by position"):
            entry = LedgerEntry(*values)
            if seal != entry.seal:
                raise LedgerDamagedError(f"{self.path}: damaged: the row of episode {str(entry.key)[:12]} was altered")
            self._entries[entry.key] = entry

    def entries(self) -> list[LedgerEntry]:
        """Return all episodes in the order of the run."""
        return list(self._entries.values())

    def add(self, plans: Iterable[EpisodePlan]) -> None:
        """Plan episodes behind those that are planned already; known ones keep place and state."""
        position = max((entry.position for entry in self._entries.values()), default=-1)
        keys = [key for key in dict.fromkeys(plan.key for plan in plans) if key not in self._entries]
        added = [LedgerEntry(key, place, "planned") for place, key in enumerate(keys, position + 1)]
        self._write(f"insert into episodes ({_COLUMNS}, seal) values (?, ?, ?, ?, ?, ?, ?)", added)

    def begin(self, key: str) -> int:
        """Note that a worker has the episode; return the number of this attempt, the first is 1."""
        entry = self._entry(key)
        self._update(replace(entry, state="running", attempts=entry.attempts + 1))
        return entry.attempts + 1

    def release(self, keys: Sequence[str]) -> None:
        """Note that episodes are not under way any more and have no result."""
        for key in keys:
            self._update(replace(self._entry(key), state="planned", code="", stamp=""))

    def finish(self, key: str, state: Literal["done", "failed"], code: str = "", stamp: str = "") -> None:
        """Note that the record of an episode is stored."""
        self._update(replace(self._entry(key), state=state, code=code, stamp=stamp))

    def _entry(self, key: str) -> LedgerEntry:
        return self._entries[key]

    def _update(self, entry: LedgerEntry) -> None:
        self._write(f"replace into episodes ({_COLUMNS}, seal) values (?, ?, ?, ?, ?, ?, ?)", [entry])

    def _write(self, statement: str, entries: Sequence[LedgerEntry]) -> None:
        try:
            self._db.execute("begin immediate")
            self._db.executemany(statement, [(*astuple(entry), entry.seal) for entry in entries])
            self._db.execute("commit")
            self._entries |= {entry.key: entry for entry in entries}
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            hint = "what is stored is intact; the same command goes on when there is space again"
            raise StoreError(f"{self.path}: cannot be written: {error}", hint=hint) from error

    def close(self) -> None:
        """Close the file; all states are on disk already."""
        self._db.close()

    def __enter__(self) -> Self:
        """Return the ledger."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def open_ledger(folder: Path) -> tuple[Ledger, str]:
    """Open the ledger of a run folder, setting a damaged one aside.

    Args:
        folder: Run folder.

    Returns:
        The ledger, and a sentence that names the damaged file that was set aside, or an empty string.
    """
    path = folder / FILE_NAME
    try:
        return Ledger(path), ""
    except LedgerDamagedError as error:
        number = 1
        while (aside := path.with_name(f"{FILE_NAME}.damaged-{number}")).exists():
            number += 1
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(f"{FILE_NAME}{suffix}").unlink(missing_ok=True)
        return Ledger(path), f"{error}; set aside as {aside.name}, stored episodes are kept"
