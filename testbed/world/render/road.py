"""What lies on the road: asphalt, water, painted lines whose cover is integrated over the pixel, and decals."""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

from testbed.core.semantic_tags import SemanticTag
from testbed.world.render.sampling import DECAL_TAPS, sample, sample_ground
from testbed.world.render.structs import Bands, DecalArrays, Hit, Light, PartRow, Surface, TextureArrays

TILE_M = 8.0
"""Side of the asphalt tile."""

_TILE = wp.constant(wp.float32(1.0 / TILE_M))
_LINE = wp.constant(wp.int32(int(SemanticTag.ROAD_LINES)))
_DECAL_TAPS = wp.constant(wp.int32(DECAL_TAPS))
# Row 0 of the texture table is always asphalt.
_ASPHALT = wp.constant(wp.int32(0))


@wp.func
def ramp(x: float, wide: float, narrow: float) -> float:
    """Return the integral up to x of the convolution of two centred boxes, from 0 to 1."""
    outer = 0.5 * (wide + narrow)
    inner = 0.5 * (wide - narrow)
    t = wp.clamp(x, -outer, outer)
    a = t + outer
    b = wp.max(t + inner, 0.0)
    c = wp.max(t - inner, 0.0)
    return (a * a - b * b - c * c) / (2.0 * wide * narrow)


@wp.func
def box_cover(centre: float, width: float, x: float, step_a: float, step_b: float) -> float:
    """Return how much of a pixel, a parallelogram with two steps across a stripe, the stripe covers."""
    wide = wp.max(wp.max(wp.abs(step_a), wp.abs(step_b)), 1.0e-4)
    narrow = wp.max(wp.min(wp.abs(step_a), wp.abs(step_b)), 0.02 * wide)
    return ramp(centre + 0.5 * width - x, wide, narrow) - ramp(centre - 0.5 * width - x, wide, narrow)


@wp.func
def dash_integral(s: float, dash: float, period: float) -> float:
    """Return the painted length of a dashed line between 0 and s."""
    whole = wp.floor(s / period)
    return whole * dash + wp.min(s - whole * period, dash)


@wp.func
def paint_cover(bands: Bands, k: int, s: float, t: float, ds: float, dt_x: float, dt_y: float) -> float:
    """Return how much of a pixel on the road a painted line covers."""
    band = bands[k]
    reach = 0.5 * (band.width_m + wp.abs(dt_x) + wp.abs(dt_y))
    if wp.abs(t - band.t_m) >= reach:
        return 0.0
    cover = box_cover(band.t_m, band.width_m, t, dt_x, dt_y)
    if band.dash_m > 0.0:
        period = band.dash_m + band.gap_m
        step = wp.max(ds, 0.002)
        # Relative to the start of the period, so that kilometres of road do not cost precision.
        a = s - 0.5 * step
        base = wp.floor(a / period) * period
        a = a - base
        cover = cover * (dash_integral(a + step, band.dash_m, period) - dash_integral(a, band.dash_m, period)) / step
    return wp.clamp(cover, 0.0, 1.0)


@wp.func
def road_surface(
    hit: Hit,
    part: PartRow,
    light: Light,
    bands: Bands,
    textures: TextureArrays,
) -> Surface:
    """Return bare road at a pixel; its texture coordinates are metres along and across."""
    surface = Surface()
    s = hit.uv[0]
    t = hit.uv[1]
    row = part.texture
    if row < 0:
        row = int(_ASPHALT)
    stone = sample_ground(textures, textures.table[row], row, s * _TILE, t * _TILE, hit.duv * _TILE)
    base = wp.cw_mul(part.albedo, wp.vec3(stone[0], stone[1], stone[2]))
    painted = wp.float32(0.0)
    step_s = wp.abs(hit.duv[0]) + wp.abs(hit.duv[2])
    for k in range(part.first_band, part.first_band + part.bands):
        cover = paint_cover(bands, k, s, t, step_s, hit.duv[1], hit.duv[3])
        if cover > 0.0:
            cover = cover * (0.80 + 0.17 * wp.clamp(2.5 * stone[3], 0.0, 1.0))
            painted = wp.max(painted, cover)
            base = base * (1.0 - cover) + bands[k].rgb * cover
    # Water darkens asphalt, fills it to a mirror where it stands.
    film = light.wetness
    pool = film * wp.clamp((stone[3] - 1.0 + 0.40 * light.puddles) * 3.0, 0.0, 1.0)
    bump = (stone[3] - 0.5) * 0.02 * (1.0 - pool)
    surface.base = base
    surface.uv = hit.uv
    surface.duv = hit.duv
    surface.tag = part.tag
    if painted > 0.4:
        surface.tag = int(_LINE)
    surface.retro = 2.4 * painted
    surface.dry = 1.0 - 0.45 * film
    surface.gloss = wp.max(part.specular, film * (0.42 + 0.2 * painted) + 0.35 * pool)
    surface.shininess = wp.max(part.shininess, 24.0 + 400.0 * pool)
    surface.normal = wp.normalize(hit.normal + wp.vec3(bump, bump, 0.0))
    return surface


@wp.func
def lay_decals(
    surface: Surface,
    hit: Hit,
    decals: DecalArrays,
    textures: TextureArrays,
) -> Surface:
    """Return a road surface under its decals; the topmost becomes the texture that can be re-rendered."""
    for k in range(decals.count):
        decal = decals.rows[k]
        u = decal.du[0] * hit.p[0] + decal.du[1] * hit.p[1] + decal.u0
        v = decal.dv[0] * hit.p[0] + decal.dv[1] * hit.p[1] + decal.v0
        duv = wp.vec4(
            decal.du[0] * hit.p_x[0] + decal.du[1] * hit.p_x[1],
            decal.dv[0] * hit.p_x[0] + decal.dv[1] * hit.p_x[1],
            decal.du[0] * hit.p_y[0] + decal.du[1] * hit.p_y[1],
            decal.dv[0] * hit.p_y[0] + decal.dv[1] * hit.p_y[1],
        )
        margin_u = 0.5 * (wp.abs(duv[0]) + wp.abs(duv[2]))
        margin_v = 0.5 * (wp.abs(duv[1]) + wp.abs(duv[3]))
        if u > -margin_u and u < 1.0 + margin_u and v > -margin_v and v < 1.0 + margin_v:
            texture = textures.table[decal.texture]
            ink = sample(textures, texture, decal.texture, u, v, duv, _DECAL_TAPS)
            if surface.number != 0:
                surface.base = surface.base * (1.0 - surface.alpha) + surface.colour
            surface.colour = wp.vec3(ink[0], ink[1], ink[2])
            surface.alpha = ink[3]
            surface.number = texture.number
            surface.uv = wp.vec2(u, v)
            surface.duv = duv
    return surface
