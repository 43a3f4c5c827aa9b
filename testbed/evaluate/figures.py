"""From filled cells to figures: what became of every row under every condition. Nothing is asked here."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from testbed import stats
from testbed.evaluate.answers import PictureAnswer
from testbed.evaluate.boxes import BoxFigures, box_figures
from testbed.evaluate.evaluation import FilledRow
from testbed.evaluate.families import FamilyFigures, family_figures
from testbed.evaluate.request import Request
from testbed.evaluate.score import AttackEffect, Score, loss, paired, score, untouched_by
from testbed.evaluate.tables import ATTACK_TABLES, ATTACKS, LANE_NETS, SIGN_NETS, TABLES, V2LM, AbsentRow, VictimRow
from testbed.judge.perception import ABSTAIN, UNPARSABLE
from testbed.report.gap import Gap, gap_table, gaps
from testbed.report.run_view import read_run
from testbed.report.tables import Table
from testbed.selective import COSTS, RISKS, Judged, aurc, best_threshold, coverage_at, reliability


@dataclass(frozen=True, slots=True)
class ConditionFigures:
    """What became of one row under one condition.

    Attributes:
        condition: Name in the scenario, or ``shadow``.
        score: Figures of all its pictures.
        twin: Figures of the benign answers to the same scenes.
        loss: Against the benign answers to the same pictures.
    """

    condition: str
    score: Score
    twin: Score
    loss: AttackEffect


@dataclass(frozen=True, slots=True)
class SelectiveFigures:
    """What a victim's confidence is worth.

    Attributes:
        aurc_benign: 100 times the area under risk over coverage without an attack.
        aurc_attacked: The same under attack.
        coverage: Largest coverage under attack at a risk of at most 1, 5, 10 and 20 %.
        reliability: Cost to effective reliability over benign and attacked answers of one half of the scenes, with the
            threshold that was best on the other half; beside it that of answering always.
    """

    aurc_benign: float | None
    aurc_attacked: float | None
    coverage: tuple[float, ...]
    reliability: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class DefenceChange:
    """What a defence changes of the share of right answers, on the pictures that are also shown without it.

    Attributes:
        points: With the defence minus without, in percentage points.
        interval: 95 % of it (Newcombe, paired shares).
        pairs: Pictures.
    """

    points: float
    interval: stats.Interval
    pairs: int


@dataclass(frozen=True, slots=True)
class RowFigures:
    """One row, filled.

    Attributes:
        row: What was asked.
        benign: Figures without an attack.
        attacks: Under each attack; none where none is shown.
        controls: Under each control.
        held_out: On held-out pictures of the data set; None where the benign pictures are those.
        selective: What confidence is worth, see `testbed.selective`; None without enough answers.
        cells: Condition to the key of the cell that holds its answers.
        parts: Attack success by what the pictures show: tag, value, rate.
        change: Of a defence in Table I: what it changes without an attack and under the one made against it.
    """

    row: VictimRow
    benign: Score
    attacks: tuple[ConditionFigures, ...]
    controls: tuple[ConditionFigures, ...]
    held_out: Score | None
    cells: dict[str, str]
    parts: tuple[tuple[str, str, stats.Rate], ...] = ()
    selective: SelectiveFigures | None = None
    change: tuple[DefenceChange, DefenceChange] | None = None

    @property
    def attack(self) -> ConditionFigures:
        """The attack that the table is about."""
        return self.attacks[0]

    @property
    def name(self) -> str:
        """Victim without its defence."""
        row = self.row
        return SIGN_NETS[row.base] if row.base in SIGN_NETS else LANE_NETS.get(row.base, row.victim.label)

    @property
    def variant(self) -> str:
        """Its defence or deployment, or whom the shadows were found against where that is not itself."""
        row = self.row
        if row.v2lm is not None and row.table not in ATTACK_TABLES:
            return row.v2lm.words
        if row.block == V2LM and row.against:
            return "shadows found by asking it" if row.adaptive else "shadows found on YOLOv5-cls"
        return row.defence


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """Everything that the documents say.

    Attributes:
        tables: Table to its lines, in order.
        left_out: Rows that were not asked, with the reason.
        absent: Rows of the publication that nobody here can answer.
        digests: Artefacts and weights to their hashes.
        gap: Table of the gap between images and road; None without a run.
        gaps: What it is made of.
        page: Path of the page once written.
        pictures: File name to what one picture of each condition shows.
        families: What Table IV says besides its rows; None where it was not asked for, or has none.
        boxes: Figure 5, row by row.
    """

    tables: dict[str, list[RowFigures]]
    left_out: list[tuple[VictimRow, str]]
    absent: list[AbsentRow]
    digests: dict[str, str]
    gap: Table | None = None
    gaps: list[Gap] = field(default_factory=list)
    page: Path | None = None
    pictures: dict[str, Path] = field(default_factory=dict)
    families: FamilyFigures | None = None
    boxes: list[BoxFigures] = field(default_factory=list)


def assemble(
    asked: Sequence[FilledRow],
    left_out: Sequence[tuple[VictimRow, str]],
    absent: Sequence[AbsentRow],
    digests: dict[str, str],
    request: Request,
) -> EvaluationResult:
    """Turn cells into figures."""
    tables: dict[str, list[RowFigures]] = {name: [] for name in TABLES if name in request.tables}
    undefended = {one.row.base: one for one in asked if one.row.table == "I" and one.row.defence == "none"}
    for one in asked:
        line = _line(one)
        if one.row.table == "I" and one.row.defence != "none" and one.row.base in undefended:
            line = replace(line, change=_changes(undefended[one.row.base], one))
        tables[one.row.table].append(line)
    found = [] if request.gap is None else gaps(read_run(request.gap))
    pictures = {path.name: path for path in sorted((request.out / "pictures").glob("*.png"))}
    fourth = [one for one in asked if one.row.table == "IV"]
    return EvaluationResult(
        tables,
        list(left_out),
        list(absent),
        digests,
        gap_table(found, _images(tables)),
        found,
        pictures=pictures,
        families=family_figures(fourth) if fourth else None,
        boxes=[box_figures(one) for one in asked if one.row.table == "fig5"],
    )


def _images(tables: dict[str, list[RowFigures]]) -> dict[tuple[str, str], stats.Rate]:
    """Return (kind of adversary, agent) to the attack success rate on pictures, of agents as they come."""
    return {
        (ATTACKS[line.row.task], line.row.victim.road_name): line.attack.loss.success
        for lines in tables.values()
        for line in lines
        if line.attacks and line.row.victim.road_name and not line.row.adaptive
    }


def _line(one: FilledRow) -> RowFigures:
    benign = one.benign.answers
    cells = {"benign": one.benign.key, **{name: cell.key for name, cell in (one.attacks | one.controls).items()}}
    if one.held_out is not None:
        cells["held_out"] = one.held_out.key
    attacked = next((cell.answers for cell in one.attacks.values()), None)
    return RowFigures(
        one.row,
        score(benign),
        tuple(_under(name, benign, cell.answers) for name, cell in one.attacks.items()),
        tuple(_under(name, benign, cell.answers) for name, cell in one.controls.items()),
        None if one.held_out is None else score(one.held_out.answers),
        cells,
        () if attacked is None else _parts(benign, attacked),
        None if attacked is None else _selective(benign, attacked),
    )


def _changes(without: FilledRow, behind: FilledRow) -> tuple[DefenceChange, DefenceChange]:
    """Return what a defence changes on benign and on attacked pictures, each against the same without it."""
    attacked = (next(iter(one.attacks.values())).answers for one in (without, behind))
    return _change(without.benign.answers, behind.benign.answers), _change(*attacked)


def _change(without: Sequence[PictureAnswer], behind: Sequence[PictureAnswer]) -> DefenceChange:
    pairs = paired(without, behind)
    first, second = [one.right for one, _ in pairs], [one.right for _, one in pairs]
    points = 100.0 * (sum(second) - sum(first)) / max(len(pairs), 1)
    return DefenceChange(points, stats.paired_difference(first, second), len(pairs))


def _under(name: str, benign: Sequence[PictureAnswer], answers: Sequence[PictureAnswer]) -> ConditionFigures:
    twins, rest = [before for before, _ in paired(benign, answers)], untouched_by(benign, answers)
    return ConditionFigures(name, score(answers, rest), score(twins, rest), loss(benign, answers))


def _selective(benign: Sequence[PictureAnswer], attacked: Sequence[PictureAnswer]) -> SelectiveFigures | None:
    def judged(answers: Iterable[PictureAnswer]) -> list[Judged]:
        return [Judged(one.confidence, one.right, one.said not in (ABSTAIN, UNPARSABLE)) for one in answers]

    # halves by scene, so that no threshold is picked on a picture it is judged on
    halves: list[list[Judged]] = [[], []]
    for answer in (*benign, *attacked):
        halves[zlib.crc32(answer.group.encode()) % 2] += judged([answer])
    tuned, kept = halves
    if not tuned or not kept:
        return None
    found = []
    for cost in COSTS:
        chosen = reliability(kept, best_threshold(tuned, cost), cost)
        always = reliability(kept, 0.0, cost)
        assert chosen is not None and always is not None, "there are answers in this half"
        found.append((cost, chosen, always))
    shown = judged(attacked)
    return SelectiveFigures(
        aurc(judged(benign)), aurc(shown), tuple(coverage_at(shown, risk) for risk in RISKS), tuple(found)
    )


def _parts(
    benign: Sequence[PictureAnswer], attacked: Sequence[PictureAnswer]
) -> tuple[tuple[str, str, stats.Rate], ...]:
    """Return the attack success rate by each tag of the pictures."""
    counts: dict[tuple[str, str], list[int]] = {}
    for before, after in paired(benign, attacked):
        if before.right:
            for tag in before.tags:
                count = counts.setdefault(tag, [0, 0])
                count[0] += not after.right
                count[1] += 1
    return tuple((name, value, stats.rate(k, n)) for (name, value), (k, n) in counts.items() if name != "class")
