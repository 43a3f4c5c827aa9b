"""The faces of the 43 GTSRB classes as vector drawings after the German road traffic order (StVO, annexes 1 to 3).

Numerals and letters come from Pillow's built-in scalable font. Pictograms are drawn after the official ones closely
enough to be told apart at 32 px; they are not traced from them. `face(number)` returns a square picture whose border is
continued past the plate's outline, so that filtering never mixes in a foreign colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from PIL import Image

from testbed.world.assets.sign_canvas import (
    BLACK,
    BLUE,
    DIAMOND,
    DISC,
    GREEN,
    GREY,
    OCTAGON,
    RED,
    TRIANGLE,
    WHITE,
    YELLOW,
    YIELD,
    Point,
    Rgb8,
    SignCanvas,
    rounded,
    shrunk,
)

OUTLINES: dict[str, list[Point]] = {
    "disc": DISC,
    "triangle": TRIANGLE,
    "yield": YIELD,
    "octagon": OCTAGON,
    "diamond": DIAMOND,
}
SPEEDS = {0: 20, 1: 30, 2: 50, 3: 60, 4: 70, 5: 80, 7: 100, 8: 120}


def outline_name(number: int) -> str:
    """Return the key of OUTLINES for a GTSRB class."""
    if number == 11 or 18 <= number <= 31:
        return "triangle"
    return {12: "diamond", 13: "yield", 14: "octagon"}.get(number, "disc")


# --- frames -------------------------------------------------------------------------------------------------------


def _prohibition(size: int, ring: float = 0.80) -> SignCanvas:
    canvas = SignCanvas(size, RED)
    canvas.disc((0, 0), ring, WHITE)
    return canvas


def _end(size: int) -> SignCanvas:
    canvas = SignCanvas(size, WHITE)
    canvas.ring((0, 0), 0.955, 0.035, BLACK)
    return canvas


def _stripes(canvas: SignCanvas) -> None:
    """Draw the five diagonal bars of an end sign, clipped by the rim."""
    for k in (-2, -1, 0, 1, 2):
        shift = 0.115 * k
        reach = math.sqrt(0.93**2 - (shift) ** 2) / math.sqrt(2)
        dx = shift / math.sqrt(2)
        canvas.line([(dx - reach, dx + reach), (dx + reach, dx - reach)], 0.06, BLACK, round_ends=False)


def _warning(size: int) -> SignCanvas:
    canvas = SignCanvas(size, RED)
    inner = rounded([(0.0, -0.575), (0.70, 0.635), (-0.70, 0.635)], 0.05)
    canvas.polygon(inner, WHITE)
    return canvas


def _mandatory(size: int) -> SignCanvas:
    canvas = SignCanvas(size, BLUE)
    canvas.ring((0, 0), 0.955, 0.03, WHITE)
    return canvas


# --- pictograms ---------------------------------------------------------------------------------------------------


def _number(canvas: SignCanvas, value: int, colour: Rgb8 = BLACK) -> None:
    half, high = (0.50, 0.40) if value < 100 else (0.62, 0.34)
    if value < 100:
        canvas.text(str(value), (-half, -high), (half, high), colour)
    else:
        canvas.text(str(value), (-half, -high), (half, high), colour, weight=0.04)


def _car_rear(canvas: SignCanvas, x: float, y: float, colour: Rgb8, k: float = 1.0, back: Rgb8 = WHITE) -> None:
    """Draw a car seen from behind, 0.5 k wide, around (x, y)."""

    def at(px: float, py: float) -> Point:
        return x + px * k, y + py * k

    canvas.polygon([at(-0.20, -0.02), at(-0.15, -0.17), at(0.15, -0.17), at(0.20, -0.02)], colour)
    canvas.polygon([at(-0.145, -0.03), at(-0.11, -0.13), at(0.11, -0.13), at(0.145, -0.03)], back)
    canvas.box(at(-0.25, -0.03), at(0.25, 0.13), colour, 0.04 * k)
    canvas.box(at(-0.23, 0.08), at(-0.12, 0.20), colour, 0.02 * k)
    canvas.box(at(0.12, 0.08), at(0.23, 0.20), colour, 0.02 * k)
    canvas.box(at(-0.21, 0.01), at(-0.13, 0.05), back, 0.01)
    canvas.box(at(0.13, 0.01), at(0.21, 0.05), back, 0.01)


def _truck_rear(canvas: SignCanvas, x: float, y: float, colour: Rgb8, back: Rgb8 = WHITE) -> None:
    canvas.box((x - 0.27, y - 0.36), (x + 0.27, y + 0.10), colour, 0.02)
    canvas.box((x - 0.25, y + 0.08), (x - 0.12, y + 0.22), colour, 0.02)
    canvas.box((x + 0.12, y + 0.08), (x + 0.25, y + 0.22), colour, 0.02)
    canvas.line([(x, y - 0.32), (x, y + 0.04)], 0.02, back, round_ends=False)
    canvas.box((x - 0.23, y + 0.03), (x + 0.23, y + 0.05), back)


def _truck_side(canvas: SignCanvas) -> None:
    canvas.box((-0.58, -0.30), (0.14, 0.16), BLACK, 0.02)
    canvas.polygon([(0.18, -0.16), (0.42, -0.16), (0.55, 0.02), (0.58, 0.16), (0.18, 0.16)], BLACK)
    canvas.polygon([(0.25, -0.11), (0.39, -0.11), (0.47, 0.01), (0.25, 0.01)], WHITE)
    canvas.box((-0.58, 0.14), (0.58, 0.22), BLACK)
    for x in (-0.38, 0.36):
        canvas.disc((x, 0.22), 0.15, WHITE)
        canvas.disc((x, 0.22), 0.11, BLACK)


def _person(canvas: SignCanvas, x: float, y: float, k: float, lean: float = 0.0, stride: float = 1.0) -> None:
    """Draw a walking person whose hip is at (x, y), about 0.9 k tall."""

    def at(px: float, py: float) -> Point:
        return x + px * k, y + py * k

    canvas.disc(at(0.05 + lean, -0.43), 0.085 * k, BLACK)
    canvas.line([at(0.02 + 0.6 * lean, -0.27), at(0.0, 0.0)], 0.17 * k, BLACK)
    canvas.line([at(0.02 + 0.6 * lean, -0.27), at(-0.17 * stride, -0.10), at(-0.22 * stride, 0.02)], 0.065 * k, BLACK)
    canvas.line([at(0.02 + 0.6 * lean, -0.27), at(0.17 * stride, -0.12), at(0.27 * stride, -0.16)], 0.065 * k, BLACK)
    canvas.line([at(0.0, 0.0), at(0.10 * stride, 0.20), at(0.16 * stride, 0.42)], 0.09 * k, BLACK)
    canvas.line([at(0.0, 0.0), at(-0.06 * stride, 0.22), at(-0.22 * stride, 0.38)], 0.09 * k, BLACK)


def _curve(canvas: SignCanvas, side: int) -> None:
    points = [(-0.16 * side, 0.52), (-0.16 * side, 0.22)]
    points += [
        (side * (-0.16 + 0.20 * (1 - math.cos(a))), 0.22 - 0.20 * math.sin(a)) for a in (0.3, 0.6, 0.9, 1.2, 1.5)
    ]
    canvas.arrow([*points, (side * 0.10, -0.02), (side * 0.36, -0.02 - 0.10)], 0.15, BLACK, head=2.3)


def _double_curve(canvas: SignCanvas) -> None:
    bend = [(0.13 * math.cos(w), 0.46 - 0.15 * w) for w in [0.3 * k for k in range(16)]]
    canvas.arrow([(0.13, 0.55), *bend, (bend[-1][0] + 0.02, -0.38)], 0.12, BLACK, head=2.4)


def _bumps(canvas: SignCanvas) -> None:
    for x in (-0.21, 0.21):
        arc = [(x + 0.20 * math.cos(a), 0.42 - 0.26 * math.sin(a)) for a in [math.pi * k / 16 for k in range(17)]]
        canvas.polygon(arc, BLACK)
    canvas.box((-0.50, 0.41), (0.50, 0.53), BLACK)


def _slippery(canvas: SignCanvas) -> None:
    _car_rear(canvas, 0.02, 0.02, BLACK, 0.88)
    for x in (-0.17, 0.13):
        wave = [(x + 0.055 * math.sin(9.5 * w), 0.20 + 0.34 * w) for w in [k / 14 for k in range(15)]]
        canvas.line(wave, 0.06, BLACK)


def _narrows_right(canvas: SignCanvas) -> None:
    canvas.line([(-0.20, 0.54), (-0.20, -0.12)], 0.12, BLACK, round_ends=False)
    canvas.line([(0.30, 0.54), (0.30, 0.32), (0.10, 0.10), (0.10, -0.12)], 0.12, BLACK, round_ends=False)


def _road_work(canvas: SignCanvas) -> None:
    canvas.disc((0.02, -0.16), 0.075, BLACK)
    canvas.line([(-0.02, -0.02), (-0.16, 0.20)], 0.15, BLACK)
    canvas.line([(0.0, -0.04), (0.13, 0.10), (0.03, 0.18)], 0.06, BLACK)
    canvas.line([(-0.16, 0.22), (-0.06, 0.36), (-0.12, 0.56)], 0.075, BLACK)
    canvas.line([(-0.17, 0.22), (-0.28, 0.38), (-0.38, 0.56)], 0.075, BLACK)
    canvas.line([(-0.20, 0.16), (0.26, 0.34)], 0.045, BLACK)
    canvas.polygon([(0.08, 0.58), (0.26, 0.30), (0.40, 0.42), (0.53, 0.58)], BLACK)


def _traffic_light(canvas: SignCanvas) -> None:
    canvas.box((-0.16, -0.24), (0.16, 0.54), BLACK, 0.05)
    for y, colour in ((-0.10, RED), (0.15, YELLOW), (0.40, GREEN)):
        canvas.disc((0, y), 0.10, colour)


def _pedestrian(canvas: SignCanvas) -> None:
    for x in (-0.46, -0.26, -0.06, 0.14, 0.34):
        canvas.polygon([(x, 0.58), (x + 0.10, 0.58), (x + 0.10 - 0.22 * x, 0.46), (x - 0.22 * x, 0.46)], BLACK)
    _person(canvas, 0.0, 0.12, 0.85)


def _children(canvas: SignCanvas) -> None:
    _person(canvas, -0.17, 0.20, 0.80, lean=0.03, stride=1.15)
    _person(canvas, 0.20, 0.30, 0.62, lean=0.03, stride=1.15)


def _bicycle(canvas: SignCanvas) -> None:
    for x in (-0.27, 0.27):
        canvas.ring((x, 0.34), 0.19, 0.055, BLACK)
    canvas.line([(-0.27, 0.34), (-0.10, 0.08), (0.18, 0.08), (0.0, 0.34), (-0.27, 0.34)], 0.05, BLACK)
    canvas.line([(-0.14, 0.0), (0.0, 0.34)], 0.05, BLACK)
    canvas.line([(0.27, 0.34), (0.16, -0.04), (0.26, -0.06)], 0.05, BLACK)
    canvas.line([(-0.20, 0.0), (-0.08, 0.0)], 0.06, BLACK)


def _snow(canvas: SignCanvas) -> None:
    cx, cy, r = 0.0, 0.18, 0.36
    for k in range(6):
        a = math.pi / 6 + k * math.pi / 3
        tip = (cx + r * math.cos(a), cy + r * math.sin(a))
        canvas.line([(cx, cy), tip], 0.06, BLACK)
        for turn in (-0.8, 0.8):
            knot = (cx + 0.6 * r * math.cos(a), cy + 0.6 * r * math.sin(a))
            canvas.line([knot, (knot[0] + 0.15 * math.cos(a + turn), knot[1] + 0.15 * math.sin(a + turn))], 0.05, BLACK)


def _deer(canvas: SignCanvas) -> None:
    canvas.polygon(
        [
            (-0.44, 0.20), (-0.30, 0.10), (-0.02, 0.10), (0.16, -0.02), (0.20, -0.18), (0.36, -0.12), (0.36, -0.05),
            (0.27, -0.03), (0.22, 0.16), (0.08, 0.28), (-0.16, 0.28), (-0.32, 0.34), (-0.42, 0.30),
        ],
        BLACK,
    )  # fmt: skip
    canvas.line([(0.14, 0.20), (0.34, 0.26), (0.42, 0.40)], 0.06, BLACK)
    canvas.line([(0.08, 0.24), (0.22, 0.40), (0.26, 0.54)], 0.06, BLACK)
    canvas.line([(-0.34, 0.28), (-0.42, 0.44), (-0.52, 0.56)], 0.06, BLACK)
    canvas.line([(-0.28, 0.30), (-0.28, 0.46), (-0.36, 0.58)], 0.06, BLACK)
    for tip in ((0.10, -0.38), (0.20, -0.40)):
        canvas.line([(0.20, -0.16), (tip[0], tip[1])], 0.04, BLACK)
    canvas.line([(0.14, -0.30), (0.05, -0.30)], 0.035, BLACK)
    canvas.line([(0.20, -0.30), (0.28, -0.34)], 0.035, BLACK)


def _priority_crossing(canvas: SignCanvas) -> None:
    canvas.polygon(
        [(0.0, -0.36), (0.17, -0.08), (0.075, -0.08), (0.11, 0.54), (-0.11, 0.54), (-0.075, -0.08), (-0.17, -0.08)],
        BLACK,
    )
    canvas.box((-0.34, 0.15), (0.34, 0.26), BLACK)


def _roundabout(canvas: SignCanvas) -> None:
    for k in range(3):
        start = math.radians(-80 + 120 * k)
        points = [
            (0.46 * math.cos(start - a), 0.46 * math.sin(start - a)) for a in [math.radians(8 * i) for i in range(11)]
        ]
        (x0, y0), (x1, y1) = points[-2], points[-1]
        ahead = (x1 + 3.2 * (x1 - x0), y1 + 3.2 * (y1 - y0))
        canvas.arrow([*points, ahead], 0.15, WHITE, head=2.5)


# --- faces --------------------------------------------------------------------------------------------------------


def _speed(value: int) -> Callable[[int], SignCanvas]:
    def paint(size: int) -> SignCanvas:
        canvas = _prohibition(size)
        _number(canvas, value)
        return canvas

    return paint


def _warn(pictogram: Callable[[SignCanvas], None]) -> Callable[[int], SignCanvas]:
    def paint(size: int) -> SignCanvas:
        canvas = _warning(size)
        pictogram(canvas)
        return canvas

    return paint


def _order(pictogram: Callable[[SignCanvas], None]) -> Callable[[int], SignCanvas]:
    def paint(size: int) -> SignCanvas:
        canvas = _mandatory(size)
        pictogram(canvas)
        return canvas

    return paint


def _end_of_80(size: int) -> SignCanvas:
    canvas = _end(size)
    canvas.text("80", (-0.52, -0.40), (0.52, 0.40), GREY)
    _stripes(canvas)
    return canvas


def _end_of_all(size: int) -> SignCanvas:
    canvas = _end(size)
    _stripes(canvas)
    return canvas


def _no_passing(size: int) -> SignCanvas:
    canvas = _prohibition(size)
    _car_rear(canvas, -0.33, 0.02, RED, 1.26)
    _car_rear(canvas, 0.33, 0.02, BLACK, 1.26)
    return canvas


def _no_passing_trucks(size: int) -> SignCanvas:
    canvas = _prohibition(size)
    _truck_rear(canvas, -0.31, 0.06, RED)
    _car_rear(canvas, 0.31, 0.08, BLACK, 1.05)
    return canvas


def _end_no_passing(size: int) -> SignCanvas:
    canvas = _end(size)
    _car_rear(canvas, -0.33, 0.02, GREY, 1.26)
    _car_rear(canvas, 0.33, 0.02, GREY, 1.26)
    _stripes(canvas)
    return canvas


def _end_no_passing_trucks(size: int) -> SignCanvas:
    canvas = _end(size)
    _truck_rear(canvas, -0.31, 0.06, GREY)
    _car_rear(canvas, 0.31, 0.08, GREY, 1.05)
    _stripes(canvas)
    return canvas


def _priority(size: int) -> SignCanvas:
    canvas = SignCanvas(size, BLACK)
    canvas.polygon(shrunk(DIAMOND, 0.97), WHITE)
    canvas.polygon(shrunk(DIAMOND, 0.70), BLACK)
    canvas.polygon(shrunk(DIAMOND, 0.67), YELLOW)
    return canvas


def _yield(size: int) -> SignCanvas:
    canvas = SignCanvas(size, RED)
    canvas.polygon([(x, -y) for x, y in rounded([(0.0, -0.55), (0.68, 0.63), (-0.68, 0.63)], 0.05)], WHITE)
    return canvas


def _stop(size: int) -> SignCanvas:
    canvas = SignCanvas(size, WHITE)
    canvas.polygon(shrunk(OCTAGON, 0.95), RED)
    canvas.text("STOP", (-0.76, -0.31), (0.76, 0.31), WHITE, weight=0.03)
    return canvas


def _no_vehicles(size: int) -> SignCanvas:
    return _prohibition(size)


def _no_trucks(size: int) -> SignCanvas:
    canvas = _prohibition(size)
    _truck_side(canvas)
    return canvas


def _no_entry(size: int) -> SignCanvas:
    canvas = SignCanvas(size, WHITE)
    canvas.disc((0, 0), 0.97, RED)
    canvas.box((-0.72, -0.19), (0.72, 0.19), WHITE, 0.02)
    return canvas


def _caution(canvas: SignCanvas) -> None:
    canvas.polygon([(-0.095, -0.26), (0.095, -0.26), (0.055, 0.26), (-0.055, 0.26)], BLACK)
    canvas.disc((0.0, 0.42), 0.10, BLACK)


def _turn(side: int) -> Callable[[SignCanvas], None]:
    """Draw the arrow for "turn ahead": up, then to the side."""
    return lambda canvas: canvas.arrow(
        [(-0.28 * side, 0.62), (-0.28 * side, -0.12), (0.62 * side, -0.12)], 0.26, WHITE, head=2.4
    )


def _straight_or(side: int) -> Callable[[SignCanvas], None]:
    def paint(canvas: SignCanvas) -> None:
        canvas.arrow([(-0.20 * side, 0.66), (-0.20 * side, -0.74)], 0.22, WHITE, head=2.4)
        canvas.arrow([(-0.20 * side, 0.18), (0.62 * side, 0.18)], 0.22, WHITE, head=2.3)

    return paint


def _keep(side: int) -> Callable[[SignCanvas], None]:
    return lambda canvas: canvas.arrow([(-0.46 * side, -0.46), (0.54 * side, 0.54)], 0.26, WHITE, head=2.5)


def _ahead(canvas: SignCanvas) -> None:
    canvas.arrow([(0.0, 0.66), (0.0, -0.74)], 0.26, WHITE, head=2.5)


_FACES: dict[int, Callable[[int], SignCanvas]] = {
    **{number: _speed(value) for number, value in SPEEDS.items()},
    6: _end_of_80,
    9: _no_passing,
    10: _no_passing_trucks,
    11: _warn(_priority_crossing),
    12: _priority,
    13: _yield,
    14: _stop,
    15: _no_vehicles,
    16: _no_trucks,
    17: _no_entry,
    18: _warn(_caution),
    19: _warn(lambda canvas: _curve(canvas, -1)),
    20: _warn(lambda canvas: _curve(canvas, 1)),
    21: _warn(_double_curve),
    22: _warn(_bumps),
    23: _warn(_slippery),
    24: _warn(_narrows_right),
    25: _warn(_road_work),
    26: _warn(_traffic_light),
    27: _warn(_pedestrian),
    28: _warn(_children),
    29: _warn(_bicycle),
    30: _warn(_snow),
    31: _warn(_deer),
    32: _end_of_all,
    33: _order(_turn(1)),
    34: _order(_turn(-1)),
    35: _order(_ahead),
    36: _order(_straight_or(1)),
    37: _order(_straight_or(-1)),
    38: _order(_keep(1)),
    39: _order(_keep(-1)),
    40: _order(_roundabout),
    41: _end_no_passing,
    42: _end_no_passing_trucks,
}


@cache
def face(number: int, size_px: int = 256) -> Image.Image:
    """Return the face of a GTSRB class (0-42) as a square RGB picture.

    Raises:
        KeyError: There is no such class.
    """
    return _FACES[number](size_px).finished()


@cache
def speed_face(limit_kmh: int, size_px: int = 256) -> Image.Image:
    """Return the face of a speed limit, also of those that are no GTSRB class (10, 90, 130 ...)."""
    return _speed(limit_kmh)(size_px).finished()
