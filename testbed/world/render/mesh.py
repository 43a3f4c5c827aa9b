"""What surfaces are made of: triangle meshes, materials and painted lines. Plain frozen data, numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles of one material, in the local frame of their object (CARLA axes: x forward, y right, z up).

    Winding does not matter, every triangle is seen from both sides; the normals only say how shading varies over it.

    Attributes:
        vertices_m: Shape (V, 3), float32.
        normals: Shape (V, 3), float32, unit length.
        uv: Shape (V, 2), float32. Texture coordinates: u runs along columns, v along rows from the top of the image. On
            a "road" material they are ``(s_m, t_m)``: metres along and across the road.
        triangles: Shape (T, 3), int32 indices into the vertices.
        material: Key of the material in the scene.
        tag: CARLA semantic tag of this part; 0 takes the tag of the object.
    """

    vertices_m: NDArray[np.float32]
    normals: NDArray[np.float32]
    uv: NDArray[np.float32]
    triangles: NDArray[np.int32]
    material: str
    tag: int = 0

    def __post_init__(self) -> None:
        """Coerce to contiguous arrays of the documented types and check that they fit together."""
        for name, dtype, columns in (
            ("vertices_m", np.float32, 3),
            ("normals", np.float32, 3),
            ("uv", np.float32, 2),
            ("triangles", np.int32, 3),
        ):
            array: NDArray[Any] = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            if array.ndim != 2 or array.shape[1] != columns:
                raise ValueError(f"mesh {name} has shape {array.shape}, expected (n, {columns})")
            object.__setattr__(self, name, array)
        count = len(self.vertices_m)
        if len(self.normals) != count or len(self.uv) != count:
            raise ValueError(f"mesh has {count} vertices, {len(self.normals)} normals, {len(self.uv)} uv")
        if self.triangles.size and (self.triangles.min() < 0 or self.triangles.max() >= count):
            raise ValueError(f"mesh triangle index {self.triangles.max()} out of range, {count} vertices")


@dataclass(frozen=True)
class Band:
    """A painted line on a "road" mesh, evaluated analytically per pixel, so it neither shimmers nor needs triangles.

    Attributes:
        t_m: Lateral position of the centre of the line in the road's uv frame.
        width_m: Width of the paint.
        dash_m: Length of a dash; 0 for a solid line.
        gap_m: Length of the gap between dashes. The first dash starts at s = 0.
        rgb: Linear albedo of the paint.
    """

    t_m: float
    width_m: float
    dash_m: float = 0.0
    gap_m: float = 0.0
    rgb: Rgb = (0.8, 0.8, 0.78)


@dataclass(frozen=True)
class Material:
    """How a surface answers light.

    Attributes:
        kind: "textured" for everything ordinary; "road" for asphalt with painted bands and projected decals.
        texture: Name of a texture of the scene; None leaves only the albedo. On a road None means the built-in asphalt.
        albedo: Linear reflectance, multiplies the texture.
        specular: Strength of the glossy layer: 0 matt, 0.3 plastic, 1 car paint or glass.
        shininess: Blinn-Phong exponent of the sun's highlight.
        emissive: Radiance of a lamp in units of a white surface in full noon sun; it stands out at night.
        bands: Painted lines, only on "road".
        wrap: What lies beyond the border of the texture: "repeat" or "clamp" (sign faces).
    """

    kind: Literal["textured", "road"] = "textured"
    texture: str | None = None
    albedo: Rgb = (1.0, 1.0, 1.0)
    specular: float = 0.0
    shininess: float = 16.0
    emissive: float = 0.0
    bands: tuple[Band, ...] = ()
    wrap: Literal["repeat", "clamp"] = "repeat"

    def __post_init__(self) -> None:
        """Refuse bands where they would be ignored."""
        if self.bands and self.kind != "road":
            raise ValueError(f'bands need a material of kind "road", not "{self.kind}"')
