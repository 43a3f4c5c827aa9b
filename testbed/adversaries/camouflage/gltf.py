"""glTF 2.0: ``.gltf`` with buffers embedded or beside it, and ``.glb``; triangle meshes with their node transforms.

Source: Khronos glTF 2.0 specification. Skins, morph targets, sparse accessors and compressed meshes are refused.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.camouflage.mesh_part import PLAIN_RGB, MeshPart
from testbed.core.errors import UsageError

_TYPES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_COMPONENTS: dict[int, tuple[str, float]] = {
    5120: ("<i1", 127.0), 5121: ("<u1", 255.0), 5122: ("<i2", 32767.0), 5123: ("<u2", 65535.0),
    5125: ("<u4", 1.0), 5126: ("<f4", 1.0),
}  # fmt: skip
_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
"""Ways in which vertices become faces; points and lines have none."""


def read(path: Path) -> list[MeshPart]:
    """Return the pieces of a glTF file, one a material.

    Raises:
        UsageError: If it is damaged or uses what is not supported.
        OSError: If the file cannot be read.
    """
    try:
        document, binary = _open(path)
        required = document.get("extensionsRequired", [])
        if any("compression" in name for name in required):
            raise UsageError(f"{path}: its meshes are compressed ({', '.join(required)})", hint="export without")
        return _Reader(path, document, binary).pieces()
    except (KeyError, IndexError, ValueError, TypeError, struct.error) as error:
        raise UsageError(f"{path}: damaged glTF: {type(error).__name__}: {error}") from error


def _open(path: Path) -> tuple[dict[str, Any], bytes | None]:
    content = path.read_bytes()
    if content[:4] != b"glTF":
        return json.loads(content.decode("utf-8-sig")), None
    _, version, length = struct.unpack_from("<III", content)
    if version != 2:
        raise UsageError(f"{path}: is glTF {version}, expected 2")
    document, binary, at = None, None, 12
    while at + 8 <= min(length, len(content)):
        size, kind = struct.unpack_from("<II", content, at)
        chunk = content[at + 8 : at + 8 + size]
        if kind == _JSON:
            document = json.loads(chunk.decode("utf-8"))
        elif kind == _BINARY:
            binary = chunk
        at += 8 + size
    if document is None:
        raise UsageError(f"{path}: has no document inside")
    return document, binary


class _Reader:
    """One document with its buffers."""

    def __init__(self, path: Path, document: dict[str, Any], binary: bytes | None) -> None:
        self._path, self._document, self._binary = path, document, binary
        self._buffers: dict[int, bytes] = {}
        self._parts: dict[int, list[tuple[NDArray[np.float64], Any, Any, NDArray[np.int64]]]] = {}

    def pieces(self) -> list[MeshPart]:
        scenes = self._document.get("scenes")
        nodes = self._document.get("nodes", [])
        if scenes:
            roots = scenes[self._document.get("scene", 0)].get("nodes", [])
        else:
            roots = range(len(nodes))
        for root in roots:
            self._walk(root, np.eye(4), 0)
        return [self._piece(material, parts) for material, parts in self._parts.items()]

    def _walk(self, index: int, above: NDArray[np.float64], depth: int) -> None:
        if depth > 64:
            raise ValueError("nodes go round in a circle")
        node = self._document["nodes"][index]
        matrix = above @ _local(node)
        if "mesh" in node:
            for primitive in self._document["meshes"][node["mesh"]]["primitives"]:
                if primitive.get("mode", _TRIANGLES) in (_TRIANGLES, _STRIP, _FAN):
                    self._take(primitive, matrix)
        for child in node.get("children", []):
            self._walk(child, matrix, depth + 1)

    def _take(self, primitive: dict[str, Any], matrix: NDArray[np.float64]) -> None:
        attributes = primitive["attributes"]
        points = self._accessor(attributes["POSITION"]) @ matrix[:3, :3].T + matrix[:3, 3]
        normals = uv = None
        if "NORMAL" in attributes:
            normals = self._accessor(attributes["NORMAL"]) @ np.linalg.inv(matrix[:3, :3])
            normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        if "TEXCOORD_0" in attributes:
            uv = self._accessor(attributes["TEXCOORD_0"])
        order = np.arange(len(points))
        if "indices" in primitive:
            order = self._accessor(primitive["indices"]).astype(np.int64).reshape(-1)
        triangles = _faces(order, primitive.get("mode", _TRIANGLES))
        if len(triangles) and triangles.max() >= len(points):
            raise ValueError(f"face points to vertex {triangles.max()} of {len(points)}")
        self._parts.setdefault(primitive.get("material", -1), []).append((points, normals, uv, triangles))

    def _piece(self, number: int, parts: list[tuple[NDArray[np.float64], Any, Any, NDArray[np.int64]]]) -> MeshPart:
        first = np.cumsum([0, *(len(points) for points, _, _, _ in parts)])
        material = self._document["materials"][number] if number >= 0 else {}
        look = material.get("pbrMetallicRoughness", {})
        red, green, blue = look.get("baseColorFactor", (*PLAIN_RGB, 1.0))[:3]
        texture = look.get("baseColorTexture")
        return MeshPart(
            material.get("name") or ("default" if number < 0 else f"material_{number}"),
            np.concatenate([points for points, _, _, _ in parts]),
            None if any(item[1] is None for item in parts) else np.concatenate([item[1] for item in parts]),
            None if any(item[2] is None for item in parts) else np.concatenate([item[2] for item in parts]),
            np.concatenate([item[3] + at for item, at in zip(parts, first, strict=False)]),
            (float(red), float(green), float(blue)),
            None if texture is None else self._picture(texture["index"]),
        )

    def _picture(self, texture: int) -> NDArray[np.uint8] | None:
        from PIL import Image, UnidentifiedImageError

        source = self._document["textures"][texture].get("source")
        if source is None:
            return None  # only offered in a format of an extension
        image = self._document["images"][source]
        content = self._view(image["bufferView"]) if "bufferView" in image else self._fetch(image["uri"])
        try:
            with Image.open(io.BytesIO(content)) as opened:
                return np.array(opened.convert("RGB"), dtype=np.uint8)
        except (OSError, UnidentifiedImageError) as error:
            raise UsageError(f"{self._path}: its picture {source} cannot be read: {error}") from error

    def _accessor(self, index: int) -> NDArray[np.float64]:
        """Return an accessor as float64, shape (count, components) or (count,) for scalars."""
        accessor = self._document["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise UsageError(f"{self._path}: uses sparse accessors", hint="export without")
        kind, scale = _COMPONENTS[accessor["componentType"]]
        count, width = accessor["count"], _TYPES[accessor["type"]]
        view = self._document["bufferViews"][accessor["bufferView"]]
        item = np.dtype(kind).itemsize * width
        stride, start = view.get("byteStride", item), accessor.get("byteOffset", 0)
        content = self._view(accessor["bufferView"])
        if start + stride * (count - 1) + item > len(content):
            raise ValueError(f"accessor {index} reads beyond its buffer")
        values = np.ndarray((count, width), np.dtype(kind), content, start, (stride, np.dtype(kind).itemsize))
        result = values.astype(np.float64) / (scale if accessor.get("normalized") else 1.0)
        return result[:, 0] if width == 1 else result

    def _view(self, index: int) -> bytes:
        view = self._document["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self._buffer(view["buffer"])[start : start + view["byteLength"]]

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            uri = self._document["buffers"][index].get("uri")
            if uri is None and self._binary is None:
                raise ValueError(f"buffer {index} is nowhere")
            self._buffers[index] = self._binary or b"" if uri is None else self._fetch(uri)
        return self._buffers[index]

    def _fetch(self, uri: str) -> bytes:
        """Return what a data URI or a file beside the document holds."""
        from urllib.parse import unquote, unquote_to_bytes

        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            return base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
        if "://" in uri:
            raise UsageError(
                f"{self._path}: refers to {uri}", hint="only embedded buffers and files beside it are read"
            )
        try:
            return (self._path.parent / unquote(uri)).read_bytes()
        except OSError as error:
            raise UsageError(f"{self._path}: its buffer {uri} cannot be read: {error.strerror or error}") from error


def _local(node: dict[str, Any]) -> NDArray[np.float64]:
    """Return a node's own matrix (4, 4)."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _faces(order: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """Return triangles (N, 3) of vertices in their order (glTF 2.0, section 3.7.2.1), without those of two corners."""
    if mode == _TRIANGLES:
        return order.reshape(-1, 3)
    first, second, third = order[:-2], order[1:-1], order[2:]
    if mode == _FAN:
        return np.stack([second, third, np.full_like(third, order[0])], axis=1)
    # every other face of a strip is turned, so that all look to one side
    odd = np.arange(len(first)) % 2 == 1
    faces = np.stack([first, np.where(odd, third, second), np.where(odd, second, third)], axis=1)
    a, b, c = faces.T
    # faces that only lead on to the next piece of a strip have two equal corners
    joined: NDArray[np.int64] = faces[(a != b) & (b != c) & (a != c)]
    return joined
