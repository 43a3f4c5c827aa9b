"""``summary.md``: the tables as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.evaluate.grid import grids, lead
from testbed.report.exports import markdown
from testbed.report.tables import Table

if TYPE_CHECKING:
    from testbed.evaluate.assemble import Result
    from testbed.evaluate.run import Request


def summary(result: Result, request: Request) -> str:
    """Return all tables, what a reader must know, and the command that repeats them."""
    from testbed.evaluate.assemble import notes

    lines = ["# Evaluation on images", ""]
    lines += [f"- **{markdown(who)}**: {markdown('; '.join(parts))}." for who, _, parts in lead(result)]
    for _, _, _, grid in grids(result):
        lines += ["", *table_lines(grid)]
    if result.gap is not None:
        lines += ["", *table_lines(result.gap.table())]
    lines += ["", "## Notes", "", *(f"- {markdown(note)}" for note in notes(result))]
    if request.command:
        lines += ["", "Repeat with:", "", "```", request.command.replace("```", "'''"), "```"]
    return "\n".join(lines) + "\n"


def table_lines(table: Table) -> list[str]:
    """Return a table as Markdown lines with its caption as heading."""
    heads = ["", "variant", *(head for head, _ in table.heads)]
    lines = [f"## {markdown(table.caption)}", "", f"| {' | '.join(markdown(head) for head in heads)} |"]
    lines.append("|" + "---|" * len(heads))
    for row in table.rows:
        cells = [f"{cell.text} ({cell.note})" if cell.note else cell.text for cell in row.cells]
        lines.append(f"| {' | '.join(markdown(text) for text in (row.agent, row.condition, *cells))} |")
    return lines
