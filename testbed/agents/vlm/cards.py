"""Names of the V²LM's weight files and the agents' cards, read without loading any model or heavy library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from testbed.agents import weights
from testbed.agents.vlm import checkpoint_folder
from testbed.agents.vlm.endpoint.settings import EndpointSettings
from testbed.agents.vlm.model_settings import LocalModel, ModelSettings, ShippedModel, ShippedName
from testbed.core.errors import UsageError
from testbed.core.types import AgentCard

BASE = "vlm-base"
PREFIXES: dict[ShippedName, str] = {"small": "vlm", "smollm": "smollm"}
"""Model to what the names of its weights begin with."""

Deployment = Literal["solo", "tandem"]
"""``solo``: one model per task; ``tandem``: one model for all tasks."""

DEPLOYMENTS: dict[Deployment, tuple[str, ...]] = {"solo": ("tsr", "alc", "vd"), "tandem": ("tandem",)}
"""Deployment to the adapters that it loads: one per task for solo, one for tandem."""

_NOTES: dict[Deployment, str] = {
    "solo": "Three models, one forward pass each; a sign is asked about only when one is in view.",
    "tandem": "One model, one forward pass; three image-prompt pairs, or two when no sign is in view.",
}


def adapter(name: ShippedName, key: str) -> str:
    """Return the name of an adapter's weights.

    Args:
        name: Whose.
        key: ``tsr``, ``alc``, ``vd`` or ``tandem``.
    """
    return f"{PREFIXES[name]}-{key}" if key == "tandem" else f"{PREFIXES[name]}-solo-{key}"


def agent_card(deployment: Deployment, settings: ModelSettings, base: Path | None = None) -> AgentCard:
    """Return the card of a deployment, joined from those of its weights or read from its checkpoints.

    Args:
        deployment: Which.
        settings: Whose weights.
        base: Folder that relative paths start from.

    Raises:
        WeightsError: When a card or checkpoint is missing or malformed.
    """
    if isinstance(settings, EndpointSettings):
        return _endpoint_card(deployment, settings)
    if isinstance(settings, LocalModel):
        return _local_card(deployment, settings, base)
    return _shipped_card(deployment, settings, folder_of(settings, base))


def folder_of(settings: ShippedModel, base: Path | None) -> Path | None:
    """Return where the testbed's own weights lie; None for the shipped ones."""
    return None if settings.folder is None else (base or Path()) / settings.folder


def local_names(deployment: Deployment, settings: LocalModel, key: str) -> tuple[str, str | None]:
    """Return (checkpoint, adapter) that a reader of a deployment is made of.

    Raises:
        UsageError: When tandem is given one per task, or a task is left out.
    """
    if deployment == "tandem":
        for name, value in (("path", settings.path), ("adapter", settings.adapter)):
            if isinstance(value, dict):
                raise UsageError(f"model.{name}: tandem is one model, so one {name}, not one per task")
    return settings.path_of(key), settings.adapter_of(key)


def _local_card(deployment: Deployment, settings: LocalModel, base: Path | None) -> AgentCard:
    pairs = {key: local_names(deployment, settings, key) for key in DEPLOYMENTS[deployment]}
    names = list(dict.fromkeys(name for name, _ in pairs.values()))
    adapters = list(dict.fromkeys(adapter for _, adapter in pairs.values() if adapter is not None))
    folders = {name: checkpoint_folder.inspect(name, base) for name in names}
    added = {name: checkpoint_folder.inspect_adapter(name, base) for name in adapters}
    several = len(folders) > 1
    digests: dict[str, str] = {}
    for name, folder in folders.items():
        digests |= folder.digests(f"{name}/" if several else "")
    for name, folder in added.items():
        digests |= folder.digests(f"adapter {name}/")
    families = ", ".join(sorted({folder.model_type for folder in folders.values()}))
    notes = "" if settings.latency_ms else " Its latency was measured on this machine when it was loaded."
    return AgentCard(
        name=deployment,
        kind=deployment,
        latency_ms=settings.latency_ms or (0.0, 0.0),
        parameters=sum(folders[name].parameters() for name, _ in pairs.values()),
        weights=digests,
        notes=f"{_NOTES[deployment]} Checkpoint {', '.join(names)} of the family {families}.{notes}",
    )


def _endpoint_card(deployment: Deployment, settings: EndpointSettings) -> AgentCard:
    confidence = "" if settings.logprobs else " Its confidence is not known: 1 stands for it."
    return AgentCard(
        name=deployment,
        kind=deployment,
        latency_ms=settings.latency_ms,
        notes=f"{settings.name} behind {settings.url}; latency as its agent file states it.{confidence}",
    )


def _shipped_card(deployment: Deployment, settings: ShippedModel, folder: Path | None) -> AgentCard:
    adapters = [weights.card(adapter(settings.name, key), folder) for key in DEPLOYMENTS[deployment]]
    own = [weights.card(BASE, folder), *adapters] if settings.name == "small" else adapters
    figures: dict[str, float] = {}
    latency_ms = (0.0, 0.0)
    for card in own:
        figures |= {key: _value(value) for key, value in card.get("figures", {}).items()}
        p50, p95 = card.get("latency_ms", {}).get(deployment, latency_ms)
        latency_ms = (float(p50), float(p95))
    digests = {f"{card['name']}.safetensors": str(card["sha256"]) for card in own}
    if settings.name == "smollm":
        digests["its base"] = str(adapters[0]["base"])
    return AgentCard(
        name=deployment,
        kind=deployment,
        latency_ms=latency_ms,
        parameters=sum(int(card.get("parameters_in_all", 0)) for card in adapters),
        weights=digests,
        figures=figures,
        trained="; ".join(str(card["summary"]) for card in own if "summary" in card),
        notes=_NOTES[deployment],
    )


def _value(figure: Any) -> float:
    """Return a figure's number, whether it is stored plainly or as k/n."""
    return float(figure["value"]) if isinstance(figure, Mapping) else float(figure)
