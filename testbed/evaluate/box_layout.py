"""Figure 5 as grid and histogram: overlaps of boxes before and under the camouflage, beside the published means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from testbed import stats
from testbed.evaluate.boxes import BINS, BoxFigures, BoxSpread
from testbed.evaluate.cell_text import mcnemar_cell, number, rate_cell
from testbed.evaluate.columns import BESIDE, TablePart, title_of
from testbed.evaluate.published import facts
from testbed.report.charts import WIDTH, Scale, figure, tag, text
from testbed.report.tables import NONE, Table, TableCell, TableRow

if TYPE_CHECKING:
    from testbed.evaluate.figures import EvaluationResult

HEADS: tuple[tuple[str, str], ...] = (
    ("mean IoU, before", "Mean overlap with the true box, 95 % bootstrap over scenes; a missed vehicle counts 0"),
    ("mean IoU, camouflage", "The same on the same scenes under the camouflage"),
    ("lost", "Mean of the paired differences, 95 % bootstrap over scenes"),
    ("quartiles", "25 %, median and 75 % of the overlaps before; below them under the camouflage"),
    ("found, before", "Boxes with an overlap of at least one half, of all vehicles"),
    ("found, camouflage", "The same under the camouflage"),
    ("McNemar", "Exact test of vehicles found; found only before : only under the camouflage"),
    ("no box", "Vehicles without an overlapping box, before; below under the camouflage"),
    ("AP50", "Average precision at IoU 0.5 over these scenes, before → under the camouflage"),
)


def box_parts(result: EvaluationResult) -> list[TablePart]:
    """Return Figure 5."""
    controls = list(dict.fromkeys(name for one in result.boxes for name, _ in one.controls))
    heads = [*HEADS, *((f"control: {name}", "Mean IoU under what only repaints") for name in controls)]
    heads += [
        (f"{BESIDE}, zero-shot", "Printed in [V2LM] Fig. 5: mean IoU before fine-tuning, no attack"),
        (f"{BESIDE}, fine-tuned", "Printed in [V2LM] Fig. 5: mean IoU after fine-tuning, no attack"),
    ]
    rows = [_row(one, controls) for one in result.boxes]
    for row in (row for row in result.absent if row.table == "fig5"):
        empty = (TableCell(NONE, row.reason), *(TableCell(NONE) for _ in heads[3:]))
        rows.append(TableRow(row.name, row.variant, "absent", (*empty, *_printed(row.family))))
    lines = {line.row.victim.label: line for line in result.tables["fig5"]}
    grid = Table(title_of("fig5"), tuple(heads), tuple(rows))
    return [TablePart("fig5", "vd", "Overlap of boxes", grid, box_chart(result.boxes), lines=tuple(lines.values()))]


def _row(one: BoxFigures, controls: Sequence[str]) -> TableRow:
    before, after, v2lm = one.benign, one.attacked, one.row.v2lm
    known = dict(one.controls)
    cells = (
        _mean(before.mean),
        _mean(after.mean),
        _mean(one.change),
        TableCell(_quartiles(before), _quartiles(after)),
        rate_cell(before.found),
        rate_cell(after.found),
        mcnemar_cell(one.test),
        TableCell(f"{before.missed.k}/{before.missed.n}", f"{after.missed.k}/{after.missed.n}"),
        TableCell(f"{number(before.ap50)} → {number(after.ap50)}"),
        *(_mean(known[name].mean) if name in known else TableCell(NONE) for name in controls),
    )
    variant = "none" if v2lm is None else v2lm.words
    kind = "attack" if v2lm is None else "benign"
    return TableRow(one.row.victim.label, variant, kind, (*cells, *_printed(v2lm.family if v2lm else "")))


def _printed(family: str) -> tuple[TableCell, TableCell]:
    found = facts().figure_5.families.get(family)
    if found is None:
        return TableCell(""), TableCell("")
    return TableCell(f"{found.zero_shot:.3f}"), TableCell(f"{found.fine_tuned:.3f}")


def _mean(mean: stats.Estimate) -> TableCell:
    span = mean.interval
    return TableCell(f"{mean.mean:.3f}", "" if span is None else f"{span.low:.3f} to {span.high:.3f}, n = {mean.n}")


def _quartiles(spread: BoxSpread) -> str:
    return " · ".join(f"{value:.2f}" for value in spread.quantiles[1:4])


def box_chart(boxes: Sequence[BoxFigures]) -> str:
    """Return histograms of overlap as SVG: before above the line, under the camouflage below; empty without rows.

    The first column of each holds vehicles without an overlapping box, the others equal classes from 0 to 1.
    """
    if not boxes:
        return ""
    left, right, half, gap = 300.0, WIDTH - 150.0, 44.0, 26.0
    x = Scale(-2.0, float(BINS), left, right)
    most = max(share for one in boxes for spread in (one.benign, one.attacked) for share in _shares(spread))
    parts: list[str] = []
    at = 8.0
    for one in boxes:
        middle = at + half
        parts.append(text(0, middle - 6, one.row.victim.label, class_="group"))
        parts.append(text(left - 14, middle - 12, "before", text_anchor="end"))
        parts.append(text(left - 14, middle + 22, "camouflage", text_anchor="end"))
        for spread, kind, down in ((one.benign, "benign", False), (one.attacked, "attack", True)):
            parts += _bars(spread, x, middle, half / most, kind, down)
            words = f"median {spread.quantiles[2]:.2f}"
            parts.append(text(right + 16, middle + (22 if down else -12), words))
        parts.append(tag("line", x1=left, x2=right, y1=middle, y2=middle, class_="grid"))
        at = middle + half + gap
    parts.append(text(x(-1.5), at, "no box", text_anchor="middle"))
    for tenth in range(0, BINS + 1, 2):
        parts.append(text(x(float(tenth)), at, f"{tenth / BINS:.1f}", text_anchor="middle"))
    told = "; ".join(
        f"{one.row.victim.label}: median {one.benign.quantiles[2]:.2f}, then {one.attacked.quantiles[2]:.2f}"
        for one in boxes
    )
    title = "Overlap of reported with true boxes, before and under the camouflage"
    return figure("".join(parts), at + 10, title, told)


def _shares(spread: BoxSpread) -> list[float]:
    """Return the share of vehicles without a box, then of each class of overlap."""
    return [count / spread.missed.n for count in (spread.missed.k, *spread.histogram)]


def _bars(spread: BoxSpread, x: Scale, middle: float, scale: float, kind: str, down: bool) -> list[str]:
    """Return a bar per class that occurs; ``scale`` is the height of all, vehicles without a box stand apart."""
    found = []
    for index, share in enumerate(_shares(spread)):
        if not share:
            continue
        at = -2.0 if index == 0 else index - 1.0
        begin, end = x(at) + 1.0, x(at + 1.0) - 1.0
        hint = tag("title", f"{round(share * spread.missed.n)} of {spread.missed.n}")
        high = scale * share
        top = middle if down else middle - high
        found.append(tag("rect", hint, x=begin, y=top, width=end - begin, height=high, class_=f"dot {kind}"))
    return found
