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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from testbed.core.errors import StoreError
from testbed.core.records import EpisodePlan

LEDGER_VERSION = 1
FILE_NAME = "ledger.sqlite"

EpisodeState = Literal["planned", "running", "done", "failed"]

_SCHEMA = """
create table if not exists meta (version integer not null);
create table if not exists episodes (
    key text primary key, position integer not null unique, plan text not null, state text not null,
    attempts integer not null, code text not null, seal text not null
) without rowid;
"""


class LedgerDamagedError(StoreError):
    """Raised when a ledger exists but is not what was written."""

    code = "TB201"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One planned episode.

    Attributes:
        plan: The plan.
        position: Place in the order of the run.
        state: How far it has come.
        attempts: How often it was begun.
        code: Error code of a failed one.
    """

    plan: EpisodePlan
    position: int
    state: EpisodeState
    attempts: int
    code: str


def _seal(key: str, position: int, plan: str, state: str, attempts: int, code: str) -> str:
    text = json.dumps([key, position, plan, state, attempts, code])
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
            self._db.executescript(_SCHEMA)
            versions = [row[0] for row in self._db.execute("select version from meta")]
            if not versions:
                self._db.execute("insert into meta values (?)", (LEDGER_VERSION,))
            elif versions != [LEDGER_VERSION]:
                raise StoreError(f"{self.path}: written by a later version (layout {versions[0]})")
            self.entries()
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise LedgerDamagedError(f"{self.path}: damaged: {error}") from error

    def entries(self) -> list[LedgerEntry]:
        """Return all episodes in the order of the run.

        Raises:
            LedgerDamagedError: A row is not what was written.
        """
        rows = self._db.execute(
            "select key, position, plan, state, attempts, code, seal from episodes order by position"
        ).fetchall()
        entries = []
        for key, position, text, state, attempts, code, seal in rows:
            if seal != _seal(key, position, text, state, attempts, code):
                raise LedgerDamagedError(f"{self.path}: damaged: the row of episode {str(key)[:12]} was altered")
            plan = EpisodePlan.model_validate_json(text)
            entries.append(LedgerEntry(plan, position, state, attempts, code))
        return entries

    def add(self, plans: Iterable[EpisodePlan]) -> None:
        """Plan episodes behind those that are planned already; known ones keep place and state."""
        known = {entry.plan.key: entry.position for entry in self.entries()}
        position = max(known.values(), default=-1)
        rows = []
        for plan in plans:
            key = plan.key
            if key in known:
                continue
            position += 1
            known[key] = position
            text = plan.model_dump_json()
            rows.append((key, position, text, "planned", 0, "", _seal(key, position, text, "planned", 0, "")))
        self._write([("insert into episodes values (?, ?, ?, ?, ?, ?, ?)", row) for row in rows])

    def begin(self, key: str) -> int:
        """Note that a worker has the episode; return the number of this attempt, the first is 1."""
        attempts = self._row(key)[4] + 1
        self._update(key, "running", attempts=attempts)
        return attempts

    def release(self, keys: Sequence[str]) -> None:
        """Note that episodes are not under way any more and have no result."""
        for key in keys:
            self._update(key, "planned")

    def finish(self, key: str, state: Literal["done", "failed"], code: str = "") -> None:
        """Note that the record of an episode is stored."""
        self._update(key, state, code=code)

    def _row(self, key: str) -> tuple[str, int, str, str, int, str]:
        row = self._db.execute(
            "select key, position, plan, state, attempts, code from episodes where key = ?", (key,)
        ).fetchone()
        if row is None:
            raise KeyError(key)
        return row  # type: ignore[no-any-return]

    def _update(self, key: str, state: str, *, attempts: int | None = None, code: str = "") -> None:
        _, position, text, _, before, _ = self._row(key)
        attempts = before if attempts is None else attempts
        seal = _seal(key, position, text, state, attempts, code)
        statement = "update episodes set state = ?, attempts = ?, code = ?, seal = ? where key = ?"
        self._write([(statement, (state, attempts, code, seal, key))])

    def _write(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
        try:
            self._db.execute("begin immediate")
            for statement, values in statements:
                self._db.execute(statement, values)
            self._db.execute("commit")
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
