"""``episodes.parquet``: one row per episode, flat columns, for pandas, DuckDB and spreadsheets.

Columns are identity (key, scenario, agent, condition, seed, latency), outcome (status, error, validity), the number of
events per kind, and every score under its own name. Times are left out, so equal runs give equal tables.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from testbed.core.errors import StoreError
from testbed.core.records import EpisodeRecord
from testbed.store.atomic import store_errors, write_bytes

TABLE_VERSION = 1


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
    return row | {f"score.{name}": value for name, value in sorted(record.scores.items())}


def write_table(path: Path, records: Iterable[EpisodeRecord]) -> None:
    """Write the table atomically; equal records give equal bytes.

    Raises:
        StoreError: A score has numbers in one episode and text in another, or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = rows_of(records)
    columns: dict[str, Any] = {}
    for name in _names(rows):
        values = [row.get(name) for row in rows]
        kinds = {type(value) for value in values if value is not None}
        if kinds == {int, float} or kinds == {float}:
            values = [None if value is None else float(value) for value in values]
        elif len(kinds) > 1:
            raise StoreError(f"column {name!r} would mix {', '.join(sorted(kind.__name__ for kind in kinds))}")
        columns[name] = pa.array(values)
    table = pa.table(columns).replace_schema_metadata({"testbed_table_version": str(TABLE_VERSION)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_bytes(path, buffer.getvalue())


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(name for name in row if not name.startswith("score."))
    return [*names, *sorted({name for row in rows for name in row if name.startswith("score.")})]


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
