"""The ledger keeps what it was told through crashes, and notices every byte that changed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from testbed.core.errors import StoreError
from testbed.core.records import EpisodePlan
from testbed.sweep.ledger import FILE_NAME, Ledger, LedgerDamagedError, open_ledger

Plans = Callable[[Sequence[int]], list[EpisodePlan]]


def test_states_survive_reopening(tmp_path: Path, make_plans: Plans) -> None:
    plans = make_plans([1, 2])
    path = tmp_path / FILE_NAME
    with Ledger(path) as ledger:
        ledger.add(plans)
        assert ledger.begin(plans[0].key) == 1
        ledger.finish(plans[0].key, "done")
        ledger.begin(plans[1].key)
        ledger.release([plans[1].key])
        assert ledger.begin(plans[1].key) == 2
        ledger.begin(plans[2].key)
        ledger.finish(plans[2].key, "failed", "TB400")
    with Ledger(path) as ledger:
        assert [(entry.state, entry.attempts, entry.code) for entry in ledger.entries()] == [
            ("done", 1, ""), ("running", 2, ""), ("failed", 1, "TB400"), ("planned", 0, ""),
        ]  # fmt: skip
        assert [entry.key for entry in ledger.entries()] == [plan.key for plan in plans]


def test_order_is_kept_and_known_plans_are_not_planned_twice(tmp_path: Path, make_plans: Plans) -> None:
    with Ledger(tmp_path / FILE_NAME) as ledger:
        ledger.add(make_plans([5, 1]))
        ledger.finish(make_plans([5])[0].key, "done")
        ledger.add(make_plans([1, 3, 5]))
        assert [entry.key for entry in ledger.entries()] == [plan.key for plan in make_plans([5, 1, 3])]
        assert ledger.entries()[0].state == "done"


def test_a_row_that_was_altered_is_named(tmp_path: Path, make_plans: Plans) -> None:
    path = tmp_path / FILE_NAME
    plans = make_plans([1])
    with Ledger(path) as ledger:
        ledger.add(plans)
    with sqlite3.connect(path) as db:
        db.execute("update episodes set state = 'done' where key = ?", (plans[1].key,))
    db.close()
    with pytest.raises(LedgerDamagedError, match=rf"{FILE_NAME}: damaged: the row of episode {plans[1].key[:12]}"):
        Ledger(path)


def test_a_flipped_byte_never_changes_what_is_read(tmp_path: Path, make_plans: Plans) -> None:
    path = tmp_path / FILE_NAME
    with Ledger(path) as ledger:
        ledger.add(make_plans(range(6)))
        ledger.finish(make_plans([0])[0].key, "done")
        before = ledger.entries()
    content = path.read_bytes()
    chance = random.Random(7)
    noticed = 0
    for _ in range(60):
        position = chance.randrange(len(content))
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        for suffix in ("-wal", "-shm"):
            path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
        try:
            with Ledger(path) as ledger:
                assert ledger.entries() == before
        except StoreError as error:
            assert FILE_NAME in str(error)
            noticed += 1
    assert noticed > 5


def test_a_damaged_ledger_is_set_aside_not_read_as_empty(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"SQLite format 3\0" + b"garbage" * 500)
    ledger, note = open_ledger(tmp_path)
    with ledger:
        assert ledger.entries() == []
    assert FILE_NAME in note and "set aside as ledger.sqlite.damaged-1" in note
    assert (tmp_path / "ledger.sqlite.damaged-1").read_bytes().startswith(b"SQLite format 3\0garbage")


def test_a_ledger_of_the_first_version_is_planned_again(tmp_path: Path, make_plans: Plans) -> None:
    path = tmp_path / FILE_NAME
    with sqlite3.connect(path) as db:
        db.execute("create table meta (version integer not null)")
        db.execute("insert into meta values (1)")
        db.execute("create table episodes (key text primary key, position integer, plan text) without rowid")
        db.execute("insert into episodes values ('a', 0, '{}')")
    db.close()
    for _ in range(2):
        with Ledger(path) as ledger:
            ledger.add(make_plans([1]))
            assert [entry.state for entry in ledger.entries()] == ["planned", "planned"]


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("update meta set version = 99")
    db.close()
    with pytest.raises(StoreError, match="written by a later version"):
        Ledger(path)


def test_what_was_under_way_when_a_process_died_is_under_way_still(tmp_path: Path, make_plans: Plans) -> None:
    path = tmp_path / FILE_NAME
    plans = make_plans([1])
    ledger = Ledger(path)
    ledger.add(plans)
    ledger.begin(plans[0].key)
    # as a crash leaves it: nothing is closed, and the log is read by the next one to open it
    with Ledger(path) as after:
        assert [entry.state for entry in after.entries()] == ["running", "planned"]
        after.release([plans[0].key])
        assert after.begin(plans[0].key) == 2
    ledger.close()


def test_an_episode_that_was_never_planned_is_a_mistake(tmp_path: Path) -> None:
    with Ledger(tmp_path / FILE_NAME) as ledger, pytest.raises(KeyError, match="unknown"):
        ledger.begin("unknown")


def test_damaged_ledgers_are_all_kept(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / FILE_NAME).write_bytes(b"SQLite format 3\0" + b"garbage" * 500)
        ledger, note = open_ledger(tmp_path)
        ledger.close()
        assert f"ledger.sqlite.damaged-{number}" in note
    assert len(list(tmp_path.glob("*.damaged-*"))) == 2


def test_a_folder_that_cannot_hold_one_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Ledger(tmp_path / "nowhere" / FILE_NAME)
