"""From an agent file's words to models that answer: the one place where a model meets its way to answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.agents.vlm import cards
from testbed.agents.vlm.cards import Deployment
from testbed.agents.vlm.endpoint.settings import EndpointSettings
from testbed.agents.vlm.model_settings import LocalModel, ModelSettings, ShippedModel, Way
from testbed.agents.vlm.readings import ConversationReader
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from testbed.agents.vlm.checkpoint import Checkpoint


def readers(
    deployment: Deployment, settings: ModelSettings, answer: Way | None, base: Path | None
) -> Mapping[str, ConversationReader]:
    """Load whom a deployment asks: one reader per task for ``solo``, one called ``tandem`` for ``tandem``.

    Args:
        deployment: Which.
        settings: Whose weights.
        answer: Way to answer; None for what suits the model: ``form`` for shipped, ``choose`` for local ones.
        base: Folder that relative paths start from.

    Raises:
        UsageError: If the model cannot answer that way.
        WeightsError: If weights are missing, altered or cannot be used.
    """
    if isinstance(settings, EndpointSettings):
        return _endpoint(deployment, settings, answer)
    if isinstance(settings, LocalModel):
        return _local(deployment, settings, answer or "choose", base)
    return _shipped(deployment, settings, answer or "form", base)


def _shipped(
    deployment: Deployment, settings: ShippedModel, answer: Way, base: Path | None
) -> Mapping[str, ConversationReader]:
    from testbed.agents.placement import placed
    from testbed.agents.vlm import shipped
    from testbed.agents.vlm.form import FormReader

    if answer != "form":
        raise UsageError(f"a shipped model answers in a form, not by answer: {answer}", hint="leave the key answer out")
    folder = cards.folder_of(settings, base)
    place = str(placed(settings.device, auto="cpu" if settings.name == "small" else "cuda"))
    keys = cards.DEPLOYMENTS[deployment]
    return {key: FormReader(shipped.load(settings.name, key, folder, place)) for key in keys}


def _endpoint(
    deployment: Deployment, settings: EndpointSettings, answer: Way | None
) -> Mapping[str, ConversationReader]:
    """Return one reader, whatever the deployment: the server holds one model."""
    from testbed.agents.vlm.endpoint.reader import EndpointReader

    if answer not in (None, "generate"):
        raise UsageError(f"a model behind an endpoint answers in free text, not by answer: {answer}")
    return dict.fromkeys(cards.DEPLOYMENTS[deployment], EndpointReader(settings))


def _local(
    deployment: Deployment, settings: LocalModel, answer: Way, base: Path | None
) -> Mapping[str, ConversationReader]:
    from testbed.agents.vlm import checkpoint

    loaded: dict[tuple[str, str | None], ConversationReader] = {}
    found = {}
    for key in cards.DEPLOYMENTS[deployment]:
        names = cards.local_names(deployment, settings, key)
        if names not in loaded:
            name, adapter = names
            ready = checkpoint.load(
                name,
                base=base,
                adapter=adapter,
                dtype=settings.dtype,
                device=settings.device,
                prompt=settings.prompt,
            )
            loaded[names] = _reader(ready, settings, answer)
        found[key] = loaded[names]
    return found


def _reader(checkpoint: Checkpoint, settings: LocalModel, answer: Way) -> ConversationReader:
    from testbed.agents.vlm.choose import ClosedSetReader
    from testbed.agents.vlm.form import FormReader
    from testbed.agents.vlm.generate import FreeTextReader

    if answer == "choose":
        return ClosedSetReader(checkpoint)
    if answer == "generate":
        return FreeTextReader(checkpoint, max_new_tokens=settings.max_new_tokens, boxes=settings.boxes)
    return FormReader(checkpoint)
