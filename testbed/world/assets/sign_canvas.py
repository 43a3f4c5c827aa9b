"""A canvas for traffic signs: coordinates from -1 to 1 (x right, y down), antialiased by oversampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
Rgb8 = tuple[int, int, int]

RED: Rgb8 = (193, 22, 33)
BLUE: Rgb8 = (18, 84, 166)
YELLOW: Rgb8 = (252, 200, 22)
BLACK: Rgb8 = (22, 22, 24)
WHITE: Rgb8 = (246, 246, 244)
GREY: Rgb8 = (150, 152, 154)
GREEN: Rgb8 = (30, 140, 70)

_OVERSAMPLING = 4


class SignCanvas:
    """A square picture that is drawn with vectors."""

    def __init__(self, size_px: int, background: Rgb8) -> None:
        """Start with a plain picture of size_px x size_px."""
        self._size = size_px
        self._big = size_px * _OVERSAMPLING
        self.image = Image.new("RGB", (self._big, self._big), background)
        self._draw = ImageDraw.Draw(self.image)

    def _at(self, point: Point) -> Point:
        half = 0.5 * self._big
        return half + half * point[0], half + half * point[1]

    def polygon(self, points: Sequence[Point], colour: Rgb8) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(point) for point in points], fill=colour)

    def disc(self, centre: Point, radius: float, colour: Rgb8) -> None:
        """Fill a circle."""
        (x, y), r = self._at(centre), 0.5 * self._big * radius
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def ellipse(self, low: Point, high: Point, colour: Rgb8) -> None:
        """Fill an upright ellipse given by its bounding corners."""
        self._draw.ellipse((*self._at(low), *self._at(high)), fill=colour)

    def ring(self, centre: Point, radius: float, width: float, colour: Rgb8) -> None:
        """Stroke a circle; `radius` is that of the middle of the line."""
        (x, y), r, w = self._at(centre), 0.5 * self._big * (radius + 0.5 * width), 0.5 * self._big * width
        self._draw.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=round(w))

    def box(self, low: Point, high: Point, colour: Rgb8, radius: float = 0.0) -> None:
        """Fill a rectangle with rounded corners."""
        corners = (*self._at(low), *self._at(high))
        self._draw.rounded_rectangle(corners, 0.5 * self._big * radius, fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: Rgb8, *, round_ends: bool = True) -> None:
        """Stroke a polyline with round joints."""
        w = 0.5 * self._big * width
        placed = [self._at(point) for point in points]
        for (x0, y0), (x1, y1) in zip(placed, placed[1:], strict=False):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = -(y1 - y0) / length * 0.5 * w, (x1 - x0) / length * 0.5 * w
            corners = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)]
            self._draw.polygon(corners, fill=colour)
        for x, y in placed if round_ends else placed[1:-1]:
            self._draw.ellipse((x - 0.5 * w, y - 0.5 * w, x + 0.5 * w, y + 0.5 * w), fill=colour)

    def arrow(self, points: Sequence[Point], width: float, colour: Rgb8, head: float = 2.6) -> None:
        """Stroke a polyline that ends in an arrow head, `head` times as wide as the line, with its tip at the end."""
        (x0, y0), (x1, y1) = points[-2], points[-1]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        reach, half = 0.85 * head * width, 0.5 * head * width
        neck = (x1 - dx * reach, y1 - dy * reach)
        self.line([*points[:-1], neck], width, colour, round_ends=False)
        self.polygon(
            [(x1, y1), (neck[0] - dy * half, neck[1] + dx * half), (neck[0] + dy * half, neck[1] - dx * half)], colour
        )

    def text(self, text: str, low: Point, high: Point, colour: Rgb8, *, weight: float = 0.035) -> None:
        """Write text so that its ink fills a rectangle exactly; `weight` thickens the strokes."""
        glyphs = _ink(text, round(weight * 1000))
        (x0, y0), (x1, y1) = self._at(low), self._at(high)
        scaled = glyphs.resize((round(x1 - x0), round(y1 - y0)), Image.Resampling.LANCZOS)
        self.image.paste(colour, (round(x0), round(y0)), scaled)

    def finished(self) -> Image.Image:
        """Return the picture at its final size."""
        return self.image.resize((self._size, self._size), Image.Resampling.LANCZOS)


@cache
def _ink(text: str, weight: int) -> Image.Image:
    """Return the ink of a text as a mask without margins, 400 px letters."""
    font = ImageFont.load_default(size=400)
    stroke = round(400 * weight / 1000)
    left, top, right, bottom = font.getbbox(text, stroke_width=stroke)
    image = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)), 0)
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font, stroke_width=stroke, stroke_fill=255)
    found = image.getbbox()
    return image.crop(found) if found else image


def rounded(corners: Sequence[Point], radius: float, steps: int = 5) -> list[Point]:
    """Return a convex polygon with rounded corners."""
    points: list[Point] = []
    count = len(corners)
    for i, (x, y) in enumerate(corners):
        (ax, ay), (bx, by) = corners[i - 1], corners[(i + 1) % count]
        u = _unit(ax - x, ay - y)
        v = _unit(bx - x, by - y)
        half = 0.5 * math.acos(max(-1.0, min(1.0, u[0] * v[0] + u[1] * v[1])))
        bisector = _unit(u[0] + v[0], u[1] + v[1])
        cx, cy = (c + b * radius / math.sin(half) for c, b in zip((x, y), bisector, strict=True))
        reach = radius / math.tan(half)
        start = math.atan2(y + u[1] * reach - cy, x + u[0] * reach - cx)
        turn = math.atan2(y + v[1] * reach - cy, x + v[0] * reach - cx) - start
        turn = (turn + math.pi) % (2 * math.pi) - math.pi
        points += [
            (cx + radius * math.cos(start + turn * k / steps), cy + radius * math.sin(start + turn * k / steps))
            for k in range(steps + 1)
        ]
    return points


def _unit(x: float, y: float) -> Point:
    length = math.hypot(x, y) or 1.0
    return x / length, y / length


def shrunk(points: Sequence[Point], factor: float, centre: Point = (0.0, 0.0)) -> list[Point]:
    """Return points scaled about a centre."""
    return [(centre[0] + (x - centre[0]) * factor, centre[1] + (y - centre[1]) * factor) for x, y in points]


# Outlines in canvas coordinates; plates are cut along them.
DISC: list[Point] = [(math.cos(2 * math.pi * k / 36), math.sin(2 * math.pi * k / 36)) for k in range(36)]
_UP: list[Point] = [(0.0, -0.96), (1.03, 0.83), (-1.03, 0.83)]
TRIANGLE: list[Point] = rounded(_UP, 0.09)
YIELD: list[Point] = [(x, -y) for x, y in TRIANGLE]
OCTAGON: list[Point] = [
    (
        math.cos(math.pi * (2 * k + 1) / 8) / math.cos(math.pi / 8),
        math.sin(math.pi * (2 * k + 1) / 8) / math.cos(math.pi / 8),
    )
    for k in range(8)
]
DIAMOND: list[Point] = rounded([(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)], 0.08)
SQUARE: list[Point] = rounded([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)], 0.10)
