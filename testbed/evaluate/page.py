"""The page of an evaluation: one file in the style of the reports, which opens offline and runs nothing."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.evaluate.layout import ATTACK_WORDS, breakdown, grids, lead, selective
from testbed.evaluate.tables import TABLES, TASKS
from testbed.report.charts import RateRow, rate_chart
from testbed.report.gap import NOTE
from testbed.report.page import asset, content_policy, environment

if TYPE_CHECKING:
    from testbed.evaluate.figures import EvaluationResult, RowFigures
    from testbed.evaluate.request import Request


STYLE = """
.sample{display:block;width:100%;height:auto;border-radius:5px}.sample.small{max-width:150px;image-rendering:pixelated}
.answer ul{margin:8px 0 0;padding:0;list-style:none;font-size:.95rem;color:var(--soft)}
.answer li{margin:4px 0}table.wide td{white-space:normal}
"""
"""What this page needs besides the reports' style sheet."""


def render(result: EvaluationResult, request: Request) -> str:
    """Return the whole page."""
    from markupsafe import Markup

    from testbed.evaluate.notes import notes

    template = environment().from_string(resources.files("testbed.evaluate").joinpath("page.html").read_text("utf-8"))
    css = (asset("page.css") + STYLE).replace("</", "<\\/")
    sections: list[dict[str, Any]] = []
    for name, task, lines, grid in grids(result):
        title = f"Table {name}: {TABLES[name]}"
        new = not sections or sections[-1]["title"] != title
        if new:
            sections.append({"title": title, "anchor": f"table-{name.lower()}", "parts": []})
        sections[-1]["parts"].append(
            {
                "task": TASKS[task],
                "chart": Markup(rate_chart(_rates(lines, task), f"Right answers of {TASKS[task].lower()}")),
                "table": grid,
                "details": [table for table in (breakdown(lines), selective(lines)) if table is not None],
                "pictures": _pictures(result, lines, task),
                "small": task == "tsr",
            }
        )
    context: dict[str, Any] = {
        "policy": content_policy(css, ""),
        "css": Markup(css),
        "cards": lead(result),
        "sections": sections,
        "gap": result.gap,
        "gap_note": NOTE,
        "notes": notes(result),
        "command": request.command,
        "digests": sorted(result.digests.items()),
        "sizes": request.sizes,
        "data": "the user's data sets" if request.data is not None else "pictures made by the simulator",
    }
    return template.render(context)


def _rates(lines: list[RowFigures], task: str) -> list[RateRow]:
    found = []
    for line in lines:
        group = line.name if line.variant == "none" else f"{line.name}, {line.variant}"
        found.append(RateRow("benign", "benign", line.benign.accuracy, group))
        found += [RateRow(f"control: {one.condition}", "control", one.score.accuracy, group) for one in line.controls]
        found.append(RateRow(ATTACK_WORDS[task], "attack", line.attack.score.accuracy, group))
    return found


def _pictures(result: EvaluationResult, lines: list[RowFigures], task: str) -> list[tuple[str, str]]:
    """Return (caption, data URL) of the same scene under each condition of the first row."""
    line = lines[0]
    asked = line.row.against or "shipped"
    names = ["benign", *(one.condition for one in (*line.attacks, *line.controls))]
    found = []
    for name in names:
        path = result.pictures.get(f"{task}-{asked}-{name}.png")
        if path is not None:
            found.append((name.replace("_", " "), _data_url(path)))
    return found


def _data_url(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
