"""What the page shows of the safety cases; `section.html` beside this module lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.report.safety_case.pattern import pattern
from testbed.report.safety_case.structure import AgentCase
from testbed.report.safety_case.written import SafetyCases, pictures

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class CasePart:
    """One agent's case on the page.

    Attributes:
        case: The case.
        top: Picture of its top.
        parts: File name, title and picture of each part.
        pattern: What it was made from.
    """

    case: AgentCase
    top: Markup
    parts: list[tuple[str, str, Markup]]
    pattern: str


def case_parts(found: SafetyCases) -> list[CasePart]:
    """Return what the page shows of each agent's case."""
    from markupsafe import Markup

    parts: list[CasePart] = []
    drawn = 0
    for case in found.agents:
        made = [(name, title, Markup(svg)) for name, title, svg in pictures(case, inline=drawn)]
        drawn += len(made)
        parts.append(CasePart(case, made[0][2], made[1:], str(pattern())))
    return parts
