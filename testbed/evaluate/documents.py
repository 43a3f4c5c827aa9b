"""Write the documents: ``tables.json``, ``summary.md``, the page, and ``manifest.json``, which alone holds times."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import platform
from typing import Any

from testbed import __version__, stats
from testbed.evaluate.figures import ConditionFigures, EvaluationResult, RowFigures, SelectiveFigures
from testbed.evaluate.notes import notes
from testbed.evaluate.page import render
from testbed.evaluate.request import Request
from testbed.evaluate.score import Score
from testbed.evaluate.summary import summary
from testbed.evaluate.tables import ATTACKS, TABLES
from testbed.report.gap import document as gap_document
from testbed.selective import RISKS
from testbed.store.atomic import write_text

VERSION = 1


def document(result: EvaluationResult, request: Request) -> dict[str, Any]:
    """Return ``tables.json`` (docs/formats.md)."""
    return {
        "version": VERSION,
        "testbed": __version__,
        "command": request.command,
        "seed": request.seed,
        "tables": {
            name: {"title": TABLES[name], "rows": [_row(line) for line in lines]}
            for name, lines in result.tables.items()
        },
        "left_out": [
            {"table": row.table, "task": row.task, "victim": row.victim.label, "reason": reason}
            for row, reason in result.left_out
        ],
        "gap": None if result.gap is None else gap_document(result.gaps),
        "notes": notes(result),
    }


def _row(line: RowFigures) -> dict[str, Any]:
    row = line.row
    return {
        "task": row.task,
        "block": row.block,
        "victim": row.victim.label,
        "agent": row.victim.content,
        "defence": row.defence,
        "attack": ATTACKS[row.task],
        "shadows_found_by_asking": row.against or None,
        "benign": _score(line.benign),
        "held_out": None if line.held_out is None else _score(line.held_out),
        "attacks": {under.condition: _under_document(under) for under in line.attacks},
        "controls": {under.condition: _under_document(under) for under in line.controls},
        "selective": None if line.selective is None else _selective_document(line.selective),
        "success_by": [{"tag": tag, "value": value, **_rate(rate)} for tag, value, rate in line.parts],
        "published": [{"text": one.text, "source": one.source} for one in row.published],
        "cells": line.cells,
    }


def _selective_document(found: SelectiveFigures) -> dict[str, Any]:
    return {
        "aurc_benign": found.aurc_benign,
        "aurc_attacked": found.aurc_attacked,
        "coverage_at_risk": {f"{risk:g}": value for risk, value in zip(RISKS, found.coverage, strict=True)},
        "effective_reliability": {
            f"{cost:g}": {"chosen": chosen, "always": always} for cost, chosen, always in found.reliability
        },
    }


def _rate(rate: stats.Rate) -> dict[str, Any]:
    return {
        "k": rate.k,
        "n": rate.n,
        "low": round(rate.interval.low, 6),
        "high": round(rate.interval.high, 6),
        "method": rate.interval.method,
    }


def _score(score: Score) -> dict[str, Any]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 6)

    return {
        "accuracy": _rate(score.accuracy),
        "macro_f1": rounded(score.macro_f1),
        "abstained": score.abstained,
        "mean_iou": rounded(score.mean_iou),
        "ap50": rounded(score.ap50),
    }


def _under_document(under: ConditionFigures) -> dict[str, Any]:
    lost = under.loss
    span = lost.drop_interval
    return {
        **_score(under.score),
        "benign_same_scenes": _score(under.twin),
        "success": _rate(lost.success),
        "drop_points": round(lost.drop_points, 4),
        "drop_interval": None if span is None else [round(span.low, 4), round(span.high, 4)],
        "mcnemar": {
            "only_benign_right": lost.test.only_first,
            "only_attacked_right": lost.test.only_second,
            "pairs": lost.test.pairs,
            "p": lost.test.p_value,
        },
    }


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
