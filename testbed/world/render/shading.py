"""The deferred shading kernel: one thread per pixel turns a triangle number into colour and ground truth.

A pixel's colour is ``L * texture + R``: L is all light that the surface's own texture would reflect, R is everything
that does not depend on it (gloss, fog, rain). Both can be written out, and torch re-renders from them.
"""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

from testbed.core.semantic_tags import SemanticTag
from testbed.world.render.fast_math import quick_pow
from testbed.world.render.lighting import LUT_MAX, LUT_SIZE
from testbed.world.render.rain import rain_streak
from testbed.world.render.road import lay_decals, road_surface
from testbed.world.render.sampling import OBJECT_TAPS, sample
from testbed.world.render.sky import beam, fog_share, sky_gradient, sky_pixel
from testbed.world.render.structs import (
    KIND_ROAD,
    WANT_COLOUR,
    WANT_GEOMETRY,
    WANT_IDS,
    WANT_INSTANCE,
    WANT_LIGHT,
    WANT_LINEAR,
    WANT_RGB,
    WANT_UV,
    DecalArrays,
    Eye,
    Facet,
    Hit,
    Int64Rows,
    Light,
    OutputArrays,
    PartRow,
    RainArrays,
    SceneArrays,
    ShadowArrays,
    Shine,
    Strip,
    Surface,
    TextureArrays,
    UInt8s,
    configure,
)
from testbed.world.render.sun_visibility import sunlit

configure(__name__)

FAR_M = 1000.0
"""Depth of the sky, as CARLA's depth camera has it."""

_FAR = wp.constant(wp.float32(FAR_M))
_SKY = wp.constant(wp.int32(int(SemanticTag.SKY)))
_SIGN = wp.constant(wp.int32(int(SemanticTag.TRAFFIC_SIGNS)))
_ROAD = wp.constant(wp.int32(KIND_ROAD))
_OBJECT_TAPS = wp.constant(wp.int32(OBJECT_TAPS))
_RGB = wp.constant(wp.int32(WANT_RGB))
_LINEAR = wp.constant(wp.int32(WANT_LINEAR))
_GEOMETRY = wp.constant(wp.int32(WANT_GEOMETRY))
_IDS = wp.constant(wp.int32(WANT_IDS))
_INSTANCE = wp.constant(wp.int32(WANT_INSTANCE))
_UV = wp.constant(wp.int32(WANT_UV))
_LIGHT = wp.constant(wp.int32(WANT_LIGHT))
_COLOUR = wp.constant(wp.int32(WANT_COLOUR))
_LUT_SCALE = wp.constant(wp.float32(1.0 / LUT_MAX))
_LUT_TOP = wp.constant(wp.float32(LUT_SIZE - 1))


@wp.func
def ray_through(column: int, row: int, eye: Eye) -> wp.vec3:
    """Return the ray of a pixel's centre; its length parameter is the depth."""
    x = (float(column) + 0.5 - 0.5 * float(eye.width_px)) / eye.focal_px
    y = (float(row) + 0.5 - 0.5 * float(eye.height_px)) / eye.focal_px
    return eye.forward + eye.right * x - eye.up * y


@wp.func
def facet_of(triangle: int, eye: Eye, scene: SceneArrays) -> Facet:
    """Return what all pixels on a triangle share."""
    facet = Facet()
    facet.triangle = triangle
    index = scene.triangles[triangle]
    facet.corner = scene.vertices[index[0]]
    facet.edge_b = scene.vertices[index[1]] - facet.corner
    facet.edge_c = scene.vertices[index[2]] - facet.corner
    origin = eye.position - facet.corner
    facet.plane = wp.cross(facet.edge_c, facet.edge_b)
    facet.for_b = wp.cross(facet.edge_c, origin)
    facet.for_c = wp.cross(origin, facet.edge_b)
    facet.depth = wp.dot(facet.edge_c, facet.for_c)
    step = 1.0 / eye.focal_px
    facet.b_step = wp.vec2(wp.dot(eye.right, facet.for_b), -wp.dot(eye.up, facet.for_b)) * step
    facet.c_step = wp.vec2(wp.dot(eye.right, facet.for_c), -wp.dot(eye.up, facet.for_c)) * step
    facet.plane_step = wp.vec2(wp.dot(eye.right, facet.plane), -wp.dot(eye.up, facet.plane)) * step
    facing = wp.normalize(facet.plane)
    if wp.dot(facing, origin) < 0.0:
        facing = -facing
    facet.facing = facing
    facet.normal = scene.normals[index[0]]
    facet.normal_b = scene.normals[index[1]] - facet.normal
    facet.normal_c = scene.normals[index[2]] - facet.normal
    facet.uv = scene.uvs[index[0]]
    facet.uv_b = scene.uvs[index[1]] - facet.uv
    facet.uv_c = scene.uvs[index[2]] - facet.uv
    return facet


@wp.func
def meet(facet: Facet, ray: wp.vec3) -> Hit:
    """Return where a ray meets a triangle.

    Moeller-Trumbore, with numerators and denominator kept linear in the ray: their screen derivatives are exact.
    """
    hit = Hit()
    denominator = wp.dot(ray, facet.plane)
    if wp.abs(denominator) < 1.0e-12:
        denominator = 1.0e-12
    inverse = 1.0 / denominator
    b = wp.dot(ray, facet.for_b) * inverse
    c = wp.dot(ray, facet.for_c) * inverse
    hit.depth_m = facet.depth * inverse
    b_step = (facet.b_step - facet.plane_step * b) * inverse
    c_step = (facet.c_step - facet.plane_step * c) * inverse
    # A pixel whose centre just misses the triangle takes the nearest point of it.
    b = wp.clamp(b, 0.0, 1.0)
    c = wp.clamp(c, 0.0, 1.0 - b)
    hit.p = facet.corner + facet.edge_b * b + facet.edge_c * c
    hit.p_x = facet.edge_b * b_step[0] + facet.edge_c * c_step[0]
    hit.p_y = facet.edge_b * b_step[1] + facet.edge_c * c_step[1]
    hit.facing = facet.facing
    normal = wp.normalize(facet.normal + facet.normal_b * b + facet.normal_c * c)
    if wp.dot(normal, facet.facing) < 0.0:
        normal = -normal
    hit.normal = normal
    hit.uv = facet.uv + facet.uv_b * b + facet.uv_c * c
    uv_x = facet.uv_b * b_step[0] + facet.uv_c * c_step[0]
    uv_y = facet.uv_b * b_step[1] + facet.uv_c * c_step[1]
    hit.duv = wp.vec4(uv_x[0], uv_x[1], uv_y[0], uv_y[1])
    return hit


@wp.func
def object_surface(hit: Hit, part: PartRow, textures: TextureArrays) -> Surface:
    """Return an object's surface at a pixel: its albedo, times its texture if it has one."""
    surface = Surface()
    surface.uv = hit.uv
    surface.duv = hit.duv
    surface.normal = hit.normal
    surface.tag = part.tag
    surface.dry = 1.0
    surface.gloss = part.specular
    surface.shininess = part.shininess
    if part.texture >= 0:
        texture = textures.table[part.texture]
        texel = sample(textures, texture, part.texture, hit.uv[0], hit.uv[1], hit.duv, _OBJECT_TAPS)
        surface.colour = wp.cw_mul(part.albedo, wp.vec3(texel[0], texel[1], texel[2]))
        surface.number = texture.number
    else:
        surface.base = part.albedo
    if part.tag == _SIGN:
        surface.retro = 20.0
    return surface


@wp.func
def mirrored(surface: Surface, view: wp.vec3, cos_view: float, fresnel: float, sun: float, light: Light) -> wp.vec3:
    """Return the light that a glossy surface mirrors: sky or ground, and the sun's highlight."""
    mirror = view + surface.normal * (2.0 * cos_view)
    shine = light.ground_rgb * fresnel
    if mirror[2] >= 0.0:
        shine = sky_gradient(mirror, light, 0.25) * fresnel
    if sun > 0.0:
        half = wp.normalize(light.sun - view)
        lobe = quick_pow(wp.max(wp.dot(surface.normal, half), 0.0), surface.shininess)
        shine += light.sun_rgb * (sun * lobe * fresnel * (surface.shininess + 8.0) * 0.125)
    return shine


@wp.func
def haze(view: wp.vec3, light: Light) -> wp.vec3:
    """Return the colour of dense fog in a direction, brighter towards the sun."""
    toward = wp.max(wp.dot(view, light.sun), 0.0)
    return light.fog_rgb + light.glow_rgb * (0.35 * toward * toward * toward * toward)


@wp.func
def shine_of(
    surface: Surface,
    hit: Hit,
    part: PartRow,
    view: wp.vec3,
    ray_length: float,
    eye: Eye,
    light: Light,
    shadows: ShadowArrays,
) -> Shine:
    """Return the light that a surface is seen in, fog included: for its colour to reflect, and what comes anyway."""
    shine = Shine()
    cos_view = wp.max(-wp.dot(hit.normal, view), 0.02)
    sun_cos = wp.max(wp.dot(hit.normal, light.sun), 0.0)
    sun = wp.float32(0.0)
    sky = wp.float32(1.0)
    if sun_cos > 0.0 and light.sun_rgb[0] > 0.0:
        sun = sunlit(shadows, hit.p, hit.facing, light)
        sky = 1.0 - light.sky_shadow * (1.0 - sun)
    lit = (
        light.sun_rgb * (sun * sun_cos)
        + light.ambient_rgb * (sky * (0.5 + 0.5 * hit.normal[2]))
        + light.ground_rgb * (0.5 - 0.5 * hit.normal[2])
    )
    lit = lit * surface.dry
    if light.beam_rgb[0] > 0.0:
        lit += light.beam_rgb * beam(eye, hit.p, surface.normal, surface.retro)
    if part.emissive > 0.0:
        glow = part.emissive * light.lamp_gain
        lit += wp.vec3(glow, glow, glow)
    residual = wp.vec3(0.0, 0.0, 0.0)
    if surface.gloss > 0.0:
        # Schlick's Fresnel term for a dielectric; the coat takes from the diffuse light what it reflects.
        grazing = 1.0 - cos_view
        square = grazing * grazing
        fresnel = surface.gloss * (0.04 + 0.96 * square * square * grazing)
        residual = mirrored(surface, view, cos_view, fresnel, sun, light)
        lit = lit * (1.0 - fresnel)
    fog = fog_share(hit.depth_m * ray_length, view[2], light)
    shine.lit = lit * (1.0 - fog)
    shine.residual = residual * (1.0 - fog) + haze(view, light) * fog
    return shine


@wp.kernel
def shade(
    strip: Strip,
    eye: Eye,
    light: Light,
    keys: Int64Rows,
    scene: SceneArrays,
    textures: TextureArrays,
    decals: DecalArrays,
    shadows: ShadowArrays,
    rain: RainArrays,
    tone: UInt8s,
    out: OutputArrays,
):
    """Shade the runs of pixels of a strip; groups of outputs are written as the bits of ``out.want`` say.

    Neighbours mostly lie on the same triangle, which is then prepared once. Without an output in colour nothing is lit;
    for the instances alone a pixel's triangle is not even met.
    """
    strip_row, part_of_row = wp.tid()
    row = strip.first + strip_row * strip.step
    run = strip.run
    want = out.want
    layers = keys.shape[0]
    coloured = (want & _COLOUR) != 0
    met = (want & ~_INSTANCE) != 0
    facet = Facet()
    facet.triangle = wp.int32(-1)
    for column in range(part_of_row * run, wp.min((part_of_row + 1) * run, eye.width_px)):
        pixel = row * eye.width_px + column
        ray = ray_through(column, row, eye)
        ray_length = wp.length(ray)
        view = ray / ray_length
        key = keys[0, pixel]
        for layer in range(1, layers):
            key = wp.max(key, keys[layer, pixel])

        depth_m = float(_FAR)
        normal = wp.vec3(0.0, 0.0, 0.0)
        instance = wp.uint32(0)
        surface = Surface()
        surface.tag = int(_SKY)
        lit = wp.vec3(0.0, 0.0, 0.0)
        residual = wp.vec3(0.0, 0.0, 0.0)
        under = wp.vec4(0.0, 0.0, 0.0, 0.0)
        linear = wp.vec3(0.0, 0.0, 0.0)

        if key < wp.int64(0):
            if coloured:
                linear = sky_pixel(view, light, textures)
                residual = linear
        else:
            triangle = int(key & wp.int64(0x7FFFFFFF))
            part = scene.parts[scene.triangle_part[triangle]]
            instance = part.instance
            hit = Hit()
            if met:
                if triangle != facet.triangle:
                    facet = facet_of(triangle, eye, scene)
                hit = meet(facet, ray)
                depth_m = hit.depth_m
                if part.kind == _ROAD:
                    surface = road_surface(hit, part, light, scene.bands, textures)
                    surface = lay_decals(surface, hit, decals, textures)
                else:
                    surface = object_surface(hit, part, textures)
                normal = surface.normal
            if coloured:
                shine = shine_of(surface, hit, part, view, ray_length, eye, light, shadows)
                lit = shine.lit
                residual = shine.residual
                ground = wp.cw_mul(lit, surface.base)
                under = wp.vec4(ground[0], ground[1], ground[2], surface.alpha)
                residual += ground * (1.0 - surface.alpha)
                linear = wp.cw_mul(lit, surface.colour) + residual

        if coloured and light.rain > 0.0:
            streak = light.rain_rgb * rain_streak(column, row, eye, light, rain)
            residual += streak
            linear += streak

        if (want & _RGB) != 0:
            at = pixel * 3
            for k in range(3):
                value = wp.sqrt(wp.clamp(linear[k] * _LUT_SCALE, 0.0, 1.0))
                out.rgb[at + k] = tone[int(value * _LUT_TOP + 0.5)]
        if (want & _LINEAR) != 0:
            out.linear[pixel] = linear
        if (want & _GEOMETRY) != 0:
            out.depth_m[pixel] = depth_m
            out.normal[pixel] = normal
        if (want & _IDS) != 0:
            out.tag[pixel] = wp.uint8(surface.tag)
            out.material[pixel] = surface.number
        if (want & _INSTANCE) != 0:
            out.instance[pixel] = instance
        if (want & _UV) != 0:
            out.uv[pixel] = surface.uv
            out.duv[pixel] = surface.duv
        if (want & _LIGHT) != 0:
            out.shading[pixel] = lit
            out.residual[pixel] = residual
            out.under[pixel] = under
