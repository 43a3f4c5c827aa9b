"""Pedestrians: standing figures of round limbs, dressed by blueprint number."""

from __future__ import annotations

from functools import cache

import numpy as np

from testbed.world.assets import textures
from testbed.world.assets.asset import Asset
from testbed.world.assets.shapes import Shape, box, merged
from testbed.world.assets.two_wheelers import ball, rod
from testbed.world.render.mesh import Material

Rgb8 = tuple[int, int, int]

# (jacket, trousers, skin, hair, height in metres); CARLA's walkers 0009 to 0014 and a few more are children.
_LOOKS: tuple[tuple[Rgb8, Rgb8, Rgb8, Rgb8, float], ...] = (
    ((150, 36, 40), (44, 50, 70), (206, 160, 134), (60, 42, 30), 1.75),
    ((52, 92, 60), (70, 64, 58), (150, 106, 82), (24, 20, 18), 1.82),
    ((214, 206, 190), (36, 38, 44), (220, 178, 152), (150, 110, 60), 1.68),
    ((40, 60, 110), (96, 90, 80), (110, 76, 58), (18, 16, 16), 1.78),
    ((226, 176, 40), (60, 70, 96), (212, 168, 142), (90, 60, 36), 1.72),
    ((90, 90, 96), (30, 30, 34), (198, 150, 124), (190, 190, 186), 1.70),
)
_CHILDREN = frozenset(range(9, 15)) | {48, 49}


def walker_asset(type_id: str, *, stride: float = 0.35) -> Asset:
    """Return a pedestrian facing +x, origin on the ground; 1.1 m tall for child blueprints.

    Args:
        type_id: "walker.pedestrian.0001" and so on.
        stride: How far the legs are apart, 0 standing to 1 running; half a step of walking is 0.35.

    Returns:
        The figure; parts[0] is the jacket with a paintable texture.
    """
    digits = type_id.rsplit(".", 1)[-1]
    return _cached(int(digits) if digits.isdigit() else 1, round(stride, 2))


@cache
def _cached(number: int, stride: float) -> Asset:
    jacket, trousers, skin, hair, height = _LOOKS[number % len(_LOOKS)]
    scale = (1.15 if number in _CHILDREN else height) / 1.75
    hip, shoulder = 0.92, 1.44
    torso = merged(
        [rod((0.0, 0.0, hip), (0.02, 0.0, shoulder), 0.15, 9), ball((0.02, 0.0, shoulder), 0.16, 0.55)]
    ).scaled(0.85, 1.25, 1.0)
    sleeves: list[Shape] = []
    hands: list[Shape] = []
    legs: list[Shape] = []
    shoes: list[Shape] = []
    for side in (-1, 1):
        swing = side * stride
        knee = (0.22 * swing + 0.05 * abs(stride), side * 0.10, 0.50)
        foot = (0.42 * swing - 0.03, side * 0.10, 0.09)
        legs += [rod((0.0, side * 0.10, hip + 0.02), knee, 0.085, 7), rod(knee, foot, 0.062, 7)]
        shoes.append(box(0.27, 0.10, 0.09).moved(foot[0] + 0.06, foot[1], 0.0))
        elbow = (-0.16 * swing - 0.02, side * 0.25, 1.14)
        hand = (-0.34 * swing + 0.05, side * 0.26, 0.90)
        sleeves += [rod((0.02, side * 0.20, shoulder), elbow, 0.056), rod(elbow, hand, 0.046)]
        hands.append(ball(hand, 0.05))
    head = merged([ball((0.04, 0.0, 1.62), 0.105, 1.22), rod((0.02, 0.0, 1.44), (0.03, 0.0, 1.56), 0.05)])
    hood = ball((0.02, 0.0, 1.665), 0.112, 1.0)
    code = f"walker_{number % len(_LOOKS)}"
    shapes = [
        (merged([torso, *sleeves]), f"{code}_jacket", jacket),
        (merged(legs), f"{code}_trousers", trousers),
        (merged([head, *hands]), f"{code}_skin", skin),
        (hood, f"{code}_hair", hair),
        (merged(shoes), "walker_shoes", (30, 28, 28)),
    ]
    pixels = textures.linear(np.full((16, 16, 3), jacket))
    materials = {name: Material(albedo=textures.linear_rgb(colour)) for _, name, colour in shapes[1:]}
    materials[shapes[0][1]] = Material(texture=shapes[0][1])
    meshes = tuple(shape.scaled(scale, scale, scale).mesh(name) for shape, name, _ in shapes)
    return Asset(meshes, materials, {shapes[0][1]: pixels})
