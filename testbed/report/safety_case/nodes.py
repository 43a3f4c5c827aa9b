"""Elements of a goal structure, and how the standing of what is below a goal decides its own.

=============  ==================================================================================
status         of a goal
=============  ==================================================================================
refuted        something below it is refuted, or a counter solution defeats it
undeveloped    otherwise, something below it is, or nothing supports it
stated         otherwise, something below it rests on a document that the testbed did not judge
supported      everything below it is supported by stored drives
=============  ==================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

CaseStatus = Literal["supported", "refuted", "undeveloped", "stated"]

SHAPES = {
    "G": "goal",
    "S": "strategy",
    "Sn": "solution",
    "CSn": "counter",
    "C": "context",
    "J": "justification",
    "A": "assumption",
}


@dataclass(frozen=True, slots=True)
class Citation:
    """What a solution rests on.

    Attributes:
        digest: sha256 over the hashes of the drives, or of the document.
        drives: Number of drives; 0 for a document.
        listed: Where they are listed, or where the document is found.
        records: sha256 of each record, where they are few.
        traces: The same of the traces.
    """

    digest: str
    drives: int
    listed: str
    records: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()


@dataclass(slots=True)
class GsnNode:
    """One element.

    Attributes:
        id: gsn2x id: a known prefix and a number or word.
        text: What it says.
        module: Part of the case that it belongs to.
        status: Standing of a goal or strategy; of a solution whether it is ``supported`` (judged) or ``stated``.
        supported_by: Ids below it.
        in_context_of: Ids beside it.
        challenges: For counter solutions, the goal they speak against.
        defeats: Whether a counter solution refutes that goal; else it only keeps it open.
        cites: What a solution rests on.
    """

    id: str
    text: str
    module: str
    status: CaseStatus | None = None
    supported_by: list[str] = field(default_factory=list)
    in_context_of: list[str] = field(default_factory=list)
    challenges: str = ""
    defeats: bool = False
    cites: Citation | None = None

    @property
    def shape(self) -> str:
        """Shape name by the id's prefix."""
        match = re.match(r"CSn|Sn|G|S|C|J|A", self.id)
        return SHAPES[match.group(0)] if match else "goal"


def joint(statuses: Iterable[CaseStatus]) -> CaseStatus:
    """Return the status of what rests on parts of these statuses, undeveloped where there is none."""
    found = set(statuses)
    if "refuted" in found:
        return "refuted"
    if not found or "undeveloped" in found:
        return "undeveloped"
    return "stated" if "stated" in found else "supported"


def settle(nodes: Sequence[GsnNode]) -> None:
    """Give every goal and strategy the status that follows from what is below it and what speaks against it."""
    by_id = {node.id: node for node in nodes}
    against: dict[str, list[CaseStatus]] = {}
    for node in nodes:
        if node.challenges:
            against.setdefault(node.challenges, []).append("refuted" if node.defeats else "undeveloped")

    def status_of(node: GsnNode) -> CaseStatus:
        if node.status is None:
            below = [status_of(by_id[name]) for name in node.supported_by]
            node.status = joint([*below, *against.get(node.id, [])])
        return node.status

    for node in nodes:
        if node.shape in ("goal", "strategy"):
            status_of(node)
