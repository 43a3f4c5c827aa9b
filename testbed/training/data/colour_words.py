"""Words for plain paint, as a person would say them; paint that two people would call differently has none."""

from __future__ import annotations

import colorsys

COLOUR_WORDS: tuple[str, ...] = ("white", "grey", "black", "red", "orange", "brown", "yellow", "green", "blue")

_HUES: tuple[tuple[float, float, str], ...] = (
    (-15.0, 10.0, "red"),
    (16.0, 34.0, "orange"),
    (41.0, 62.0, "yellow"),
    (85.0, 160.0, "green"),
    (200.0, 248.0, "blue"),
)
"""From and to which hue, in degrees, a strong colour is called so."""


def colour_word(red: int, green: int, blue: int) -> str:
    """Return one of `COLOUR_WORDS` for sRGB bytes, or an empty string between the words."""
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255.0, green / 255.0, blue / 255.0)
    if value < 0.14:
        return "black"
    if saturation < 0.12:
        return "white" if value > 0.87 else "grey" if 0.22 < value < 0.7 else ""
    if saturation < 0.5 or value < 0.25:
        return ""
    turned_deg = 360.0 * hue if hue < 0.95 else 360.0 * hue - 360.0
    word = next((name for low, high, name in _HUES if low <= turned_deg <= high), "")
    if word == "orange" and value < 0.7:
        return "brown" if value < 0.55 else ""
    return "" if word == "red" and value < 0.4 else word
