"""Tables I, III and V as grids: what an attack takes from victims one by one, the publication's cells beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.evaluate.cell_text import (
    mcnemar_cell,
    number,
    paper_attacked,
    paper_benign,
    paper_drop,
    points_cell,
    rate_cell,
    score_cell,
)
from testbed.evaluate.columns import Column, TablePart, kind_of, paper_column, table_of, title_of
from testbed.evaluate.tables import ATTACK_TABLES, TASKS, AbsentRow
from testbed.report.charts import RateRow, rate_chart
from testbed.report.tables import NONE, Table, TableCell, TableRow
from testbed.selective import COSTS, RISKS

if TYPE_CHECKING:
    from testbed.evaluate.figures import EvaluationResult, RowFigures

ATTACK_WORDS: dict[str, str] = {"tsr": "shadow", "alc": "road patch", "vd": "camouflage"}
MIN_PART = 10
"""Right answers below which a breakdown shows no share."""


def attack_parts(result: EvaluationResult, name: str) -> list[TablePart]:
    """Return Table I, III or V, one part per task.

    Raises:
        KeyError: It was not asked for.
    """
    assert name in ATTACK_TABLES
    found = []
    tasks = [
        task
        for task in TASKS
        if any(row.row.task == task for row in result.tables[name])
        or any((row.table, row.task) == (name, task) for row in result.absent)
    ]
    for task in tasks:
        lines = [line for line in result.tables[name] if line.row.task == task]
        absent = [row for row in result.absent if (row.table, row.task) == (name, task)]
        caption = title_of(name) if len(tasks) == 1 else f"Table {name}: {TASKS[task]}"
        details = [table for table in (breakdown(lines), selective(lines)) if table is not None]
        found.append(
            TablePart(
                name,
                task,
                TASKS[task],
                table_of(caption, _columns(name, task, lines, absent), lines, absent),
                attack_chart(lines, task),
                tuple(details),
                tuple(lines),
            )
        )
    return found


def _columns(name: str, task: str, lines: list[RowFigures], absent: list[AbsentRow]) -> list[Column]:
    attack, defended = ATTACK_WORDS[task], name == "I"
    printed = any(line.row.paper is not None for line in lines) or bool(absent)
    columns = [Column("right, benign", "Right answers without an attack, k/n with Wilson 95 %; macro F1", _benign)]
    if defended:
        columns.append(Column("change, benign", CHANGE, lambda line: _change(line, 0)))
    if printed:
        columns.append(paper_column("Printed in [V2LM]: accuracy without an attack, or its change", paper_benign))
    if any(line.held_out is not None for line in lines):
        columns.append(
            Column("held-out data", "Right answers on held-out pictures of the data set; macro F1", _held_out)
        )
    hint = "The same under attack; fewer pictures where the attack does not apply to all"
    columns.append(Column(f"right, {attack}", hint, lambda line: score_cell(line.attack.score)))
    if defended:
        columns.append(Column(f"change, {attack}", CHANGE, lambda line: _change(line, 1)))
    if printed:
        columns.append(paper_column("Printed in [V2LM]: accuracy under attack, or its change", paper_attacked))
    columns += success_columns()
    if printed:
        columns.append(paper_column("Drop that follows from both printed accuracies", paper_drop))
    columns.append(mcnemar_column())
    for control in dict.fromkeys(under.condition for line in lines for under in line.controls):
        columns.append(_control_column(control))
    if task == "vd":
        columns += [
            Column("AP50", "Average precision at IoU 0.5 over the attacked scenes, benign → under attack", _ap50),
            Column("mean IoU", "Mean overlap with the true box, benign → under attack; a missed one counts 0", _iou),
        ]
    if any(line.row.published for line in lines):
        hint = "What publications state about many rows or other victims; the notes say what each figure is about"
        columns.append(Column("stated", hint, _stated))
    return columns


CHANGE = "Right answers with the defence minus without, in points, on the pictures of both; Newcombe 95 % interval"


def success_columns() -> list[Column]:
    """Return attack success and drop."""
    return [
        Column(
            "attack success",
            "Benign-correct answers that became wrong, of all benign-correct ones",
            lambda line: rate_cell(line.attack.loss.success, tone=True),
        ),
        Column(
            "drop",
            "Accuracy lost in percentage points on the same pictures, 95 % bootstrap interval over scenes",
            lambda line: points_cell(line.attack.loss.drop_points, line.attack.loss.drop_interval),
        ),
    ]


def mcnemar_column() -> Column:
    """Return the exact test of an attack."""
    return Column(
        "McNemar",
        "Exact test of paired answers; right only without : right only with the attack",
        lambda line: mcnemar_cell(line.attack.loss.test),
    )


def _control_column(control: str) -> Column:
    def show(line: RowFigures) -> TableCell:
        under = next((one for one in line.controls if one.condition == control), None)
        return TableCell(NONE) if under is None else rate_cell(under.loss.success)

    return Column(f"control: {control}", "Success of what only looks like the attack", show)


def _benign(line: RowFigures) -> TableCell:
    return score_cell(line.benign)


def _held_out(line: RowFigures) -> TableCell:
    return TableCell(NONE) if line.held_out is None else score_cell(line.held_out)


def _change(line: RowFigures, under: int) -> TableCell:
    if line.change is None:
        return TableCell("")
    found = line.change[under]
    low, high = found.interval.low * 100.0, found.interval.high * 100.0
    return TableCell(f"{found.points:+.1f}", f"{low:+.0f} to {high:+.0f}, n = {found.pairs}")


def _ap50(line: RowFigures) -> TableCell:
    return TableCell(f"{number(line.attack.twin.ap50)} → {number(line.attack.score.ap50)}")


def _iou(line: RowFigures) -> TableCell:
    return TableCell(f"{number(line.attack.twin.mean_iou)} → {number(line.attack.score.mean_iou)}")


def _stated(line: RowFigures) -> TableCell:
    return TableCell("; ".join(f"{one.text} {one.mark}" for one in line.row.published))


def attack_chart(lines: list[RowFigures], task: str) -> str:
    """Return right answers without an attack, under controls and under the attack as SVG; empty without rows."""
    found = []
    for line in lines:
        group = line.name if line.variant == "none" else f"{line.name}, {line.variant}"
        found.append(RateRow("benign", "benign", line.benign.accuracy, group))
        found += [RateRow(f"control: {one.condition}", "control", one.score.accuracy, group) for one in line.controls]
        found.append(RateRow(ATTACK_WORDS[task], "attack", line.attack.score.accuracy, group))
    return rate_chart(found, f"Right answers of {task}") if found else ""


def breakdown(lines: list[RowFigures]) -> Table | None:
    """Return attack success by what the pictures show; None where nothing is told apart."""
    tags = list(dict.fromkeys((tag, value) for line in lines for tag, value, _ in line.parts))
    if not tags:
        return None
    tags.sort(key=lambda tag: (tag[0], _natural(tag[1])))
    heads = tuple((f"{value}", f"Attack success where {tag} is {value}") for tag, value in tags)
    rows = []
    for line in lines:
        known = {(tag, value): rate for tag, value, rate in line.parts}
        cells = []
        for tag in tags:
            rate = known.get(tag)
            if rate is None or rate.n == 0:
                cells.append(TableCell(NONE))
            elif rate.n < MIN_PART:
                cells.append(TableCell(f"{rate.k}/{rate.n}"))
            else:
                cells.append(TableCell(f"{rate.k / rate.n * 100:.0f} %", f"{rate.k}/{rate.n}"))
        rows.append(TableRow(line.name, line.variant, kind_of(line), tuple(cells)))
    return Table("Attack success by what the picture shows", heads, tuple(rows))


def selective(lines: list[RowFigures]) -> Table | None:
    """Return what withholding unsure answers is worth; None where there are too few answers."""
    heads = [
        ("AURC benign", "100 times the area under risk over coverage: 0 where confidence sorts all errors last"),
        ("AURC attacked", "The same under attack"),
    ]
    heads += [
        (f"coverage at {risk * 100:g} % risk", "Largest share of answers under attack that can be given at that risk")
        for risk in RISKS
    ]
    heads += [
        (f"Φ{cost:g}", f"+1 right, −{cost:g} wrong, 0 withheld; threshold from other scenes; answering always below")
        for cost in COSTS
    ]
    rows = []
    for line in lines:
        found = line.selective
        if found is None:
            continue
        cells = [TableCell(_plain(found.aurc_benign)), TableCell(_plain(found.aurc_attacked))]
        cells += [TableCell(f"{value * 100:.0f} %") for value in found.coverage]
        cells += [TableCell(f"{chosen:.2f}", f"{always:.2f}") for _, chosen, always in found.reliability]
        rows.append(TableRow(line.name, line.variant, kind_of(line), tuple(cells)))
    return Table("What withholding unsure answers is worth", tuple(heads), tuple(rows)) if rows else None


def _plain(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"


def _natural(text: str) -> tuple[float, str]:
    digits = "".join(c for c in text if c in "0123456789.-")
    try:
        return float(digits), text
    except ValueError:
        return 0.0, text
