"""The deferred shading kernel: one thread per pixel turns a triangle number into colour and ground truth.

A pixel's colour is ``L * texture + R``: L is all light that the surface's own texture would reflect, R is everything
that does not depend on it (gloss, fog, rain). Both can be written out, and torch re-renders from them.
"""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

from testbed.server.render.geometry import HEIGHT_SHIFT_M, HEIGHT_UNIT
from testbed.server.render.lighting import LUT_MAX, LUT_SIZE
from testbed.server.render.sampling import DECAL_TAPS, OBJECT_TAPS, sample, sample_ground
from testbed.server.render.sky import beam, fog_share, rain_streak, sky_gradient, sky_pixel
from testbed.server.render.structs import (
    KIND_ROAD,
    WANT_GEOMETRY,
    WANT_IDS,
    WANT_LIGHT,
    WANT_LINEAR,
    WANT_RGB,
    WANT_UV,
    Bands,
    Decals,
    Eye,
    Floats,
    Int32s,
    Int64s,
    Light,
    Parts,
    Textures,
    UInt8s,
    UInt32s,
    Vec2s,
    Vec3is,
    Vec3s,
    Vec4s,
    WindowRow,
    Windows,
    configure,
)

configure(__name__)

FAR_M = 1000.0
"""Depth of the sky, as CARLA's depth camera has it."""

TAG_SKY, TAG_ROAD_LINE, TAG_SIGN = 11, 24, 8
TILE_M = 8.0
"""Side of the asphalt tile."""

_FAR = wp.constant(wp.float32(FAR_M))
_TILE = wp.constant(wp.float32(1.0 / TILE_M))
_SKY = wp.constant(wp.int32(TAG_SKY))
_LINE = wp.constant(wp.int32(TAG_ROAD_LINE))
_SIGN = wp.constant(wp.int32(TAG_SIGN))
_ROAD = wp.constant(wp.int32(KIND_ROAD))
_OBJECT_TAPS = wp.constant(wp.int32(OBJECT_TAPS))
_DECAL_TAPS = wp.constant(wp.int32(DECAL_TAPS))
_RGB = wp.constant(wp.int32(WANT_RGB))
_LINEAR = wp.constant(wp.int32(WANT_LINEAR))
_GEOMETRY = wp.constant(wp.int32(WANT_GEOMETRY))
_IDS = wp.constant(wp.int32(WANT_IDS))
_UV = wp.constant(wp.int32(WANT_UV))
_LIGHT = wp.constant(wp.int32(WANT_LIGHT))
_LUT_SCALE = wp.constant(wp.float32(1.0 / LUT_MAX))
_LUT_TOP = wp.constant(wp.float32(LUT_SIZE - 1))
_UNIT = wp.constant(wp.float32(HEIGHT_UNIT))
_SHIFT = wp.constant(wp.float32(HEIGHT_SHIFT_M))
# Row 0 and 1 of the texture table are always asphalt and clouds.
_ASPHALT = wp.constant(wp.int32(0))


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
def sunlit(heights: Int32s, windows: Windows, count: int, p: wp.vec3, facing: wp.vec3, light: Light) -> float:
    """Return the share of sun that reaches a point, from the finest window that contains it; 1 outside all."""
    for k in range(count):
        window = windows[k]
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
            if blur < 1.0:
                return soft_tap(heights, window, x, y, z)
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
                soft_tap(heights, window, x - b, y - 0.4 * b, z - u - v4)
                + soft_tap(heights, window, x + 0.4 * b, y - b, z + u4 - v)
                + soft_tap(heights, window, x + b, y + 0.4 * b, z + u + v4)
                + soft_tap(heights, window, x - 0.4 * b, y + b, z - u4 + v)
            )
    return 1.0


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


@wp.kernel
def shade(
    want: int,
    eye: Eye,
    light: Light,
    keys: Int64s,
    triangles: Vec3is,
    triangle_part: Int32s,
    vertices: Vec3s,
    normals: Vec3s,
    uvs: Vec2s,
    parts: Parts,
    bands: Bands,
    textures: Textures,
    offsets: Int32s,
    texels: Vec4s,
    decals: Decals,
    decal_count: int,
    windows: Windows,
    window_count: int,
    heights: Int32s,
    tone: UInt8s,
    out_rgb: UInt8s,
    out_linear: Vec3s,
    out_depth: Floats,
    out_normal: Vec3s,
    out_tag: UInt8s,
    out_instance: UInt32s,
    out_material: Int32s,
    out_uv: Vec2s,
    out_duv: Vec4s,
    out_shading: Vec3s,
    out_residual: Vec3s,
    out_under: Vec4s,
):
    """Shade one pixel; groups of outputs are written as the bits of ``want`` say."""
    pixel = wp.tid()
    row = pixel / eye.width_px
    column = pixel - row * eye.width_px
    ray_x = (float(column) + 0.5 - 0.5 * float(eye.width_px)) / eye.focal_px
    ray_y = (float(row) + 0.5 - 0.5 * float(eye.height_px)) / eye.focal_px
    ray = eye.forward + eye.right * ray_x - eye.up * ray_y
    ray_length = wp.length(ray)
    view = ray / ray_length
    key = keys[pixel]

    depth = float(_FAR)
    normal = wp.vec3(0.0, 0.0, 0.0)
    tag = int(_SKY)
    instance = wp.uint32(0)
    number = wp.int32(0)
    uv = wp.vec2(0.0, 0.0)
    duv = wp.vec4(0.0, 0.0, 0.0, 0.0)
    lit = wp.vec3(0.0, 0.0, 0.0)
    residual = wp.vec3(0.0, 0.0, 0.0)
    under = wp.vec4(0.0, 0.0, 0.0, 0.0)
    linear = wp.vec3(0.0, 0.0, 0.0)

    if key < wp.int64(0):
        linear = sky_pixel(view, light, textures, offsets, texels)
        residual = linear
    else:
        triangle = int(key & wp.int64(0x7FFFFFFF))
        corner = triangles[triangle]
        corner_a = vertices[corner[0]]
        edge_b = vertices[corner[1]] - corner_a
        edge_c = vertices[corner[2]] - corner_a
        # Moeller-Trumbore, with numerators and denominator kept linear in the ray: their screen derivatives are exact.
        origin = eye.position - corner_a
        plane = wp.cross(edge_c, edge_b)
        for_b = wp.cross(edge_c, origin)
        for_c = wp.cross(origin, edge_b)
        denominator = wp.dot(ray, plane)
        if wp.abs(denominator) < 1.0e-12:
            denominator = 1.0e-12
        inverse = 1.0 / denominator
        wb = wp.dot(ray, for_b) * inverse
        wc = wp.dot(ray, for_c) * inverse
        depth = wp.dot(edge_c, for_c) * inverse
        step_x = eye.right / eye.focal_px
        step_y = -eye.up / eye.focal_px
        plane_x = wp.dot(step_x, plane)
        plane_y = wp.dot(step_y, plane)
        wb_x = (wp.dot(step_x, for_b) - wb * plane_x) * inverse
        wb_y = (wp.dot(step_y, for_b) - wb * plane_y) * inverse
        wc_x = (wp.dot(step_x, for_c) - wc * plane_x) * inverse
        wc_y = (wp.dot(step_y, for_c) - wc * plane_y) * inverse
        # A pixel whose centre just misses the triangle takes the nearest point of it.
        wb = wp.clamp(wb, 0.0, 1.0)
        wc = wp.clamp(wc, 0.0, 1.0 - wb)
        p = corner_a + edge_b * wb + edge_c * wc
        facing = wp.normalize(plane)
        if wp.dot(facing, view) > 0.0:
            facing = -facing
        wa = 1.0 - wb - wc
        normal = wp.normalize(normals[corner[0]] * wa + normals[corner[1]] * wb + normals[corner[2]] * wc)
        if wp.dot(normal, facing) < 0.0:
            normal = -normal
        uv_a = uvs[corner[0]]
        uv_b = uvs[corner[1]] - uv_a
        uv_c = uvs[corner[2]] - uv_a
        uv = uv_a + uv_b * wb + uv_c * wc
        uv_x = uv_b * wb_x + uv_c * wc_x
        uv_y = uv_b * wb_y + uv_c * wc_y
        duv = wp.vec4(uv_x[0], uv_x[1], uv_y[0], uv_y[1])

        part = parts[triangle_part[triangle]]
        tag = part.tag
        instance = part.instance
        distance = depth * ray_length
        cos_view = wp.max(-wp.dot(normal, view), 0.02)

        sun_cos = wp.max(wp.dot(normal, light.sun), 0.0)
        sun = wp.float32(0.0)
        sky = wp.float32(1.0)
        if sun_cos > 0.0 and light.sun_rgb[0] > 0.0:
            sun = sunlit(heights, windows, window_count, p, facing, light)
            sky = 1.0 - light.sky_shadow * (1.0 - sun)
        lit = (
            light.sun_rgb * (sun * sun_cos)
            + light.ambient_rgb * (sky * (0.5 + 0.5 * normal[2]))
            + light.ground_rgb * (0.5 - 0.5 * normal[2])
        )

        gloss = part.specular
        shininess = part.shininess
        base = part.albedo
        alpha = wp.float32(0.0)
        retro = wp.float32(0.0)
        colour = wp.vec3(0.0, 0.0, 0.0)
        if part.kind == _ROAD:
            s = uv[0]
            t = uv[1]
            row_of = part.texture
            if row_of < 0:
                row_of = int(_ASPHALT)
            stone = sample_ground(texels, offsets, textures[row_of], row_of, s * _TILE, t * _TILE, duv * _TILE)
            base = wp.vec3(base[0] * stone[0], base[1] * stone[1], base[2] * stone[2])
            # Water darkens asphalt, fills it to a mirror where it stands.
            film = light.wetness
            pool = film * wp.clamp((stone[3] - 1.0 + 0.40 * light.puddles) * 3.0, 0.0, 1.0)
            lit = lit * (1.0 - 0.45 * film)
            painted = wp.float32(0.0)
            for k in range(part.first_band, part.first_band + part.bands):
                cover = paint_cover(bands, k, s, t, wp.abs(uv_x[0]) + wp.abs(uv_y[0]), uv_x[1], uv_y[1])
                if cover > 0.0:
                    cover = cover * (0.80 + 0.17 * wp.clamp(2.5 * stone[3], 0.0, 1.0))
                    painted = wp.max(painted, cover)
                    base = base * (1.0 - cover) + bands[k].rgb * cover
            if painted > 0.4:
                tag = int(_LINE)
            retro = 2.4 * painted
            gloss = wp.max(gloss, film * (0.42 + 0.2 * painted) + 0.35 * pool)
            shininess = wp.max(shininess, 24.0 + 400.0 * pool)
            normal_x = (stone[3] - 0.5) * 0.02 * (1.0 - pool)
            normal = wp.normalize(normal + wp.vec3(normal_x, normal_x, 0.0))
            p_b = edge_b * wb_x + edge_c * wc_x
            p_c = edge_b * wb_y + edge_c * wc_y
            for k in range(decal_count):
                decal = decals[k]
                du = wp.vec4(
                    decal.du[0] * p_b[0] + decal.du[1] * p_b[1],
                    decal.dv[0] * p_b[0] + decal.dv[1] * p_b[1],
                    decal.du[0] * p_c[0] + decal.du[1] * p_c[1],
                    decal.dv[0] * p_c[0] + decal.dv[1] * p_c[1],
                )
                u = decal.du[0] * p[0] + decal.du[1] * p[1] + decal.u0
                v = decal.dv[0] * p[0] + decal.dv[1] * p[1] + decal.v0
                margin_u = 0.5 * (wp.abs(du[0]) + wp.abs(du[2]))
                margin_v = 0.5 * (wp.abs(du[1]) + wp.abs(du[3]))
                if u > -margin_u and u < 1.0 + margin_u and v > -margin_v and v < 1.0 + margin_v:
                    texture = textures[decal.texture]
                    ink = sample(texels, offsets, texture, decal.texture, u, v, du, _DECAL_TAPS)
                    if number != 0:
                        base = base * (1.0 - alpha) + colour
                    colour = wp.vec3(ink[0], ink[1], ink[2])
                    alpha = ink[3]
                    number = texture.number
                    uv = wp.vec2(u, v)
                    duv = du
        else:
            if part.texture >= 0:
                texture = textures[part.texture]
                texel = sample(texels, offsets, texture, part.texture, uv[0], uv[1], duv, _OBJECT_TAPS)
                colour = wp.vec3(base[0] * texel[0], base[1] * texel[1], base[2] * texel[2])
                number = texture.number
                base = wp.vec3(0.0, 0.0, 0.0)
            if tag == _SIGN:
                retro = 20.0

        if light.beam_rgb[0] > 0.0:
            lit += light.beam_rgb * beam(eye, p, normal, retro)
        if part.emissive > 0.0:
            glow = part.emissive * light.lamp_gain
            lit += wp.vec3(glow, glow, glow)

        shine = wp.vec3(0.0, 0.0, 0.0)
        if gloss > 0.0:
            # Schlick's Fresnel term for a dielectric; the coat takes from the diffuse light what it reflects.
            grazing = 1.0 - cos_view
            square = grazing * grazing
            fresnel = gloss * (0.04 + 0.96 * square * square * grazing)
            mirror = view + normal * (2.0 * cos_view)
            shine = sky_gradient(mirror, light, 0.25) * fresnel
            if mirror[2] < 0.0:
                shine = light.ground_rgb * fresnel
            if sun > 0.0:
                half = wp.normalize(light.sun - view)
                lobe = wp.pow(wp.max(wp.dot(normal, half), 0.0), shininess)
                shine += light.sun_rgb * (sun * lobe * fresnel * (shininess + 8.0) * 0.125)
            lit = lit * (1.0 - fresnel)

        fog = fog_share(distance, view[2], light)
        fog_rgb = light.fog_rgb
        toward = wp.dot(view, light.sun)
        if toward > 0.0:
            fog_rgb += light.glow_rgb * (0.35 * toward * toward * toward * toward)
        lit = lit * (1.0 - fog)
        residual = shine * (1.0 - fog) + fog_rgb * fog
        under = wp.vec4(lit[0] * base[0], lit[1] * base[1], lit[2] * base[2], alpha)
        residual += wp.vec3(under[0], under[1], under[2]) * (1.0 - alpha)
        linear = wp.vec3(lit[0] * colour[0], lit[1] * colour[1], lit[2] * colour[2]) + residual

    if light.rain > 0.0:
        streak = light.rain_rgb * rain_streak(column, row, eye, light)
        residual += streak
        linear += streak

    if (want & _RGB) != 0:
        at = pixel * 3
        for k in range(3):
            value = wp.sqrt(wp.clamp(linear[k] * _LUT_SCALE, 0.0, 1.0))
            out_rgb[at + k] = tone[int(value * _LUT_TOP + 0.5)]
    if (want & _LINEAR) != 0:
        out_linear[pixel] = linear
    if (want & _GEOMETRY) != 0:
        out_depth[pixel] = depth
        out_normal[pixel] = normal
    if (want & _IDS) != 0:
        out_tag[pixel] = wp.uint8(tag)
        out_instance[pixel] = instance
        out_material[pixel] = number
    if (want & _UV) != 0:
        out_uv[pixel] = uv
        out_duv[pixel] = duv
    if (want & _LIGHT) != 0:
        out_shading[pixel] = lit
        out_residual[pixel] = residual
        out_under[pixel] = under
