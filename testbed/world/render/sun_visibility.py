"""How much sun reaches a point: lookups in the shadow windows of ``shadows``."""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

from testbed.world.render.geometry import HEIGHT_SHIFT_M, HEIGHT_UNIT
from testbed.world.render.structs import Int32s, Light, ShadowArrays, WindowRow

_UNIT = wp.constant(wp.float32(HEIGHT_UNIT))
_SHIFT = wp.constant(wp.float32(HEIGHT_SHIFT_M))


@wp.func
def reached(heights: Int32s, i: int, z: int) -> float:
    """Return 1 if nothing recorded at a texel is higher towards the sun."""
    if heights[i] <= z:
        return 1.0
    return 0.0


@wp.func
def soft_tap(heights: Int32s, window: WindowRow, x: float, y: float, z: int) -> float:
    """Return the share of sun at a position, bilinear over the comparisons of four texels."""
    ix = int(wp.floor(x))
    iy = int(wp.floor(y))
    fx = x - float(ix)
    fy = y - float(iy)
    i = window.offset + iy * window.size_px + ix
    j = i + window.size_px
    top = reached(heights, i, z) * (1.0 - fx) + reached(heights, i + 1, z) * fx
    low = reached(heights, j, z) * (1.0 - fx) + reached(heights, j + 1, z) * fx
    return top * (1.0 - fy) + low * fy


@wp.func
def sunlit(shadows: ShadowArrays, p: wp.vec3, facing: wp.vec3, light: Light) -> float:
    """Return the share of sun that reaches a point, from the finest window that contains it; 1 outside all."""
    for k in range(shadows.count):
        window = shadows.windows[k]
        # Lifting the point off its own surface by a texel hides the steps of the map.
        q = p + facing * (1.2 * window.texel_m + 0.004)
        h = wp.vec4(q[0], q[1], q[2], 1.0)
        x = wp.dot(window.x, h) - 0.5
        y = wp.dot(window.y, h) - 0.5
        blur = light.shadow_blur_m / window.texel_m
        margin = 2.0 + blur
        top = float(window.size_px) - 2.0 - margin
        if x > margin and y > margin and x < top and y < top:
            z = int((wp.dot(window.z, h) + _SHIFT + 0.25 * window.texel_m) * _UNIT)
            # Narrower half shadows than this cannot be told from the four texels of one lookup.
            if blur < 1.5:
                return soft_tap(shadows.heights, window, x, y, z)
            # Taps beside the point are compared with the height of its own plane there, or it would shade itself.
            steep = wp.dot(facing, light.sun)
            if wp.abs(steep) < 0.15:
                steep = 0.15 * wp.sign(steep)
            rise = -_UNIT * window.texel_m * window.texel_m / steep
            b = 0.5 * blur
            u = int(b * rise * (window.x[0] * facing[0] + window.x[1] * facing[1] + window.x[2] * facing[2]))
            v = int(b * rise * (window.y[0] * facing[0] + window.y[1] * facing[1] + window.y[2] * facing[2]))
            u4 = int(0.4 * float(u))
            v4 = int(0.4 * float(v))
            return 0.25 * (
                soft_tap(shadows.heights, window, x - b, y - 0.4 * b, z - u - v4)
                + soft_tap(shadows.heights, window, x + 0.4 * b, y - b, z + u4 - v)
                + soft_tap(shadows.heights, window, x + b, y + 0.4 * b, z + u + v4)
                + soft_tap(shadows.heights, window, x - 0.4 * b, y + b, z - u4 + v)
            )
    return 1.0
