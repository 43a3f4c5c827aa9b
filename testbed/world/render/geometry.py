"""Geometry kernels: move vertices, find the nearest triangle of every pixel, draw sun shadow maps.

Visibility is a packed maximum: the bits of 1/depth above the triangle number in one 64-bit word, so the nearest
triangle wins by ``atomic_max`` in any order of execution, and equal depths go to the higher number. Bits of
non-negative floats order like the floats themselves.
"""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

from testbed.world.render.structs import Eye, Floats, Int32s, Int64s, Mat44s, Vec3is, Vec3s, Vec4s, Windows, configure

configure(__name__)

NEAR_M = 0.1
"""Distance of the near plane."""

HEIGHT_UNIT = 4096.0
"""Shadow heights are stored in 1/4096 m, shifted by HEIGHT_SHIFT_M to be positive; 0 means nothing was drawn."""

HEIGHT_SHIFT_M = 2048.0

_NEAR = wp.constant(wp.float32(NEAR_M))
_UNIT = wp.constant(wp.float32(HEIGHT_UNIT))
_SHIFT = wp.constant(wp.float32(HEIGHT_SHIFT_M))
# Widens triangles by a millionth of their height, so that rounding cannot open cracks along shared edges.
_EDGE = wp.constant(wp.float32(-1.0e-6))


@wp.kernel
def move(
    ids: Int32s,
    owner: Int32s,
    first: int,
    matrices: Mat44s,
    local: Vec3s,
    local_normals: Vec3s,
    world: Vec3s,
    world_normals: Vec3s,
):
    """Bring listed vertices and normals from their object's frame to the world.

    ``owner`` and the local arrays hold moving vertices only and are indexed from ``first``.
    """
    vertex = ids[wp.tid()]
    k = vertex - first
    matrix = matrices[owner[k]]
    world[vertex] = wp.transform_point(matrix, local[k])
    world_normals[vertex] = wp.transform_vector(matrix, local_normals[k])


@wp.func
def clip_span(span: wp.vec2, value: float, slope: float) -> wp.vec2:
    """Narrow a row of pixels to where ``value + slope * (x + 0.5)`` is not negative, give or take one pixel."""
    if slope > 1.0e-9:
        return wp.vec2(wp.clamp(-value / slope - 1.5, span[0], span[1] + 1.0), span[1])
    if slope < -1.0e-9:
        return wp.vec2(span[0], wp.clamp(-value / slope + 0.5, span[0] - 1.0, span[1]))
    return span


@wp.func
def draw_key(
    a: wp.vec3,
    b: wp.vec3,
    c: wp.vec3,
    triangle: int,
    width: int,
    height: int,
    stripe: int,
    stripes: int,
    keys: Int64s,
):
    """Fill a triangle given as (x_px, y_px, 1/depth) with its key, in every ``stripes``-th row."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if area != 0.0:
        x0 = wp.max(0, int(wp.ceil(wp.max(wp.min(a[0], wp.min(b[0], c[0])), -1.0) - 0.5)))
        x1 = wp.min(width - 1, int(wp.floor(wp.min(wp.max(a[0], wp.max(b[0], c[0])), float(width) + 1.0) - 0.5)))
        y0 = wp.max(0, int(wp.ceil(wp.max(wp.min(a[1], wp.min(b[1], c[1])), -1.0) - 0.5)))
        y1 = wp.min(height - 1, int(wp.floor(wp.min(wp.max(a[1], wp.max(b[1], c[1])), float(height) + 1.0) - 0.5)))
        # Most triangles are tiny and miss every pixel centre: they cost no division.
        if x0 > x1 or y0 > y1:
            return
        inverse = 1.0 / area
        u_x = -(c[1] - b[1]) * inverse
        u_y = (c[0] - b[0]) * inverse
        v_x = -(a[1] - c[1]) * inverse
        v_y = (a[0] - c[0]) * inverse
        low = wp.int64(triangle)
        y = y0 + (stripe - y0 % stripes + stripes) % stripes
        while y <= y1:
            py = float(y) + 0.5
            u_row = u_y * (py - b[1]) - u_x * b[0]
            v_row = v_y * (py - c[1]) - v_x * c[0]
            first = x0
            last = x1
            if x1 - x0 > 5:
                span = clip_span(wp.vec2(float(x0), float(x1)), u_row, u_x)
                span = clip_span(span, v_row, v_x)
                span = clip_span(span, 1.0 - u_row - v_row, -u_x - v_x)
                first = int(wp.ceil(span[0]))
                last = int(wp.floor(span[1]))
            for x in range(first, last + 1):
                px = float(x) + 0.5
                u = u_row + u_x * px
                v = v_row + v_x * px
                w = 1.0 - u - v
                if u >= _EDGE and v >= _EDGE and w >= _EDGE:
                    z = u * a[2] + v * b[2] + w * c[2]
                    key = (wp.int64(wp.cast(z, wp.int32)) << wp.int64(32)) | low
                    i = y * width + x
                    if key > keys[i]:
                        wp.atomic_max(keys, i, key)
            y += stripes


@wp.func
def to_pixels(p: wp.vec3, eye: Eye) -> wp.vec3:
    """Divide a point in (right, down, depth) camera coordinates by its depth."""
    inverse = 1.0 / p[2]
    return wp.vec3(
        float(eye.width_px) * 0.5 + eye.focal_px * p[0] * inverse,
        float(eye.height_px) * 0.5 + eye.focal_px * p[1] * inverse,
        inverse,
    )


@wp.func
def to_camera(p: wp.vec3, eye: Eye) -> wp.vec3:
    """Return (right, down, depth) of a world point."""
    d = p - eye.position
    return wp.vec3(wp.dot(d, eye.right), -wp.dot(d, eye.up), wp.dot(d, eye.forward))


@wp.func
def at_near(inside: wp.vec3, outside: wp.vec3) -> wp.vec3:
    """Return the point of a segment on the near plane."""
    s = (_NEAR - inside[2]) / (outside[2] - inside[2])
    p = inside + (outside - inside) * s
    return wp.vec3(p[0], p[1], _NEAR)


@wp.func
def kept_triangles(bound: wp.vec4, count: int, grain_m: float, finest_px: float, eye: Eye) -> int:
    """Return how many triangles of a cluster within a sphere (x, y, z, radius) to draw: 0 if it is out of view.

    Where triangles are much smaller than a pixel only a random part of them is drawn, enlarged to cover the same area
    (Cook et al., "Stochastic simplification of aggregate detail", SIGGRAPH 2007). Clusters are stored shuffled, so
    their first triangles are such a part, the same one in every picture.
    """
    # A sphere of negative radius is hidden; the others get the slack that single precision needs.
    if bound[3] < 0.0:
        return 0
    radius_m = bound[3] * 1.00001 + 0.0005
    centre = to_camera(wp.vec3(bound[0], bound[1], bound[2]), eye)
    # One test after the other: half a map lies behind the camera.
    if centre[2] + radius_m < _NEAR:
        return 0
    half_x = 0.5 * float(eye.width_px) / eye.focal_px
    if wp.abs(centre[0]) - centre[2] * half_x > radius_m * wp.sqrt(1.0 + half_x * half_x):
        return 0
    half_y = 0.5 * float(eye.height_px) / eye.focal_px
    if wp.abs(centre[1]) - centre[2] * half_y > radius_m * wp.sqrt(1.0 + half_y * half_y):
        return 0
    size = grain_m * eye.focal_px / (wp.max(centre[2] - bound[3], _NEAR) * finest_px)
    return int(wp.ceil(float(count) * wp.clamp(size * size, 0.02, 1.0)))


@wp.func
def see_triangle(a: wp.vec3, b: wp.vec3, c: wp.vec3, triangle: int, eye: Eye, stripe: int, stripes: int, keys: Int64s):
    """Draw a triangle given in camera coordinates into the visibility buffer, cut at the near plane."""
    inside = int(a[2] >= _NEAR) + int(b[2] >= _NEAR) + int(c[2] >= _NEAR)
    width = eye.width_px
    height = eye.height_px
    if inside == 3:
        draw_key(
            to_pixels(a, eye), to_pixels(b, eye), to_pixels(c, eye), triangle, width, height, stripe, stripes, keys
        )
    elif inside > 0:
        # Turn the corners until the one that is alone on its side of the plane comes first.
        alone = inside == 1
        for _ in range(2):
            if (a[2] >= _NEAR) != alone:
                spare = a
                a = b
                b = c
                c = spare
        if alone:
            p = to_pixels(at_near(a, b), eye)
            q = to_pixels(at_near(a, c), eye)
            draw_key(to_pixels(a, eye), p, q, triangle, width, height, stripe, stripes, keys)
        else:
            p = to_pixels(at_near(b, a), eye)
            q = to_pixels(at_near(c, a), eye)
            r = to_pixels(c, eye)
            draw_key(p, to_pixels(b, eye), r, triangle, width, height, stripe, stripes, keys)
            draw_key(p, r, q, triangle, width, height, stripe, stripes, keys)


@wp.kernel
def see(
    bounds: Vec4s,
    firsts: Int32s,
    counts: Int32s,
    grains_m: Floats,
    finest_px: float,
    triangles: Vec3is,
    vertices: Vec3s,
    eye: Eye,
    first: int,
    step: int,
    lanes: int,
    stripes: int,
    keys: Int64s,
):
    """Draw those of every ``step``-th cluster, from ``first`` on, that are in view into a visibility buffer.

    A thread draws every ``lanes``-th triangle, in every ``stripes``-th row.
    """
    place, lane, stripe = wp.tid()
    cluster = first + place * step
    count = counts[cluster]
    kept = kept_triangles(bounds[cluster], count, grains_m[cluster], finest_px, eye)
    if kept == 0:
        return
    scale = wp.sqrt(float(count) / float(kept))
    triangle = firsts[cluster] + lane
    end = firsts[cluster] + kept
    while triangle < end:
        corner = triangles[triangle]
        a = to_camera(vertices[corner[0]], eye)
        b = to_camera(vertices[corner[1]], eye)
        c = to_camera(vertices[corner[2]], eye)
        if kept < count:
            middle = (a + b + c) * (1.0 / 3.0)
            a = middle + (a - middle) * scale
            b = middle + (b - middle) * scale
            c = middle + (c - middle) * scale
        see_triangle(a, b, c, triangle, eye, stripe, stripes, keys)
        triangle += lanes


@wp.kernel
def cast_shadow(
    ids: Int32s,
    slots: Int32s,
    triangles: Vec3is,
    vertices: Vec3s,
    windows: Windows,
    stripes: int,
    heights: Int32s,
):
    """Draw listed triangles into the shadow window of the same place in ``slots``: highest towards the sun wins.

    A thread draws every ``stripes``-th row.
    """
    job, stripe = wp.tid()
    window = windows[slots[job]]
    corner = triangles[ids[job]]
    p = vertices[corner[0]]
    a = wp.vec4(p[0], p[1], p[2], 1.0)
    p = vertices[corner[1]]
    b = wp.vec4(p[0], p[1], p[2], 1.0)
    p = vertices[corner[2]]
    c = wp.vec4(p[0], p[1], p[2], 1.0)
    ax = wp.dot(window.x, a)
    ay = wp.dot(window.y, a)
    bx = wp.dot(window.x, b)
    by = wp.dot(window.y, b)
    cx = wp.dot(window.x, c)
    cy = wp.dot(window.y, c)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area != 0.0:
        az = wp.dot(window.z, a) + _SHIFT
        bz = wp.dot(window.z, b) + _SHIFT
        cz = wp.dot(window.z, c) + _SHIFT
        size = window.size_px
        x0 = wp.max(0, int(wp.ceil(wp.max(wp.min(ax, wp.min(bx, cx)), -1.0) - 0.5)))
        x1 = wp.min(size - 1, int(wp.floor(wp.min(wp.max(ax, wp.max(bx, cx)), float(size) + 1.0) - 0.5)))
        y0 = wp.max(0, int(wp.ceil(wp.max(wp.min(ay, wp.min(by, cy)), -1.0) - 0.5)))
        y1 = wp.min(size - 1, int(wp.floor(wp.min(wp.max(ay, wp.max(by, cy)), float(size) + 1.0) - 0.5)))
        # Most triangles are tiny and miss every pixel centre: they cost no division.
        if x0 > x1 or y0 > y1:
            return
        inverse = 1.0 / area
        u_x = -(cy - by) * inverse
        u_y = (cx - bx) * inverse
        v_x = -(ay - cy) * inverse
        v_y = (ax - cx) * inverse
        y = y0 + (stripe - y0 % stripes + stripes) % stripes
        while y <= y1:
            py = float(y) + 0.5
            u_row = u_y * (py - by) - u_x * bx
            v_row = v_y * (py - cy) - v_x * cx
            first = x0
            last = x1
            if x1 - x0 > 5:
                span = clip_span(wp.vec2(float(x0), float(x1)), u_row, u_x)
                span = clip_span(span, v_row, v_x)
                span = clip_span(span, 1.0 - u_row - v_row, -u_x - v_x)
                first = int(wp.ceil(span[0]))
                last = int(wp.floor(span[1]))
            for x in range(first, last + 1):
                px = float(x) + 0.5
                u = u_row + u_x * px
                v = v_row + v_x * px
                w = 1.0 - u - v
                if u >= _EDGE and v >= _EDGE and w >= _EDGE:
                    z = int((u * az + v * bz + w * cz) * _UNIT)
                    i = window.offset + y * size + x
                    if z > heights[i]:
                        wp.atomic_max(heights, i, z)
            y += stripes


@wp.kernel
def restore(rectangles: Int32s, windows: Windows, source: Int32s, target: Int32s):
    """Copy rectangles, rows of (window, x0, y0, width, height), of the static shadow maps over the composed ones."""
    rectangle, row = wp.tid()
    k = rectangle * 5
    if row < rectangles[k + 4]:
        window = windows[rectangles[k]]
        i = window.offset + (rectangles[k + 2] + row) * window.size_px + rectangles[k + 1]
        for j in range(rectangles[k + 3]):
            target[i + j] = source[i + j]
