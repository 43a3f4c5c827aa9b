"""Records that travel to the kernels, and the options every kernel module shares."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import warp as wp

KERNEL_OPTIONS = {
    "enable_backward": False,
    "fast_math": False,
    "cpu_compiler_flags": (
        "-march=native -ffp-contract=fast -freciprocal-math -fno-signed-zeros -mreassociate -fapprox-func"
        " -mllvm=-inline-threshold=9000 -mllvm=-inline-cold-callsite-threshold=3000 -mllvm=-slp-recursion-max-depth=4"
    ),
}
"""No adjoints: torch differentiates, see ``rerender``. The CPU may reorder sums and fuse products, a sixth faster: a
picture repeats bit for bit on one machine, across CPU models it may differ in the last place. Infinities and NaN stay
honest."""

MAX_LEVELS = 13
"""Mip levels a texture may have: 4096 px and smaller."""

WRAP_REPEAT, WRAP_CLAMP, WRAP_ZERO = 0, 1, 2
KIND_TEXTURED, KIND_ROAD = 0, 1

WANT_RGB, WANT_LINEAR, WANT_GEOMETRY, WANT_IDS, WANT_UV, WANT_LIGHT, WANT_INSTANCE = 1, 2, 4, 8, 16, 32, 64
WANT_COLOUR = WANT_RGB | WANT_LINEAR | WANT_LIGHT
"""Bits of the shading kernel's ``want``: groups of outputs that are written together."""

# mypy cannot read the calls that Warp wants as annotations of kernel arguments.
if TYPE_CHECKING:
    Int32s: TypeAlias = Any
    Int64s: TypeAlias = Any
    Int64Rows: TypeAlias = Any
    UInt8s: TypeAlias = Any
    UInt32s: TypeAlias = Any
    Floats: TypeAlias = Any
    Vec2s: TypeAlias = Any
    Vec3s: TypeAlias = Any
    Vec4s: TypeAlias = Any
    Vec3is: TypeAlias = Any
    Mat44s: TypeAlias = Any
    Parts: TypeAlias = Any
    Textures: TypeAlias = Any
    Bands: TypeAlias = Any
    Decals: TypeAlias = Any
    Windows: TypeAlias = Any
else:
    Int32s = wp.array(dtype=wp.int32)
    Int64s = wp.array(dtype=wp.int64)
    Int64Rows = wp.array2d(dtype=wp.int64)
    UInt8s = wp.array(dtype=wp.uint8)
    UInt32s = wp.array(dtype=wp.uint32)
    Floats = wp.array(dtype=wp.float32)
    Vec2s = wp.array(dtype=wp.vec2)
    Vec3s = wp.array(dtype=wp.vec3)
    Vec4s = wp.array(dtype=wp.vec4)
    Vec3is = wp.array(dtype=wp.vec3i)
    Mat44s = wp.array(dtype=wp.mat44)


@wp.struct
class PartRow:
    """What the shader knows of one mesh of one object."""

    tag: wp.int32
    instance: wp.uint32
    kind: wp.int32
    texture: wp.int32  # row of the texture table, -1 for none
    first_band: wp.int32
    bands: wp.int32
    albedo: wp.vec3
    specular: wp.float32
    shininess: wp.float32
    emissive: wp.float32


@wp.struct
class TextureRow:
    """Where the mip pyramid of one texture lies among the texels."""

    number: wp.int32
    wrap: wp.int32
    width: wp.int32
    height: wp.int32
    levels: wp.int32


@wp.struct
class BandRow:
    """A painted line."""

    t_m: wp.float32
    width_m: wp.float32
    dash_m: wp.float32
    gap_m: wp.float32
    rgb: wp.vec3


@wp.struct
class DecalRow:
    """World position to texture coordinates: u = u0 + du . (x, y), v likewise."""

    du: wp.vec2
    dv: wp.vec2
    u0: wp.float32
    v0: wp.float32
    texture: wp.int32


@wp.struct
class WindowRow:
    """One square of a sun shadow map: world to (x_texel, y_texel, height towards the sun in m)."""

    x: wp.vec4
    y: wp.vec4
    z: wp.vec4
    offset: wp.int32
    size_px: wp.int32
    texel_m: wp.float32


@wp.struct
class Eye:
    """Pinhole camera; a pixel's ray is forward + right * a + up * b, so that its length parameter is the depth."""

    position: wp.vec3
    forward: wp.vec3
    right: wp.vec3
    up: wp.vec3
    width_px: wp.int32
    height_px: wp.int32
    focal_px: wp.float32


@wp.struct
class Light:
    """Weather as the shader needs it, see ``lighting.Lighting`` for the meaning and units of every field."""

    sun: wp.vec3
    sun_rgb: wp.vec3
    ambient_rgb: wp.vec3
    ground_rgb: wp.vec3
    zenith_rgb: wp.vec3
    horizon_rgb: wp.vec3
    glow_rgb: wp.vec3
    disk_rgb: wp.vec3
    cloud_rgb: wp.vec3
    cloud_cover: wp.float32
    shadow_blur_m: wp.float32
    sky_shadow: wp.float32
    fog_rgb: wp.vec3
    fog_1pm: wp.float32
    fog_start_m: wp.float32
    fog_falloff_1pm: wp.float32
    wetness: wp.float32
    puddles: wp.float32
    rain: wp.float32
    rain_slant: wp.float32
    rain_rgb: wp.vec3
    frame: wp.int32
    beam_rgb: wp.vec3
    lamp_gain: wp.float32


@wp.struct
class Facet:
    """What all pixels on one triangle share; a position on it is ``corner + edge_b * b + edge_c * c``."""

    triangle: wp.int32
    corner: wp.vec3
    edge_b: wp.vec3
    edge_c: wp.vec3
    facing: wp.vec3  # towards the viewer
    # Numerators of b and c, denominator of all: dot products with a ray; and their changes with column and row.
    for_b: wp.vec3
    for_c: wp.vec3
    plane: wp.vec3
    b_step: wp.vec2
    c_step: wp.vec2
    plane_step: wp.vec2
    depth: wp.float32  # numerator
    normal: wp.vec3  # normals likewise: normal + normal_b * b + normal_c * c
    normal_b: wp.vec3
    normal_c: wp.vec3
    uv: wp.vec2
    uv_b: wp.vec2
    uv_c: wp.vec2


@wp.struct
class Hit:
    """Where a pixel's ray meets its triangle; ``_x`` and ``_y`` are derivatives by the pixel's column and row."""

    depth_m: wp.float32
    p: wp.vec3
    p_x: wp.vec3
    p_y: wp.vec3
    facing: wp.vec3  # of the triangle, towards the viewer
    normal: wp.vec3  # between the corners' normals
    uv: wp.vec2
    duv: wp.vec4


@wp.struct
class Surface:
    """What light falls on: the answer is ``lit * (base * (1 - alpha) + colour) + gloss``."""

    base: wp.vec3
    colour: wp.vec3  # of the texture that can be re-rendered
    alpha: wp.float32
    number: wp.int32  # of that texture, 0 for none
    uv: wp.vec2
    duv: wp.vec4
    normal: wp.vec3
    tag: wp.int32
    dry: wp.float32  # share of diffuse light that water leaves
    gloss: wp.float32
    shininess: wp.float32
    retro: wp.float32  # light sent straight back to headlights


@wp.struct
class Shine:
    """Light that a surface is seen in, fog between it and the eye included."""

    lit: wp.vec3
    residual: wp.vec3


if not TYPE_CHECKING:
    Parts = wp.array(dtype=PartRow)
    Textures = wp.array(dtype=TextureRow)
    Bands = wp.array(dtype=BandRow)
    Decals = wp.array(dtype=DecalRow)
    Windows = wp.array(dtype=WindowRow)


@wp.struct
class SceneArrays:
    """Everything that is made of triangles, see ``geometry_store.GeometryStore``."""

    vertices: Vec3s
    normals: Vec3s
    uvs: Vec2s
    triangles: Vec3is
    triangle_part: Int32s
    parts: Parts
    bands: Bands


@wp.struct
class TextureArrays:
    """All textures, see ``texture_store.TextureStore``."""

    table: Textures
    offsets: Int32s
    texels: Vec4s


@wp.struct
class DecalArrays:
    """The decals of one picture, in the order they lie on each other."""

    rows: Decals
    count: wp.int32


@wp.struct
class ShadowArrays:
    """The sun shadow maps that one picture looks into, finest first, see ``shadows.ShadowMaps``."""

    windows: Windows
    count: wp.int32
    heights: Int32s


@wp.struct
class RainArrays:
    """What falls in one picture."""

    first_cell: wp.int32  # number of the first column in the tables
    drops: wp.int32  # per column
    shifts: Floats  # one element per layer and column
    falling: UInt8s  # ``drops`` elements per layer and column: whether each drop is there


@wp.struct
class OutputArrays:
    """Where a picture goes, see ``renderer.RenderedFrame``; what nobody wants has one element."""

    want: wp.int32  # bits WANT_
    rgb: UInt8s
    linear: Vec3s
    depth_m: Floats
    normal: Vec3s
    tag: UInt8s
    instance: UInt32s
    material: Int32s
    uv: Vec2s
    duv: Vec4s
    shading: Vec3s
    residual: Vec3s
    under: Vec4s


@wp.struct
class Strip:
    """Which pixels one launch shades: runs of ``run`` pixels in every ``step``-th row from ``first`` on."""

    first: wp.int32
    step: wp.int32
    run: wp.int32


@lru_cache
def table_dtype(row: Any) -> np.dtype[Any]:
    """Return the numpy layout of a Warp struct, for filling tables on the host."""
    dtype: np.dtype[Any] = np.dtype(row.numpy_dtype())
    return dtype


def configure(module: str) -> None:
    """Set the shared kernel options on a kernel module (pass ``__name__``) and keep Warp off standard output."""
    wp.config.log_level = wp.LOG_ERROR
    wp.set_module_options(dict(KERNEL_OPTIONS), module=sys.modules[module])
