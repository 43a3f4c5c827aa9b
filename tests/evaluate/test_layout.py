"""Grids from few answers: every figure under its head, what is printed beside it, rows of nobody at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.evaluate import Request, tables
from testbed.evaluate.answers import PictureAnswer
from testbed.evaluate.cells import AnswerCell
from testbed.evaluate.evaluation import FilledRow
from testbed.evaluate.figures import EvaluationResult, assemble
from testbed.evaluate.layout import parts
from testbed.evaluate.tables import AskedModels
from testbed.report.tables import TableCell


def cell(said: str, names: str) -> AnswerCell:
    """Signs of two classes; one letter per answer, pictures named by letters."""
    made = [
        PictureAnswer(name, name, "1" if name < "e" else "2", given, 0.9)
        for given, name in zip(said, names, strict=True)
    ]
    return AnswerCell(said, {}, tuple(made), "", 0.0)


@pytest.fixture
def result(tmp_path: Path) -> EvaluationResult:
    """Two rows of Table I: YOLOv5-cls without a defence and behind JPEG, whose own search shaded another sign."""
    rows = {row.victim.label: row for row in tables.table_i()}
    plain = FilledRow(rows["YOLOv5-cls"], cell("11112222", "abcdefgh"), {"shadow": cell("2111", "abcd")}, {}, None)
    jpeg = FilledRow(rows["YOLOv5-cls jpeg"], cell("11212221", "abcdefgh"), {"shadow": cell("2221", "abde")}, {}, None)
    absent = tables.absent(("I",), AskedModels())
    return assemble([plain, jpeg], [], absent, {}, Request(("I",), tmp_path))


def test_table_i_has_ours_and_printed_side_by_side(result: EvaluationResult) -> None:
    (part,) = parts(result)
    heads = [head for head, _ in part.grid.heads]
    assert heads == [
        "right, benign",
        "change, benign",
        "published",
        "right, shadow",
        "change, shadow",
        "published",
        "attack success",
        "drop",
        "published",
        "McNemar",
    ]
    plain, jpeg, *absent = part.grid.rows
    assert (plain.agent, plain.condition, jpeg.agent, jpeg.condition) == (
        "YOLOv5-cls",
        "none",
        "YOLOv5-cls",
        "JPEG, quality 50",
    )
    assert plain.cells[2] == TableCell("94.88 %") and plain.cells[5] == TableCell("55.82 %")
    assert plain.cells[1] == plain.cells[4] == TableCell(""), "nothing changes without a defence"
    assert plain.cells[8].text == "39.06"
    assert jpeg.cells[2] == TableCell("-2.81 points", "so 92.07 %")
    assert jpeg.cells[5] == TableCell("-11.79 points", "so 44.03 %")
    assert jpeg.cells[0].text == "75.0 %" and jpeg.cells[0].note.startswith("6/8, ")
    assert jpeg.cells[1].text == "-25.0" and jpeg.cells[1].note.endswith("n = 8")
    # under attack both were shown a, b and d: two right without the defence, none behind it
    assert jpeg.cells[4].text == "-66.7" and jpeg.cells[4].note.endswith("n = 3")
    assert [(row.agent, row.condition) for row in absent] == [
        ("ViT-small", "label smoothing"),
        ("ViT-small", "dropout"),
    ]
    assert absent[0].cells[0] == TableCell("–", "no such net here")
    assert absent[0].cells[2] == TableCell("-2.47 points", "so 93.73 %") and absent[0].cells[3] == TableCell("–")


def test_a_row_has_a_cell_under_every_head(result: EvaluationResult) -> None:
    for part in parts(result):
        for grid in (part.grid, *part.details):
            assert all(len(row.cells) == len(grid.heads) for row in grid.rows), grid.caption
