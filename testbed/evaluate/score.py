"""From answers to figures: k of n with intervals, macro F1, boxes, and what an attack took away.

All of it is computed from stored answers, so a table can be made again, or made differently, without asking a model.
Answers are paired by the id of their picture: the same scene with and without the attack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbed import stats
from testbed.evaluate.answers import NONE, VEHICLE, PictureAnswer
from testbed.evaluate.macro import MacroScores, macro_scores
from testbed.judge import average_precision
from testbed.judge.perception import ABSTAIN, UNPARSABLE

IOU_MATCH = 0.5
"""A reported box counts as found from this overlap on (AP50)."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well a set of pictures was answered.

    Attributes:
        accuracy: Right answers of all, with interval.
        macro: Precision, recall and F1 as means over the classes that occur; None without answers.
        abstained: Answers withheld; they count as not right.
        mean_iou: Mean overlap over true boxes, a missed one counts 0; None without boxes.
        ap50: Average precision of reported boxes at IoU 0.5; None without boxes.
        unparsable: Answers in words that could not be read, apart from those withheld; they count as not right.
    """

    accuracy: stats.Rate
    macro: MacroScores | None
    abstained: int
    mean_iou: float | None = None
    ap50: float | None = None
    unparsable: int = 0

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 over the classes that occur; None without answers."""
        return None if self.macro is None else self.macro.f1.value


@dataclass(frozen=True, slots=True)
class AttackEffect:
    """What a condition took away from the benign answers of the same pictures.

    Attributes:
        success: Benign-correct answers that became wrong, of all benign-correct ones: the attack success rate.
        drop_points: Accuracy lost, in percentage points.
        drop_interval: 95 % bootstrap interval of it over groups of like pictures; None with fewer than two groups.
        test: Exact McNemar test; ``only_first`` counts answers right in benign pictures only.
    """

    success: stats.Rate
    drop_points: float
    drop_interval: stats.Interval | None
    test: stats.McNemar


def score(answers: Sequence[PictureAnswer], untouched: Sequence[PictureAnswer] = ()) -> Score:
    """Return the figures of a set of answers.

    Args:
        answers: The answers.
        untouched: Answers to pictures that the condition cannot change (see `untouched_by`); they count in the means
            over classes alone.
    """
    overlaps = [answer.iou for answer in answers if answer.iou is not None]
    reported = [
        (answer.confidence, answer.iou is not None and answer.iou >= IOU_MATCH)
        for answer in answers
        if answer.said == VEHICLE
    ]
    return Score(
        accuracy=stats.rate(sum(answer.right for answer in answers), len(answers)),
        macro=macro_scores([*answers, *untouched]),
        abstained=sum(answer.said == ABSTAIN for answer in answers),
        mean_iou=sum(overlaps) / len(overlaps) if overlaps else None,
        ap50=average_precision(reported, len(overlaps)),
        unparsable=sum(answer.said == UNPARSABLE for answer in answers),
    )


def loss(benign: Sequence[PictureAnswer], attacked: Sequence[PictureAnswer]) -> AttackEffect:
    """Compare answers to the same pictures without and with an attack.

    Pictures that only one side holds are left out (an attack may not apply to every picture).

    Raises:
        ValueError: No picture is on both sides.
    """
    pairs = paired(benign, attacked)
    if not pairs:
        raise ValueError("benign and attacked answers share no picture")
    before, after = [first.right for first, _ in pairs], [second.right for _, second in pairs]
    change = stats.bootstrap_mean(
        [100.0 * (first.right - second.right) for first, second in pairs], [first.group for first, _ in pairs]
    )
    flipped = sum(a and not b for a, b in zip(before, after, strict=True))
    return AttackEffect(stats.rate(flipped, sum(before)), change.mean, change.interval, stats.mcnemar(before, after))


def paired(
    benign: Sequence[PictureAnswer], attacked: Sequence[PictureAnswer]
) -> list[tuple[PictureAnswer, PictureAnswer]]:
    """Return (benign, attacked) answers to the same picture, in the order of the attacked ones."""
    known: Mapping[str, PictureAnswer] = {answer.id: answer for answer in benign}
    return [(known[answer.id], answer) for answer in attacked if answer.id in known]


def untouched_by(benign: Sequence[PictureAnswer], attacked: Sequence[PictureAnswer]) -> tuple[PictureAnswer, ...]:
    """Return benign answers to views without a vehicle, where the attacked pictures are those that show one.

    A camouflage cannot be shown where there is no car. Without those views one class would be left under attack, and
    macro F1 would fall to a half with the first vehicle that is missed.
    """
    shown = {answer.id for answer in attacked}
    return tuple(answer for answer in benign if answer.truth == NONE and answer.id not in shown)
