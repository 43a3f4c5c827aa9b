"""The body of a user's car for drawing paint over pictures: the mesh in a file, as the client lays it over a vehicle.

No renderer is needed for that, so an episode that only shows an artefact does not load one.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.camouflage.mesh_file import GLOSS, SHININESS, read_car
from testbed.adversaries.camouflage.mesh_part import MeshPart
from testbed.core.body import Body
from testbed.core.errors import UsageError
from testbed.scenario.schema import CarMesh

ATLAS_PX = 512


def mesh_body(mesh: CarMesh, base: Path | None = None) -> Body:
    """Return the body that a scenario or an artefact names.

    Args:
        mesh: File, and how the car lies in it.
        base: Folder that a relative path belongs to; default the working directory.

    Raises:
        UsageError: If the file cannot be read, has no texture coordinates where it is painted, or is not a car in
            metres standing on its wheels.
    """
    path = (base or Path()) / mesh.file
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise UsageError(
            f"mesh {mesh.file!r} cannot be read: {error.strerror or error}",
            hint=f"looked for {path}; relative paths belong to the folder of the file that names them",
        ) from error
    return _read(path.resolve(), changed, tuple(mesh.paint), mesh.front, mesh.up, mesh.length_m, mesh.origin)


@lru_cache(maxsize=8)
def _read(
    path: Path, changed: int, paint: tuple[str, ...], front: str, up: str, length_m: float | None, origin: str
) -> Body:
    """Read a body; a file that was changed is read again."""
    car = read_car(path, paint=paint, front=front, up=up, length_m=length_m, recentred=origin == "middle")
    pieces = (car.paint, *car.others)
    return Body(
        np.concatenate([piece.vertices[piece.triangles] for piece in pieces]),
        np.concatenate([_normals(piece)[piece.triangles] for piece in pieces]),
        np.concatenate([_uv(car.paint), *(np.full((len(piece.triangles), 3, 2), np.nan) for piece in car.others)]),
        car.original(ATLAS_PX),
        GLOSS,
        SHININESS,
        name=car.name,
        plain=car.paint.picture is None,
        floating=origin == "middle",
    )


def _normals(piece: MeshPart) -> NDArray[np.float64]:
    assert piece.normals is not None
    return piece.normals


def _uv(piece: MeshPart) -> NDArray[np.float64]:
    assert piece.uv is not None
    return piece.uv[piece.triangles]
