"""Names of the V²LM's weight files and the agents' cards, read without loading any model or heavy library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.agents import weights
from testbed.core.types import AgentCard

BASE = "vlm-base"
ADAPTERS = {"tsr": "vlm-solo-tsr", "alc": "vlm-solo-alc", "vd": "vlm-solo-vd", "tandem": "vlm-tandem"}
"""Adapter files: one per task for solo, one for tandem."""

_USED = {"solo": ("tsr", "alc", "vd"), "tandem": ("tandem",)}
_NOTES = {
    "solo": "Three models, one forward pass each; a sign is asked about only when one is in view.",
    "tandem": "One model, one forward pass; three image-prompt pairs, or two when no sign is in view.",
}


def agent_card(kind: str, folder: Path | None = None) -> AgentCard:
    """Join the cards of the weights that ``solo`` or ``tandem`` uses.

    Raises:
        WeightsError: When a card is missing or malformed.
    """
    base = weights.card(BASE, folder)
    adapters = [weights.card(ADAPTERS[key], folder) for key in _USED[kind]]
    figures: dict[str, float] = {}
    latency_ms = (0.0, 0.0)
    for card in (base, *adapters):
        figures |= {key: _value(value) for key, value in card.get("figures", {}).items()}
        p50, p95 = card.get("latency_ms", {}).get(kind, latency_ms)
        latency_ms = (float(p50), float(p95))
    return AgentCard(
        name=kind,
        kind=kind,
        latency_ms=latency_ms,
        parameters=len(adapters) * int(base["parameters"]),
        weights={f"{card['name']}.safetensors": str(card["sha256"]) for card in (base, *adapters)},
        figures=figures,
        trained="; ".join(str(card["summary"]) for card in (base, *adapters) if "summary" in card),
        notes=_NOTES[kind],
    )


def _value(figure: Any) -> float:
    """Return a figure's number, whether it is stored plainly or as k/n."""
    return float(figure["value"]) if isinstance(figure, Mapping) else float(figure)
