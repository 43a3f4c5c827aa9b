"""Pictures of a safety case: one of its top and one of each part, so that each can be read.

Support runs from left to right, contexts stand above what they belong to. What belongs to another part is drawn as an
away goal: with its standing, without what is below it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from testbed.report.plain_text import clean, unbroken
from testbed.report.safety_case.nodes import GsnNode

WIDTHS = {
    "goal": 300,
    "strategy": 220,
    "context": 250,
    "assumption": 250,
    "justification": 250,
    "solution": 230,
    "counter": 230,
}
ROUND = ("context", "justification", "assumption", "solution", "counter")
MARKS = {
    "supported": "✓ supported",
    "refuted": "✗ refuted",
    "undeveloped": "◇ undeveloped",
    "stated": "○ stated, not judged",
}
KINDS = {"assumption": "assumption", "justification": "justification"}
COLUMN_GAP, ROW_GAP, LINE, MARGIN = 46, 22, 15, 12


@dataclass(slots=True)
class _NodeBox:
    node: GsnNode
    x: float
    y: float
    width: float
    height: float
    lines: list[str]
    away: str


@dataclass(slots=True)
class _Drawing:
    """Boxes and edges of one part, as they are placed."""

    by_id: Mapping[str, GsnNode]
    counters: Mapping[str, Sequence[GsnNode]]
    titles: Mapping[str, str]
    module: str
    columns: list[float]
    arrow: str
    boxes: list[_NodeBox]
    edges: list[str]

    def below(self, node: GsnNode) -> list[GsnNode]:
        """Return what is drawn to the right of an element."""
        return [*(self.by_id[name] for name in node.supported_by), *self.counters.get(node.id, ())]

    def place(self, node: GsnNode, depth: int, y: float) -> tuple[_NodeBox, float]:
        """Place an element and what supports it; return its box and the y below all of it."""
        if node.module != self.module:
            box = self.box(node, depth, y)
            return box, box.y + box.height + ROW_GAP
        own = y
        contexts = [self.by_id[name] for name in node.in_context_of]
        beside = []
        for context in contexts:
            beside.append(self.box(context, depth, own, indent=20))
            own += beside[-1].height + ROW_GAP
        box = self.box(node, depth, own + (ROW_GAP if beside else 0))
        # beside a strategy's contexts there is no room for the wider goals of the next column
        end = own if node.shape == "strategy" else y
        children = []
        for child in self.below(node):
            placed, end = self.place(child, depth + 1, end)
            children.append(placed)
        end = max(end, box.y + box.height + ROW_GAP)
        if children and not beside:
            first, last = children[0], children[-1]
            box.y = max(y, (first.y + last.y + last.height) / 2 - box.height / 2)
        self.edges += [_context_edge(box, one) for one in beside]
        for placed in children:
            kind = "challenges" if placed.node.challenges == node.id else "supports"
            self.edges.append(_edge(box, placed, kind, self.arrow))
        return box, end

    def box(self, node: GsnNode, depth: int, y: float, indent: float = 0.0) -> _NodeBox:
        """Make a box and keep it."""
        away = "" if node.module == self.module else f"→ {self.titles[node.module]}"
        width = WIDTHS[node.shape]
        inner = width - (44 if node.shape == "strategy" or node.shape in ROUND else 24)
        # names of files keep their hyphens
        text, most = clean(unbroken(_said(node))), max(int(inner / 7.1), 8)
        lines = textwrap.wrap(text, most, break_on_hyphens=False) or [""]
        rows = len(lines) + _marked(node) + bool(away)
        box = _NodeBox(node, self.columns[depth] + indent, y, float(width), float(rows * LINE + 34), lines, away)
        self.boxes.append(box)
        return box


def _said(node: GsnNode) -> str:
    if node.cites is None:
        return node.text
    what = f"{node.cites.drives} {'drive' if node.cites.drives == 1 else 'drives'}" if node.cites.drives else "document"
    return f"{node.text}. {what[:1].upper()}{what[1:]}, sha256 {node.cites.digest[:12]}…"


def _marked(node: GsnNode) -> bool:
    return node.status is not None and node.shape in ("goal", "strategy")


def to_svg(nodes: Sequence[GsnNode], module: str, titles: Mapping[str, str], *, inline: int | None = None) -> str:
    """Return a picture of one part of a case.

    Args:
        nodes: Elements of the whole case.
        module: The part.
        titles: Titles of all parts.
        inline: Number of the picture on a page whose style sheet it takes; None for a file with its own.
    """
    by_id = {node.id: node for node in nodes}
    counters: dict[str, list[GsnNode]] = {}
    for node in nodes:
        if node.challenges:
            counters.setdefault(node.challenges, []).append(node)
    arrow = f"gsn-arrow-{inline or 0}"
    root = next(node for node in nodes if node.module == module)
    drawing = _Drawing(by_id, counters, titles, module, [], arrow, [], [])
    drawing.columns = _columns(drawing, root)
    _, bottom = drawing.place(root, 0, float(MARGIN))
    boxes = drawing.boxes
    width = max(box.x + box.width for box in boxes) + MARGIN
    height = max(bottom, *(box.y + box.height + ROW_GAP for box in boxes))
    style = f"<style>{STYLE}</style>" if inline is None else ""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}"' + (
        f' width="{width:.0f}" height="{height:.0f}"' if inline is None else ""
    )
    described = "; ".join(f"{box.node.text}: {box.node.status}" for box in boxes if _marked(box.node))
    marker = (
        f'<defs><marker id="{arrow}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8z" class="gsn-head"/></marker></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="gsn" role="img" {size}>'
        f"<title>Safety case of one agent: {escape(clean(titles[module]))}</title>"
        f"<desc>{escape(clean(described))}</desc>{style}{marker}{''.join(drawing.edges)}"
        f"{''.join(_draw(box) for box in boxes)}</svg>"
    )


def _columns(drawing: _Drawing, root: GsnNode) -> list[float]:
    """Return where each column begins: as wide as the widest element in it."""
    widths: list[float] = []
    row = [root]
    while row:
        shown = [node for node in row if node.module == drawing.module]
        indented = [20 + WIDTHS[drawing.by_id[name].shape] for node in shown for name in node.in_context_of]
        widths.append(max([*(WIDTHS[node.shape] for node in row), *indented]))
        row = [child for node in shown for child in drawing.below(node)]
    columns = [float(MARGIN)]
    for width in widths:
        columns.append(columns[-1] + width + COLUMN_GAP)
    return columns


def _draw(box: _NodeBox) -> str:
    x, y, w, h = box.x, box.y, box.width, box.height
    node = box.node
    kind = f"gsn-{node.shape}" + (f" gsn-{node.status}" if node.status else "") + (" gsn-away" if box.away else "")
    if node.shape == "strategy":
        shape = f'<path d="M{x + 14:.0f} {y:.0f}h{w - 14:.0f}l-14 {h:.0f}h-{w - 14:.0f}z"/>'
    else:
        radius = min(h / 2, 28) if node.shape in ROUND else 2
        shape = f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="{h:.0f}" rx="{radius:.0f}"/>'
    left = x + (22 if node.shape == "strategy" or node.shape in ROUND else 12)
    name = f"{node.id} ({KINDS[node.shape]})" if node.shape in KINDS else node.id
    parts = [f'<text x="{left:.0f}" y="{y + 17:.0f}" class="gsn-id">{escape(name)}</text>']
    at = y + 34
    for line in box.lines:
        parts.append(f'<text x="{left:.0f}" y="{at:.0f}">{escape(line)}</text>')
        at += LINE
    if _marked(node):
        parts.append(f'<text x="{left:.0f}" y="{at:.0f}" class="gsn-mark">{MARKS[node.status or "undeveloped"]}</text>')
        at += LINE
    if box.away:
        parts.append(f'<text x="{left:.0f}" y="{at:.0f}" class="gsn-id">{escape(clean(box.away))}</text>')
    elif _marked(node) and not node.supported_by and node.status == "undeveloped":
        cx, cy = x + w / 2, y + h
        parts.append(f'<path d="M{cx:.0f} {cy:.0f}l9 8l-9 8l-9 -8z" class="gsn-diamond"/>')
    return f'<g class="{kind}">{shape}{"".join(parts)}</g>'


def _edge(parent: _NodeBox, child: _NodeBox, kind: str, arrow: str) -> str:
    x0, y0 = parent.x + parent.width, parent.y + parent.height / 2
    x1, y1 = child.x, child.y + child.height / 2
    middle = (x0 + x1) / 2
    if kind == "challenges":
        x0, y0, x1, y1 = x1, y1, x0, y0
    return (
        f'<path d="M{x0:.0f} {y0:.0f}C{middle:.0f} {y0:.0f} {middle:.0f} {y1:.0f} {x1:.0f} {y1:.0f}" '
        f'class="gsn-edge gsn-{kind}" marker-end="url(#{arrow})"/>'
    )


def _context_edge(owner: _NodeBox, context: _NodeBox) -> str:
    # contexts stand above their owner: one dotted line down its left side
    x0, y0 = context.x + 40, context.y + context.height
    return f'<path d="M{x0:.0f} {y0:.0f}V{owner.y:.0f}" class="gsn-edge gsn-incontext"/>'


STYLE = """
.gsn{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;--ink:#1c2430;--faint:#68748a;--paper:#fff;--ok:#0b7a4b;
--bad:#c2410c;--open:#6b7280;--said:#0b6fb8}
@media(prefers-color-scheme:dark){.gsn{--ink:#e6eaf2;--faint:#94a0b8;--paper:#141922;--ok:#4cc38a;--bad:#ff8a5c;
--open:#9aa4b5;--said:#5eb0ef}}
.gsn text{fill:var(--ink)}.gsn rect,.gsn path{fill:var(--paper);stroke:var(--faint);stroke-width:1.4}
.gsn .gsn-id{fill:var(--faint);font-size:11px}.gsn .gsn-mark{font-weight:600;font-size:12px}
.gsn .gsn-supported>rect{stroke:var(--ok);stroke-width:2}.gsn .gsn-supported .gsn-mark{fill:var(--ok)}
.gsn .gsn-refuted>rect{stroke:var(--bad);stroke-width:2}.gsn .gsn-refuted .gsn-mark{fill:var(--bad)}
.gsn .gsn-stated>rect{stroke:var(--said)}.gsn .gsn-stated .gsn-mark{fill:var(--said)}
.gsn .gsn-undeveloped>rect{stroke:var(--open);stroke-dasharray:5 4}.gsn .gsn-undeveloped .gsn-mark{fill:var(--open)}
.gsn .gsn-counter>rect{stroke:var(--bad);stroke-dasharray:3 3}.gsn .gsn-edge{fill:none}
.gsn .gsn-incontext{stroke-dasharray:2 4}.gsn .gsn-challenges{stroke:var(--bad);stroke-dasharray:6 4}
.gsn .gsn-head{fill:var(--faint);stroke:none}.gsn .gsn-diamond{fill:var(--paper)}
"""
