"""What attacks: artefacts, the optimisers that make them, and their cards.

An adversary is an *artefact* (a picture or polygon and its manifest, made once by an optimiser) and its *injection*
into the world of an episode, which the client room does with the payload that an artefact hands out. The two are
separate: a user with a picture from a paper needs no optimiser.
"""

from __future__ import annotations

from testbed.adversaries.artefact import Artefact, load, names, save
from testbed.adversaries.manifest import (
    Budget,
    CamouflageManifest,
    CurvePoint,
    Manifest,
    RoadPatchManifest,
    ShadowManifest,
    SignFaceManifest,
    Surrogate,
)
from testbed.adversaries.registry import AdversaryKind, LoadedArtefact, kind, kinds, optimise, read

__all__ = [
    "AdversaryKind",
    "Artefact",
    "Budget",
    "CamouflageManifest",
    "CurvePoint",
    "LoadedArtefact",
    "Manifest",
    "RoadPatchManifest",
    "ShadowManifest",
    "SignFaceManifest",
    "Surrogate",
    "kind",
    "kinds",
    "load",
    "names",
    "optimise",
    "read",
    "save",
]
