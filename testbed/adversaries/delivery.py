"""From what a concrete scenario asks for to what a world can be given: artefacts found, read, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.adversaries.registry import read
from testbed.core.types import Payload
from testbed.scenario.concrete import Injection


def load_payloads(
    injections: Sequence[Injection], base: Path | None = None
) -> tuple[dict[str, Payload], dict[str, dict[str, Any]]]:
    """Return (adversary id to payload, adversary id to manifest) of what a concrete scenario injects.

    Args:
        injections: ``ConcreteScenario.injections``.
        base: Folder of the scenario file, against which relative paths of artefacts are read; plans carry absolute
            ones.

    Raises:
        UsageError: If there is no such kind of adversary.
        ArtefactError: If an artefact is missing, altered or not of the kind its entry says.
    """
    payloads: dict[str, Payload] = {}
    manifests: dict[str, dict[str, Any]] = {}
    for injection in injections:
        loaded = read(injection.kind, injection.artefact, base, injection)
        payloads[injection.adversary] = loaded.payload
        manifests[injection.adversary] = dict(loaded.manifest)
    return payloads, manifests
