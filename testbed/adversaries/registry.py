"""All kinds of adversary by name: ours, and those of other packages (entry point group ``testbed.adversaries``).

A kind says what its artefacts are put on, how one is read, and, where it can make them, how. An entry point names an
object of `AdversaryKind`; the name of the entry point is the kind that scenario files ask for. docs/extending.md
has a complete one.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from testbed.adversaries import artefact as store
from testbed.adversaries.manifest import CamouflageManifest
from testbed.core.body import Body
from testbed.core.errors import ArtefactError, UsageError, suggest
from testbed.core.types import Decal, Payload, Shade, SignFace, Skin
from testbed.scenario.concrete import Injection
from testbed.scenario.schema import TARGETS, CarMesh, Scenario

ENTRY_POINTS = "testbed.adversaries"

Target = Literal["at", "actor", "sign"]

SURFACES: dict[str, tuple[type, ...]] = {"at": (Decal,), "actor": (Skin,), "sign": (SignFace, Shade)}
"""Target of a kind to the payloads that can be put on it."""


@dataclass(frozen=True)
class LoadedArtefact:
    """An artefact, read and checked.

    Attributes:
        payload: What it puts into the world.
        manifest: What it says about itself, in JSON types; ``control``, ``budget`` and ``measured`` are read by judges.
        digest: sha256 (hex) of what decides its effect; left empty it is taken over the payload.
    """

    payload: Payload
    manifest: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    def __post_init__(self) -> None:
        """Fill in the digest."""
        if not self.digest:
            object.__setattr__(self, "digest", payload_digest(self.payload))


@dataclass(frozen=True)
class AdversaryKind:
    """A kind of adversary.

    Attributes:
        target: What it is put on, by the key of a scenario's entry: ``at`` (road), ``actor`` (vehicle) or ``sign``.
        load: ``load(artefact, base, injection) -> Loaded``: reads an artefact by name or path; relative paths belong
            to the folder ``base``; ``injection`` is the scenario's entry, None when only the digest is asked for.
            Raises ArtefactError.
        optimise: ``optimise(scenario, *, out, seed, **options) -> list[Path]`` makes artefacts; None where it cannot
            (those of our own kinds stand in ``testbed.adversaries.<kind>``, see `optimiser`).
    """

    target: Target
    load: Callable[[str, Path | None, Injection | None], LoadedArtefact]
    optimise: Callable[..., list[Path]] | None = None


def payload_digest(payload: Payload | Body) -> str:
    """Return the sha256 (hex) of everything in a payload, or a body in it, but its name."""
    sha = hashlib.sha256(type(payload).__name__.encode("ascii"))
    for item in fields(payload):
        value = getattr(payload, item.name)
        if isinstance(value, np.ndarray):
            sha.update(
                f"{item.name}:{value.dtype}:{value.shape}".encode("ascii") + np.ascontiguousarray(value).tobytes()
            )
        elif isinstance(value, Body):
            sha.update(f"{item.name}:{payload_digest(value)}".encode("ascii"))
        elif item.name != "name":
            sha.update(f"{item.name}:{value!r}".encode())
    return sha.hexdigest()


def kinds() -> tuple[str, ...]:
    """Return the kinds of adversary, sorted."""
    return tuple(sorted({*TARGETS, *_points()}))


def kind(name: str) -> AdversaryKind:
    """Return a kind by name.

    Raises:
        UsageError: If there is none, or the package that offers it is broken.
    """
    if name in TARGETS:
        return _built_in(name)
    points = _points()
    if name not in points:
        raise UsageError(
            f"unknown adversary kind {name!r}", hint=f"{suggest(name, kinds())}known: {', '.join(kinds())}"
        )
    try:
        found = points[name].load()
    except Exception as error:
        message = f"adversary kind {name!r} of {points[name].value} cannot be loaded: {type(error).__name__}: {error}"
        raise UsageError(message) from error
    if not isinstance(found, AdversaryKind):
        raise UsageError(
            f"adversary kind {name!r}: {points[name].value} is a {type(found).__name__}, not an AdversaryKind",
            hint="see docs/extending.md",
        )
    return found


def read(name: str, artefact: str, base: Path | None = None, injection: Injection | None = None) -> LoadedArtefact:
    """Read an artefact of a kind and hold it to its kind's target.

    Args:
        name: Kind.
        artefact: Shipped name or path.
        base: Folder that relative paths belong to.
        injection: The scenario's entry.

    Raises:
        UsageError: If there is no such kind.
        ArtefactError: If the artefact is missing, altered, or of another kind.
    """
    one = kind(name)
    loaded = one.load(artefact, base, injection)
    wanted = SURFACES[one.target]
    if not isinstance(loaded.payload, wanted):
        raise ArtefactError(
            f"artefact {artefact!r}: adversary kind {name!r} is put on `{one.target}`, so it must hand out "
            f"{' or '.join(item.__name__ for item in wanted)}, not {type(loaded.payload).__name__}"
        )
    return loaded


def optimise(name: str, scenario: Scenario, *, out: Path | None = None, seed: int = 0, **options: Any) -> list[Path]:
    """Make the artefacts of a scenario.

    Args:
        name: One of ``kinds()``.
        scenario: Scenario whose map, weather, camera and placement the artefact is made for.
        out: Folder that receives one folder per artefact; None leaves the choice to the package.
        seed: Seed of all chance in the optimiser.
        options: What the optimiser of that kind takes besides (``testbed.adversaries.road_patch.optimise`` for one).

    Returns:
        Folders of the artefacts.

    Raises:
        UsageError: If there is no such kind, or it cannot make artefacts.
    """
    return optimiser(name)(scenario, out=out, seed=seed, **options)


def optimiser(name: str) -> Callable[..., list[Path]]:
    """Return the function that makes artefacts of a kind.

    Raises:
        UsageError: If there is no such kind, or it cannot make artefacts.
    """
    if name in TARGETS:
        # imported only now: optimisers bring torch and the renderer
        package = f"testbed.adversaries.{name}"
        found = (
            getattr(importlib.import_module(package), "optimise", None) if importlib.util.find_spec(package) else None
        )
    else:
        found = kind(name).optimise
    if found is None:
        raise UsageError(
            f"adversary kind {name!r} makes no artefacts, it only injects them", hint="give it a picture of your own"
        )
    return cast("Callable[..., list[Path]]", found)


def _points() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def _built_in(name: str) -> AdversaryKind:
    """Return one of our kinds; the package ``testbed.adversaries.<kind>`` makes its artefacts where there is one."""

    def load(artefact: str, base: Path | None, injection: Injection | None) -> LoadedArtefact:
        sizes = (injection.length_m, injection.width_m) if injection else (None, None)
        found = store.load(artefact, base=base, kind=name, length_m=sizes[0], width_m=sizes[1])
        if found.manifest.kind != name:
            raise ArtefactError(
                f"artefact {artefact!r} is a {found.manifest.kind}, but it is asked for as a {name}",
                hint=f"write kind: {found.manifest.kind}",
            )
        loaded = LoadedArtefact(found.payload(), found.manifest.model_dump(mode="json"), found.digest)
        asked = injection.mesh if injection else None
        if asked is not None:
            return _on_mesh(loaded, asked, base)
        made_for = found.manifest.mesh if isinstance(found.manifest, CamouflageManifest) else None
        return loaded if made_for is None else _on_mesh(loaded, made_for, found.path)

    return AdversaryKind(cast(Target, TARGETS[name]), load)


def _on_mesh(loaded: LoadedArtefact, mesh: CarMesh, base: Path | None) -> LoadedArtefact:
    """Return paint with the body in a file of the user's that it is laid over.

    Raises:
        ArtefactError: If the file cannot be read or is no car.
    """
    from testbed.adversaries.camouflage.body import mesh_body

    assert isinstance(loaded.payload, Skin), "the schema lets only paint on vehicles name a mesh"
    try:
        body = mesh_body(mesh, base)
    except UsageError as error:
        raise ArtefactError(error.args[0], hint=error.hint) from error
    digest = hashlib.sha256(f"{loaded.digest} {payload_digest(body)}".encode("ascii")).hexdigest()
    return LoadedArtefact(replace(loaded.payload, body=body), loaded.manifest, digest)
