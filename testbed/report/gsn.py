"""The claims about one agent as a goal structure: YAML that gsn2x reads, and a picture of our own.

Every agent has a case of its own: what one fails at says nothing about another.

A supported goal has a solution. An open one is marked undeveloped. A refuted one is marked defeated and challenged by a
counter solution, as the dialectic extension of GSN 3 has it, so that the picture never hides a refutation.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from html import escape

from testbed.report.claims import ClaimResult
from testbed.report.plain_text import clean, unbroken
from testbed.report.run_view import RunView

SHAPES = {"G": "goal", "S": "strategy", "Sn": "solution", "CSn": "counter", "C": "context", "J": "justification"}


@dataclass(slots=True)
class GsnNode:
    """One element.

    Attributes:
        id: gsn2x id: a known prefix and a number or word.
        text: What it says.
        status: ``supported``, ``refuted``, ``undeveloped`` for goals; empty elsewhere.
        supported_by: Ids below it.
        in_context_of: Ids beside it.
        challenges: For counter solutions, the goal they defeat.
    """

    id: str
    text: str
    status: str = ""
    supported_by: list[str] = field(default_factory=list)
    in_context_of: list[str] = field(default_factory=list)
    challenges: str = ""

    @property
    def shape(self) -> str:
        """Shape name by the id's prefix."""
        match = re.match(r"CSn|Sn|G|S|C|J", self.id)
        return SHAPES[match.group(0)] if match else "goal"


@dataclass(frozen=True, slots=True)
class AgentCase:
    """The goal structure of what is claimed about one agent.

    Attributes:
        agent: Agent name.
        name: Of its files, without ending: ``case-dnn``.
        nodes: Elements, top goal first.
    """

    agent: str
    name: str
    nodes: list[GsnNode]


def cases(view: RunView, claims: list[ClaimResult]) -> list[AgentCase]:
    """Return the case of every agent that claims are about, in the order of the claims."""
    found: list[AgentCase] = []
    for agent in dict.fromkeys(claim.agent for claim in claims):
        word = re.sub(r"[^A-Za-z0-9_]+", "_", agent.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml"))
        name = f"case-{word}"
        if name in [one.name for one in found]:
            name = f"{name}-{len(found)}"
        found.append(AgentCase(agent, name, structure(view, agent, [one for one in claims if one.agent == agent])))
    return found


def structure(view: RunView, agent: str, claims: list[ClaimResult]) -> list[GsnNode]:
    """Return the goal structure of an agent's claims, top goal first."""
    nodes = [
        GsnNode("G1", f"{view.name}: every claim about {agent} holds in its domain", _overall(claims)),
        GsnNode("C1", f"Domain: {_domain(view)}"),
        GsnNode(
            "C2",
            f"Attacks: {', '.join(view.attacks) or 'none'}; controls: {', '.join(sorted(view.controls)) or 'none'}",
        ),
        GsnNode("J1", "A claim is judged by the 95 % Clopper–Pearson interval over valid episodes"),
        GsnNode("S1", f"Argue claim by claim over simulated drives of {agent}"),
    ]
    nodes[0].in_context_of = ["C1", "C2"]
    nodes[0].supported_by = ["S1"]
    strategy = nodes[4]
    strategy.in_context_of = ["J1"]
    several = len({claim.scenario for claim in claims}) > 1
    for index, claim in enumerate(claims, start=2):
        place = f"{claim.scenario}: " if several else ""
        said = f"{place}{claim.text} ({claim.metric} {claim.bound}, {claim.given})"
        goal = GsnNode(f"G{index}", said, claim.status)
        nodes.append(goal)
        strategy.supported_by.append(goal.id)
        if claim.status == "refuted":
            nodes.append(GsnNode(f"CSn{index}", claim.observed, challenges=goal.id))
        elif claim.status == "supported":
            goal.supported_by.append(f"Sn{index}")
            nodes.append(GsnNode(f"Sn{index}", claim.observed))
        else:
            goal.text += f". Seen: {claim.observed}. {claim.reason[:1].upper()}{claim.reason[1:]}".rstrip()
    return nodes


def _overall(claims: list[ClaimResult]) -> str:
    statuses = {claim.status for claim in claims}
    if "refuted" in statuses:
        return "refuted"
    return "supported" if statuses == {"supported"} else "undeveloped"


def _domain(view: RunView) -> str:
    scenario = view.scenario
    parts = [f"map {scenario.map if scenario is not None else '?'}"]
    if len(view.worlds()) > 1:
        parts.append(f"{len(view.worlds())} worlds")
    elif scenario is not None and "weather" in scenario.model_fields_set:
        parts.append(f"weather {scenario.weather.preset}")
    if scenario is not None:
        parts.append(f"{scenario.ego.speed_mps:g} m/s")
    seeds = sorted({e.plan.seed for e in view.episodes})
    if seeds:
        parts.append(f"seeds {seeds[0]}–{seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}")
    return ", ".join(parts)


def to_yaml(nodes: list[GsnNode]) -> str:
    """Return the structure as gsn2x YAML (github.com/jonasthewolf/gsn2x, checks V01-V13 and C01-C16 hold)."""
    import yaml

    defeated = {node.challenges for node in nodes if node.challenges}
    document: dict[str, dict[str, object]] = {}
    for node in nodes:
        entry: dict[str, object] = {"text": clean(node.text)}
        if node.supported_by:
            entry["supportedBy"] = node.supported_by
        elif node.shape in ("goal", "strategy"):
            entry["undeveloped"] = True
        if node.in_context_of:
            entry["inContextOf"] = node.in_context_of
        if node.challenges:
            entry["challenges"] = node.challenges
        if node.id in defeated:
            entry["defeated"] = True
        if node.status:
            entry["classes"] = [f"status_{node.status}"]
        document[node.id] = entry
    head = "# Goal structure of the claims about one agent; draw it with gsn2x, or see the SVG beside this file.\n"
    return head + str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))


WIDTHS = {"goal": 290, "strategy": 220, "context": 240, "justification": 240, "solution": 200, "counter": 200}
MARKS = {"supported": "✓ supported", "refuted": "✗ refuted", "undeveloped": "◇ undeveloped"}
COLUMN_GAP, ROW_GAP, LINE = 46, 16, 15


@dataclass(slots=True)
class _NodeBox:
    node: GsnNode
    x: float
    y: float
    width: float
    height: float
    lines: list[str]


def to_svg(nodes: list[GsnNode], *, inline: int | None = None) -> str:
    """Return a picture of the structure: support runs from left to right, context stands above.

    Args:
        nodes: Elements as `structure` returns them.
        inline: Number of the picture on a page whose style sheet it takes; None for a file with its own.
    """
    standalone, arrow = inline is None, f"gsn-arrow-{inline or 0}"
    by_id = {node.id: node for node in nodes}
    counters = {node.challenges: node for node in nodes if node.challenges}
    boxes: dict[str, _NodeBox] = {}
    columns = [12.0]
    for shape in ("goal", "strategy", "goal"):
        columns.append(columns[-1] + WIDTHS[shape] + COLUMN_GAP)

    def place(name: str, depth: int, y: float) -> float:
        """Place a node and what supports it; return the y below them."""
        node = by_id[name]
        below = [*node.supported_by, *([counters[name].id] if name in counters else [])]
        own = y
        for context in node.in_context_of:
            boxes[context] = _box(by_id[context], columns[depth] + 20, own)
            own += boxes[context].height + ROW_GAP
        box = _box(node, columns[depth], own + (ROW_GAP if node.in_context_of else 0))
        # beside a justification there is no room for the wider goals of the next column
        end = own if node.shape == "strategy" else y
        for child in below:
            end = place(child, depth + 1, end)
        end = max(end, box.y + box.height + ROW_GAP)
        if below and not node.in_context_of:
            first, last = boxes[below[0]], boxes[below[-1]]
            box.y = max(y, (first.y + last.y + last.height) / 2 - box.height / 2)
        boxes[name] = box
        return end

    height = place("G1", 0, 12.0)
    width = max(b.x + b.width for b in boxes.values()) + 12
    edges: list[str] = []
    for node in nodes:
        for child in node.supported_by:
            edges.append(_edge(boxes[node.id], boxes[child], "supports", arrow))
        for context in node.in_context_of:
            edges.append(_context_edge(boxes[node.id], boxes[context]))
        if node.challenges:
            edges.append(_edge(boxes[node.challenges], boxes[node.id], "challenges", arrow))
    body = "".join(edges) + "".join(_draw(box) for box in boxes.values())
    style = f"<style>{STYLE}</style>" if standalone else ""
    title = "<title>Goal structure of the claims about one agent</title>"
    described = "; ".join(f"{n.text}: {n.status}" for n in nodes if n.status)
    marker = (
        f'<defs><marker id="{arrow}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8z" class="gsn-head"/></marker></defs>'
    )
    size = f'viewBox="0 0 {width:.0f} {height:.0f}"' + (
        f' width="{width:.0f}" height="{height:.0f}"' if standalone else ""
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="gsn" role="img" {size}>{title}'
        f"<desc>{escape(clean(described))}</desc>{style}{marker}{body}</svg>"
    )


def _box(node: GsnNode, x: float, y: float) -> _NodeBox:
    width = WIDTHS[node.shape]
    inner = width - (44 if node.shape in ("strategy", "solution", "counter") else 24)
    lines = textwrap.wrap(clean(unbroken(node.text)), max(int(inner / 6.9), 8)) or [""]
    height = len(lines) * LINE + 34 + (LINE if node.status else 0)
    return _NodeBox(node, x, y, float(width), float(height), lines)


def _draw(box: _NodeBox) -> str:
    x, y, w, h = box.x, box.y, box.width, box.height
    kind = f"gsn-{box.node.shape}" + (f" gsn-{box.node.status}" if box.node.status else "")
    if box.node.shape == "strategy":
        shape = f'<path d="M{x + 14:.0f} {y:.0f}h{w - 14:.0f}l-14 {h:.0f}h-{w - 14:.0f}z"/>'
    else:
        radius = {"goal": 2, "context": h / 2, "justification": h / 2, "solution": h / 2, "counter": h / 2}[
            box.node.shape
        ]
        shape = f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="{h:.0f}" rx="{min(radius, 28):.0f}"/>'
    left = x + (22 if box.node.shape in ("strategy", "solution", "counter", "context", "justification") else 12)
    parts = [f'<text x="{left:.0f}" y="{y + 17:.0f}" class="gsn-id">{escape(box.node.id)}</text>']
    for index, line in enumerate(box.lines):
        parts.append(f'<text x="{left:.0f}" y="{y + 34 + index * LINE:.0f}">{escape(line)}</text>')
    if box.node.status:
        at = y + 34 + len(box.lines) * LINE
        parts.append(f'<text x="{left:.0f}" y="{at:.0f}" class="gsn-mark">{MARKS[box.node.status]}</text>')
    if box.node.status == "undeveloped" and not box.node.supported_by:
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
--bad:#c2410c;--open:#6b7280}
@media(prefers-color-scheme:dark){.gsn{--ink:#e6eaf2;--faint:#94a0b8;--paper:#141922;--ok:#4cc38a;--bad:#ff8a5c;
--open:#9aa4b5}}
.gsn text{fill:var(--ink)}.gsn rect,.gsn path{fill:var(--paper);stroke:var(--faint);stroke-width:1.4}
.gsn .gsn-id{fill:var(--faint);font-size:11px}.gsn .gsn-mark{font-weight:600;font-size:12px}
.gsn .gsn-supported>rect{stroke:var(--ok);stroke-width:2}.gsn .gsn-supported .gsn-mark{fill:var(--ok)}
.gsn .gsn-refuted>rect{stroke:var(--bad);stroke-width:2}.gsn .gsn-refuted .gsn-mark{fill:var(--bad)}
.gsn .gsn-undeveloped>rect{stroke:var(--open);stroke-dasharray:5 4}.gsn .gsn-undeveloped .gsn-mark{fill:var(--open)}
.gsn .gsn-counter>rect{stroke:var(--bad);stroke-dasharray:3 3}.gsn .gsn-edge{fill:none}
.gsn .gsn-incontext{stroke-dasharray:2 4}.gsn .gsn-challenges{stroke:var(--bad);stroke-dasharray:6 4}
.gsn .gsn-head{fill:var(--faint);stroke:none}.gsn .gsn-diamond{fill:var(--paper)}
"""
