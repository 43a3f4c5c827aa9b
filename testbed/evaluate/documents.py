"""Write the documents: ``tables.json``, ``tables.csv``, ``summary.md``, the page, and ``manifest.json`` with times."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import importlib.metadata
import json
import platform
from io import StringIO

from testbed import __version__
from testbed.evaluate.figures import EvaluationResult
from testbed.evaluate.layout import parts
from testbed.evaluate.page import render
from testbed.evaluate.request import Request
from testbed.evaluate.summary import summary
from testbed.evaluate.tables_json import VERSION, document
from testbed.report.plain_text import clean
from testbed.store.atomic import write_text


def table_csv(result: EvaluationResult) -> str:
    """Return every cell of every grid as a line: table, part, victim, variant, column, text, note.

    Columns of one head, as ``published``, are told apart by what they hold.
    """
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("table", "part", "victim", "variant", "column", "holds", "text", "note"))
    for part in parts(result):
        for row in part.grid.rows:
            for (head, hint), cell in zip(part.grid.heads, row.cells, strict=True):
                line = (part.name, part.heading, row.agent, row.condition, head, hint, cell.text, cell.note)
                writer.writerow([clean(word) for word in line])
    return buffer.getvalue()


def write(result: EvaluationResult, request: Request) -> EvaluationResult:
    """Write all documents and return the result with the path of the page.

    Raises:
        StoreError: The folder cannot be written to.
    """
    out = request.out
    tables = json.dumps(document(result, request), indent=1, sort_keys=True, allow_nan=False) + "\n"
    page = render(result, request)
    hashes = {
        "tables.json": write_text(out / "tables.json", tables),
        "tables.csv": write_text(out / "tables.csv", table_csv(result)),
        "summary.md": write_text(out / "summary.md", summary(result, request)),
        "index.html": write_text(out / "index.html", page),
    }
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "torch", "transformers", "warp-lang")}
    manifest = {
        "version": VERSION,
        "created_utc": created_utc(),
        "command": request.command,
        "tables": list(result.tables),
        "pictures": dataclasses.asdict(request.sizes),
        "data": "the user's data sets" if request.data is not None else "made by the simulator",
        "seed": request.seed,
        "versions": {"testbed": __version__, **versions},
        "machine": machine(),
        "digests": result.digests,
        "sha256": hashes,
    }
    write_text(out / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return dataclasses.replace(result, page=out / "index.html")


def created_utc() -> str:
    """Return the time now, for the manifest alone."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def machine() -> dict[str, str]:
    """Return what the machine is, without names."""
    return {"platform": platform.system(), "processor": platform.machine(), "python": platform.python_version()}
