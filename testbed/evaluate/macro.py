"""Precision, recall and F1 as means over classes, with intervals that resample whole scenes.

Classes are those that occur as truth or as answer; abstaining is no class. A class that was never said has precision 0,
one that never was the truth recall 0. Pictures of one scene resemble each other, so a resample draws scenes, the same
ones for every set of answers to the same scenes: differences between victims, and means over them, stay paired.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from testbed import stats
from testbed.evaluate.answers import PictureAnswer
from testbed.judge.perception import ABSTAIN, UNPARSABLE

RESAMPLES = 2000
LEVEL = 0.95

Draws = NDArray[np.float64]
"""One value per resample, shape (RESAMPLES,)."""


@dataclass(frozen=True, slots=True)
class MacroFigure:
    """A mean over classes, 0-1.

    Attributes:
        value: The figure.
        interval: 95 % bootstrap interval over scenes; None with fewer than two, or where no resample differs.
    """

    value: float
    interval: stats.Interval | None


@dataclass(frozen=True, slots=True)
class MacroScores:
    """Means over classes."""

    precision: MacroFigure
    recall: MacroFigure
    f1: MacroFigure

    def of(self, name: Literal["precision", "recall", "f1"]) -> MacroFigure:
        """Return one of them."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}[name]


@dataclass(frozen=True, slots=True, eq=False)
class DropDraws:
    """What an attack took from a row, in points, and the same in each resample of its scenes.

    Attributes:
        accuracy: Accuracy lost on the same pictures.
        f1: Macro F1 lost on them.
        accuracy_draws: Per resample; empty with fewer than two scenes.
        f1_draws: Likewise.
    """

    accuracy: float
    f1: float
    accuracy_draws: Draws
    f1_draws: Draws


def macro_scores(answers: Sequence[PictureAnswer]) -> MacroScores | None:
    """Return precision, recall and F1 of answers, None without answers."""
    if not answers:
        return None
    counts = _counts(answers, _scenes(answers), _classes(answers))
    values = _macro(counts.sum(axis=0))
    drawn = _macro(_resampled(counts, _weights(len(counts), "macro"))) if len(counts) > 1 else None
    spans = [None if drawn is None else span_of(drawn[:, index]) for index in range(3)]
    return MacroScores(*(MacroFigure(float(value), span) for value, span in zip(values, spans, strict=True)))


def drop_draws(
    pairs: Sequence[tuple[PictureAnswer, PictureAnswer]], stream: str, untouched: Sequence[PictureAnswer] = ()
) -> DropDraws:
    """Return what was lost between first and second answers to the same pictures.

    Args:
        pairs: (benign, attacked) answers, at least one.
        stream: Rows with the same scenes and stream share their resamples; other streams are independent.
        untouched: Answers to pictures that the attack cannot change; they count in F1 alone.
    """
    sides = [before for before, _ in pairs], [after for _, after in pairs]
    scenes = _scenes([*sides[0], *untouched])
    shown = [_counts(side, scenes, _classes(side)) for side in sides]
    whole = [_counts([*side, *untouched], scenes, _classes([*side, *untouched])) for side in sides]
    drops = [
        100.0 * (_accuracy(shown[0].sum(axis=0)) - _accuracy(shown[1].sum(axis=0))),
        100.0 * (_macro(whole[0].sum(axis=0))[2] - _macro(whole[1].sum(axis=0))[2]),
    ]
    if len(scenes) < 2:
        return DropDraws(float(drops[0]), float(drops[1]), np.zeros(0), np.zeros(0))
    weights = _weights(len(scenes), stream)
    accuracy = [_accuracy(_resampled(side, weights)) for side in shown]
    f1 = [_macro(_resampled(side, weights))[:, 2] for side in whole]
    return DropDraws(float(drops[0]), float(drops[1]), 100.0 * (accuracy[0] - accuracy[1]), 100.0 * (f1[0] - f1[1]))


def span_of(draws: Draws) -> stats.Interval | None:
    """Return the percentile interval of resampled values; None without any, or where they are all the same.

    A bootstrap knows no more than it saw: where every answer is right its interval would promise certainty.
    """
    if not draws.size or float(draws.min()) == float(draws.max()):
        return None
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return stats.Interval(float(low), float(high), LEVEL, "cluster bootstrap")


def _scenes(answers: Sequence[PictureAnswer]) -> dict[str, int]:
    """Return scene to its index, in sorted order so that every victim's resamples draw the same scenes."""
    return {name: index for index, name in enumerate(sorted({answer.group for answer in answers}))}


def _classes(answers: Sequence[PictureAnswer]) -> dict[str, int]:
    names = {answer.truth for answer in answers} | {answer.said for answer in answers}
    return {name: index for index, name in enumerate(sorted(names - {ABSTAIN, UNPARSABLE}))}


def _counts(answers: Sequence[PictureAnswer], scenes: dict[str, int], classes: dict[str, int]) -> NDArray[np.float64]:
    """Return per scene and class how often it was right, true and said, shape (scenes, 3, classes)."""
    found = np.zeros((len(scenes), 3, len(classes)))
    for answer in answers:
        at = found[scenes[answer.group]]
        at[1, classes[answer.truth]] += 1
        if answer.said not in (ABSTAIN, UNPARSABLE):
            at[2, classes[answer.said]] += 1
        if answer.right:
            at[0, classes[answer.truth]] += 1
    return found


def _weights(scenes: int, stream: str) -> NDArray[np.float64]:
    """Return how often each resample draws each scene, shape (RESAMPLES, scenes)."""
    rng = np.random.default_rng(zlib.crc32(stream.encode()))
    return rng.multinomial(scenes, np.full(scenes, 1.0 / scenes), size=RESAMPLES).astype(np.float64)


def _resampled(counts: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return counts per resample, shape (RESAMPLES, 3, classes)."""
    return (weights @ counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:])


def _accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return right ones of all, for counts of shape (…, 3, classes); 0 where a resample drew no picture."""
    found: NDArray[np.float64] = counts[..., 0, :].sum(axis=-1) / np.maximum(counts[..., 1, :].sum(axis=-1), 1.0)
    return found


def _macro(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return precision, recall and F1 of counts of shape (…, 3, classes), shape (…, 3)."""
    hits, true, said = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    occurs = np.maximum((true + said > 0).sum(axis=-1), 1)
    parts = [
        hits / np.maximum(said, 1.0),  # no hits where nothing was said: 0
        hits / np.maximum(true, 1.0),
        2.0 * hits / np.maximum(true + said, 1.0),
    ]
    return np.stack([part.sum(axis=-1) / occurs for part in parts], axis=-1)
