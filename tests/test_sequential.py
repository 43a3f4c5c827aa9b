"""The test that stays right however often one looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from testbed import sequential, stats


@pytest.mark.parametrize(("k", "n", "bound"), [(0, 10, 0.05), (3, 20, 0.1), (20, 20, 0.5), (1, 1, 0.3), (57, 400, 0.2)])
def test_the_ratio_is_the_mean_likelihood_of_rates_beyond_the_bound(k: int, n: int, bound: float) -> None:
    def likelihood(p: np.ndarray) -> np.ndarray:
        return p**k * (1.0 - p) ** (n - k) / (bound**k * (1.0 - bound) ** (n - k))

    for side, rates in (("below", np.linspace(0, bound, 200_001)), ("above", np.linspace(bound, 1, 200_001))):
        mean = float(np.trapezoid(likelihood(rates), rates)) / (rates[-1] - rates[0])
        assert sequential.log_ratio(k, n, bound, side) == pytest.approx(math.log(mean), abs=1e-4)  # type: ignore[arg-type]


def test_at_the_bound_it_is_seldom_ever_decided() -> None:
    chance = np.random.default_rng(3)
    wrong = {"below": 0, "above": 0}
    for _ in range(300):
        happened = np.cumsum(chance.random(300) < 0.1)
        sides = {sequential.decided(int(happened[n - 1]), n, 0.1) for n in range(2, 301, 6)} - {None}
        for side in sides:
            wrong[side] += 1  # type: ignore[index]
    assert max(wrong.values()) / 300 < sequential.ALPHA + 3 * math.sqrt(sequential.ALPHA / 300)


def test_a_fixed_interval_looked_at_as_often_would_err_more() -> None:
    chance = np.random.default_rng(3)
    wrong = 0
    for _ in range(200):
        happened = np.cumsum(chance.random(300) < 0.1)
        intervals = (stats.clopper_pearson(int(happened[n - 1]), n) for n in range(10, 301, 6))
        wrong += any(not one.low <= 0.1 <= one.high for one in intervals)
    assert wrong / 200 > 2 * 0.05


def test_what_is_decided_is_decided_by_the_fixed_interval_too() -> None:
    for n in range(1, 200, 7):
        for k in range(0, n + 1, 3):
            side, interval = sequential.decided(k, n, 0.2), stats.clopper_pearson(k, n)
            assert side != "below" or interval.high <= 0.2
            assert side != "above" or interval.low >= 0.2


@pytest.mark.parametrize(("k", "n"), [(0, 0), (0, 7), (3, 20), (20, 20), (1, 400)])
def test_the_interval_holds_what_no_look_excludes(k: int, n: int) -> None:
    interval = sequential.confidence_sequence(k, n)
    assert 0.0 <= interval.low <= interval.high <= 1.0
    for rate in (interval.low - 1e-6, interval.high + 1e-6):
        assert not 0.0 < rate < 1.0 or sequential.decided(k, n, rate) is not None
    for rate in np.linspace(interval.low + 1e-6, interval.high - 1e-6, 7):
        assert sequential.decided(k, n, float(rate)) is None


def test_how_many_drives_it_takes() -> None:
    assert sequential.drives_needed(0.05, at_most=True) == 105
    assert sequential.drives_needed(0.95, at_most=False) == 105
    assert sequential.decided(0, 104, 0.05) is None and sequential.decided(0, 105, 0.05) == "below"
    assert sequential.drives_needed(0.05, at_most=True, k=0, n=100) == 5
    assert sequential.drives_needed(0.0, at_most=True) is None
    assert sequential.decided(1, 1, 0.0) == "above"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2 against"):
        sequential.log_ratio(3, 2, 0.5, "below")
