"""Colour transfer: there and back, and torch's twins give what core gives."""

from __future__ import annotations

import numpy as np
import torch

from testbed.adversaries.camouflage.search import linear_of
from testbed.client.compositing import film_curve as tables
from testbed.core.colour import film_curve, linear_to_srgb, srgb_to_linear
from testbed.world.render.lighting import tone_curve
from testbed.world.render.rerender import to_srgb

LINEAR = np.linspace(0.0, 12.0, 4001)
UNIT = np.linspace(0.0, 1.0, 4001)


def test_srgb_comes_back() -> None:
    assert np.abs(linear_to_srgb(srgb_to_linear(UNIT)) - UNIT).max() < 1e-6
    assert srgb_to_linear(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert abs(float(srgb_to_linear(np.array(0.5))) - 0.21404) < 1e-5


def test_precision_is_that_of_the_argument() -> None:
    single = UNIT.astype(np.float32)
    assert {srgb_to_linear(single).dtype, linear_to_srgb(single).dtype, film_curve(single).dtype} == {single.dtype}


def test_torch_has_the_same_transfer() -> None:
    assert np.abs(linear_of(torch.from_numpy(UNIT)).numpy() - srgb_to_linear(UNIT)).max() < 1e-12


def test_torch_and_the_renderer_have_the_same_film() -> None:
    assert np.abs(to_srgb(torch.from_numpy(LINEAR)).numpy() - film_curve(LINEAR)).max() < 1e-12
    assert np.array_equal(tone_curve(LINEAR), film_curve(LINEAR))
    assert tone_curve([-1.0]).tolist() == [0.0]


def test_compositing_shows_the_film() -> None:
    grey = np.arange(1, 255, dtype=np.uint8)
    assert np.abs(film_curve(tables.linear(grey)) * 255.0 - grey).max() < 1e-2
