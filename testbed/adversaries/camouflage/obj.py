"""Wavefront OBJ: vertices, texture coordinates, normals, polygons of any size, materials with colour and picture.

Source: the format's specification as published with Wavefront's Advanced Visualizer, appendix B1. Free-form surfaces,
lines and points are passed over; groups do not matter, materials do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.camouflage.mesh_part import PLAIN_RGB, MeshPart
from testbed.core.errors import UsageError


@dataclass
class _Material:
    colour: tuple[float, float, float] = PLAIN_RGB
    picture: Path | None = None


@dataclass
class _Faces:
    """Corners of one material: index triples (vertex, uv, normal), -1 where there is none; three a triangle."""

    corners: list[tuple[int, int, int]] = field(default_factory=list)


def read(path: Path) -> list[MeshPart]:
    """Return the pieces of an OBJ file, one a material, in order of appearance.

    Raises:
        UsageError: If a line cannot be understood; the message names it.
        OSError: If the file cannot be read.
    """
    vertices: list[list[float]] = []
    uvs: list[list[float]] = []
    normals: list[list[float]] = []
    faces: dict[str, _Faces] = {}
    materials: dict[str, _Material] = {}
    current = "default"
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            key, rest = words[0], words[1:]
            try:
                if key == "v":
                    vertices.append([float(word) for word in rest[:3]])
                elif key == "vt":
                    uvs.append([float(word) for word in rest[:2]])
                elif key == "vn":
                    normals.append([float(word) for word in rest[:3]])
                elif key == "usemtl":
                    current = " ".join(rest) or "default"
                elif key == "mtllib":
                    materials |= _read_materials(path.parent / " ".join(rest))
                elif key == "f":
                    counts = (len(vertices), len(uvs), len(normals))
                    ring = [_corner(word, counts) for word in rest]
                    if len(ring) < 3:
                        raise ValueError("a face needs three corners")
                    target = faces.setdefault(current, _Faces()).corners
                    for k in range(1, len(ring) - 1):  # a fan; car bodies have convex faces
                        target += (ring[0], ring[k], ring[k + 1])
            except (ValueError, IndexError) as error:
                raise UsageError(f"{path}:{number}: cannot be understood: {line.strip()[:80]!r}: {error}") from error
    if any(len(vertex) != 3 for vertex in vertices) or any(len(uv) != 2 for uv in uvs):
        raise UsageError(f"{path}: a vertex needs three numbers, a texture coordinate two")
    table = (np.array(vertices).reshape(-1, 3), np.array(uvs).reshape(-1, 2), np.array(normals).reshape(-1, 3))
    return [_piece(name, group, table, materials.get(name, _Material())) for name, group in faces.items()]


def _corner(word: str, counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return zero-based indices of ``v``, ``v/vt``, ``v//vn`` or ``v/vt/vn``; negative ones count from the end."""
    found = [-1, -1, -1]
    for place, part in enumerate(word.split("/")):
        if not part:
            continue
        index, count = int(part), counts[place]
        index = index - 1 if index > 0 else count + index
        if not 0 <= index < count:
            raise ValueError(f"{word} points beyond the {count} that were given before it")
        found[place] = index
    if found[0] < 0:
        raise ValueError(f"{word} names no vertex")
    return found[0], found[1], found[2]


def _piece(name: str, faces: _Faces, table: tuple[NDArray[np.float64], ...], material: _Material) -> MeshPart:
    corners, where = np.unique(np.array(faces.corners), axis=0, return_inverse=True)
    uv = None
    if (corners[:, 1] >= 0).all():
        uv = table[1][corners[:, 1]] * (1.0, -1.0) + (0.0, 1.0)  # OBJ counts v from the bottom
    normals = None
    if (corners[:, 2] >= 0).all():
        normals = table[2][corners[:, 2]]
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return MeshPart(
        name,
        table[0][corners[:, 0]],
        normals,
        uv,
        where.reshape(-1, 3).astype(np.int64),
        material.colour,
        None if material.picture is None else read_picture(material.picture),
    )


def _read_materials(path: Path) -> dict[str, _Material]:
    """Return the materials of a library: diffuse colour (taken for linear) and diffuse picture."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: the mesh names it for its materials: {error.strerror or error}") from error
    found: dict[str, _Material] = {}
    current = _Material()
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0] == "newmtl":
            current = found.setdefault(" ".join(words[1:]), _Material())
        elif words[0] == "Kd" and len(words) >= 4:
            red, green, blue = (float(word) for word in words[1:4])
            current.colour = (red, green, blue)
        elif words[0] == "map_Kd":
            current.picture = path.parent / words[-1]
    return found


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3), sRGB; UsageError if it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"), dtype=np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise UsageError(f"{path}: the mesh's picture cannot be read: {error}") from error
