"""What a page looks like to those who see less, or print it: contrast by WCAG 2.2, hues, and the rules for paper."""

from __future__ import annotations

import colorsys
import itertools
import re

import numpy as np
import pytest

from testbed.report.charts import Curve, offset_chart
from testbed.report.page import asset

CSS = asset("page.css")
AA = 4.5
"""Least contrast of text (WCAG 2.2, 1.4.3, level AA)."""


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", block))


LIGHT = variables(CSS.split("@media")[0])
DARK = LIGHT | variables(CSS.split("@media(prefers-color-scheme:dark)")[1].split("}}")[0])


def channels(colour: str) -> tuple[float, float, float]:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    red, green, blue = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    return red, green, blue


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_all_text_can_be_read(theme: dict[str, str]) -> None:
    words = ("ink", "soft", "faint", "benign", "attack", "control", "ok", "bad", "accent")
    weak = {
        (word, ground): contrast(theme[word], theme[ground])
        for word, ground in [*itertools.product(words, ("paper", "card")), ("card", "accent")]
        + [("letter", segment) for segment in ("left", "right", "straight", "vehicle", "sign")]
    }
    assert not {pair: ratio for pair, ratio in weak.items() if ratio < AA}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_benign_attack_and_control_have_hues_of_their_own(theme: dict[str, str]) -> None:
    hues = [colorsys.rgb_to_hls(*channels(theme[name]))[0] for name in ("benign", "attack", "control")]
    for one, other in itertools.combinations(hues, 2):
        apart = abs(one - other)
        assert 360 * min(apart, 1 - apart) > 40


def test_paper_is_light_and_shows_all_columns() -> None:
    paper = CSS.split("@media print")[1]
    assert variables(paper) == LIGHT, "a dark screen does not print white words on white"
    assert "overflow:visible" in paper and "details::details-content" in paper


def test_a_line_that_leaves_the_picture_is_marked_with_how_far_it_goes() -> None:
    times = np.arange(0.0, 5.0, 0.5)
    lines = [Curve(times, times - 0.5, "attack", True), Curve(times, -times, "control", False)]
    svg = offset_chart(lines, threshold_m=0.7, patch_s=None, window_s=2.5, title="t")
    assert svg.count("▲ to 4.0 m") == 1
    assert svg.count("▼") == 1 and "▼ to" not in svg
    calm = Curve(times, times / 5, "benign", True)
    inside = offset_chart([calm], threshold_m=0.7, patch_s=None, window_s=2.5, title="t")
    assert "▲" not in inside and "▼" not in inside
