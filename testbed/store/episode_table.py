"""``episodes.parquet``: one row per episode, flat columns, for pandas, DuckDB and spreadsheets.

Columns are identity (key, scenario, agent, condition, seed, latency), outcome (status, error, validity), the number of
events per kind, and every score under its own name. Every number is a double, and columns that are promised are there
in every run, so that tables of several runs are one data set. Times are left out, so equal runs give equal tables.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.core.errors import StoreError
from testbed.core.records import EpisodeRecord
from testbed.store.atomic import store_errors, write_bytes

TABLE_VERSION = 2

SCORE = "score."

_FIXED: dict[str, type] = {"seed": int, "events": int, "valid_attack": bool}
"""Columns of every table that are no text."""


def rows_of(records: Iterable[EpisodeRecord]) -> list[dict[str, Any]]:
    """Return one flat row per record, ordered by scenario, agent, condition and seed."""
    ordered = sorted(records, key=lambda r: (r.plan.scenario, r.plan.agent, r.plan.condition, r.plan.seed, r.plan.key))
    return [_row(record) for record in ordered]


def _row(record: EpisodeRecord) -> dict[str, Any]:
    plan = record.plan
    row: dict[str, Any] = {
        "key": plan.key,
        "scenario": plan.scenario,
        "agent": plan.agent,
        "condition": plan.condition,
        "seed": plan.seed,
        "latency": plan.latency,
        "status": record.status,
        "error_code": record.error_code,
        "error": record.error,
        "valid_attack": record.valid_attack,
        "invalid_reason": record.invalid_reason,
        "trace_sha256": record.trace_sha256,
        "events": len(record.events),
        "events_json": json.dumps([event.model_dump(mode="json") for event in record.events], sort_keys=True),
    }
    return row | {f"{SCORE}{name}": value for name, value in sorted(record.scores.items())}


def write_table(path: Path, records: Iterable[EpisodeRecord], scores: Mapping[str, type] | None = None) -> None:
    """Write the table atomically; equal records give equal bytes.

    Args:
        path: Where.
        records: Its rows.
        scores: Name to ``float``, ``bool`` or ``str`` of scores that have a column whether or not a record has them.
            Others follow, with the type of their values.

    Raises:
        StoreError: A score has numbers in one episode and text in another, or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = rows_of(records)
    arrow = {float: pa.float64(), bool: pa.bool_(), str: pa.string(), int: pa.int64()}
    promised = {f"{SCORE}{name}": kind for name, kind in (scores or {}).items()}
    columns: dict[str, Any] = {}
    for name in _names(rows, promised):
        values = [row.get(name) for row in rows]
        kind = promised.get(name) or _FIXED.get(name) or _kind(name, values)
        if kind is float:
            values = [None if value is None else float(value) for value in values]
        try:
            columns[name] = pa.array(values, arrow[kind])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise StoreError(f"column {name!r} is not of the type {kind.__name__}: {error}") from error
    table = pa.table(columns).replace_schema_metadata({"testbed_table_version": str(TABLE_VERSION)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_bytes(path, buffer.getvalue())


def _kind(name: str, values: Sequence[Any]) -> type:
    """Return the type of a column that nothing is promised about; text where it has no value."""
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    if len(kinds) > 1:
        raise StoreError(f"column {name!r} would mix {', '.join(sorted(kind.__name__ for kind in kinds))}")
    return kinds.pop() if kinds else float if name.startswith(SCORE) else str


def _names(rows: Sequence[dict[str, Any]], promised: Iterable[str]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row if not name.startswith(SCORE))
    scores = {name for row in rows for name in row if name.startswith(SCORE)}
    return [*names, *sorted({*promised, *scores})]


def read_table(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table written by `write_table`.

    Raises:
        StoreError: It cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with store_errors(path, "read"):
        try:
            rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        except pa.ArrowInvalid as error:
            raise StoreError(f"{path} is no readable table: {error}") from error
    return rows


def tables_are_equal(one: bytes, other: bytes) -> bool:
    """Tell whether two tables, each the content of a file, have the same columns and rows."""
    import pyarrow
    import pyarrow.parquet

    try:
        first, second = (pyarrow.parquet.read_table(io.BytesIO(content)) for content in (one, other))
    except (pyarrow.ArrowException, OSError):  # the latter is what a damaged footer raises
        return False
    return bool(first.equals(second))
