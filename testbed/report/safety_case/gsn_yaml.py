"""A safety case as the YAML of gsn2x (github.com/jonasthewolf/gsn2x): its checks V01-V13 and C01-C16 hold.

What a solution rests on stands in attributes of our own, which gsn2x takes for layers: ``evidence`` (sha256 over the
drives, or of a document), ``drives``, ``listed``, and where the drives are few ``records`` and ``traces``.
"""

from __future__ import annotations

from collections.abc import Sequence

from testbed.report.plain_text import clean
from testbed.report.safety_case.nodes import Citation, GsnNode
from testbed.report.safety_case.pattern import pattern


def to_yaml(nodes: Sequence[GsnNode]) -> str:
    """Return a case as gsn2x YAML."""
    import yaml

    defeated = {node.challenges for node in nodes if node.defeats}
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
        entry["classes"] = [f"module_{node.module}"] + ([f"status_{node.status}"] if node.status is not None else [])
        if node.cites is not None:
            entry |= _cited(node.cites)
        document[node.id] = entry
    head = f"# Safety case of one agent after the pattern {pattern()!s}.\n"
    head += "# Check it with `gsn2x --check`, draw it with gsn2x, or see the SVG files beside this one.\n"
    return head + str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))


def _cited(cites: Citation) -> dict[str, object]:
    told: dict[str, object] = {"evidence": f"sha256 {cites.digest}", "listed": clean(cites.listed)}
    if cites.drives:
        told["drives"] = str(cites.drives)
    if cites.records:
        told["records"] = " ".join(cites.records)
        told["traces"] = " ".join(cites.traces)
    return told
