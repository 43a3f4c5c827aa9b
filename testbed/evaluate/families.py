"""Table IV: what attacks take from V²LMs, and solo against tandem on the same pictures. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from testbed import stats
from testbed.evaluate.albums import BENIGN
from testbed.evaluate.answers import PictureAnswer
from testbed.evaluate.evaluation import FilledRow
from testbed.evaluate.macro import DropDraws, drop_draws, span_of
from testbed.evaluate.published import TaskName
from testbed.evaluate.score import paired, untouched_by
from testbed.evaluate.tables import ATTACKS, V2LM
from testbed.evaluate.v2lms import DEPLOYMENTS


@dataclass(frozen=True, slots=True)
class DeploymentTest:
    """Solo against tandem of one pair of agents in one task under one condition.

    Attributes:
        task: ``tsr``, ``alc`` or ``vd``.
        condition: ``benign``, or the kind of attack.
        solo: Label of the agent that is deployed solo.
        tandem: Label of the other.
        test: Exact McNemar; ``only_first`` counts pictures that solo alone answered rightly.
        change: Interval of tandem's minus solo's share of right answers (Newcombe), 0-1.
        adjusted: p-value after Holm over all tests of the table.
    """

    task: TaskName
    condition: str
    solo: str
    tandem: str
    test: stats.McNemar
    change: stats.Interval
    adjusted: float = 1.0

    @property
    def points(self) -> float:
        """Tandem's minus solo's accuracy on the same pictures, in percentage points."""
        return 100.0 * (self.test.only_second - self.test.only_first) / self.test.pairs


@dataclass(frozen=True, slots=True)
class DeploymentDrop:
    """Mean of the drops of one deployment's rows, in points.

    Attributes:
        deployment: ``solo`` or ``tandem``.
        rows: Rows that it is a mean of.
        accuracy: Of accuracy.
        accuracy_interval: 95 % bootstrap over scenes, which all rows of a task share; None with fewer than two.
        f1: Of macro F1.
        f1_interval: Likewise.
    """

    deployment: str
    rows: int
    accuracy: float
    accuracy_interval: stats.Interval | None
    f1: float
    f1_interval: stats.Interval | None


@dataclass(frozen=True, slots=True)
class FamilyFigures:
    """What Table IV says besides its rows.

    Attributes:
        drops: (label, task) to what the attack took.
        tests: Solo against tandem.
        means: Mean drops per deployment that has rows.
    """

    drops: dict[tuple[str, str], DropDraws]
    tests: tuple[DeploymentTest, ...]
    means: tuple[DeploymentDrop, ...]


def family_figures(filled: Sequence[FilledRow]) -> FamilyFigures:
    """Return the figures of the rows of Table IV."""
    drops: dict[tuple[str, str], DropDraws] = {
        (one.row.victim.label, one.row.task): drop_draws(
            paired(one.benign.answers, _attacked(one)),
            f"drop {one.row.task}",
            untouched_by(one.benign.answers, _attacked(one)),
        )
        for one in filled
    }
    return FamilyFigures(drops, tuple(_adjusted(_tests(filled))), tuple(_means(filled, drops)))


def _attacked(one: FilledRow) -> tuple[PictureAnswer, ...]:
    return next(iter(one.attacks.values())).answers


def _deployment(one: FilledRow) -> str:
    return "" if one.row.v2lm is None else one.row.v2lm.deployment


def _tests(filled: Sequence[FilledRow]) -> list[DeploymentTest]:
    found = []
    for solo in filled:
        if _deployment(solo) != "solo" or solo.row.block != V2LM:
            continue
        for tandem in filled:
            same = _deployment(tandem) == "tandem" and tandem.row.task == solo.row.task
            if same and _pair(tandem) == _pair(solo):
                found.append(_test(BENIGN, solo, tandem, solo.benign.answers, tandem.benign.answers))
                attack = ATTACKS[solo.row.task]
                found.append(_test(attack, solo, tandem, _attacked(solo), _attacked(tandem)))
    return found


def _pair(one: FilledRow) -> str:
    return "" if one.row.v2lm is None else one.row.v2lm.pair


def _test(
    condition: str,
    solo: FilledRow,
    tandem: FilledRow,
    first: Sequence[PictureAnswer],
    second: Sequence[PictureAnswer],
) -> DeploymentTest:
    pairs = paired(first, second)
    one, other = [a.right for a, _ in pairs], [b.right for _, b in pairs]
    return DeploymentTest(
        solo.row.task,
        condition,
        solo.row.victim.label,
        tandem.row.victim.label,
        stats.mcnemar(one, other),
        stats.paired_difference(one, other),
    )


def _adjusted(tests: Sequence[DeploymentTest]) -> list[DeploymentTest]:
    adjusted = stats.holm({str(index): one.test.p_value for index, one in enumerate(tests)})
    return [replace(one, adjusted=adjusted[str(index)]) for index, one in enumerate(tests)]


def _means(filled: Sequence[FilledRow], drops: dict[tuple[str, str], DropDraws]) -> list[DeploymentDrop]:
    found = []
    for deployment in DEPLOYMENTS:
        mine = [drops[one.row.victim.label, one.row.task] for one in filled if _deployment(one) == deployment]
        if not mine:
            continue
        whole = all(one.accuracy_draws.size for one in mine)
        accuracy = np.mean([one.accuracy_draws for one in mine], axis=0) if whole else np.zeros(0)
        f1 = np.mean([one.f1_draws for one in mine], axis=0) if whole else np.zeros(0)
        found.append(
            DeploymentDrop(
                deployment,
                len(mine),
                float(np.mean([one.accuracy for one in mine])),
                span_of(accuracy),
                float(np.mean([one.f1 for one in mine])),
                span_of(f1),
            )
        )
    return found
