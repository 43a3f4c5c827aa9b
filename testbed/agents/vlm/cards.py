"""Names of the V²LM's weight files and the agents' cards, read without loading any model or heavy library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from testbed.agents import weights
from testbed.core.types import AgentCard

BASE = "vlm-base"
ADAPTERS = {"tsr": "vlm-solo-tsr", "alc": "vlm-solo-alc", "vd": "vlm-solo-vd", "tandem": "vlm-tandem"}
"""Adapter files: one per task for solo, one for tandem."""

Deployment = Literal["solo", "tandem"]
"""``solo``: one model per task; ``tandem``: one model for all tasks."""

DEPLOYMENTS: dict[Deployment, tuple[str, ...]] = {"solo": ("tsr", "alc", "vd"), "tandem": ("tandem",)}
"""Deployment to the adapters that it loads, keys of `ADAPTERS`."""

_NOTES: dict[Deployment, str] = {
    "solo": "Three models, one forward pass each; a sign is asked about only when one is in view.",
    "tandem": "One model, one forward pass; three image-prompt pairs, or two when no sign is in view.",
}


def agent_card(deployment: Deployment, folder: Path | None = None) -> AgentCard:
    """Join the cards of the weights that a deployment uses.

    Raises:
        WeightsError: When a card is missing or malformed.
    """
    base = weights.card(BASE, folder)
    adapters = [weights.card(ADAPTERS[key], folder) for key in DEPLOYMENTS[deployment]]
    figures: dict[str, float] = {}
    latency_ms = (0.0, 0.0)
    for card in (base, *adapters):
        figures |= {key: _value(value) for key, value in card.get("figures", {}).items()}
        p50, p95 = card.get("latency_ms", {}).get(deployment, latency_ms)
        latency_ms = (float(p50), float(p95))
    return AgentCard(
        name=deployment,
        kind=deployment,
        latency_ms=latency_ms,
        parameters=len(adapters) * int(base["parameters"]),
        weights={f"{card['name']}.safetensors": str(card["sha256"]) for card in (base, *adapters)},
        figures=figures,
        trained="; ".join(str(card["summary"]) for card in (base, *adapters) if "summary" in card),
        notes=_NOTES[deployment],
    )


def _value(figure: Any) -> float:
    """Return a figure's number, whether it is stored plainly or as k/n."""
    return float(figure["value"]) if isinstance(figure, Mapping) else float(figure)
