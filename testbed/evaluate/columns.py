"""A table as columns: how a row of ours is shown in each, and a row that only the publication has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.evaluate.published import PaperRow
from testbed.evaluate.tables import DNN, TABLES, AbsentRow
from testbed.report.tables import NONE, Table, TableCell, TableRow

if TYPE_CHECKING:
    from testbed.evaluate.figures import RowFigures

BESIDE = "published"
"""Head of every column that holds what [V2LM] prints."""


def nothing(row: AbsentRow) -> TableCell:
    """Return the cell of ours in a row that only the publication has."""
    return TableCell(NONE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        head: Its head.
        hint: What it holds, in a sentence.
        ours: A row of ours to its cell.
        theirs: A row that only the publication has to its cell.
    """

    head: str
    hint: str
    ours: Callable[[RowFigures], TableCell]
    theirs: Callable[[AbsentRow], TableCell] = nothing


def paper_column(hint: str, show: Callable[[PaperRow | None], TableCell], head: str = BESIDE) -> Column:
    """Return a column of what is printed."""
    return Column(head, hint, lambda line: show(line.row.paper), lambda row: show(row.paper))


@dataclass(frozen=True, slots=True)
class TablePart:
    """One grid and what stands around it.

    Attributes:
        name: A key of ``TABLES``.
        task: Task that it is about, for the pictures; empty where it is about several.
        heading: What it shows, where a table has several parts.
        grid: The grid.
        chart: SVG, or empty.
        details: Further grids, folded.
        lines: Rows of ours.
    """

    name: str
    task: str
    heading: str
    grid: Table
    chart: str = ""
    details: tuple[Table, ...] = ()
    lines: tuple[RowFigures, ...] = ()


def title_of(name: str) -> str:
    """Return what a table is called."""
    return f"Figure 5: {TABLES[name]}" if name == "fig5" else f"Table {name}: {TABLES[name]}"


def kind_of(line: RowFigures) -> str:
    """Return the category that colours a row and groups it."""
    return "attack" if line.row.block == DNN else "benign"


def table_of(
    caption: str, columns: Sequence[Column], lines: Sequence[RowFigures], absent: Sequence[AbsentRow] = ()
) -> Table:
    """Return the grid: rows of ours, below them those that only the publication has, which say why."""
    rows = [TableRow(line.name, line.variant, kind_of(line), tuple(c.ours(line) for c in columns)) for line in lines]
    for row in absent:
        cells = [column.theirs(row) for column in columns]
        rows.append(TableRow(row.name, row.variant, "absent", (TableCell(NONE, row.reason), *cells[1:])))
    return Table(caption, tuple((column.head, column.hint) for column in columns), tuple(rows))
