"""Tables II and IV as grids: V²LMs before fine-tuning, and solo and tandem under attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.evaluate.albums import BENIGN
from testbed.evaluate.attack_layout import ATTACK_WORDS, attack_chart, mcnemar_column, success_columns
from testbed.evaluate.cell_text import (
    accuracy_cell,
    macro_cell,
    mcnemar_cell,
    paper_attacked,
    paper_benign,
    paper_drop,
    points_cell,
    score_cell,
)
from testbed.evaluate.columns import BESIDE, Column, TablePart, paper_column, table_of
from testbed.evaluate.macro import span_of
from testbed.evaluate.published import FigureName, PaperSpans, facts, mean_drops, table_iv_row
from testbed.evaluate.score import Score
from testbed.evaluate.tables import NO_CHECKPOINT, TASKS
from testbed.report.tables import NONE, Table, TableCell, TableRow, percent

if TYPE_CHECKING:
    from testbed.evaluate.families import DeploymentTest, FamilyFigures
    from testbed.evaluate.figures import EvaluationResult, RowFigures

ZERO_SHOT: dict[FigureName, str] = {
    "accuracy": "accuracy",
    "f1": "macro F1",
    "precision": "macro precision",
    "recall": "macro recall",
}
"""Figure of Table II to its words."""


def zero_shot_parts(result: EvaluationResult) -> list[TablePart]:
    """Return Table II, one part per task: the span of those asked beside the published one, then each of them."""
    found = []
    for task in TASKS:
        lines = [line for line in result.tables["II"] if line.row.task == task]
        heads: list[tuple[str, str]] = []
        for name, words in ZERO_SHOT.items():
            told = "k/n with Wilson 95 %" if name == "accuracy" else "mean over classes, 95 % bootstrap over scenes"
            heads += [
                (words, f"On held-out pictures without an attack: {told}"),
                (BESIDE, "Printed in [V2LM]: lowest and highest of six V²LMs before fine-tuning"),
            ]
        heads.append(("withheld", "Answers withheld or not understood; they count as wrong"))
        rows = [_span_row(lines, facts().table_II.tasks[task])]
        rows += [TableRow(line.name, line.variant, "benign", _zero_shot_cells(line)) for line in lines]
        grid = Table(f"Table II: {TASKS[task]}", tuple(heads), tuple(rows))
        found.append(TablePart("II", task, TASKS[task], grid, lines=tuple(lines)))
    return found


def _span_row(lines: list[RowFigures], paper: PaperSpans) -> TableRow:
    cells = []
    for name in ZERO_SHOT:
        values = [value for line in lines if (value := _value(line.benign, name)) is not None]
        ours = TableCell(f"{percent(min(values))} to {percent(max(values))}") if values else TableCell(NONE)
        printed = paper.of(name)
        cells += [ours, TableCell(f"{printed.low:.2f} % to {printed.high:.2f} %")]
    if not lines:
        cells[0] = TableCell(NONE, NO_CHECKPOINT)
    words = f"of {len(lines)}" if lines else "none"
    return TableRow("lowest to highest", words, "absent", (*cells, TableCell("")))


def _value(score: Score, name: FigureName) -> float | None:
    if name == "accuracy":
        return score.accuracy.value
    return None if score.macro is None else score.macro.of(name).value


def _zero_shot_cells(line: RowFigures) -> tuple[TableCell, ...]:
    score = line.benign
    cells = []
    for name in ZERO_SHOT:
        if name == "accuracy":
            cells.append(accuracy_cell(score))
        else:
            cells.append(macro_cell(None if score.macro is None else score.macro.of(name)))
        cells.append(TableCell(""))
    return (*cells, TableCell(str(score.abstained), f"of {score.accuracy.n}"))


def deployment_parts(result: EvaluationResult) -> list[TablePart]:
    """Return Table IV: one part per task, then solo against tandem, then the means of the drops."""
    found = []
    for task in TASKS:
        lines = [line for line in result.tables["IV"] if line.row.task == task]
        absent = [row for row in result.absent if (row.table, row.task) == ("IV", task)]
        grid = table_of(f"Table IV: {TASKS[task]}", _deployment_columns(task, result.families), lines, absent)
        found.append(TablePart("IV", task, TASKS[task], grid, attack_chart(lines, task), lines=tuple(lines)))
    if result.families is not None and result.families.tests:
        heading = "Solo against tandem on the same pictures"
        found.append(TablePart("IV", "", heading, _tests_grid(heading, result)))
    heading = "Means of the drops"
    found.append(TablePart("IV", "", heading, _means_grid(heading, result.families)))
    return found


def _deployment_columns(task: str, families: FamilyFigures | None) -> list[Column]:
    def f1_drop(line: RowFigures) -> TableCell:
        if families is None:
            return TableCell(NONE)
        drop = families.drops[line.row.victim.label, line.row.task]
        return points_cell(drop.f1, span_of(drop.f1_draws))

    attack = ATTACK_WORDS[task]
    success, drop = success_columns()
    return [
        Column("right, benign", "Right answers, k/n with Wilson 95 %; macro F1 with bootstrap", _benign),
        paper_column("Printed in [V2LM] Table IV without an attack; F1 below", paper_benign),
        Column(f"right, {attack}", "The same under attack", lambda line: score_cell(line.attack.score)),
        paper_column("Printed in [V2LM] Table IV under attack; F1 below", paper_attacked),
        success,
        drop,
        paper_column("Accuracy drop that follows from both printed cells", paper_drop),
        Column("F1 drop", "Macro F1 lost in points on the same pictures, 95 % bootstrap over scenes", f1_drop),
        paper_column("F1 drop that follows from both printed cells", lambda paper: paper_drop(paper, f1=True)),
        mcnemar_column(),
    ]


def _benign(line: RowFigures) -> TableCell:
    return score_cell(line.benign)


def _tests_grid(heading: str, result: EvaluationResult) -> Table:
    assert result.families is not None
    family_of = {line.row.victim.label: line.row.v2lm.family for line in result.tables["IV"] if line.row.v2lm}
    heads = (
        ("pictures", "Pictures that both were asked about"),
        ("tandem − solo", "Difference of right answers in points; Newcombe 95 % interval of paired shares"),
        ("solo alone : tandem alone", "Pictures that only one of both answered rightly"),
        ("p", "Exact McNemar test of these pairs"),
        ("p, Holm", f"Adjusted over all {len(result.families.tests)} tests of this table"),
        (BESIDE, "Difference of both printed accuracies in points; no test can be made of them"),
    )
    rows = []
    for test in result.families.tests:
        low, high = test.change.low * 100.0, test.change.high * 100.0
        shown = mcnemar_cell(test.test)
        cells = (
            TableCell(str(test.test.pairs)),
            TableCell(f"{test.points:+.1f}", f"{low:+.0f} to {high:+.0f}"),
            TableCell(f"{test.test.only_first} : {test.test.only_second}"),
            TableCell(shown.text),
            TableCell(mcnemar_cell(test.test, test.adjusted).text, "", "bad" if test.adjusted < 0.05 else ""),
            _printed_difference(test, family_of.get(test.solo, "")),
        )
        under = "benign" if test.condition == BENIGN else ATTACK_WORDS[test.task]
        rows.append(TableRow(f"{test.solo}, {test.tandem}", f"{TASKS[test.task]}, {under}", "benign", cells))
    return Table(heading, heads, tuple(rows))


def _printed_difference(test: DeploymentTest, family: str) -> TableCell:
    solo, tandem = (table_iv_row(test.task, family, name) for name in ("solo", "tandem"))
    if solo is None or tandem is None:
        return TableCell("")
    first, second = (row.benign if test.condition == BENIGN else row.attacked for row in (solo, tandem))
    return TableCell("" if first is None or second is None else f"{second.accuracy - first.accuracy:+.2f}")


def _means_grid(heading: str, families: FamilyFigures | None) -> Table:
    heads = (
        ("rows", "Rows of ours: V²LMs × tasks"),
        ("accuracy drop", "Mean over these rows in points, 95 % bootstrap over scenes"),
        (BESIDE, "Recomputed from the printed cells of all families and tasks"),
        ("F1 drop", "The same of macro F1"),
        (BESIDE, "Recomputed from the printed cells of all families and tasks"),
    )
    ours = {} if families is None else {mean.deployment: mean for mean in families.means}
    rows = []
    for deployment in ("solo", "tandem"):
        printed = mean_drops("solo" if deployment == "solo" else "tandem")
        mean = ours.get(deployment)
        told = f"of {printed.rows} rows"
        cells = (
            TableCell("0", NO_CHECKPOINT) if mean is None else TableCell(str(mean.rows)),
            TableCell(NONE) if mean is None else points_cell(mean.accuracy, mean.accuracy_interval),
            TableCell(f"{printed.accuracy:.2f}", told),
            TableCell(NONE) if mean is None else points_cell(mean.f1, mean.f1_interval),
            TableCell(f"{printed.f1:.2f}", told),
        )
        rows.append(TableRow(deployment, "all rows", "benign", cells))
    return Table(heading, heads, tuple(rows))
