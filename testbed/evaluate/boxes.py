"""Figure 5: how well reported boxes lie over a vehicle before and under the camouflage. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from testbed import stats
from testbed.evaluate.answers import PictureAnswer
from testbed.evaluate.evaluation import FilledRow
from testbed.evaluate.score import IOU_MATCH, paired, score
from testbed.evaluate.tables import VictimRow

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 10
"""Equal classes of overlap from 0 to 1 in a histogram; no box at all is counted apart."""


@dataclass(frozen=True, slots=True)
class BoxSpread:
    """Overlaps of reported with true boxes, over pictures that show a vehicle.

    Attributes:
        mean: Mean IoU with a bootstrap interval over scenes; a missed vehicle counts 0.
        quantiles: Those of ``QUANTILES``.
        found: Boxes with an overlap of at least one half, of all.
        missed: Vehicles without any overlapping box, of all.
        histogram: Number of overlaps above 0 per class.
        ap50: Average precision at IoU 0.5 over these pictures.
    """

    mean: stats.Estimate
    quantiles: tuple[float, ...]
    found: stats.Rate
    missed: stats.Rate
    histogram: tuple[int, ...]
    ap50: float | None


@dataclass(frozen=True, slots=True)
class BoxFigures:
    """One victim's boxes on the same scenes.

    Attributes:
        row: Who.
        benign: Before.
        attacked: Under the camouflage.
        controls: Under what only repaints, by condition.
        change: Mean IoU lost on the same pictures, with its interval.
        test: Exact McNemar of boxes found; ``only_first`` counts those found before alone.
    """

    row: VictimRow
    benign: BoxSpread
    attacked: BoxSpread
    controls: tuple[tuple[str, BoxSpread], ...]
    change: stats.Estimate
    test: stats.McNemar


def box_figures(one: FilledRow) -> BoxFigures:
    """Return the figures of one row of Figure 5."""
    benign, attacked = one.benign.answers, next(iter(one.attacks.values())).answers
    pairs = [(a, b) for a, b in paired(benign, attacked) if a.iou is not None and b.iou is not None]
    lost = [(a.iou or 0.0) - (b.iou or 0.0) for a, b in pairs]
    return BoxFigures(
        one.row,
        spread([a for a, _ in pairs]),
        spread([b for _, b in pairs]),
        tuple((name, spread(cell.answers)) for name, cell in one.controls.items()),
        stats.bootstrap_mean(lost, [a.group for a, _ in pairs]),
        stats.mcnemar([_is_found(a) for a, _ in pairs], [_is_found(b) for _, b in pairs]),
    )


def spread(answers: Sequence[PictureAnswer]) -> BoxSpread:
    """Return how the overlaps of some answers lie.

    Raises:
        ValueError: No picture shows a vehicle.
    """
    shown = [answer for answer in answers if answer.iou is not None]
    overlaps = np.array([answer.iou for answer in shown], np.float64)
    if not shown:
        raise ValueError("no picture shows a vehicle")
    counts, _ = np.histogram(overlaps[overlaps > 0.0], bins=BINS, range=(0.0, 1.0))
    return BoxSpread(
        stats.bootstrap_mean(overlaps.tolist(), [answer.group for answer in shown]),
        tuple(float(value) for value in np.quantile(overlaps, QUANTILES)),
        stats.rate(int(np.count_nonzero(overlaps >= IOU_MATCH)), len(shown)),
        stats.rate(int(np.count_nonzero(overlaps == 0.0)), len(shown)),
        tuple(int(count) for count in counts),
        score(shown).ap50,
    )


def _is_found(answer: PictureAnswer) -> bool:
    return answer.iou is not None and answer.iou >= IOU_MATCH
