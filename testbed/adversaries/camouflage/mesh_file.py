"""A user's own car: Wavefront OBJ (``obj``) or glTF 2.0 (``gltf``) as a vehicle that can be painted and photographed.

The readers hand out pieces, one a material, in the file's own axes and units. Here they are turned into CARLA's frame
(x forward, y right, z up), put on the ground and checked: a mesh that is lying on its side or measured in centimetres
is refused with the option that puts it right, never guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.camouflage.mesh_part import Floats, MeshPart
from testbed.core.errors import UsageError
from testbed.core.semantic_tags import SemanticTag

if TYPE_CHECKING:
    from testbed.adversaries.camouflage.car import Subject
    from testbed.world.render.mesh import Mesh

AXES = ("+x", "-x", "+y", "-y", "+z", "-z")
LENGTHS_M = (2.0, 20.0)
"""A car shorter or longer than this is taken for one in other units."""
GLOSS, SHININESS = 0.55, 60.0
"""How paint mirrors: as the simulator's own vehicles do."""


@dataclass(frozen=True, eq=False)
class MeshCar:
    """A car from a file, in CARLA's frame: metres, x forward, y right, z up.

    Attributes:
        name: Name of the file.
        paint: What is painted, one piece; its normals are known.
        others: The other materials, likewise.
        half_extent_m: Half length, half width, half height.
    """

    name: str
    paint: MeshPart
    others: tuple[MeshPart, ...]
    half_extent_m: tuple[float, float, float]

    def original(self, side_px: int) -> NDArray[np.float32]:
        """Return the paint that it comes with, linear: its picture, (side_px, side_px, 3), else its colour, (1, 1, 3).

        Args:
            side_px: Side of the texture.
        """
        from PIL import Image

        from testbed.world.assets.textures import from_image

        if self.paint.picture is None:
            return np.array(self.paint.colour, np.float32).reshape(1, 1, 3)
        picture = Image.fromarray(self.paint.picture).resize((side_px, side_px), Image.Resampling.BOX)
        return from_image(picture)


def read_car(
    path: Path,
    *,
    paint: Sequence[str] = (),
    front: str = "+z",
    up: str = "+y",
    length_m: float | None = None,
    recentred: bool = True,
) -> MeshCar:
    """Read a car from a file.

    Args:
        path: ``.obj``, ``.gltf`` or ``.glb``.
        paint: Materials that are painted; may be left out where the file has only one.
        front: Axis of the file along which the car drives.
        up: Axis of the file that points to the sky.
        length_m: Scales the car to this length; None takes the file's units for metres.
        recentred: Whether the origin is moved to the ground in the car's middle, or stays as in the file.

    Raises:
        UsageError: If the file cannot be read, has no texture coordinates where it is painted, or is not a car in
            metres standing on its wheels.
    """
    pieces = read_pieces(path)
    painted = _painted(path, pieces, paint)
    turn = _turn(front, up)
    corners = np.concatenate([piece.vertices for piece in pieces]) @ turn.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = high - low
    if size[1] > size[0] or size[2] > size[0]:
        raise UsageError(
            f"{path}: driving along {front} with {up} up, the car would be {size[0]:.2f} long, {size[1]:.2f} wide and "
            f"{size[2]:.2f} high",
            hint="say how it lies, for instance front +x and up +z (--front +x --up +z on the command line)",
        )
    scale = 1.0 if length_m is None else length_m / size[0]
    if not LENGTHS_M[0] <= size[0] * scale <= LENGTHS_M[1]:
        raise UsageError(
            f"{path}: the car is {size[0] * scale:g} m long", hint="give its length: length_m 4.7 (--length-m 4.7)"
        )
    middle = np.array([0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), low[2]])
    origin = middle if recentred else np.zeros(3)
    half = 0.5 * scale * size
    return MeshCar(
        path.name,
        _stood(_merged(painted), turn, origin, scale),
        tuple(_stood(piece, turn, origin, scale) for piece in pieces if piece not in painted),
        (float(half[0]), float(half[1]), float(half[2])),
    )


def mesh_subject(
    path: Path,
    *,
    paint: Sequence[str] = (),
    front: str = "+z",
    up: str = "+y",
    length_m: float | None = None,
    texture_px: int = 512,
) -> Subject:
    """Read a car from a file, to be photographed and painted.

    Args:
        path: As of `read_car`, like the options that follow.
        paint: Materials that are painted.
        front: Axis along which the car drives.
        up: Axis that points to the sky.
        length_m: Length of the car.
        texture_px: Side of the texture that is made.

    Raises:
        UsageError: As `read_car`.
    """
    from testbed.adversaries.camouflage.car import Subject, visible_texels
    from testbed.world.assets.asset import Asset
    from testbed.world.render.mesh import Material

    car = read_car(path, paint=paint, front=front, up=up, length_m=length_m)
    original = car.original(texture_px)
    if original.shape[0] != texture_px:
        original = np.broadcast_to(original, (texture_px, texture_px, 3)).copy()
    materials = {"mesh_paint": Material(texture="mesh_paint", specular=GLOSS, shininess=SHININESS)}
    meshes = [_mesh(car.paint, "mesh_paint")]
    for number, piece in enumerate(car.others):
        name = f"mesh_{number}"
        materials[name] = Material(albedo=piece.colour, specular=0.3)
        meshes.append(_mesh(piece, name))
    asset = Asset(tuple(meshes), materials, {"mesh_paint": original})
    mask = visible_texels(asset, original.shape[:2])
    return Subject(car.name, asset, SemanticTag.CAR, car.half_extent_m, mask, original)


def read_pieces(path: Path) -> list[MeshPart]:
    """Return the pieces of a file, by its ending.

    Raises:
        UsageError: If it cannot be read.
    """
    from testbed.adversaries.camouflage import gltf, obj

    readers = {".obj": obj.read, ".gltf": gltf.read, ".glb": gltf.read}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: a mesh must be {', '.join(readers)}", hint="export it as glTF, any modeller can")
    try:
        pieces = reader(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not any(len(piece.triangles) for piece in pieces):
        raise UsageError(f"{path}: has no faces")
    return pieces


def _painted(path: Path, pieces: Sequence[MeshPart], names: Sequence[str]) -> list[MeshPart]:
    """Return the pieces that are painted; UsageError if that is not clear or they lack texture coordinates."""
    known = ", ".join(f"{piece.name} ({piece.area:.1f})" for piece in sorted(pieces, key=lambda item: -item.area))
    missing = sorted(set(names) - {piece.name for piece in pieces})
    if missing:
        raise UsageError(f"{path}: no material {missing[0]!r}", hint=f"materials and their area: {known}")
    if not names and len(pieces) > 1:
        raise UsageError(
            f"{path}: has several materials; which is painted?", hint=f"--paint NAME[,NAME]; with their area: {known}"
        )
    painted = [piece for piece in pieces if not names or piece.name in names]
    for piece in painted:
        if piece.uv is None:
            raise UsageError(
                f"{path}: faces of material {piece.name!r} have no texture coordinates",
                hint="unwrap them in a modeller (Blender: UV > Smart UV Project) and export again",
            )
    return painted


def _turn(front: str, up: str) -> Floats:
    """Return the matrix from the file's right-handed axes to (forward, right, up)."""
    for axis in (front, up):
        if axis not in AXES:
            raise UsageError(f"{axis!r} is no axis", hint=f"one of {', '.join(AXES)}")
    forward, upwards = _unit(front), _unit(up)
    if abs(float(forward @ upwards)) > 0.0:
        raise UsageError(f"the car cannot drive along {front} with {up} up", hint="choose two different axes")
    return np.stack([forward, np.cross(forward, upwards), upwards])


def _unit(axis: str) -> Floats:
    vector = np.zeros(3)
    vector["xyz".index(axis[1])] = 1.0 if axis[0] == "+" else -1.0
    return vector


def _merged(pieces: Sequence[MeshPart]) -> MeshPart:
    if len(pieces) == 1:
        return pieces[0]
    first = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    normals = [piece.normals for piece in pieces]
    return MeshPart(
        pieces[0].name,
        np.concatenate([piece.vertices for piece in pieces]),
        None
        if any(part is None for part in normals)
        else np.concatenate([part for part in normals if part is not None]),
        np.concatenate([piece.uv for piece in pieces if piece.uv is not None]),
        np.concatenate([piece.triangles + at for piece, at in zip(pieces, first, strict=False)]),
        pieces[0].colour,
        next((piece.picture for piece in pieces if piece.picture is not None), None),
    )


def _stood(piece: MeshPart, turn: Floats, origin: Floats, scale: float) -> MeshPart:
    """Return a piece in CARLA's frame, with normals."""
    vertices = (piece.vertices @ turn.T - origin) * scale
    normals = _smooth(vertices, piece.triangles) if piece.normals is None else piece.normals @ turn.T
    return replace(piece, vertices=vertices, normals=normals)


def _mesh(piece: MeshPart, material: str) -> Mesh:
    from testbed.world.render.mesh import Mesh

    assert piece.normals is not None
    uv = np.zeros((len(piece.vertices), 2)) if piece.uv is None else piece.uv
    return Mesh(
        piece.vertices.astype(np.float32),
        piece.normals.astype(np.float32),
        uv.astype(np.float32),
        piece.triangles.astype(np.int32),
        material,
    )


def _smooth(vertices: Floats, triangles: NDArray[np.int64]) -> Floats:
    """Return normals (V, 3) that average the faces around every place, weighted by area, pointing outwards."""
    _, place = np.unique(np.round(vertices, 5), axis=0, return_inverse=True)
    place = place.reshape(-1)
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    middle = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
    face = np.where(((a + b + c) / 3.0 - middle) * face @ np.ones(3) < 0.0, -1.0, 1.0)[:, None] * face
    total = np.zeros((place.max() + 1, 3))
    for corner in range(3):
        np.add.at(total, place[triangles[:, corner]], face)
    normals = total[place]
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), (0.0, 0.0, 1.0))
