"""Knowing when not to answer: risk against coverage, and what withholding unsure answers is worth.

Answers are sorted by confidence; those of equal confidence are taken together, since no threshold tells them apart. An
answer that the agent withheld itself is never covered. Definitions: Geifman and El-Yaniv, NeurIPS 2017 (risk-coverage);
Whitehead et al., ECCV 2022 (effective reliability).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

COSTS: tuple[float, ...] = (1.0, 10.0, 100.0)
"""c of effective reliability: what a wrong answer costs when a right one is worth 1."""
RISKS: tuple[float, ...] = (0.01, 0.05, 0.10, 0.20)
"""Risks at which coverage is told."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer as it counts here.

    Attributes:
        confidence: 0-1.
        right: Whether it was right.
        given: Whether it was given; False where the agent abstained.
    """

    confidence: float
    right: bool
    given: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold.

    Attributes:
        threshold: Answers at least this confident are given.
        coverage: Share of all answers that are given.
        risk: Share of the given ones that are wrong.
    """

    threshold: float
    coverage: float
    risk: float


def curve(answers: Sequence[Judged]) -> list[Point]:
    """Return the points of the risk-coverage curve, most confident first; empty where nothing was given."""
    given = sorted((one for one in answers if one.given), key=lambda one: -one.confidence)
    points: list[Point] = []
    wrong = 0
    for index, one in enumerate(given, start=1):
        wrong += not one.right
        if index == len(given) or given[index].confidence < one.confidence:
            points.append(Point(one.confidence, index / len(answers), wrong / index))
    return points


def aurc(answers: Sequence[Judged]) -> float | None:
    """Return 100 times the area under the risk-coverage curve up to the largest coverage; None without answers.

    Every answer counts with the risk at the end of its group of equals.
    """
    area, before = 0.0, 0.0
    points = curve(answers)
    for point in points:
        area += point.risk * (point.coverage - before)
        before = point.coverage
    return 100.0 * area / before if points else None


def coverage_at(answers: Sequence[Judged], risk: float) -> float:
    """Return the largest coverage whose risk is at most this, 0 where there is none."""
    return max((point.coverage for point in curve(answers) if point.risk <= risk), default=0.0)


def reliability(answers: Sequence[Judged], threshold: float, cost: float) -> float | None:
    """Return effective reliability: the mean of +1 for a right, -cost for a wrong and 0 for a withheld answer."""
    if not answers:
        return None
    total = 0.0
    for one in answers:
        if one.given and one.confidence >= threshold:
            total += 1.0 if one.right else -cost
    return total / len(answers)


def best_threshold(answers: Sequence[Judged], cost: float) -> float:
    """Return the threshold of the largest effective reliability; infinite where silence is best.

    Pick it on other answers than those it is judged on.
    """
    best, chosen = 0.0, math.inf
    for point in curve(answers):
        value = point.coverage * ((1.0 - point.risk) - cost * point.risk)
        if value > best:
            best, chosen = value, point.threshold
    return chosen
