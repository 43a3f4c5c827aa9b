"""Static props by CARLA blueprint id, and the plain panel that casts an attacker's shadow."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from testbed.world.assets import textures
from testbed.world.assets.asset import Asset
from testbed.world.assets.shapes import Shape, box, cylinder, lathe, merged, plate, plate_back
from testbed.world.assets.sign_faces import face
from testbed.world.render.mesh import Material

Rgb8 = tuple[int, int, int]
_Part = tuple[Shape, str]

_COLOURS: dict[str, Rgb8] = {
    "cone_orange": (226, 84, 26),
    "cone_white": (238, 238, 234),
    "prop_black": (34, 34, 36),
    "prop_steel": (138, 142, 146),
    "prop_green": (48, 96, 60),
    "prop_grey": (120, 122, 124),
    "prop_wood": (150, 112, 70),
    "prop_glass": (120, 140, 150),
    "prop_red": (190, 30, 34),
}


def _cone(height_m: float, radius_m: float) -> list[_Part]:
    def at(share: float) -> float:
        return radius_m * (1.0 - share) + 0.022 * share

    rings: dict[str, list[Shape]] = {"cone_orange": [], "cone_white": []}
    marks = (0.06, 0.34, 0.52, 0.68, 0.82, 1.0)
    for k, (low, high) in enumerate(zip(marks, marks[1:], strict=False)):
        colour = "cone_white" if k in (1, 3) else "cone_orange"
        rings[colour].append(lathe([(at(low), low * height_m), (at(high), high * height_m)], 14))
    rings["cone_orange"].append(lathe([(0.022, height_m), (0.0, height_m)], 14, smooth=False))
    foot = box(2.3 * radius_m, 2.3 * radius_m, 0.06 * height_m)
    return [
        (merged(rings["cone_orange"]), "cone_orange"),
        (merged(rings["cone_white"]), "cone_white"),
        (foot, "prop_black"),
    ]


def _barrier() -> list[_Part]:
    board = box(0.05, 1.2, 0.25, metres_per_tile=1.0)
    boards = [board.moved(0.0, 0.0, z) for z in (0.78, 0.40)]
    legs = [box(0.34, 0.06, 0.06).moved(0.0, y, 0.0) for y in (-0.5, 0.5)]
    posts = [box(0.05, 0.05, 1.05).moved(0.03, y, 0.0) for y in (-0.5, 0.5)]
    return [(merged(boards), "barrier_stripes"), (merged([*legs, *posts]), "prop_steel")]


def _bin() -> list[_Part]:
    return [(merged([box(0.75, 0.60, 1.0), box(0.82, 0.66, 0.08).moved(z_m=1.0)]), "prop_green")]


def _container() -> list[_Part]:
    return [(box(2.2, 1.8, 2.2, metres_per_tile=1.0), "container")]


def _crate() -> list[_Part]:
    return [(box(0.6, 0.6, 0.6), "prop_wood")]


def _warning_construction() -> list[_Part]:
    points = np.array([(x, -y) for x, y in [(0.0, -0.96), (1.03, 0.83), (-1.03, 0.83)]]) * 0.42
    front = plate(points, 0.42).moved(-0.02, 0.0, 1.0)
    back = plate_back(points, 0.02).moved(-0.02, 0.0, 1.0)
    legs = [box(0.5, 0.05, 0.04).moved(0.0, y, 0.0) for y in (-0.25, 0.25)]
    return [(front, "roadwork_face"), (merged([back, cylinder(0.03, 1.2, 8).moved(0.03), *legs]), "prop_steel")]


def _bench() -> list[_Part]:
    seat = [box(0.10, 1.6, 0.04).moved(x, 0.0, 0.44) for x in (-0.15, 0.0, 0.15)]
    back = [box(0.04, 1.6, 0.10).moved(0.24, 0.0, z) for z in (0.60, 0.78)]
    legs = [box(0.45, 0.06, 0.44).moved(0.03, y, 0.0) for y in (-0.65, 0.65)]
    return [(merged([*seat, *back]), "prop_wood"), (merged(legs), "prop_steel")]


def _bus_stop() -> list[_Part]:
    walls = [box(0.04, 3.6, 2.2).moved(0.7, 0.0, 0.1), *(box(1.3, 0.04, 2.2).moved(0.1, y, 0.1) for y in (-1.8, 1.8))]
    roof = box(1.8, 4.0, 0.12).moved(0.0, 0.0, 2.4)
    return [(merged(walls), "prop_glass"), (roof, "prop_grey")]


def _street_lamp() -> list[_Part]:
    arm = box(1.6, 0.08, 0.08).moved(-0.7, 0.0, 7.4)
    return [
        (merged([cylinder(0.09, 7.5, 8), arm]), "prop_steel"),
        (box(0.5, 0.22, 0.08).moved(-1.3, 0.0, 7.34), "lamp_white"),
    ]


def _plain_box() -> list[_Part]:
    return [(box(1.0, 1.0, 1.0), "prop_grey")]


_PROPS: dict[str, Callable[[], list[_Part]]] = {
    "trafficcone": lambda: _cone(0.76, 0.17),
    "constructioncone": lambda: _cone(0.58, 0.14),
    "streetbarrier": _barrier,
    "chainbarrier": _barrier,
    "bin": _bin,
    "trashcan": _bin,
    "box": _crate,
    "container": _container,
    "warningconstruction": _warning_construction,
    "warningaccident": _warning_construction,
    "bench": _bench,
    "busstop": _bus_stop,
    "streetlamp": _street_lamp,
}


def _stripes() -> textures.Pixels:
    """Return the red and white slanted stripes of a barrier, 64 x 64 px."""
    image = Image.new("RGB", (256, 256), (238, 238, 234))
    draw = ImageDraw.Draw(image)
    for k in range(-4, 5):
        draw.polygon([(128 * k, 256), (128 * k + 64, 256), (128 * k + 320, 0), (128 * k + 256, 0)], fill=(196, 24, 32))
    return textures.from_image(image.resize((64, 64), Image.Resampling.LANCZOS))


def _corrugated() -> textures.Pixels:
    """Return the ribbed steel of a container, 64 x 64 px."""
    wave = 1.0 + 0.18 * np.sign(np.sin(np.arange(64) * 2 * np.pi * 4 / 64))
    return textures.linear(
        np.clip(np.array([44, 84, 130])[None, None] * wave[None, :, None] * np.ones((64, 1, 1)), 0, 255)
    )


@cache
def prop_asset(type_id: str) -> Asset:
    """Return a prop, origin on the ground; unknown ids are a grey box of one metre.

    Args:
        type_id: "static.prop.trafficcone01" and so on; digits at the end are variants.
    """
    name = type_id.rsplit(".", 1)[-1].rstrip("0123456789")
    parts = _PROPS.get(name, _plain_box)()
    materials: dict[str, Material] = {}
    images: dict[str, textures.Pixels] = {}
    for _, material in parts:
        if material == "barrier_stripes":
            images[material] = _stripes()
        elif material == "container":
            images[material] = _corrugated()
        elif material == "roadwork_face":
            images[material] = textures.from_image(face(25))
        elif material != "lamp_white":
            images[material] = textures.linear(np.full((4, 4, 3), _COLOURS[material]))
        if material == "lamp_white":
            materials[material] = Material(albedo=(0.9, 0.9, 0.85), emissive=0.6)
        else:
            materials[material] = Material(texture=material, specular=0.1)
    return Asset(tuple(shape.mesh(material) for shape, material in parts), materials, images)


def occluder_asset(length_m: float, width_m: float, height_m: float) -> Asset:
    """Return a plain upright panel (a box of a dark colour) that stands on the ground, centred on the origin.

    Raises:
        ValueError: A size is not a positive finite number.
    """
    if not all(math.isfinite(size) and size > 0.0 for size in (length_m, width_m, height_m)):
        raise ValueError(f"an occluder of {length_m} m x {width_m} m x {height_m} m")
    name = "occluder"
    pixels = textures.linear(np.full((4, 4, 3), (40, 40, 42)))
    return Asset((box(length_m, width_m, height_m).mesh(name),), {name: Material(texture=name)}, {name: pixels})


def traffic_light_asset(state: str = "red") -> Asset:
    """Return a traffic light on a pole that faces -x, as signs do.

    Args:
        state: "red", "yellow", "green" or "off": the lamp that shines.
    """
    case = box(0.24, 0.36, 1.05).moved(0.0, 0.0, 2.45)
    pole = cylinder(0.06, 3.5, 8).moved(0.16)
    shade = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 13)[:-1]]
    lamps = []
    for number, (name, colour) in enumerate(
        (("red", (230, 30, 30)), ("yellow", (240, 180, 30)), ("green", (40, 210, 120)))
    ):
        disc = plate(np.array(shade) * 0.12, 0.12).moved(-0.125, 0.0, 3.30 - 0.33 * number)
        lit = name == state
        shown = colour if lit else (colour[0] // 5, colour[1] // 5, colour[2] // 5)
        lamps.append((disc, f"light_{name}_{'on' if lit else 'off'}", shown, 1.2 if lit else 0.0))
    materials = {
        "light_case": Material(albedo=textures.linear_rgb((36, 40, 38)), specular=0.1),
        "light_pole": Material(albedo=textures.linear_rgb((120, 124, 126)), specular=0.3),
    }
    for _, name, colour, glow in lamps:
        r, g, b = (float(v) for v in textures.linear(colour))
        materials[name] = Material(albedo=(r, g, b), emissive=glow)
    meshes = [case.mesh("light_case"), pole.mesh("light_pole", 6), *(disc.mesh(name) for disc, name, _, _ in lamps)]
    return Asset(tuple(meshes), materials)
