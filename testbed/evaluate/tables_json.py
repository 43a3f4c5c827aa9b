"""``tables.json``: every figure as a number, with what is printed beside it (docs/formats.md)."""

from __future__ import annotations

from typing import Any

from testbed import __version__, stats
from testbed.evaluate.boxes import QUANTILES, BoxFigures, BoxSpread
from testbed.evaluate.families import FamilyFigures
from testbed.evaluate.figures import ConditionFigures, DefenceChange, EvaluationResult, RowFigures, SelectiveFigures
from testbed.evaluate.macro import MacroFigure, span_of
from testbed.evaluate.notes import notes
from testbed.evaluate.published import PaperRow, facts, mean_drops
from testbed.evaluate.request import Request
from testbed.evaluate.score import Score
from testbed.evaluate.tables import ATTACKS, TABLES, AbsentRow
from testbed.report.gap import document as gap_document
from testbed.selective import RISKS

VERSION = 2


def document(result: EvaluationResult, request: Request) -> dict[str, Any]:
    """Return ``tables.json`` (docs/formats.md)."""
    return {
        "version": VERSION,
        "testbed": __version__,
        "command": request.command,
        "seed": request.seed,
        "tables": {name: _table(result, name) for name in result.tables},
        "left_out": [
            {"table": row.table, "task": row.task, "victim": row.victim.label, "reason": reason}
            for row, reason in result.left_out
        ],
        "gap": None if result.gap is None else gap_document(result.gaps),
        "notes": notes(result),
    }


def _table(result: EvaluationResult, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": TABLES[name],
        "rows": [_row(line, result.families if name == "IV" else None) for line in result.tables[name]],
        "absent": [_absent(row) for row in result.absent if row.table == name],
    }
    if name == "II":
        found["published"] = facts().table_II.model_dump(mode="json")
    elif name == "IV":
        found |= _families(result.families)
    elif name == "fig5":
        found["published"] = facts().figure_5.model_dump(mode="json")
        found["boxes"] = [_boxes(one) for one in result.boxes]
    return found


def _row(line: RowFigures, families: FamilyFigures | None) -> dict[str, Any]:
    row = line.row
    return {
        "task": row.task,
        "block": row.block,
        "victim": row.victim.label,
        "agent": row.victim.content,
        "defence": row.defence,
        "deployment": None if row.v2lm is None else row.v2lm.deployment,
        "beside": None if row.v2lm is None else row.v2lm.family or None,
        "zero_shot": row.v2lm is not None and row.v2lm.zero_shot,
        "attack": ATTACKS[row.task] if row.attacked else None,
        "shadows_found_by_asking": row.against or None,
        "benign": _score(line.benign),
        "held_out": None if line.held_out is None else _score(line.held_out),
        "attacks": {under.condition: _under_document(under) for under in line.attacks},
        "controls": {under.condition: _under_document(under) for under in line.controls},
        "selective": None if line.selective is None else _selective_document(line.selective),
        "success_by": [{"tag": tag, "value": value, **_rate(rate)} for tag, value, rate in line.parts],
        "change": None
        if line.change is None
        else dict(zip(("benign", "attacked"), map(_change, line.change), strict=True)),
        "f1_drop": None if families is None else _f1_drop(families, line),
        "published": _paper(row.paper),
        "stated": [{"text": one.text, "source": one.source} for one in row.published],
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
        "macro": None
        if score.macro is None
        else {
            "precision": _macro(score.macro.precision),
            "recall": _macro(score.macro.recall),
            "f1": _macro(score.macro.f1),
        },
        "abstained": score.abstained,
        **({"unparsable": score.unparsable} if score.unparsable else {}),
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


def _macro(figure: MacroFigure) -> dict[str, Any]:
    return {"value": round(figure.value, 6), "interval": _span(figure.interval, 6)}


def _span(interval: stats.Interval | None, digits: int = 4) -> list[float] | None:
    return None if interval is None else [round(interval.low, digits), round(interval.high, digits)]


def _change(found: DefenceChange) -> dict[str, Any]:
    low, high = found.interval.low * 100.0, found.interval.high * 100.0
    return {"points": round(found.points, 4), "interval": [round(low, 4), round(high, 4)], "pairs": found.pairs}


def _f1_drop(families: FamilyFigures, line: RowFigures) -> dict[str, Any]:
    drop = families.drops[line.row.victim.label, line.row.task]
    return {"points": round(drop.f1, 4), "interval": _span(span_of(drop.f1_draws))}


def _paper(paper: PaperRow | None) -> dict[str, Any] | None:
    if paper is None:
        return None
    return {
        "source": paper.source,
        "benign": None if paper.benign is None else paper.benign.model_dump(),
        "attacked": None if paper.attacked is None else paper.attacked.model_dump(),
        "change": None if paper.change is None else paper.change.model_dump(),
        "drop": None if paper.drop is None else round(paper.drop, 2),
        "drop_f1": None if paper.drop_f1 is None else round(paper.drop_f1, 2),
        "words": paper.words,
    }


def _absent(row: AbsentRow) -> dict[str, Any]:
    names = {"task": row.task, "victim": row.name, "variant": row.variant, "family": row.family or None}
    return {**names, "reason": row.reason, "published": _paper(row.paper)}


def _families(families: FamilyFigures | None) -> dict[str, Any]:
    printed = {"solo": mean_drops("solo"), "tandem": mean_drops("tandem")}
    return {
        "solo_against_tandem": [
            {
                "task": test.task,
                "condition": test.condition,
                "solo": test.solo,
                "tandem": test.tandem,
                "only_solo_right": test.test.only_first,
                "only_tandem_right": test.test.only_second,
                "pairs": test.test.pairs,
                "points": round(test.points, 4),
                "interval": [round(test.change.low * 100.0, 4), round(test.change.high * 100.0, 4)],
                "p": test.test.p_value,
                "p_holm": test.adjusted,
            }
            for test in (() if families is None else families.tests)
        ],
        "mean_drops": [
            {
                "deployment": mean.deployment,
                "rows": mean.rows,
                "accuracy": {"points": round(mean.accuracy, 4), "interval": _span(mean.accuracy_interval)},
                "f1": {"points": round(mean.f1, 4), "interval": _span(mean.f1_interval)},
            }
            for mean in (() if families is None else families.means)
        ],
        "published_mean_drops": {
            name: {"accuracy": round(mean.accuracy, 4), "f1": round(mean.f1, 4), "rows": mean.rows}
            for name, mean in printed.items()
        },
    }


def _boxes(one: BoxFigures) -> dict[str, Any]:
    return {
        "victim": one.row.victim.label,
        "benign": _spread(one.benign),
        "attacked": _spread(one.attacked),
        "controls": {name: _spread(spread) for name, spread in one.controls},
        "lost": {"mean": round(one.change.mean, 6), "interval": _span(one.change.interval, 6)},
        "mcnemar": {
            "only_benign_found": one.test.only_first,
            "only_attacked_found": one.test.only_second,
            "pairs": one.test.pairs,
            "p": one.test.p_value,
        },
    }


def _spread(spread: BoxSpread) -> dict[str, Any]:
    return {
        "mean_iou": round(spread.mean.mean, 6),
        "interval": _span(spread.mean.interval, 6),
        "quantiles": {f"{at:g}": round(value, 6) for at, value in zip(QUANTILES, spread.quantiles, strict=True)},
        "found": _rate(spread.found),
        "missed": _rate(spread.missed),
        "histogram": list(spread.histogram),
        "ap50": None if spread.ap50 is None else round(spread.ap50, 6),
    }
