"""Drawing a shadow: lightness against published values, polygons against counting, outlines of plates."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.adversaries.shadow.digital import ShadowedCrop
from testbed.adversaries.shadow.lightness import darkened, from_lab, mean_lightness, to_lab
from testbed.adversaries.shadow.polygon import area_on_plate, cover, crop_points, plate_mask, untangled

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # Values of the CIE 1976 formulas for sRGB primaries under D65, as colour tables print them.
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((128, 128, 128), (53.59, 0.0, 0.0)),
        ((3, 3, 3), (0.82, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    found = to_lab(np.array([rgb], np.uint8))[0]
    assert found == pytest.approx(lab, abs=0.02)


def test_lab_and_back_is_the_same_colour() -> None:
    pixels = RNG.integers(0, 256, (500, 3), np.uint8)
    assert np.abs(from_lab(to_lab(pixels)) - pixels).max() < 0.1


def test_darkening_scales_lightness_and_keeps_hue() -> None:
    grey = RNG.integers(40, 220, (50, 3), np.uint8)
    dark = to_lab(np.rint(darkened(grey, 0.43)).astype(np.uint8))
    lab = to_lab(grey)
    inside = np.abs(lab[:, 1:]).max(axis=1) < 15.0  # more colourful ones leave sRGB when they get dark
    assert inside.sum() > 3
    assert dark[inside, 0] == pytest.approx(0.43 * lab[inside, 0], abs=0.5)
    assert np.abs(dark[inside, 1:] - lab[inside, 1:]).max() < 2.5


def test_mean_lightness_counts_the_mask_only() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = 255
    mask = np.zeros((4, 4), bool)
    mask[:2] = True
    assert mean_lightness(picture, mask) == pytest.approx(255.0, abs=0.1)


def test_triangle_covers_its_area_and_is_soft_at_the_edge() -> None:
    points = crop_points(200, 200)
    triangle = np.array([[[0.1, 0.1], [0.9, 0.2], [0.3, 0.8]]], np.float32)
    area = 0.5 * abs(0.8 * 0.7 - 0.2 * 0.1)
    per_point = 1.25**2 / len(points)
    for blur in (1e-6, 0.05):
        found = cover(triangle, points, blur)[0]
        assert found.sum() * per_point == pytest.approx(area, rel=0.02)
    soft = cover(triangle, points, 0.05)[0]
    assert ((soft > 0.01) & (soft < 0.99)).mean() > 0.02
    assert cover(triangle[:, ::-1], points, 0.05)[0] == pytest.approx(soft, abs=1e-5), "the order of corners counts"


def test_polygons_of_many_corners_agree_with_triangles_and_with_counting() -> None:
    points = crop_points(60, 60)
    triangle = np.array([[[0.1, 0.1], [0.9, 0.2], [0.3, 0.8]]], np.float32)
    doubled = np.array([[[0.1, 0.1], [0.5, 0.15], [0.9, 0.2], [0.3, 0.8]]], np.float32)
    assert np.abs(cover(triangle, points, 1e-5) - cover(doubled, points, 1e-5)).max() < 1e-3
    arrow = np.array([[[0.0, 0.0], [0.5, 0.4], [1.0, 0.0], [0.5, 1.0]]], np.float32)
    inside = cover(arrow, np.array([[0.5, 0.6], [0.5, 0.2], [0.1, 0.1]], np.float32), 1e-5)[0]
    assert inside.tolist() == [1.0, 0.0, 1.0]


def test_untangled_polygons_do_not_cross_themselves() -> None:
    bow = np.array([[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]], np.float32)
    area = cover(untangled(bow), crop_points(100, 100), 1e-6).mean() * 1.25**2
    assert area == pytest.approx(1.0, rel=0.02)


def test_plates_have_their_shapes() -> None:
    share = {number: float(plate_mask(number, 100, 100).mean()) * 1.25**2 for number in (1, 14, 13, 12, 18)}
    assert share[1] == pytest.approx(np.pi / 4, abs=0.01)
    assert share[14] == pytest.approx(2.0 * (np.sqrt(2.0) - 1.0), abs=0.02)
    assert 0.4 < share[13] < 0.55 and 0.4 < share[18] < 0.55 and share[12] < 0.55
    rows = plate_mask(18, 100, 100)
    assert rows[25].sum() < rows[75].sum(), "a warning sign stands on its base"
    assert area_on_plate(np.array([[-1, -1], [3, -1], [-1, 3]]), 1) == 1.0


def test_a_shadow_stays_on_the_plate_and_inside_the_polygon() -> None:
    crop = np.full((40, 44, 3), 200, np.uint8)
    shadower = ShadowedCrop(crop, 1)
    polygon = np.array([[[0.5, -0.5], [1.5, -0.5], [0.5, 1.5]]], np.float32)
    image = shadower.images(polygon)[0]
    changed = (image != crop).any(axis=-1)
    assert changed.any() and not changed[~plate_mask(1, 40, 44)].any()
    assert not changed[:, :16].any(), "left of the polygon and its soft edge"
    assert to_lab(image)[20, 25, 0] == pytest.approx(0.43 * to_lab(crop)[20, 25, 0], abs=0.5)
    nothing = shadower.images(polygon + 5.0)[0]
    assert (nothing == crop).all()
