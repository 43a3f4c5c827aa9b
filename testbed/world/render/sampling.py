"""Texture lookup with a pixel's whole footprint, shared by the shader; ``rerender`` repeats it in torch.

The footprint is the parallelogram of the two screen derivatives ``(du/dx, dv/dx, du/dy, dv/dy)``. Following the
formula of GL_EXT_texture_filter_anisotropic, the longer derivative is walked in up to ``taps`` steps, each a
trilinear lookup in the mip level that fits the shorter one.
"""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

from testbed.world.render.fast_math import half_exponent, quick_log2
from testbed.world.render.structs import MAX_LEVELS, WRAP_CLAMP, WRAP_REPEAT, TextureArrays, TextureRow, Vec4s

OBJECT_TAPS = 2
"""Steps along the footprint on objects."""

DECAL_TAPS = 16
"""Steps on decals, which lie flat on the road and are seen at grazing angles."""

_LEVELS = wp.constant(wp.int32(MAX_LEVELS))
_REPEAT = wp.constant(wp.int32(WRAP_REPEAT))
_CLAMP = wp.constant(wp.int32(WRAP_CLAMP))


@wp.func
def bilinear(texels: Vec4s, offset: int, width: int, height: int, wrap: int, u: float, v: float) -> wp.vec4:
    """Look up one level at (u, v); texel centres lie at (i + 0.5) / n."""
    x = u * float(width) - 0.5
    y = v * float(height) - 0.5
    ix = int(wp.floor(x))
    iy = int(wp.floor(y))
    fx = x - float(ix)
    fy = y - float(iy)
    w00 = (1.0 - fx) * (1.0 - fy)
    w10 = fx * (1.0 - fy)
    w01 = (1.0 - fx) * fy
    w11 = fx * fy
    jx = ix + 1
    jy = iy + 1
    if wrap == _REPEAT:
        # u and v lie in [0, 1): at most one period away.
        if ix < 0:
            ix += width
        if iy < 0:
            iy += height
        if jx >= width:
            jx -= width
        if jy >= height:
            jy -= height
    else:
        if wrap != _CLAMP:
            if ix < 0 or ix >= width:
                w00 = 0.0
                w01 = 0.0
            if jx < 0 or jx >= width:
                w10 = 0.0
                w11 = 0.0
            if iy < 0 or iy >= height:
                w00 = 0.0
                w10 = 0.0
            if jy < 0 or jy >= height:
                w01 = 0.0
                w11 = 0.0
        ix = wp.clamp(ix, 0, width - 1)
        jx = wp.clamp(jx, 0, width - 1)
        iy = wp.clamp(iy, 0, height - 1)
        jy = wp.clamp(jy, 0, height - 1)
    top = offset + iy * width
    low = offset + jy * width
    return texels[top + ix] * w00 + texels[top + jx] * w10 + texels[low + ix] * w01 + texels[low + jx] * w11


@wp.func
def sample_ground(textures: TextureArrays, texture: TextureRow, row: int, u: float, v: float, du: wp.vec4) -> wp.vec4:
    """Look up a tiling texture at two points of its nearest level: half the price, for noise that nobody re-renders."""
    size = float(texture.width)
    step_u = du[0]
    step_v = du[1]
    longer = du[0] * du[0] + du[1] * du[1]
    shorter = du[2] * du[2] + du[3] * du[3]
    if shorter > longer:
        step_u = du[2]
        step_v = du[3]
        spare = longer
        longer = shorter
        shorter = spare
    # Squared lengths: half a logarithm, rounded, which is why the square is doubled. A third of the longer side is wide
    # enough for two points.
    level = half_exponent(2.0 * wp.max(wp.max(shorter, 0.11 * longer) * size * size, 1.0))
    level = wp.min(level, texture.levels - 1)
    offset = textures.offsets[row * _LEVELS + level]
    width = (texture.width + (1 << level) - 1) >> level
    height = (texture.height + (1 << level) - 1) >> level
    au = u - 0.25 * step_u
    av = v - 0.25 * step_v
    bu = u + 0.25 * step_u
    bv = v + 0.25 * step_v
    a = bilinear(textures.texels, offset, width, height, _REPEAT, au - wp.floor(au), av - wp.floor(av))
    b = bilinear(textures.texels, offset, width, height, _REPEAT, bu - wp.floor(bu), bv - wp.floor(bv))
    return (a + b) * 0.5


@wp.func
def sample(
    textures: TextureArrays, texture: TextureRow, row: int, u: float, v: float, du: wp.vec4, taps: int
) -> wp.vec4:
    """Look up a texture under the footprint ``du`` = (du/dx, dv/dx, du/dy, dv/dy)."""
    w = float(texture.width)
    h = float(texture.height)
    length_x = wp.sqrt(du[0] * du[0] * w * w + du[1] * du[1] * h * h)
    length_y = wp.sqrt(du[2] * du[2] * w * w + du[3] * du[3] * h * h)
    step_u = du[0]
    step_v = du[1]
    longer = length_x
    shorter = length_y
    if length_y > length_x:
        step_u = du[2]
        step_v = du[3]
        longer = length_y
        shorter = length_x
    shorter = wp.max(shorter, longer / float(taps))
    count = wp.int32(1)
    if longer > 1.0:
        # The slack keeps square footprints, the most common ones, away from the threshold.
        while count < taps and longer > 1.1 * shorter * float(count):
            count *= 2
    lod = quick_log2(wp.max(shorter, 1.0))
    level = wp.min(int(lod), texture.levels - 1)
    # Near a whole level one level will do; continuous, and half the lookups of full trilinear filtering.
    blend = wp.clamp((lod - float(level)) * 2.0 - 0.5, 0.0, 1.0)
    if level == texture.levels - 1:
        blend = 0.0
    elif blend == 1.0:
        blend = 0.0
        level += 1
    base = row * _LEVELS + level
    total = wp.vec4(0.0, 0.0, 0.0, 0.0)
    scale = 1.0 / float(count)
    for k in range(count):
        at = (float(k) + 0.5) * scale - 0.5
        tu = u + step_u * at
        tv = v + step_v * at
        if texture.wrap == _REPEAT:
            tu = tu - wp.floor(tu)
            tv = tv - wp.floor(tv)
        else:
            # Far outside nothing changes any more; keeps the integer conversion in range.
            tu = wp.clamp(tu, -2.0, 3.0)
            tv = wp.clamp(tv, -2.0, 3.0)
        width = (texture.width + (1 << level) - 1) >> level
        height = (texture.height + (1 << level) - 1) >> level
        texel = bilinear(textures.texels, textures.offsets[base], width, height, texture.wrap, tu, tv)
        if blend > 0.0:
            width = (width + 1) >> 1
            height = (height + 1) >> 1
            coarse = bilinear(textures.texels, textures.offsets[base + 1], width, height, texture.wrap, tu, tv)
            texel = texel * (1.0 - blend) + coarse * blend
        total += texel
    return total * scale
