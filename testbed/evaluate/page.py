"""The page of an evaluation: one file in the style of the reports, which opens offline and runs nothing."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.evaluate.columns import TablePart, title_of
from testbed.evaluate.layout import lead, parts
from testbed.report.gap import NOTE
from testbed.report.page import asset, environment, style_and_script

if TYPE_CHECKING:
    from testbed.evaluate.figures import EvaluationResult
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
    sections: list[dict[str, Any]] = []
    for part in parts(result):
        if not sections or sections[-1]["anchor"] != f"table-{part.name.lower()}":
            sections.append({"title": title_of(part.name), "anchor": f"table-{part.name.lower()}", "parts": []})
        sections[-1]["parts"].append(
            {
                "task": part.heading,
                "chart": Markup(part.chart),
                "table": part.grid,
                "details": part.details,
                "pictures": _pictures(result, part),
                "small": part.task == "tsr",
            }
        )
    context: dict[str, Any] = {
        **style_and_script(asset("page.css") + STYLE),
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


def _pictures(result: EvaluationResult, part: TablePart) -> list[tuple[str, str]]:
    """Return (caption, data URL) of the same scene under each condition of the first row."""
    if not part.lines or not part.lines[0].attacks:
        return []
    line = part.lines[0]
    asked = line.row.against or "shipped"
    names = ["benign", *(one.condition for one in (*line.attacks, *line.controls))]
    found = []
    for name in names:
        path = result.pictures.get(f"{part.task}-{asked}-{name}.png")
        if path is not None:
            found.append((name.replace("_", " "), _data_url(path)))
    return found


def _data_url(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
