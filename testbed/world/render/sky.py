"""Air in the shader: sky, clouds, fog and the beam of the headlights."""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

from testbed.world.render.fast_math import quick_exp
from testbed.world.render.sampling import bilinear
from testbed.world.render.structs import MAX_LEVELS, WRAP_REPEAT, Eye, Light, TextureArrays

_CLOUDS = wp.constant(wp.int32(1))
_LEVELS = wp.constant(wp.int32(MAX_LEVELS))
_REPEAT = wp.constant(wp.int32(WRAP_REPEAT))


@wp.func
def sky_gradient(direction: wp.vec3, light: Light, glow: float) -> wp.vec3:
    """Return the clear sky's radiance; ``glow`` scales the brightness around the sun."""
    up = 1.0 - wp.clamp(direction[2], 0.0, 1.0)
    low = up * up * up
    low = low * up * up
    colour = light.zenith_rgb * (1.0 - low) + light.horizon_rgb * low
    near = wp.max(wp.dot(direction, light.sun), 0.0)
    near2 = near * near
    near4 = near2 * near2
    near16 = near4 * near4 * near4 * near4
    near64 = near16 * near16 * near16 * near16
    return colour + light.glow_rgb * (glow * (0.30 * near4 * (0.35 + 0.65 * low) + 0.35 * near16 + 0.8 * near64))


@wp.func
def fog_share(distance: float, slope: float, light: Light) -> float:
    """Return how much of the light over a distance is fog, which thins along rays that climb."""
    way = wp.max(distance - light.fog_start_m, 0.0)
    climb = wp.max(light.fog_falloff_1pm * slope * way, 0.0)
    # Mean of an exponential atmosphere along the ray, (1 - exp(-c)) / c, to first order.
    return 1.0 - quick_exp(-light.fog_1pm * way / (1.0 + 0.5 * climb))


@wp.func
def sky_pixel(view: wp.vec3, light: Light, textures: TextureArrays) -> wp.vec3:
    """Return the radiance of a pixel without geometry."""
    colour = sky_gradient(view, light, 1.0)
    near = wp.dot(view, light.sun)
    colour += light.disk_rgb * wp.clamp((near - 0.99970) * 6000.0, 0.0, 1.0)
    if view[2] > 0.015 and light.cloud_cover > 0.02:
        # A flat layer at unit height, seen ever flatter and fainter towards the horizon.
        u = view[0] / (view[2] + 0.05) * 0.13
        v = view[1] / (view[2] + 0.05) * 0.13
        size = textures.table[_CLOUDS].width
        texel = bilinear(
            textures.texels, textures.offsets[_CLOUDS * _LEVELS], size, size, _REPEAT, u - wp.floor(u), v - wp.floor(v)
        )
        height = texel[3]
        cover = wp.clamp((height - 1.0 + light.cloud_cover) * 3.5, 0.0, 1.0)
        cover = cover * wp.clamp((view[2] - 0.015) * 9.0, 0.0, 1.0)
        shade = 1.08 - 0.30 * wp.clamp((height - 1.0 + light.cloud_cover) * 1.6, 0.0, 1.0)
        colour = colour * (1.0 - cover) + light.cloud_rgb * (cover * shade)
    way = wp.min(3000.0, 90.0 / wp.max(view[2], 0.002))
    fog = fog_share(way, view[2], light)
    return colour * (1.0 - fog) + light.fog_rgb * fog


@wp.func
def beam(eye: Eye, p: wp.vec3, normal: wp.vec3, retro: float) -> float:
    """Return the light of headlights below and ahead of the camera; ``retro`` is what a surface sends straight back."""
    ahead = wp.normalize(wp.vec3(eye.forward[0], eye.forward[1], 0.0) + wp.vec3(1.0e-6, 0.0, 0.0))
    lamp = eye.position + ahead * 1.3 - wp.vec3(0.0, 0.0, 0.75)
    way = p - lamp
    square = wp.dot(way, way)
    distance = wp.sqrt(square) + 1.0e-4
    direction = way / distance
    forward = wp.dot(direction, ahead)
    if forward <= 0.05:
        return 0.0
    side = direction[0] * ahead[1] - direction[1] * ahead[0]
    rise = direction[2] / forward
    # Dipped beam: soft edge one degree below the lamp, a weak spill above it.
    cut = 0.12 + 0.88 * wp.clamp((0.012 - rise) * 45.0, 0.0, 1.0)
    cone = quick_exp(-side * side * 7.0) * cut
    # Rough asphalt sends back more at grazing angles than Lambert says.
    facing = 0.22 + 0.78 * wp.max(-wp.dot(direction, normal), 0.0)
    return cone * facing * (1.0 + retro) / (square + 100.0)
