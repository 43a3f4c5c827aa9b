"""A user's car from OBJ and glTF: geometry, axes, texture coordinates, and what is refused."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from testbed import adversaries
from testbed.adversaries.camouflage import optimise
from testbed.adversaries.camouflage.gltf import _faces
from testbed.adversaries.camouflage.mesh_file import mesh_subject, read_pieces
from testbed.core.errors import ArtefactError, UsageError
from testbed.core.types import Skin
from testbed.scenario.loader import load_scenario
from testbed.scenario.schema import CarMesh

# A box car: 4.4 m along z, 1.8 m along x, 1.4 m along y (up); every side has its own square of the texture.
_SIDES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
_CORNERS = [(x, y, z) for x in (-0.9, 0.9) for y in (0.0, 1.4) for z in (-2.2, 2.2)]


def _obj(*, uv: bool = True, negative: bool = False, material: str = "", unit: float = 1.0) -> str:
    lines = [f"v {x * unit} {y * unit} {z * unit}" for x, y, z in _CORNERS]
    for number in range(6):
        left, low = (number % 3) / 3.0, (number // 3) / 2.0
        lines += [f"vt {left + dx / 3.1:.4f} {low + dy / 2.1:.4f}" for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
    lines += [f"usemtl {material}"] if material else []
    for number, side in enumerate(_SIDES):
        words = []
        for place, corner in enumerate(side):
            vertex, texture = corner + 1, 4 * number + place + 1
            if negative:
                vertex, texture = vertex - 9, texture - 25
            words.append(f"{vertex}/{texture}" if uv else f"{vertex}")
        lines.append("f " + " ".join(words))
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _gltf(path: Path, *, glb: bool = False, uv: bool = True) -> Path:
    """Write the same car as glTF with an embedded buffer, turned by its node."""
    obj = read_pieces(_write(path.with_suffix(".obj"), _obj()))[0]
    assert obj.uv is not None
    points = obj.vertices @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # the node turns it back
    data = points.astype("<f4").tobytes() + obj.uv.astype("<f4").tobytes() + obj.triangles.astype("<u2").tobytes()
    count = len(points)
    attributes = {"POSITION": 0} | ({"TEXCOORD_0": 1} if uv else {})
    half = float(np.sqrt(0.5))
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "rotation": [0.0, half, 0.0, half]}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 2, "material": 0}]}],
        "materials": [{"name": "body", "pbrMetallicRoughness": {"baseColorFactor": [0.2, 0.4, 0.6, 1.0]}}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5126, "count": count, "type": "VEC2"},
            {"bufferView": 2, "componentType": 5123, "count": obj.triangles.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 12 * count},
            {"buffer": 0, "byteOffset": 12 * count, "byteLength": 8 * count},
            {"buffer": 0, "byteOffset": 20 * count, "byteLength": 2 * obj.triangles.size},
        ],
        "buffers": [{"byteLength": len(data)}],
    }
    if not glb:
        document["buffers"] = [
            {"byteLength": len(data), "uri": "data:application/octet-stream;base64," + base64.b64encode(data).decode()}
        ]
        return _write(path, json.dumps(document))
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    data += b"\0" * (-len(data) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    path.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)
    return path


def _span(points: np.ndarray) -> Sequence[float]:
    return [round(float(value), 4) for value in np.ptp(points, axis=0)]


@pytest.mark.parametrize("negative", [False, True])
def test_an_obj_with_quads_becomes_a_car_in_our_axes(tmp_path: Path, negative: bool) -> None:
    subject = mesh_subject(_write(tmp_path / "car.obj", _obj(negative=negative)), texture_px=96)
    paint = subject.asset.parts[0]
    assert len(paint.triangles) == 12  # six quads
    assert _span(paint.vertices_m) == [4.4, 1.8, 1.4] and paint.vertices_m[:, 2].min() == 0.0
    assert subject.half_extent_m == pytest.approx((2.2, 0.9, 0.7))
    # File +z is forward, +y up, so file +x is to the left: the corner (0.9, 0, 2.2) lies ahead on the left, y = -0.9.
    assert (np.abs(paint.vertices_m - (2.2, -0.9, 0.0)).max(axis=1) < 1e-5).any()
    assert subject.mask.any() and not subject.mask.all()


def test_texture_coordinates_count_from_the_top(tmp_path: Path) -> None:
    piece = read_pieces(_write(tmp_path / "car.obj", _obj()))[0]
    assert piece.uv is not None and piece.uv[:, 1].max() == 1.0  # the file's v = 0 is the last row


@pytest.mark.parametrize("glb", [False, True])
def test_gltf_gives_the_same_car(tmp_path: Path, glb: bool) -> None:
    path = _gltf(tmp_path / ("car.glb" if glb else "car.gltf"), glb=glb)
    piece, same = read_pieces(path)[0], read_pieces(tmp_path / "car.obj")[0]
    assert np.allclose(piece.vertices, same.vertices, atol=1e-6)
    assert piece.uv is not None and same.uv is not None and np.allclose(piece.uv, same.uv, atol=1e-6)
    assert (piece.triangles == same.triangles).all() and piece.name == "body" and piece.colour == (0.2, 0.4, 0.6)
    subject = mesh_subject(path, texture_px=64)
    assert subject.original[0, 0] == pytest.approx((0.2, 0.4, 0.6))


def test_missing_texture_coordinates_are_named(tmp_path: Path) -> None:
    for path in (
        _write(tmp_path / "bare.obj", _obj(uv=False, material="body")),
        _gltf(tmp_path / "unwrapped.gltf", uv=False),
    ):
        with pytest.raises(UsageError, match="faces of material 'body' have no texture coordinates"):
            mesh_subject(path)


def test_what_is_painted_must_be_clear(tmp_path: Path) -> None:
    path = _write(tmp_path / "car.obj", _obj(material="body") + "usemtl glass\nf 1/1 2/2 3/3\n")
    with pytest.raises(UsageError, match="has several materials"):
        mesh_subject(path)
    with pytest.raises(UsageError, match="no material 'door'"):
        mesh_subject(path, paint=["door"])
    subject = mesh_subject(path, paint=["body"], texture_px=64)
    assert len(subject.asset.parts) == 2 and len(subject.asset.parts[0].triangles) == 12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v 0 0\n", "a vertex needs three numbers"),
        ("v 0 0 0\nf 1 2 3\n", r"car.obj:2: cannot be understood.*points beyond the 1"),
        ("v a b c\n", "car.obj:1: cannot be understood"),
        ("v 0 0 0\nf 1/1 1\n", "car.obj:2"),
        ("# nothing\n", "has no faces"),
        ("mtllib none.mtl\n", "none.mtl: the mesh names it"),
    ],
)
def test_a_bad_obj_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        mesh_subject(_write(tmp_path / "car.obj", text))


def test_a_car_in_other_units_or_on_its_side_is_refused(tmp_path: Path) -> None:
    in_centimetres = _write(tmp_path / "cm.obj", _obj(unit=100.0))
    with pytest.raises(UsageError, match="is 440 m long.*--length-m"):
        mesh_subject(in_centimetres)
    assert mesh_subject(in_centimetres, length_m=4.4, texture_px=64).half_extent_m[0] == pytest.approx(2.2)
    with pytest.raises(UsageError, match="would be 1.80 long, 4.40 wide"):
        mesh_subject(_write(tmp_path / "side.obj", _obj()), front="+x")
    with pytest.raises(UsageError, match="two different axes"):
        mesh_subject(tmp_path / "side.obj", front="+y")


def test_a_damaged_gltf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="damaged glTF"):
        read_pieces(_write(tmp_path / "car.gltf", "{"))
    with pytest.raises(UsageError, match="a mesh must be"):
        read_pieces(_write(tmp_path / "car.fbx", ""))
    with pytest.raises(UsageError, match="cannot be read"):
        read_pieces(tmp_path / "none.obj")


def test_an_artefact_brings_the_mesh_that_it_was_made_for(tmp_path: Path) -> None:
    _write(tmp_path / "car.obj", _obj())
    lies = CarMesh(file="../car.obj")
    manifest = adversaries.CamouflageManifest(name="mine", mesh=lies)
    adversaries.save(tmp_path / "mine", manifest, np.full((8, 8, 4), 255, np.uint8))
    made = adversaries.read("camouflage", "mine", tmp_path)
    assert isinstance(made.payload, Skin) and made.payload.body is not None
    assert made.payload.body.size_m == pytest.approx((4.4, 1.8, 1.4)) and made.payload.body.plain
    _write(tmp_path / "car.obj", _obj().replace("vt 0.0", "vt 0.1"))
    assert adversaries.read("camouflage", "mine", tmp_path).digest != made.digest
    (tmp_path / "car.obj").unlink()
    with pytest.raises(ArtefactError, match=r"mesh '../car.obj' cannot be read.*relative paths belong"):
        adversaries.read("camouflage", "mine", tmp_path)


def test_a_camouflage_made_for_a_mesh_names_it(tmp_path: Path) -> None:
    car = _write(tmp_path / "car.obj", _obj(material="body"))
    small = {"steps": 1, "views": 2, "batch": 1, "cells": 16, "texture_px": 64, "check": False}
    scenario = load_scenario("rauca_broadside").content
    made, *_ = optimise(scenario, out=tmp_path / "out", mesh=car, paint="body", say=lambda _: None, **small)
    manifest = adversaries.load(made).manifest
    assert isinstance(manifest, adversaries.CamouflageManifest) and manifest.blueprint is None
    assert manifest.mesh == CarMesh(file="../../car.obj", paint=["body"])
    assert "--mesh car.obj --front=+z --up=+y --texture-px 64 --paint body" in manifest.command
    payload = adversaries.read("camouflage", made.name, made.parent).payload
    assert isinstance(payload, Skin) and payload.body is not None


@pytest.mark.parametrize(
    ("mode", "order", "faces"),
    [
        (4, [0, 1, 2, 2, 1, 3], [[0, 1, 2], [2, 1, 3]]),
        (5, [0, 1, 2, 3], [[0, 1, 2], [1, 3, 2]]),
        # two pieces joined by faces of two corners
        (5, [0, 1, 2, 3, 3, 4, 4, 5, 6, 7], [[0, 1, 2], [1, 3, 2], [4, 5, 6], [5, 7, 6]]),
        (6, [0, 1, 2, 3], [[1, 2, 0], [2, 3, 0]]),
    ],
)
def test_strips_and_fans_are_faces(mode: int, order: list[int], faces: list[list[int]]) -> None:
    assert _faces(np.array(order), mode).tolist() == faces


def test_a_gltf_of_strips_is_the_same_car(tmp_path: Path) -> None:
    plain = _gltf(tmp_path / "plain.gltf")
    document = json.loads(plain.read_text(encoding="utf-8"))
    header, data = document["buffers"][0]["uri"].split(",")
    raw = base64.b64decode(data)
    view = document["bufferViews"][2]
    triangles = np.frombuffer(raw[view["byteOffset"] :], "<u2").reshape(-1, 3)
    # every face begins at an even place of the strip, so that none is turned
    strip = [vertex for a, b, c in triangles.tolist() for vertex in (a, a, b, c, c, c)][1:]
    raw = raw[: view["byteOffset"]] + np.array(strip, "<u2").tobytes()
    view["byteLength"] = 2 * len(strip)
    document["accessors"][2]["count"] = len(strip)
    document["buffers"][0] = {"byteLength": len(raw), "uri": f"{header},{base64.b64encode(raw).decode()}"}
    document["meshes"][0]["primitives"][0]["mode"] = 5
    (told,) = read_pieces(_write(tmp_path / "strip.gltf", json.dumps(document)))
    (same,) = read_pieces(plain)
    corners = {tuple(sorted(face)) for face in same.triangles.tolist()}
    assert {tuple(sorted(face)) for face in told.triangles.tolist()} == corners
