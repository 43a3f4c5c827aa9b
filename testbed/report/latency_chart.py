"""The chart of a share of drives against latency: one panel per agent, one curve per condition, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from testbed import stats
from testbed.report.charts import WIDTH, Scale, figure, tag, text
from testbed.report.plain_text import clean

LINEAR_BELOW_MS = 50.0
"""The axis is about linear below this and logarithmic above, so that 0 has a place and 11 s fit."""

LETTER_PX = 7.0
"""Width of a letter of the charts' font, for keeping labels apart."""

GAP_PX = 6.0
"""Least room between two labels."""

DODGE_PX = 8.0
"""Between the curves of a panel, so that their intervals do not cover each other."""

_LEFT, _RIGHT = 56.0, WIDTH - 150.0
_PLOT, _ABOVE, _BELOW = 120.0, 30.0, 52.0


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A share of drives at one latency; ``name`` is that of the latency, empty for plain milliseconds."""

    ms: float
    name: str
    rate: stats.Rate


@dataclass(frozen=True, slots=True)
class CurveSeries:
    """The points of one condition from fast to slow; ``kind`` is ``benign``, ``attack`` or ``control``."""

    condition: str
    kind: str
    points: Sequence[ChartPoint]


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """The curves of one agent."""

    title: str
    budget_ms: float
    series: Sequence[CurveSeries]


def latency_chart(panels: Sequence[CurvePanel], title: str) -> str:
    """Return an SVG with the panels below each other on one axis of latency.

    Args:
        panels: Each with at least one point.
        title: Title for screen readers.
    """
    most_ms = max(point.ms for panel in panels for one in panel.series for point in one.points)
    axis = Scale(0.0, _stretched(max(most_ms, 2.0 * LINEAR_BELOW_MS)), _LEFT + 14.0, _RIGHT - 14.0)
    parts: list[str] = []
    top = 0.0
    for panel in panels:
        parts.append(_panel(panel, axis, top + _ABOVE))
        top += _ABOVE + _PLOT + _BELOW
    described = ". ".join(
        f"{panel.title}, {one.condition}: " + "; ".join(f"{p.ms:g} ms {p.rate}" for p in one.points)
        for panel in panels
        for one in panel.series
    )
    return figure("".join(parts), top, title, described, class_="latency")


def _stretched(ms: float) -> float:
    return math.log1p(ms / LINEAR_BELOW_MS)


def _panel(panel: CurvePanel, axis: Scale, top: float) -> str:
    bottom = top + _PLOT
    y = Scale(0.0, 1.0, bottom, top)
    parts = [text(0, top - 14, panel.title, class_="group")]
    for share in (0.0, 0.5, 1.0):
        kind = "zero" if share == 0.0 else "grid"
        parts.append(tag("line", x1=_LEFT, x2=_RIGHT, y1=y(share), y2=y(share), class_=kind))
        parts.append(text(_LEFT - 8, y(share) + 4, f"{share * 100:.0f} %", text_anchor="end"))
    at = axis(_stretched(panel.budget_ms))
    parts.append(tag("line", x1=at, x2=at, y1=top - 6, y2=bottom, class_="threshold"))
    parts.append(text(at + 5, top - 8, f"deadline {panel.budget_ms:g} ms", class_="note"))
    parts += _ticks(panel, axis, bottom)
    middle = (len(panel.series) - 1) / 2
    for index, one in enumerate(panel.series):
        parts.append(_curve(one, axis, y, (index - middle) * DODGE_PX))
    parts += _names(panel, y)
    return tag("g", "".join(parts), class_="panel", data_title=clean(panel.title))


def _ticks(panel: CurvePanel, axis: Scale, bottom: float) -> list[str]:
    """Label every latency of a panel, and the names of those that have one below; what would collide is left out."""
    known: dict[float, str] = {}
    for one in panel.series:
        for point in one.points:
            known[point.ms] = known.get(point.ms) or point.name
    parts = []
    free = [-math.inf, -math.inf]
    for ms, name in sorted(known.items()):
        x = axis(_stretched(ms))
        parts.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        for row, label in enumerate((f"{ms:.0f}", name)):
            half = LETTER_PX * len(label) / 2
            if label and x - half > free[row]:
                parts.append(text(x, bottom + 18 + 15 * row, label, text_anchor="middle"))
                free[row] = x + half + GAP_PX
    parts.append(text(_LEFT - 8, bottom + 18, "ms", text_anchor="end"))
    return parts


def _curve(one: CurveSeries, axis: Scale, y: Scale, aside_px: float) -> str:
    places = [(axis(_stretched(p.ms)) + aside_px, p) for p in one.points]
    shape = "".join(f"{'L' if i else 'M'}{x:.1f} {y(_share(p)):.1f}" for i, (x, p) in enumerate(places))
    parts = [tag("path", d=shape, class_=f"line bold {one.kind}")]
    for x, point in places:
        low, high = y(point.rate.interval.low), y(point.rate.interval.high)
        parts.append(tag("line", x1=x, x2=x, y1=low, y2=high, class_=f"whisker {one.kind}"))
        name = f" ({point.name})" if point.name else ""
        hint = tag("title", escape(clean(f"{one.condition}, {point.ms:.0f} ms{name}: {point.rate}")))
        parts.append(tag("circle", hint, cx=x, cy=y(_share(point)), r=5, class_=f"dot {one.kind}"))
    return tag("g", "".join(parts), class_="curve", data_condition=clean(one.condition))


def _share(point: ChartPoint) -> float:
    return point.rate.value or 0.0


def _names(panel: CurvePanel, y: Scale) -> list[str]:
    """Write each condition beside the end of its curve, upwards from the lowest, with room between them."""
    ends = sorted(((y(_share(one.points[-1])) + 4, one.condition) for one in panel.series), reverse=True)
    parts: list[str] = []
    last = math.inf
    for wanted, condition in ends:
        last = min(wanted, last - 15)
        parts.append(text(_RIGHT + 20, last, condition, class_="value"))
    return parts
