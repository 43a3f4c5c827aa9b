"""``summary.md``: the tables as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.evaluate.layout import lead, parts
from testbed.report.exports import markdown, table_lines

if TYPE_CHECKING:
    from testbed.evaluate.figures import EvaluationResult
    from testbed.evaluate.request import Request


def summary(result: EvaluationResult, request: Request) -> str:
    """Return all tables, what a reader must know, and the command that repeats them."""
    from testbed.evaluate.notes import notes

    lines = ["# Evaluation on images", ""]
    lines += [f"- **{markdown(who)}**: {markdown('; '.join(told))}." for who, _, told in lead(result)]
    for part in parts(result):
        lines += ["", *table_lines(part.grid, "victim", "variant")]
    if result.gap is not None:
        lines += ["", *table_lines(result.gap)]
    lines += ["", "## Notes", "", *(f"- {markdown(note)}" for note in notes(result))]
    if request.command:
        lines += ["", "Repeat with:", "", "```", request.command.replace("```", "'''"), "```"]
    return "\n".join(lines) + "\n"
