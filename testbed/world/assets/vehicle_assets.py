"""Vehicles by CARLA blueprint id: bodies, glass, lamps, plates, wheels; trucks, buses, two-wheelers.

Sizes come from the simulation's table (the caller passes half extents), looks from the styles here. The first part of
every vehicle is its painted skin with the atlas of `car_body`, so `set_object_texture` repaints exactly that; glass,
lamps, tyres and plates keep their own materials.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from testbed.world.assets import textures
from testbed.world.assets.asset import Asset
from testbed.world.assets.car_body import (
    ATLAS_PX,
    CHARTS,
    BodyStyle,
    CarBody,
    body_patch,
    chart_uv,
    floor_shape,
    paint_shape,
    wheel_arch,
)
from testbed.world.assets.shapes import Floats, Shape, box, lathe, merged
from testbed.world.render.mesh import Material

Rgb8 = tuple[int, int, int]
Extent = tuple[float, float, float]

SEDAN = BodyStyle(
    deck=(
        (-1.0, 0.655),
        (-0.93, 0.685),
        (-0.60, 0.70),
        (-0.2, 0.655),
        (0.38, 0.63),
        (0.70, 0.585),
        (0.92, 0.515),
        (1.0, 0.45),
    )
)
COUPE = replace(
    SEDAN,
    deck=((-1.0, 0.66), (-0.92, 0.70), (-0.5, 0.70), (0.30, 0.655), (0.7, 0.62), (0.92, 0.55), (1.0, 0.48)),
    cabin_base=(-0.84, 0.34),
    cabin_roof=(-0.30, 0.02),
    side_windows=((-0.55, 0.86),),
)
HATCH = BodyStyle(
    deck=((-1.0, 0.60), (-0.9, 0.62), (-0.2, 0.62), (0.45, 0.61), (0.75, 0.575), (0.93, 0.51), (1.0, 0.45)),
    cabin_base=(-0.95, 0.48),
    cabin_roof=(-0.74, 0.16),
    tail=0.20,
    nose=0.28,
    tail_lamps=(0.62, 0.97, 0.35, 0.95),
    side_windows=((-0.82, -0.16), (-0.09, 0.88)),
)
SUV = BodyStyle(
    deck=((-1.0, 0.575), (-0.9, 0.595), (0.0, 0.59), (0.5, 0.585), (0.8, 0.555), (0.94, 0.51), (1.0, 0.45)),
    floor=((-1.0, 0.21), (-0.8, 0.16), (0.8, 0.16), (1.0, 0.20)),
    cabin_base=(-0.96, 0.50),
    cabin_roof=(-0.84, 0.22),
    roof_width=0.74,
    tail=0.14,
    wheel_radius_m=0.39,
    tail_lamps=(0.70, 0.97, 0.30, 0.98),
    side_windows=((-0.88, -0.45), (-0.40, 0.14), (0.20, 0.90)),
    grille=(0.45, -0.05, 0.6),
)
VAN = BodyStyle(
    deck=((-1.0, 0.50), (0.5, 0.50), (0.74, 0.475), (0.93, 0.39), (1.0, 0.33)),
    floor=((-1.0, 0.13), (0.85, 0.11), (1.0, 0.14)),
    plan=((-1.0, 0.96), (-0.8, 1.0), (0.6, 1.0), (0.85, 0.96), (1.0, 0.85)),
    body_width=0.91,
    cabin_base=(-0.985, 0.80),
    cabin_roof=(-0.97, 0.52),
    roof_width=0.86,
    cabin_width=0.985,
    side_windows=((0.52, 0.88),),
    rear_window=True,
    window_low=0.06,
    window_high=0.56,
    tail=0.08,
    tail_profile=((-1.0, 0.06), (-0.6, 0.0), (-0.3, 0.02), (1.0, 0.03)),
    tail_lamps=(0.86, 0.985, -0.20, 0.75),
    head_lamps=(0.60, 0.95, 0.35, 0.80),
    plate_c=-0.25,
)
MICROBUS = replace(
    VAN,
    deck=((-1.0, 0.56), (0.8, 0.56), (0.95, 0.545), (1.0, 0.53)),
    cabin_base=(-0.96, 0.96),
    cabin_roof=(-0.84, 0.80),
    roof_width=0.80,
    side_windows=((-0.9, -0.5), (-0.45, -0.05), (0.0, 0.42), (0.47, 0.92)),
    window_low=0.12,
    window_high=0.72,
    nose=0.18,
    nose_profile=((-1.0, 0.06), (-0.5, 0.0), (1.0, 0.08)),
    grille=None,
    head_lamps=(0.62, 0.88, 0.0, 0.40),
    wheel_radius_m=0.32,
)
CAB = replace(
    VAN,
    deck=((-1.0, 0.52), (0.9, 0.52), (1.0, 0.50)),
    floor=((-1.0, 0.17), (1.0, 0.15)),
    cabin_base=(-0.95, 0.96),
    cabin_roof=(-0.93, 0.80),
    side_windows=((-0.30, 0.86),),
    rear_window=False,
    window_low=0.08,
    window_high=0.74,
    nose=0.16,
    nose_profile=((-1.0, 0.05), (-0.5, 0.0), (1.0, 0.05)),
    plan=((-1.0, 1.0), (0.7, 1.0), (1.0, 0.95)),
    head_lamps=(0.62, 0.93, -0.55, -0.20),
    grille=(0.5, -0.1, 0.75),
    wheel_radius_m=0.50,
)
BUS = replace(
    CAB,
    deck=((-1.0, 0.42), (1.0, 0.42)),
    floor=((-1.0, 0.11), (1.0, 0.10)),
    cabin_base=(-0.99, 0.985),
    cabin_roof=(-0.985, 0.94),
    side_windows=((-0.93, -0.62), (-0.60, -0.28), (-0.26, 0.06), (0.08, 0.40), (0.42, 0.70), (0.74, 0.96)),
    rear_window=True,
    window_low=0.08,
    window_high=0.62,
    wheel_radius_m=0.48,
    tail_lamps=(0.80, 0.97, -0.3, 0.3),
)

_STYLES: dict[str, BodyStyle] = {
    "mini": HATCH, "audi.a2": HATCH, "citroen": HATCH, "seat": HATCH, "toyota": HATCH, "bmw": HATCH,
    "audi.tt": COUPE, "ford.mustang": COUPE, "mercedes.coupe": COUPE, "dodge": COUPE,
    "nissan.patrol": SUV, "jeep": SUV, "audi.etron": SUV,
    "volkswagen.t2": MICROBUS, "mercedes.sprinter": VAN, "ford.ambulance": VAN,
    "carlamotors": CAB, "mitsubishi": BUS,
}  # fmt: skip

DEFAULT_EXTENTS_M: dict[str, Extent] = {
    "vehicle.lincoln.mkz_2020": (2.45, 1.064, 0.755),
    "vehicle.lincoln.mkz_2017": (2.451, 1.064, 0.755),
    "vehicle.tesla.model3": (2.396, 1.081, 0.744),
    "vehicle.audi.tt": (2.091, 0.997, 0.693),
    "vehicle.mini.cooper_s": (1.903, 0.985, 0.738),
    "vehicle.ford.mustang": (2.359, 0.947, 0.651),
    "vehicle.mercedes.coupe_2020": (2.337, 1.001, 0.719),
    "vehicle.nissan.patrol": (2.302, 0.966, 0.928),
    "vehicle.volkswagen.t2": (2.240, 1.035, 1.019),
    "vehicle.mercedes.sprinter": (2.958, 0.994, 1.280),
    "vehicle.carlamotors.firetruck": (4.235, 1.446, 1.914),
    "vehicle.bh.crossbike": (0.744, 0.43, 0.9),
    "vehicle.kawasaki.ninja": (1.017, 0.398, 0.725),
}
DEFAULT_COLOUR: Rgb8 = (60, 64, 72)

_MATERIALS: dict[str, Material] = {
    "car_glass": Material(albedo=textures.linear_rgb((34, 40, 46)), specular=1.0, shininess=120.0),
    "car_trim": Material(albedo=textures.linear_rgb((24, 24, 26)), specular=0.15),
    "car_tyre": Material(albedo=textures.linear_rgb((26, 26, 27)), specular=0.05),
    "car_rim": Material(albedo=textures.linear_rgb((176, 180, 184)), specular=0.6, shininess=40.0),
    "car_chrome": Material(albedo=textures.linear_rgb((200, 204, 208)), specular=0.8, shininess=60.0),
    "car_tail_lamp": Material(texture="car_tail_lamp", specular=0.5, shininess=60.0, emissive=0.12, wrap="clamp"),
    "car_head_lamp": Material(texture="car_head_lamp", specular=0.9, shininess=90.0, emissive=0.25, wrap="clamp"),
    "car_blinker": Material(albedo=textures.linear_rgb((214, 110, 20)), specular=0.5),
    "rider_jacket": Material(albedo=textures.linear_rgb((52, 66, 96))),
    "rider_helmet": Material(albedo=textures.linear_rgb((206, 206, 208)), specular=0.5),
    "walker_skin": Material(albedo=textures.linear_rgb((198, 150, 124))),
    "blue_light": Material(albedo=textures.linear_rgb((30, 70, 200)), specular=0.6, emissive=0.1),
}


def style_of(type_id: str) -> BodyStyle:
    """Return the body style of a four-wheeler; unknown makes are sedans."""
    make = type_id.removeprefix("vehicle.")
    return next((style for prefix, style in _STYLES.items() if make.startswith(prefix)), SEDAN)


def vehicle_asset(
    type_id: str,
    colour: Rgb8 = DEFAULT_COLOUR,
    *,
    extent_m: Extent | None = None,
    wheelbase_m: float | None = None,
) -> Asset:
    """Return a vehicle.

    Args:
        type_id: CARLA blueprint id; unknown ones look like a sedan.
        colour: Paint, sRGB bytes.
        extent_m: Half length, half width, half height; None takes a default for the blueprint.
        wheelbase_m: Distance of the axles; None takes 58 % of the length.

    Returns:
        Meshes whose origin lies on the ground in the middle of the footprint; parts[0] is the painted skin.
    """
    size = extent_m or DEFAULT_EXTENTS_M.get(type_id, DEFAULT_EXTENTS_M["vehicle.lincoln.mkz_2020"])
    base = wheelbase_m or 1.16 * size[0]
    red, green, blue = (int(channel) for channel in colour)
    half_length, half_width, half_height = (float(value) for value in size)
    return _cached(type_id, (red, green, blue), (half_length, half_width, half_height), float(base))


@cache
def _cached(type_id: str, colour: Rgb8, extent: Extent, wheelbase_m: float) -> Asset:
    from testbed.world.assets.two_wheelers import bicycle_parts, motorcycle_parts, two_wheeler_kind

    paint = f"paint_{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}"
    kind = two_wheeler_kind(type_id, extent)
    if kind is not None:
        parts = bicycle_parts(extent) if kind == "bicycle" else motorcycle_parts(extent)
        texture, atlas = f"{paint}_plain", textures.linear(np.full((8, 8, 3), colour))
    else:
        parts = _four_wheels(type_id, extent, wheelbase_m)
        look = "panels" if style_of(type_id) not in (CAB, BUS) else "plain"
        texture, atlas = f"{paint}_{look}", paint_atlas(colour, panels=look == "panels")
    plate = f"plate_{zlib.crc32(type_id.encode()) % 90 + 10}"
    materials = dict(_MATERIALS)
    materials[texture] = Material(texture=texture, specular=0.55, shininess=60.0, wrap="clamp")
    materials[plate] = Material(texture=plate, specular=0.1, wrap="clamp")
    images = {texture: atlas, plate: _number_plate(plate)}
    images["car_tail_lamp"], images["car_head_lamp"] = (
        _lamp((206, 16, 20), (120, 8, 12)),
        _lamp((236, 240, 242), (90, 96, 104)),
    )
    names = {"paint": texture, "plate": plate}
    meshes = tuple(shape.mesh(names.get(name, name)) for name, shape in parts.items())
    used = {mesh.material for mesh in meshes}
    return Asset(
        meshes,
        {name: material for name, material in materials.items() if name in used},
        {name: image for name, image in images.items() if name in used},
    )


def paint_atlas(colour: Rgb8, *, panels: bool = True) -> textures.Pixels:
    """Return the default paint: one colour with the joints of doors, hood and trunk, (512, 512, 3) linear."""
    image = Image.new("RGB", (ATLAS_PX, ATLAS_PX), colour)
    draw = ImageDraw.Draw(image)
    dark: Rgb8 = (int(colour[0] * 0.38), int(colour[1] * 0.38), int(colour[2] * 0.38))

    def at(side: str, u: float, v: float) -> tuple[float, float]:
        left, top, right, bottom = CHARTS[side]
        return left + (right - left) * u, top + (bottom - top) * v

    if panels:
        for side in ("left", "right"):

            def xz(x: float, z: float, side: str = side) -> tuple[float, float]:
                return at(side, 0.5 - 0.5 * x if side == "left" else 0.5 + 0.5 * x, 1.0 - z)

            for x0, x1 in ((-0.36, 0.0), (0.0, 0.36)):
                draw.line([xz(x0, 0.24), xz(x0, 0.64)], fill=dark, width=2)
                draw.line([xz(x1, 0.24), xz(x1, 0.62)], fill=dark, width=2)
                draw.line([xz(x0, 0.24), xz(x1, 0.24)], fill=dark, width=2)
                draw.line([xz(x0 + 0.03, 0.555), xz(x0 + 0.10, 0.555)], fill=dark, width=3)
        for u0, u1 in ((0.70, 0.955), (0.03, 0.17)):
            draw.line([at("top", u0, 0.13), at("top", u1, 0.15)], fill=dark, width=2)
            draw.line([at("top", u0, 0.87), at("top", u1, 0.85)], fill=dark, width=2)
        draw.line([at("top", 0.955, 0.15), at("top", 0.955, 0.85)], fill=dark, width=2)
        draw.line([at("top", 0.03, 0.15), at("top", 0.03, 0.85)], fill=dark, width=2)
        # Trunk lid: its outline on the tail, with the recess of the plate and the joint above the bumper.
        draw.line([at("rear", 0.06, 0.585), at("rear", 0.94, 0.585)], fill=dark, width=2)
        draw.line([at("rear", 0.20, 0.34), at("rear", 0.22, 0.585)], fill=dark, width=2)
        draw.line([at("rear", 0.80, 0.34), at("rear", 0.78, 0.585)], fill=dark, width=2)
        draw.line([at("front", 0.05, 0.72), at("front", 0.95, 0.72)], fill=dark, width=2)
    return textures.from_image(image)


@cache
def _lamp(bright: Rgb8, deep: Rgb8) -> textures.Pixels:
    """Return a lamp glass with a dark bezel and two chambers, 64 x 32 px."""
    image = Image.new("RGB", (64, 32), (26, 22, 24))
    draw = ImageDraw.Draw(image)
    draw.rectangle((3, 3, 60, 28), fill=deep)
    draw.rectangle((6, 5, 57, 13), fill=bright)
    draw.rectangle((6, 17, 57, 26), fill=bright)
    return textures.from_image(image)


def _number_plate(name: str) -> textures.Pixels:
    """Return a European number plate, 256 x 56 px."""
    image = Image.new("RGB", (256, 56), (240, 240, 236))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 255, 55), outline=(20, 20, 20), width=3)
    draw.rectangle((3, 3, 24, 52), fill=(20, 60, 150))
    number = int(name.rsplit("_", 1)[1])
    text = f"S VL {number * 37 % 9000 + 1000}"
    draw.text((140, 29), text, fill=(15, 15, 15), font=ImageFont.load_default(size=46), anchor="mm", stroke_width=1)
    return textures.from_image(image)


@cache
def _four_wheels(type_id: str, extent: Extent, wheelbase_m: float) -> dict[str, Shape]:
    """Return shapes by material; "paint" first. Cars that differ in colour share them."""
    style = style_of(type_id)
    length, width, height = (2.0 * value for value in extent)
    if style is CAB:
        return _truck(type_id, length, width, height, wheelbase_m)
    body = CarBody(style, length, width, height)
    parts = _car_parts(body)
    half = 0.5 * wheelbase_m
    shift = 0.02 * length
    _add_wheels(parts, body, (-half + shift, half + shift), style.wheel_radius_m, 0.225 if style is not BUS else 0.30)
    if type_id.startswith("vehicle.ford.ambulance"):
        parts["blue_light"] = box(0.25, 1.1, 0.12).moved(0.2 * length, 0.0, height - 0.06)
    return parts


def _car_parts(body: CarBody) -> dict[str, Shape]:
    style = body.style
    low, cabin = body.lower, body.cabin
    glass = [
        body_patch(cabin, "front", (-0.90, 0.90), (0.05, 0.93), cells=(6, 4), corner=0.04),
        *(
            body_patch(cabin, side, window, (style.window_low, style.window_high), cells=(4, 3))
            for side in ("left", "right")
            for window in style.side_windows
        ),
    ]
    if style.rear_window:
        glass.append(body_patch(cabin, "rear", (-0.84, 0.84), (0.14, 0.88), cells=(6, 4), corner=0.05))
    b0, b1, c0, c1 = style.tail_lamps
    tail = [body_patch(low, "rear", span, (c0, c1), cells=(5, 4), lift_m=0.010) for span in ((b0, b1), (-b1, -b0))]
    if style.rear_window:
        tail.append(body_patch(cabin, "rear", (-0.13, 0.13), (0.90, 0.935), cells=(4, 1), lift_m=0.012))
    tail += [
        body_patch(low, side, (-0.995, -0.945), (c0 + 0.05, c1 - 0.04), cells=(3, 4), lift_m=0.010)
        for side in ("left", "right")
    ]
    f0, f1, d0, d1 = style.head_lamps
    head = [body_patch(low, "front", span, (d0, d1), cells=(5, 4), lift_m=0.010) for span in ((f0, f1), (-f1, -f0))]
    trim = [
        floor_shape(body),
        body_patch(low, "rear", (-0.80, 0.80), (-1.0, -0.66), cells=(6, 1), lift_m=0.008),
        body_patch(low, "front", (-0.72, 0.72), (-0.92, -0.45), cells=(6, 1)),
        *(
            body_patch(low, side, (-0.56, 0.60), (-1.0, -0.86), cells=(6, 1), lift_m=0.008)
            for side in ("left", "right")
        ),
    ]
    if style.grille:
        gb, g0, g1 = style.grille
        trim.append(body_patch(low, "front", (-gb, gb), (g0, g1), cells=(4, 2)))
    half_plate = 0.26 / (body.half_width * 0.9)
    tall = 0.11 / (0.46 * body.top_m)
    plates = [
        body_patch(
            low,
            "rear",
            (-half_plate, half_plate),
            (style.plate_c - tall, style.plate_c + tall),
            cells=(2, 1),
            lift_m=0.014,
        ),
        body_patch(low, "front", (-half_plate, half_plate), (-0.34 - tall, -0.34 + tall), cells=(2, 1), lift_m=0.02),
    ]
    if style.mirrors:
        for side in (-1, 1):
            x = body.half_length * (style.cabin_base[1] - 0.14) + body.centre_x_m
            foot = low(*_point((x - body.centre_x_m) / body.half_length, 0.0, 1.0))[0, 2]
            inner, outer = body.half_width * (style.cabin_width - 0.06), 0.5 * body.width_m
            trim.append(box(0.06, outer - inner, 0.035).moved(x, side * 0.5 * (inner + outer), foot + 0.03))
            trim.append(box(0.11, 0.20, 0.13).moved(x, side * (outer - 0.10), foot + 0.03))
    return {
        "paint": paint_shape(body),
        "car_glass": merged(glass),
        "car_trim": merged(trim),
        "car_tail_lamp": merged(tail),
        "car_head_lamp": merged(head),
        "plate": merged(plates),
    }


def _point(a: float, b: float, c: float) -> tuple[Floats, Floats, Floats]:
    return np.array([a]), np.array([b]), np.array([c])


def wheel(radius_m: float, width_m: float) -> tuple[Shape, Shape, Shape]:
    """Return (tyre, rim, dark gaps of the rim) around the y axis, centred at the origin, outer face at +y."""
    half = 0.5 * width_m
    tyre = lathe(
        [(0.66 * radius_m, -half), (0.93 * radius_m, -half), (radius_m, -0.7 * half), (radius_m, 0.7 * half),
         (0.93 * radius_m, half), (0.66 * radius_m, half)], 18, smooth=False,
    )  # fmt: skip
    disc = lathe([(0.66 * radius_m, half - 0.02), (0.0, half - 0.03)], 10, smooth=False)
    inner = lathe([(0.66 * radius_m, -half), (0.0, -half)], 10, smooth=False)
    spokes = []
    for k in range(5):
        bar = box(0.52 * radius_m, 0.17 * radius_m, 0.015).moved(0.34 * radius_m, 0.0, half - 0.022)
        spokes.append(bar.moved(yaw_rad=2 * math.pi * k / 5))
    ring = lathe([(0.70 * radius_m, half + 0.002), (0.60 * radius_m, half - 0.015)], 18, smooth=False)
    # The lathe's axis is z; it is turned so that +z points to +y.
    turn = -0.5 * math.pi
    return (
        merged([tyre, inner]).turned("x", turn),
        merged([*spokes, ring]).turned("x", turn),
        disc.turned("x", turn),
    )


def _add_wheels(
    parts: dict[str, Shape], body: CarBody, axles_m: tuple[float, ...], radius_m: float, width_m: float
) -> None:
    tyres: list[Shape] = []
    rims: list[Shape] = []
    gaps: list[Shape] = []
    arches: list[Shape] = []
    tyre, rim, gap = wheel(radius_m, width_m)
    for x in axles_m:
        for side in (-1, 1):
            reach = float(body.side_y(np.array([x]), np.array([radius_m]))[0])
            y = side * (reach - 0.5 * width_m + 0.012)
            flip = 0.0 if side > 0 else math.pi
            for target, shape in ((tyres, tyre), (rims, rim), (gaps, gap)):
                target.append(shape.moved(x, y, radius_m, yaw_rad=flip))
            arches.append(wheel_arch(body, x, radius_m + 0.01, 1.13 * radius_m, side))
    parts["car_tyre"] = merged(tyres)
    parts["car_rim"] = merged(rims)
    parts["car_trim"] = merged([parts["car_trim"], *gaps, *arches])


def _truck(type_id: str, length: float, width: float, height: float, wheelbase_m: float) -> dict[str, Shape]:
    """Return a cab with a box behind it, both painted from one atlas."""
    cab_length = min(2.4, 0.34 * length)
    body = CarBody(
        CAB, length, width, height, 0.5 * (length - cab_length), cab_length, height if height < 3.0 else 0.80 * height
    )
    parts = _car_parts(body)
    cargo_length, floor = length - cab_length - 0.12, 0.30 * height
    cargo = box(cargo_length, 0.94 * width, height - floor).moved(-0.5 * (length - cargo_length), 0.0, floor)
    sides = np.select(
        [cargo.normals[:, 0] > 0.5, cargo.normals[:, 0] < -0.5, cargo.normals[:, 1] > 0.5, cargo.normals[:, 1] < -0.5],
        [0, 1, 2, 3],
        4,
    )
    uv = np.zeros_like(cargo.uv)
    for number, side in enumerate(("front", "rear", "right", "left", "top")):
        uv[sides == number] = chart_uv(cargo.vertices_m[sides == number], side, length, width, height)
    parts["paint"] = merged([parts["paint"], cargo.with_uv(uv)])
    radius = CAB.wheel_radius_m if height > 3.0 else 0.42
    frame = box(length - 1.2, 0.8 * width, 0.35).moved(-0.5, 0.0, radius)
    under = box(cargo_length, 0.90 * width, 0.12).moved(-0.5 * (length - cargo_length), 0.0, floor - 0.12)
    rear = -0.5 * length
    lamps = [box(0.04, 0.30, 0.14).moved(rear + 0.01, side * 0.36 * width, floor - 0.20) for side in (-1, 1)]
    bumper = box(0.10, 0.9 * width, 0.16).moved(rear + 0.06, 0.0, 0.42)
    parts["car_trim"] = merged([parts["car_trim"], frame, under, bumper])
    parts["car_tail_lamp"] = merged(lamps)
    plate = box(0.02, 0.52, 0.11).moved(rear + 0.0, 0.0, 0.45)
    parts["plate"] = merged([parts["plate"], plate])
    front = 0.5 * length - 0.58 * cab_length
    axles = (front, front - wheelbase_m) if length < 6.5 else (front, front - wheelbase_m, front - wheelbase_m + 1.25)
    wide = CarBody(replace(CAB, plan=((0.0, 0.97),)), length, width, height)
    _add_wheels(parts, wide, axles, radius, 0.30)
    if "firetruck" in type_id or "ambulance" in type_id:
        top = body.top_m
        parts["blue_light"] = merged(
            [box(0.3, 0.5, 0.14).moved(0.5 * length - 0.9, side * 0.28 * width, top - 0.04) for side in (-1, 1)]
        )
        ladder = [
            box(cargo_length * 0.9, 0.06, 0.10).moved(-0.5 * (length - cargo_length), y, height - 0.11)
            for y in (-0.3, 0.3)
        ]
        parts["car_chrome"] = merged(ladder)
    return parts
