"""Which files belong to a file or folder that a user names: what is read with it must travel with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

MANIFESTS = ("manifest.json", "manifest.yaml", "manifest.yml")
"""An artefact can be named by its manifest; it is the folder all the same."""
LEFT_BEHIND = (".bin", ".pt", ".pth", ".ckpt", ".pyc")
"""Endings inside folders that nothing here reads: pickled weights and compiled code."""


def companions(named: Path) -> tuple[Path, ...]:
    """Return the files of what is named, sorted: the file with those it refers to, or all of a folder.

    Args:
        named: Existing file or folder.
    """
    if named.is_dir() or named.name in MANIFESTS:
        folder = named if named.is_dir() else named.parent
        found = {file for file in folder.rglob("*") if file.is_file() and not _left_behind(file.relative_to(folder))}
        found |= {other for manifest in sorted(found) if manifest.name in MANIFESTS for other in _meshes(manifest)}
    else:
        found = {named, *_referred(named)}
    return tuple(sorted(found))


def _left_behind(inside: Path) -> bool:
    return inside.suffix in LEFT_BEHIND or any(part.startswith(".") for part in inside.parts)


def _referred(named: Path) -> Iterator[Path]:
    """Yield the files that a mesh refers to; ones that are missing are whoever's error who reads it."""
    kind = named.suffix.lower()
    if kind == ".obj":
        for library in _words(named, "mtllib"):
            yield from _existing(named.parent / library)
            for picture in _words(named.parent / library, "map_Kd"):
                yield from _existing((named.parent / library).parent / picture.split()[-1])
    elif kind == ".gltf":
        document = _json(named)
        for entry in [*document.get("buffers", []), *document.get("images", [])]:
            uri = entry.get("uri", "") if isinstance(entry, dict) else ""
            if uri and not uri.startswith("data:") and "://" not in uri:
                yield from _existing(named.parent / unquote(uri))


def _meshes(manifest: Path) -> Iterator[Path]:
    """Yield the body that an artefact was made for, where its manifest names one beside its folder."""
    mesh = _json(manifest).get("mesh")
    if isinstance(mesh, dict) and isinstance(mesh.get("file"), str):
        for file in _existing(manifest.parent / mesh["file"]):
            yield from companions(file)


def _words(file: Path, key: str) -> Iterator[str]:
    """Yield what stands behind a key at the beginning of a line."""
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            head, _, rest = line.split("#", 1)[0].strip().partition(" ")
            if head == key and rest.strip():
                yield rest.strip()


def _existing(file: Path) -> Iterator[Path]:
    if file.is_file():
        yield Path(os.path.abspath(file))


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
