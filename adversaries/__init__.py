"""What attacks: artefacts, the optimisers that make them, and their cards.

An adversary is an *artefact* (a texture and its manifest, made once by an optimiser) and its *injection* into the world
of an episode, which the client room does with what an artefact hands out (``Artefact.decal()``). The two are separate:
a user with a picture from a paper needs no optimiser.
"""

from __future__ import annotations

from adversaries.artefact import Artefact, Budget, CurvePoint, Manifest, Surrogate, load, names, save
from adversaries.registry import kinds, optimise

__all__ = ["Artefact", "Budget", "CurvePoint", "Manifest", "Surrogate", "kinds", "load", "names", "optimise", "save"]
