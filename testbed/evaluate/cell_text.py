"""How figures are written into a cell of a table, ours and the publication's."""

from __future__ import annotations

from testbed import stats
from testbed.evaluate.macro import MacroFigure
from testbed.evaluate.published import PaperRow, PaperScore
from testbed.evaluate.score import Score
from testbed.report.tables import NONE, TableCell, percent

EMPTY = TableCell("")
"""A cell in which a publication prints nothing."""


def rate_cell(rate: stats.Rate, *, tone: bool = False) -> TableCell:
    """Return a rate as ``62 %`` with k/n and interval below; ``tone`` marks half and more, and under a tenth."""
    if rate.n == 0 or rate.value is None:
        return TableCell(NONE, "nothing to lose")
    shade = "" if not tone else ("bad" if rate.value >= 0.5 else "good" if rate.value < 0.1 else "")
    return TableCell(f"{rate.value * 100:.0f} %", counted(rate), shade)


def counted(rate: stats.Rate) -> str:
    """Return ``k/n, low–high %``."""
    return f"{rate.k}/{rate.n}, {_percents(rate.interval)}"


def accuracy_cell(score: Score) -> TableCell:
    """Return the share of right answers with k/n and Wilson interval below."""
    rate = score.accuracy
    return TableCell(percent(rate.value), counted(rate)) if rate.n else TableCell(NONE)


def score_cell(score: Score) -> TableCell:
    """Return the share of right answers; below it k/n, interval and macro F1 with its own."""
    cell = accuracy_cell(score)
    if score.macro is None or not cell.note:
        return cell
    f1 = score.macro.f1
    span = "" if f1.interval is None else f" ({_percents(f1.interval)})"
    return TableCell(cell.text, f"{cell.note}; F1 {percent(f1.value)}{span}")


def macro_cell(figure: MacroFigure | None) -> TableCell:
    """Return a mean over classes in percent with its bootstrap interval below."""
    if figure is None:
        return TableCell(NONE)
    return TableCell(percent(figure.value), "" if figure.interval is None else _percents(figure.interval))


def points_cell(points: float, interval: stats.Interval | None, *, signed: bool = False) -> TableCell:
    """Return percentage points with their interval below."""
    if interval is None:
        return TableCell(f"{points:+.1f}" if signed else f"{points:.1f}")
    form = "+.0f" if signed else ".0f"
    return TableCell(
        f"{points:+.1f}" if signed else f"{points:.1f}", f"{interval.low:{form}} to {interval.high:{form}}"
    )


def mcnemar_cell(test: stats.McNemar, adjusted: float | None = None) -> TableCell:
    """Return an exact test, the pairs that decide it below; ``adjusted`` is shown instead of its own p-value."""
    note = f"{test.only_first} : {test.only_second} of {test.pairs}"
    return TableCell(p_value(test.p_value if adjusted is None else adjusted), note)


def p_value(value: float) -> str:
    """Return a p-value."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def number(value: float | None) -> str:
    """Return a figure with two digits, a dash without one."""
    return NONE if value is None else f"{value:.2f}"


def paper_cell(score: PaperScore | None, *, change: float | None = None, words: str = "") -> TableCell:
    """Return what a publication prints: accuracy with F1 below, or a change with the accuracy that follows from it.

    Args:
        score: Its figures; None where it prints none.
        change: Change against the row without a defence, where that is what it prints.
        words: What it says besides.
    """
    if score is None:
        return TableCell("", words)
    if change is not None:
        return TableCell(f"{change:+.2f} points", f"so {score.accuracy:.2f} %")
    notes = [f"F1 {score.f1:.2f} %" if score.f1 is not None else "", words]
    return TableCell(f"{score.accuracy:.2f} %", ", ".join(note for note in notes if note))


def paper_benign(paper: PaperRow | None) -> TableCell:
    """Return what is printed without an attack."""
    if paper is None:
        return EMPTY
    return paper_cell(paper.benign, change=None if paper.change is None else paper.change.benign)


def paper_attacked(paper: PaperRow | None) -> TableCell:
    """Return what is printed under attack."""
    if paper is None:
        return EMPTY
    change = None if paper.change is None else paper.change.attacked
    return paper_cell(paper.attacked, change=change, words=paper.words)


def paper_drop(paper: PaperRow | None, *, f1: bool = False) -> TableCell:
    """Return the drop that follows from both printed cells."""
    drop = None if paper is None else paper.drop_f1 if f1 else paper.drop
    return EMPTY if drop is None else TableCell(f"{drop:.2f}")


def _percents(interval: stats.Interval) -> str:
    return f"{interval.low * 100:.0f}–{interval.high * 100:.0f} %"
