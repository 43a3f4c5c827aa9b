"""Results for people and for continuous integration: ``summary.md`` and ``junit.xml``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from testbed.report.claims import ClaimResult
from testbed.report.conclusions import conclusions, lead_sentence
from testbed.report.gap import gap_table, gaps
from testbed.report.latency_curve import latency_answers, latency_points, latency_table
from testbed.report.plain_text import clean
from testbed.report.run_view import Episode, RunView
from testbed.report.tables import Table, all_tables


def markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    flat = " ".join(clean(text).split())
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", flat)


def summary(view: RunView, claims: Sequence[ClaimResult]) -> str:
    """Return the report as Markdown: question, answers, claims, tables, what is not counted; scenario by scenario."""
    parts = view.parts()
    lines = [f"# {markdown(view.question)}", ""]
    for part in parts:
        if len(parts) > 1:
            lines += ["", f"## {markdown(part.name)}: {markdown(part.question)}", ""]
        lines += _part(part, [claim for claim in claims if claim.scenario in part.manifest.scenarios])
    gap = gap_table(gaps(view))
    if gap is not None:
        lines += ["", *table_lines(gap)]
    lines += ["", "## Not counted", ""]
    invalid = [e for e in view.episodes if not e.valid]
    lines += [f"- invalid attack: {_where(e)}: {markdown(e.reason)}" for e in invalid]
    for lost in view.lost:
        kind = "infrastructure" if lost.infrastructure else "error"
        p = lost.planned
        where = markdown(f"{p.agent}, {p.condition}, seed {p.seed}")
        lines.append(f"- {kind}: {where}: {markdown(lost.code)} {markdown(lost.reason)}")
    if view.not_run:
        lines.append(f"- not run: {len(view.not_run)}")
    if not (invalid or view.lost or view.not_run):
        lines.append("Nothing.")
    if view.manifest.command:
        lines += ["", "Repeat with:", "", "```", view.manifest.command.replace("```", "'''"), "```"]
    return "\n".join(lines) + "\n"


def _part(view: RunView, claims: Sequence[ClaimResult]) -> list[str]:
    found = conclusions(view)
    lines = [markdown(lead_sentence(view, found)), ""]
    lines += [f"- **{markdown(a.agent)}** {markdown(a.headline)}: {markdown(a.sentence)}" for a in found]
    if claims:
        lines += ["", "### Claims", "", "| claim | agent | bound | seen | outcome |", "|---|---|---|---|---|"]
        for c in claims:
            outcome = f"**{c.status}**" + (f" ({markdown(c.reason)})" if c.reason else "")
            claimed = (markdown(c.text), markdown(c.agent), markdown(c.bound), markdown(c.observed), outcome)
            lines.append(f"| {' | '.join(claimed)} |")
    points = latency_points(view)
    curve = latency_table(points)
    lines += ["", *(f"- {markdown(answer)}" for answer in latency_answers(points))] if points else []
    for table in [*([curve] if curve is not None else []), *all_tables(view)]:
        lines += ["", *table_lines(table)]
    return lines


def table_lines(table: Table, first: str = "agent", second: str = "condition") -> list[str]:
    """Return a table as Markdown lines with its caption as heading.

    Args:
        table: The table.
        first: Head of its first column.
        second: Head of its second column.
    """
    heads = [first, second, *(head for head, _ in table.heads)]
    lines = [f"### {markdown(table.caption)}", "", f"| {' | '.join(markdown(head) for head in heads)} |"]
    lines.append("|" + "---|" * len(heads))
    for row in table.rows:
        cells = [f"{cell.text} ({cell.note})" if cell.note else cell.text for cell in row.cells]
        lines.append(f"| {' | '.join(markdown(text) for text in (row.agent, row.condition, *cells))} |")
    return lines


def _where(episode: Episode) -> str:
    plan = episode.plan
    return markdown(f"{plan.agent}, {plan.condition}, seed {plan.seed}")


def junit(view: RunView, claims: Sequence[ClaimResult]) -> str:
    """Return claims as JUnit test cases; failed episodes are errors.

    What is refuted fails, and so does what was driven for and nothing could tell; what is undeveloped is skipped.
    """
    cases: list[str] = []
    for claim in claims:
        name = quoteattr(clean(f"{claim.id}[{claim.agent}]"))
        head = f"    <testcase classname={quoteattr(clean(claim.scenario))} name={name}"
        told = f"{claim.text} ({claim.metric} {claim.bound}, {claim.given}); seen {claim.observed}"
        if claim.status == "supported":
            cases.append(f"{head}><system-out>{escape(clean(told))}</system-out></testcase>")
        elif claim.status == "refuted" or claim.is_unchecked:
            why = f"nothing could check it: {claim.reason}" if claim.is_unchecked else f"refuted: {claim.observed}"
            message = quoteattr(clean(why))
            cases.append(f"{head}><failure message={message}>{escape(clean(told))}</failure></testcase>")
        else:
            message = quoteattr(clean(f"undeveloped: {claim.reason}"))
            cases.append(f"{head}><skipped message={message}/></testcase>")
    for lost in view.lost:
        p = lost.planned
        name = quoteattr(clean(f"{p.agent}, {p.condition}, seed {p.seed}"))
        message = quoteattr(clean(f"{lost.code} {lost.reason}"))
        cases.append(f'    <testcase classname="episodes" name={name}><error message={message}/></testcase>')
    failed = sum(claim.status == "refuted" or claim.is_unchecked for claim in claims)
    skipped = len(claims) - failed - sum(claim.status == "supported" for claim in claims)
    counts = f'tests="{len(cases)}" failures="{failed}" errors="{len(view.lost)}" skipped="{skipped}"'
    body = "\n".join(cases)
    suite = f"  <testsuite name={quoteattr(clean(view.manifest.run_id))} {counts}>\n{body}\n  </testsuite>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suite}\n</testsuites>\n'
