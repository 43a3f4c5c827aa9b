"""Looking at a rate after every drive, and stopping when it is decided, without deceiving oneself.

An interval for a fixed number of drives errs in 5 % of cases when it is looked at once; looked at after every batch
until it pleases, it errs far more often. Here each side of a bound is tested by a likelihood ratio: of rates beyond
the bound, all equally likely, against the bound itself. While the truth lies on the other side of the bound, the ratio
is a supermartingale, so the chance that it *ever* exceeds 1 / alpha is at most alpha (Ville's inequality; Robbins,
Annals of Mathematical Statistics 41 (1970) 1397; Ramdas et al., Statistical Science 38 (2023) 576). Stopping whenever
it does, or when the budget ends, keeps that promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from testbed.stats import Interval, least

ALPHA = 0.025
"""Of each side: as much as a two-sided 95 % interval for a fixed number of drives leaves."""

METHOD = "confidence sequence"

Side = Literal["below", "above"]


def log_ratio(k: int, n: int, bound: float, side: Side) -> float:
    """Return the logarithm of the likelihood ratio of rates on a side of a bound against the bound itself.

    Args:
        k: How often it happened.
        n: Of how many.
        bound: Between 0 and 1.
        side: ``below``: evidence that the true rate is smaller than the bound; ``above``: that it is larger.

    Raises:
        ValueError: ``k`` is not between 0 and ``n``, or the bound not between 0 and 1.
    """
    from scipy.special import betainc, betaincc, betaln

    if not 0 <= k <= n or not 0.0 <= bound <= 1.0:
        raise ValueError(f"{k} of {n} against {bound} cannot be tested")
    width = bound if side == "below" else 1.0 - bound
    if width == 0.0:
        return -math.inf
    impossible = (k if bound == 0.0 else 0) + (n - k if bound == 1.0 else 0)
    if impossible:
        return math.inf
    share = float((betainc if side == "below" else betaincc)(k + 1, n - k + 1, bound))
    if share == 0.0:
        return -math.inf
    against = (k * math.log(bound) if k else 0.0) + ((n - k) * math.log1p(-bound) if n - k else 0.0)
    return float(betaln(k + 1, n - k + 1)) + math.log(share) - math.log(width) - against


def decided(k: int, n: int, bound: float) -> Side | None:
    """Return on which side of a bound the true rate lies, None while that is undecided."""
    enough = -math.log(ALPHA)
    for side in ("below", "above"):
        if log_ratio(k, n, bound, side) >= enough:
            return side
    return None


def confidence_sequence(k: int, n: int) -> Interval:
    """Return the rates that no look so far has excluded, for one number of drives: 95 % however often one looks."""
    low = _edge(lambda bound: log_ratio(k, n, bound, "above"), 0.0, k / n if n else 0.0)
    high = _edge(lambda bound: log_ratio(k, n, bound, "below"), 1.0, k / n if n else 1.0)
    return Interval(low, high, 1.0 - 2.0 * ALPHA, METHOD)


def _edge(ratio: Callable[[float], float], outside: float, inside: float) -> float:
    """Bisect between an excluded rate and one that is not; the last rate that is not excluded, to 1e-9."""
    if ratio(outside) < -math.log(ALPHA):
        return outside
    while abs(outside - inside) > 1e-9:
        middle = 0.5 * (outside + inside)
        if ratio(middle) >= -math.log(ALPHA):
            outside = middle
        else:
            inside = middle
    return inside


def drives_needed(bound: float, *, at_most: bool, k: int = 0, n: int = 0, limit: int = 1_000_000) -> int | None:
    """Return after how many further drives a claim is decided if all go in its favour; None beyond the limit.

    Args:
        bound: Of the rate.
        at_most: Whether the claim is "at most" (else "at least").
        k: Events so far.
        n: Drives so far.
        limit: Give up beyond this many.
    """
    side: Side = "below" if at_most else "above"
    return least(lambda more: decided(k if at_most else k + more, n + more, bound) == side, limit)
