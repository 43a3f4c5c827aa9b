"""From what a staging asks for to what a world can be given: artefacts loaded, checked and turned into decals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adversaries.artefact import load
from testbed.core.errors import ArtefactError
from testbed.core.types import Decal
from testbed.scenario.realise import Injection


def load_decals(injections: Sequence[Injection]) -> tuple[dict[str, Decal], dict[str, dict[str, Any]]]:
    """Return (adversary id to decal, adversary id to manifest) of what a staging injects.

    Args:
        injections: ``Staging.injections``.

    Raises:
        ArtefactError: If an artefact is missing, altered or not of the kind its entry says.
    """
    decals: dict[str, Decal] = {}
    manifests: dict[str, dict[str, Any]] = {}
    for injection in injections:
        artefact = load(injection.artefact)
        manifest = artefact.manifest.model_dump(mode="json")
        if manifest["kind"] != injection.kind:
            raise ArtefactError(
                f"artefact {injection.artefact!r} is a {manifest['kind']}, but adversary {injection.adversary!r} asks "
                f"for a {injection.kind}"
            )
        decals[injection.adversary] = artefact.decal()
        manifests[injection.adversary] = manifest
    return decals, manifests
