"""Packages of others that offer agents, adversaries and judges: which they are, and what exactly is in them.

A package that was changed answers otherwise under the same name, so its content is part of every plan that uses it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

OURS = "testbed"
MOST_BYTES = 32_000_000
"""Larger files, which are weights and told by cards, count by name and size alone."""


def point_of(group: str, name: str) -> importlib.metadata.EntryPoint | None:
    """Return the entry point of another package that offers something under a name; None for ours."""
    found = next((point for point in importlib.metadata.entry_points(group=group) if point.name == name), None)
    return None if found is None or _top(found.value) == OURS else found


def content_of(point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Return which package offers something, as name and version, and the sha256 of all its files.

    The package is not imported. One that cannot be found has the digest of nothing.
    """
    top = _top(point.value)
    dist = getattr(point, "dist", None)
    told = f"{dist.name} {dist.version}" if dist is not None else top
    sha = hashlib.sha256()
    for name, path in sorted(_files(top)):
        size = path.stat().st_size
        sha.update(f"{name}:{size}\n".encode())
        if size <= MOST_BYTES:
            sha.update(path.read_bytes())
    return told, sha.hexdigest()


def _top(module: str) -> str:
    return module.partition(":")[0].partition(".")[0]


def _files(top: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(top)
    if spec is None:
        return
    for place in spec.submodule_search_locations or ():
        for path in Path(place).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(place).as_posix(), path
    if not spec.submodule_search_locations and spec.origin is not None and Path(spec.origin).is_file():
        yield Path(spec.origin).name, Path(spec.origin)
