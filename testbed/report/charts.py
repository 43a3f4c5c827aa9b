"""Charts as inline SVG: text stays text, colours come from the page's style sheet, nothing is fetched.

Every chart has a title and a description for screen readers. Colours are never the only carrier of meaning: lines are
dashed or labelled, strips hold letters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from testbed import stats
from testbed.report.plain_text import clean

WIDTH = 1000
LONG_GROUP = 26
"""Letters of a group's name from which on it stands on a line of its own."""


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Return one SVG element; attribute names use ``_`` for ``-`` and ``class_`` for ``class``; values are escaped."""
    parts = []
    for key, value in attributes.items():
        if value is None:
            continue
        text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    return f"<{name}{''.join(parts)}>{content}</{name}>" if content else f"<{name}{''.join(parts)}/>"


def text(x: float, y: float, content: str, **attributes: object) -> str:
    """Return an SVG text element with escaped content."""
    return tag("text", escape(clean(content)), x=float(x), y=float(y), **attributes)


def figure(content: str, height: float, title: str, description: str, *, width: float = WIDTH, class_: str = "") -> str:
    """Return a whole SVG picture."""
    head = tag("title", escape(clean(title))) + tag("desc", escape(clean(description)))
    box = f"0 0 {width:g} {height:g}"
    return tag(
        "svg", head + content, viewBox=box, class_=f"chart {class_}".strip(), role="img", aria_label=clean(title)
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Map values to pixels."""

    low: float
    high: float
    begin_px: float
    end_px: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.begin_px + (value - self.low) / (self.high - self.low) * (self.end_px - self.begin_px)


@dataclass(frozen=True, slots=True)
class Curve:
    """One drive in the offset chart."""

    t_s: NDArray[np.float64]
    y: NDArray[np.float64]
    kind: str
    bold: bool = False


def path_of(line: Curve, x: Scale, y: Scale, limit: float) -> str:
    """Return the path data of a line; it ends where the value leaves the picture for good."""
    points: list[str] = []
    for t_s, value in zip(line.t_s, line.y, strict=True):
        inside = abs(value) <= limit
        points.append(f"{'L' if points else 'M'}{x(t_s):.1f} {y(max(-limit, min(limit, value))):.1f}")
        if not inside:
            break
    return "".join(points)


def offset_chart(
    lines: Sequence[Curve],
    *,
    threshold_m: float,
    patch_s: tuple[float, float] | None,
    window_s: float,
    title: str,
    limit_m: float = 2.0,
) -> str:
    """Return lateral offset over time.

    Args:
        lines: Drives; bold ones are drawn last.
        threshold_m: Offset at which the ego's side reaches the marking.
        patch_s: Interval in which the ego was over the artefact in the drive shown; None without.
        window_s: Length of the attack window after reaching it.
        title: Title for screen readers.
        limit_m: Half of the vertical range; larger offsets leave the picture.
    """
    height, left, right, top, bottom = 300.0, 56.0, WIDTH - 12.0, 14.0, 264.0
    end_s = max((float(line.t_s[-1]) for line in lines), default=1.0)
    x, y = Scale(0.0, max(end_s, 1e-6), left, right), Scale(limit_m, -limit_m, top, bottom)
    parts: list[str] = []
    if patch_s is not None:
        window_end = min(patch_s[0] + window_s, end_s)
        parts.append(_band(x(patch_s[0]), x(window_end), top, bottom, "window"))
        parts.append(_band(x(patch_s[0]), x(max(patch_s[1], patch_s[0])), top, bottom, "patch"))
        parts.append(text(x(patch_s[0]) + 6, top + 14, "over the artefact", class_="note"))
        if window_end - patch_s[1] > 0.12 * end_s:
            parts.append(text(x(window_end) - 6, top + 14, f"{window_s:g} s window", class_="note", text_anchor="end"))
    for value in range(-math.floor(limit_m), math.floor(limit_m) + 1):
        parts.append(tag("line", x1=left, x2=right, y1=y(value), y2=y(value), class_="zero" if value == 0 else "grid"))
        parts.append(text(left - 8, y(value) + 4, f"{value:g}", text_anchor="end"))
    for second in range(int(end_s) + 1):
        parts.append(tag("line", x1=x(second), x2=x(second), y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(text(x(second), bottom + 18, f"{second} s", text_anchor="middle"))
    for sign in (1, -1):
        at = y(sign * threshold_m)
        parts.append(tag("line", x1=left, x2=right, y1=at, y2=at, class_="threshold"))
    words = f"wheel on the left marking ({threshold_m:.2f} m)"
    parts.append(text(right - 4, y(threshold_m) - 5, words, class_="note", text_anchor="end"))
    parts.append(text(right - 4, y(-threshold_m) + 14, "on the right marking", class_="note", text_anchor="end"))
    for line in sorted(lines, key=lambda item: item.bold):
        shape = path_of(line, x, y, limit_m)
        parts.append(tag("path", d=shape, class_=f"line {line.kind}{' bold' if line.bold else ''}"))
        parts.append(_leaving(line, x, y, limit_m))
    parts.append(tag("line", x1=left, x2=left, y1=top, y2=bottom, class_="playhead"))
    label = tag(
        "text",
        "m left of lane centre",
        transform=f"translate(14 {(top + bottom) / 2}) rotate(-90)",
        text_anchor="middle",
    )
    parts.append(label)
    described = f"{len(lines)} drives; the bold ones are those in the videos."
    svg = figure("".join(parts), height, title, described, class_="offset")
    return svg.replace("<svg ", f'<svg data-left="{left:g}" data-right="{right:g}" data-end="{end_s:g}" ', 1)


def value_chart(
    lines: Sequence[Curve],
    *,
    unit: str,
    title: str,
    shown_s: tuple[float, float] | None,
    limit: Curve | None = None,
    floor: str = "",
) -> str:
    """Return a quantity over time: speed, gap, or a demand, which alone goes below zero.

    Args:
        lines: Drives; NaN breaks a line; bold ones are drawn last.
        unit: What stands beside the axis, for instance ``km/h``.
        title: Title for screen readers.
        shown_s: When the artefact was to be seen in the drive shown; None without.
        limit: What is allowed over time, drawn dashed; None without.
        floor: What the least value means, written at the axis.
    """
    height, left, right, top, bottom = 260.0, 56.0, WIDTH - 12.0, 14.0, 224.0
    end_s = max((float(line.t_s[-1]) for line in lines), default=1.0)
    drawn = [line.y for line in (*lines, *([limit] if limit else [])) if not np.isnan(line.y).all()]
    peak = max((float(np.nanmax(y)) for y in drawn), default=1.0)
    least = min((float(np.nanmin(y)) for y in drawn), default=0.0)
    step = _step(max(peak, 0.0) - min(least, 0.0))
    low, high = min(math.floor(least / step), 0), max(math.ceil(peak / step), 0 if least < 0.0 else 1)
    x, y = Scale(0.0, max(end_s, 1e-6), left, right), Scale(step * high, step * low, top, bottom)
    parts: list[str] = []
    if shown_s is not None:
        parts.append(_band(x(shown_s[0]), x(shown_s[1]), top, bottom, "patch"))
        parts.append(text(x(shown_s[0]) + 6, top + 14, "attack in view", class_="note"))
    for tick in range(low, high + 1):
        value = tick * step
        parts.append(tag("line", x1=left, x2=right, y1=y(value), y2=y(value), class_="zero" if tick == 0 else "grid"))
        parts.append(text(left - 8, y(value) + 4, f"{value:g}", text_anchor="end"))
    for second in range(int(end_s) + 1):
        parts.append(tag("line", x1=x(second), x2=x(second), y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(text(x(second), bottom + 18, f"{second} s", text_anchor="middle"))
    if floor:
        parts.append(text(right - 4, bottom - 6, floor, class_="note", text_anchor="end"))
    if limit is not None:
        parts.append(tag("path", d=_broken(limit, x, y), class_="threshold", fill="none"))
    for line in sorted(lines, key=lambda item: item.bold):
        parts.append(tag("path", d=_broken(line, x, y), class_=f"line {line.kind}{' bold' if line.bold else ''}"))
    parts.append(tag("line", x1=left, x2=left, y1=top, y2=bottom, class_="playhead"))
    middle = (top + bottom) / 2
    parts.append(tag("text", escape(unit), transform=f"translate(14 {middle}) rotate(-90)", text_anchor="middle"))
    described = f"{len(lines)} drives; the bold ones are those in the videos."
    svg = figure("".join(parts), height, title, described, class_="offset")
    return svg.replace("<svg ", f'<svg data-left="{left:g}" data-right="{right:g}" data-end="{end_s:g}" ', 1)


def _step(high: float) -> float:
    """Return a round distance of grid lines that makes three to seven of them."""
    power = 10.0 ** math.floor(math.log10(max(high, 1e-6)))
    return next(power * share for share in (0.2, 0.5, 1.0, 2.0) if high / (power * share) <= 7.0)


def _broken(line: Curve, x: Scale, y: Scale) -> str:
    """Return the path data of a line with gaps where the value is NaN."""
    points: list[str] = []
    pen = "M"
    for t_s, value in zip(line.t_s, line.y, strict=True):
        if math.isnan(value):
            pen = "M"
            continue
        points.append(f"{pen}{x(t_s):.1f} {y(value):.1f}")
        pen = "L"
    return "".join(points)


def _leaving(line: Curve, x: Scale, y: Scale, limit_m: float) -> str:
    """Return the mark where a line leaves the picture, with how far it goes if it is a bold one."""
    beyond = np.flatnonzero(np.abs(np.nan_to_num(line.y)) > limit_m)
    if not len(beyond):
        return ""
    first = int(beyond[0])
    up = bool(line.y[first] > 0.0)
    farthest_m = float(np.max(np.abs(line.y[beyond][(line.y[beyond] > 0.0) == up])))
    words = f" to {farthest_m:.1f} m" if line.bold else ""
    place = y(limit_m) + 10 if up else y(-limit_m) - 3
    return text(x(line.t_s[first]), place, f"{'▲' if up else '▼'}{words}", class_="note")


def _band(x0: float, x1: float, y0: float, y1: float, kind: str) -> str:
    return tag("rect", x=x0, y=y0, width=max(x1 - x0, 0.0), height=y1 - y0, class_=f"band {kind}")


@dataclass(frozen=True, slots=True)
class RateRow:
    """One row of the interval chart."""

    label: str
    kind: str
    rate: stats.Rate
    group: str


def rate_chart(rows: Sequence[RateRow], title: str) -> str:
    """Return observed shares with their intervals, grouped; 0-100 % from left to right."""
    left, right, step, gap = 300.0, WIDTH - 150.0, 26.0, 12.0
    x = Scale(0.0, 1.0, left, right)
    parts: list[str] = []
    at, group = 10.0, None
    marks: list[str] = []
    for row in rows:
        if row.group != group:
            at += gap if group is not None else 0.0
            marks.append(text(0, at + 17, row.group, class_="group"))
            # a long name would run into the labels of its rows
            at += step if len(row.group) > LONG_GROUP else 0.0
            group = row.group
        middle = at + step / 2
        marks.append(text(left - 14, middle + 4, row.label, text_anchor="end"))
        if row.rate.n:
            low, high = x(row.rate.interval.low), x(row.rate.interval.high)
            marks.append(tag("line", x1=low, x2=high, y1=middle, y2=middle, class_=f"whisker {row.kind}"))
            marks.append(tag("circle", cx=x(row.rate.k / row.rate.n), cy=middle, r=6, class_=f"dot {row.kind}"))
            value = f"{row.rate.k}/{row.rate.n}"
            span = f"{row.rate.interval.low * 100:.0f}–{row.rate.interval.high * 100:.0f} %"
            marks.append(text(right + 16, middle + 4, value, class_="value"))
            marks.append(text(right + 140, middle + 4, span, text_anchor="end"))
        else:
            marks.append(text(right + 16, middle + 4, "none valid"))
        at += step
    bottom = at + 6
    for percent in range(0, 101, 25):
        parts.append(tag("line", x1=x(percent / 100), x2=x(percent / 100), y1=6.0, y2=bottom, class_="grid"))
        parts.append(text(x(percent / 100), bottom + 16, f"{percent} %", text_anchor="middle"))
    described = "; ".join(f"{row.group} {row.label}: {row.rate}" for row in rows)
    return figure("".join(parts + marks), bottom + 24, title, described)


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """A stretch of one strip."""

    begin_s: float
    end_s: float
    kind: str
    letter: str = ""
    confidence: float = 1.0
    wrong: bool = False
    hint: str = ""


def strip_chart(
    strips: Sequence[tuple[str, Sequence[AnswerSpan]]], end_s: float, title: str, patch_s: tuple[float, float] | None
) -> str:
    """Return answers over time, one strip per task; opacity is confidence, a notch below marks a wrong answer."""
    left, right, high, gap = 150.0, WIDTH - 12.0, 22.0, 10.0
    x = Scale(0.0, max(end_s, 1e-6), left, right)
    bottom = 4 + len(strips) * (high + gap)
    parts: list[str] = []
    if patch_s is not None:
        parts.append(_band(x(patch_s[0]), x(max(patch_s[1], patch_s[0])), 0, bottom, "patch"))
    for row, (name, segments) in enumerate(strips):
        top = 4 + row * (high + gap)
        parts.append(text(left - 10, top + 15, name, text_anchor="end"))
        parts.append(tag("line", x1=left, x2=right, y1=top + high + 1, y2=top + high + 1, class_="grid"))
        parts += _segments(segments, x, top, high)
    for second in range(int(end_s) + 1):
        parts.append(text(x(second), bottom + 12, f"{second} s", text_anchor="middle"))
    parts.append(tag("line", x1=left, x2=left, y1=0, y2=bottom, class_="playhead"))
    names = ", ".join(name for name, _ in strips)
    svg = figure("".join(parts), bottom + 18, title, f"Answers over time: {names}.", class_="strips")
    return svg.replace("<svg ", f'<svg data-left="{left:g}" data-right="{right:g}" data-end="{end_s:g}" ', 1)


def _segments(segments: Iterable[AnswerSpan], x: Scale, top: float, high: float) -> list[str]:
    parts: list[str] = []
    for segment in segments:
        begin, end = x(segment.begin_s), x(segment.end_s)
        hint = tag("title", escape(clean(segment.hint))) if segment.hint else ""
        opacity = 0.25 + 0.75 * min(max(segment.confidence, 0.0), 1.0)
        attributes = {"x": begin, "y": top, "width": max(end - begin, 0.5), "height": high, "fill_opacity": opacity}
        parts.append(tag("rect", hint, class_=f"seg {segment.kind}", **attributes))
        if segment.letter and end - begin > 8 * len(segment.letter) + 3:
            parts.append(text((begin + end) / 2, top + 15, segment.letter, class_="letter", text_anchor="middle"))
        if segment.wrong:
            parts.append(tag("rect", x=begin, y=top + high, width=max(end - begin, 0.5), height=4, class_="wrong"))
    return parts


def merge(segments: Sequence[AnswerSpan]) -> list[AnswerSpan]:
    """Return neighbouring segments of one kind and rightness joined, so that a strip stays small; hints are kept."""
    joined: list[AnswerSpan] = []
    for segment in segments:
        last = joined[-1] if joined else None
        same = last is not None and (last.kind, last.letter, last.wrong) == (
            segment.kind,
            segment.letter,
            segment.wrong,
        )
        if last is not None and same and abs(last.end_s - segment.begin_s) < 1e-6:
            spans = (last.end_s - last.begin_s, segment.end_s - segment.begin_s)
            confidence = (last.confidence * spans[0] + segment.confidence * spans[1]) / max(sum(spans), 1e-9)
            joined[-1] = AnswerSpan(
                last.begin_s, segment.end_s, last.kind, last.letter, confidence, last.wrong, last.hint
            )
        else:
            joined.append(segment)
    return joined
