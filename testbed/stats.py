"""How sure a number is: intervals, paired tests, corrections, and how many more episodes a claim needs.

Thin over scipy, checked against statsmodels by the tests; every result is a dataclass that says which method produced
it. Nothing here knows about driving.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

IntervalMethod = Literal["wilson", "clopper-pearson"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval.

    Attributes:
        low: Lower bound.
        high: Upper bound.
        level: Confidence level, for instance 0.95.
        method: How it was made.
    """

    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True, slots=True)
class Rate:
    """``k`` of ``n`` with its interval.

    Attributes:
        k: How often it happened.
        n: How often it could have.
        interval: Confidence interval of the underlying probability.
    """

    k: int
    n: int
    interval: Interval

    @property
    def value(self) -> float | None:
        """The observed share; None when nothing was tried."""
        return self.k / self.n if self.n else None

    def __str__(self) -> str:
        """Return ``k/n (low-high %)``, the form in which every rate is printed."""
        low, high = self.interval.low * 100, self.interval.high * 100
        return f"{self.k}/{self.n} ({low:.0f}–{high:.0f} %)"


@dataclass(frozen=True, slots=True)
class McNemar:
    """Exact McNemar test of paired yes/no outcomes.

    Attributes:
        only_first: Pairs in which only the first said yes.
        only_second: Pairs in which only the second said yes.
        pairs: All pairs.
        p_value: Two-sided exact binomial p-value; 1 without discordant pairs.
    """

    only_first: int
    only_second: int
    pairs: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        mean: Mean over all values.
        n: Number of values.
        clusters: Number of clusters that were resampled.
        interval: Percentile bootstrap interval; None with fewer than two clusters, where it would be a lie.
    """

    mean: float
    n: int
    clusters: int
    interval: Interval | None


def _counts(k: int, n: int) -> None:
    if n < 0 or not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no rate")


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval (Wilson, JASA 1927), the default for printed rates."""
    _counts(k, n)
    if n == 0:
        return Interval(0.0, 1.0, level, "wilson")
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + level / 2))
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    # the bounds of none and of all are exactly 0 and 1; rounding must not move them
    return Interval(0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half, level, "wilson")


def clopper_pearson(k: int, n: int, level: float = 0.95) -> Interval:
    """Return the exact interval (Clopper and Pearson, Biometrika 1934), the one claims are judged by."""
    _counts(k, n)
    if n == 0:
        return Interval(0.0, 1.0, level, "clopper-pearson")
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
    return Interval(low, high, level, "clopper-pearson")


def rate(k: int, n: int, level: float = 0.95, method: IntervalMethod = "wilson") -> Rate:
    """Return ``k`` of ``n`` with the interval of the method asked for."""
    return Rate(k, n, wilson(k, n, level) if method == "wilson" else clopper_pearson(k, n, level))


def garwood(k: int, exposure: float, level: float = 0.95) -> Interval:
    """Return the exact interval of a Poisson rate: ``k`` events over a distance or a time (Garwood, Biometrika 1936).

    Raises:
        ValueError: The count is negative, or nothing was driven in which something could have happened.
    """
    if k < 0 or not exposure > 0.0:
        raise ValueError(f"{k} in {exposure} is no rate")
    from scipy.stats import chi2

    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(chi2.ppf(tail, 2 * k)) / 2
    high = float(chi2.ppf(1 - tail, 2 * k + 2)) / 2
    return Interval(low / exposure, high / exposure, level, "garwood")


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """Return the exact McNemar test of paired outcomes.

    Args:
        first: Outcomes under one condition, for instance benign.
        second: Outcomes of the same episodes under the other.

    Raises:
        ValueError: The lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} outcomes cannot be paired with {len(second)}")
    only_first = sum(1 for a, b in zip(first, second, strict=True) if a and not b)
    only_second = sum(1 for a, b in zip(first, second, strict=True) if b and not a)
    if only_first + only_second == 0:
        return McNemar(0, 0, len(first), 1.0)
    from scipy.stats import binomtest

    p_value = float(binomtest(only_first, only_first + only_second, 0.5).pvalue)
    return McNemar(only_first, only_second, len(first), min(1.0, p_value))


def paired_difference(first: Sequence[bool], second: Sequence[bool], level: float = 0.95) -> Interval:
    """Return the interval of P(second) - P(first) over paired outcomes.

    Newcombe, Statistics in Medicine 17 (1998) 2635, method 10: Wilson's intervals of both shares put together, with the
    correlation of the pairs. Without pairs it is -1 to 1.

    Raises:
        ValueError: The lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} outcomes cannot be paired with {len(second)}")
    n = len(first)
    if n == 0:
        return Interval(-1.0, 1.0, level, "newcombe")
    both = sum(1 for a, b in zip(first, second, strict=True) if a and b)
    only_first, only_second = sum(first) - both, sum(second) - both
    neither = n - both - only_first - only_second
    one, two = wilson(sum(first), n, level), wilson(sum(second), n, level)
    p, q = sum(first) / n, sum(second) / n
    product = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    excess = float(both * neither - only_first * only_second)
    if excess > 0:
        excess = max(excess - n / 2, 0.0)  # Newcombe's continuity correction of a positive correlation
    phi = excess / math.sqrt(product) if product else 0.0

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))

    low = q - p - reach(q - two.low, one.high - p)
    high = q - p + reach(two.high - q, p - one.low)
    return Interval(max(low, -1.0), min(high, 1.0), level, "newcombe")


def bootstrap_mean(
    values: Sequence[float],
    clusters: Sequence[object] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return the mean of per-episode values with a percentile bootstrap interval over whole clusters.

    Episodes of one scenario resemble each other; resampling them one by one would promise too much.

    Args:
        values: One finite value per episode.
        clusters: Cluster of each value, for instance its scenario; None makes every value its own cluster.
        level: Confidence level.
        resamples: Number of resamples.
        seed: Seed, so that the same values give the same interval.

    Raises:
        ValueError: There are no values, or a cluster is missing.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    data = np.asarray(values, dtype=np.float64)
    names = list(range(len(values))) if clusters is None else list(clusters)
    if len(names) != len(values):
        raise ValueError(f"{len(values)} values but {len(names)} clusters")
    groups: dict[object, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name, []).append(index)
    mean = float(data.mean())
    if len(groups) < 2:
        return Estimate(mean, len(values), len(groups), None)
    sums = np.array([data[members].sum() for members in groups.values()])
    sizes = np.array([len(members) for members in groups.values()], dtype=np.float64)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(groups), size=(resamples, len(groups)))
    means: NDArray[np.float64] = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(mean, len(values), len(groups), Interval(float(low), float(high), level, "cluster bootstrap"))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's adjusted p-values (Scandinavian Journal of Statistics 1979) under the same names."""
    adjusted: dict[str, float] = {}
    worst = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        worst = max(worst, (len(p_values) - rank) * p_values[name])
        adjusted[name] = min(1.0, worst)
    return {name: adjusted[name] for name in p_values}


def episodes_needed(
    k: int, n: int, threshold: float, *, at_most: bool = True, level: float = 0.95, limit: int = 1_000_000
) -> int | None:
    """Return how many more episodes would support a claim if they all went as well as the claim needs.

    The count is optimistic: it assumes that no further episode goes against the claim, so it is a least number.

    Args:
        k: Events so far.
        n: Episodes so far.
        threshold: Claimed bound of the rate.
        at_most: Whether the claim is "at most" (else "at least").
        level: Confidence level of the Clopper-Pearson interval.
        limit: Give up beyond this many.

    Returns:
        The number of further episodes, 0 when the claim is supported already, None when none within ``limit`` would do.
    """
    _counts(k, n)

    def supported(more: int) -> bool:
        if at_most:
            return clopper_pearson(k, n + more, level).high <= threshold
        return clopper_pearson(k + more, n + more, level).low >= threshold

    return least(supported, limit)


def least(holds: Callable[[int], bool], limit: int) -> int | None:
    """Return the least number for which something holds that holds for all larger ones; None beyond the limit."""
    if holds(0):
        return 0
    upper = 1
    while not holds(upper):
        upper *= 2
        if upper > limit:
            return None
    lower = upper // 2
    while upper - lower > 1:
        middle = (lower + upper) // 2
        if holds(middle):
            upper = middle
        else:
            lower = middle
    return upper
