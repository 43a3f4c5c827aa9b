"""The tables as plain values, shared by page and summary: one grid per table and task."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from testbed import stats
from testbed.evaluate.score import Score
from testbed.evaluate.tables import TABLES, TASKS, V2LM
from testbed.report.tables import NONE, Table, TableCell, TableRow, percent
from testbed.selective import COSTS, RISKS

if TYPE_CHECKING:
    from testbed.evaluate.figures import EvaluationResult, RowFigures

ATTACK_WORDS: dict[str, str] = {"tsr": "shadow", "alc": "road patch", "vd": "camouflage"}
MIN_PART = 10
"""Right answers below which a breakdown shows no share."""


def grids(result: EvaluationResult) -> list[tuple[str, str, list[RowFigures], Table]]:
    """Return (table, task, lines, grid) in order."""
    found = []
    for name, lines in result.tables.items():
        for task, members in groupby(lines, key=lambda line: line.row.task):
            same = list(members)
            found.append((name, task, same, _grid(name, task, same)))
    return found


def _grid(name: str, task: str, lines: list[RowFigures]) -> Table:
    attack = ATTACK_WORDS[task]
    heads = [("right, benign", "Right answers without an attack, k/n with Wilson 95 %; macro F1 below")]
    with_data = any(line.held_out is not None for line in lines)
    if with_data:
        heads.append(("held-out data", "Right answers on held-out pictures of the data set; macro F1 below"))
    heads += [
        (f"right, {attack}", "The same under attack; fewer pictures where the attack does not apply to all"),
        ("attack success", "Benign-correct answers that became wrong, of all benign-correct ones"),
        ("drop", "Accuracy lost in percentage points on the same pictures, 95 % bootstrap interval below"),
        ("McNemar", "Exact test of paired answers; right only without : right only with the attack below"),
    ]
    for control in dict.fromkeys(under.condition for line in lines for under in line.controls):
        heads.append((f"control: {control}", "Success of what only looks like the attack"))
    if task == "vd":
        heads += [
            ("AP50", "Average precision at IoU 0.5 over the attacked scenes, benign → under attack"),
            ("mean IoU", "Mean overlap with the true box, benign → under attack; a missed one counts 0"),
        ]
    heads.append(
        ("published", "What publications state, where it is known here; the notes say what each figure is about")
    )
    rows = tuple(_row(line, task, with_data) for line in lines)
    return Table(
        f"Table {name}: {TASKS[task]}" if name == "III" else f"Table {name}: {TABLES[name]}", tuple(heads), rows
    )


def _row(line: RowFigures, task: str, with_data: bool) -> TableRow:
    under, lost = line.attack, line.attack.loss
    cells = [_score(line.benign)]
    if with_data:
        cells.append(_score(line.held_out) if line.held_out is not None else TableCell(NONE))
    span = f"{lost.drop_interval.low:.0f} to {lost.drop_interval.high:.0f}" if lost.drop_interval is not None else ""
    test = lost.test
    cells += [
        _score(under.score),
        rate_cell(lost.success, tone=True),
        TableCell(f"{lost.drop_points:.1f}", span),
        TableCell(_p(test.p_value), f"{test.only_first} : {test.only_second} of {test.pairs}"),
    ]
    cells += [rate_cell(control.loss.success) for control in line.controls]
    if task == "vd":
        cells.append(TableCell(f"{_number(under.twin.ap50)} → {_number(under.score.ap50)}"))
        cells.append(TableCell(f"{_number(under.twin.mean_iou)} → {_number(under.score.mean_iou)}"))
    published = line.row.published
    cells.append(TableCell("; ".join(f"{one.text} {one.mark}" for one in published)))
    return TableRow(line.name, line.variant, "attack" if line.row.block == "DNN" else "benign", tuple(cells))


def rate_cell(rate: stats.Rate, *, tone: bool = False) -> TableCell:
    """Return a rate as ``62 %`` with k/n and interval below; ``tone`` marks half and more, and under a tenth."""
    if rate.n == 0 or rate.value is None:
        return TableCell(NONE, "nothing to lose")
    low, high = rate.interval.low * 100, rate.interval.high * 100
    shade = "" if not tone else ("bad" if rate.value >= 0.5 else "good" if rate.value < 0.1 else "")
    return TableCell(f"{rate.value * 100:.0f} %", f"{rate.k}/{rate.n}, {low:.0f}–{high:.0f} %", shade)


def _score(score: Score) -> TableCell:
    rate = score.accuracy
    if not rate.n:
        return TableCell(NONE)
    span = f"{rate.interval.low * 100:.0f}–{rate.interval.high * 100:.0f} %"
    f1 = f", F1 {score.macro_f1:.2f}" if score.macro_f1 is not None else ""
    return TableCell(percent(rate.value), f"{rate.k}/{rate.n}, {span}{f1}")


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def breakdown(lines: list[RowFigures]) -> Table | None:
    """Return attack success by what the pictures show; None where nothing is told apart."""
    tags = list(dict.fromkeys((tag, value) for line in lines for tag, value, _ in line.parts))
    if not tags:
        return None
    tags.sort(key=lambda tag: (tag[0], _natural(tag[1])))
    heads = tuple((f"{value}", f"Attack success where {tag} is {value}") for tag, value in tags)
    rows = []
    for line in lines:
        known = {(tag, value): rate for tag, value, rate in line.parts}
        cells = []
        for tag in tags:
            rate = known.get(tag)
            if rate is None or rate.n == 0:
                cells.append(TableCell(NONE))
            elif rate.n < MIN_PART:
                cells.append(TableCell(f"{rate.k}/{rate.n}"))
            else:
                cells.append(TableCell(f"{rate.k / rate.n * 100:.0f} %", f"{rate.k}/{rate.n}"))
        rows.append(TableRow(line.name, line.variant, "attack" if line.row.block == "DNN" else "benign", tuple(cells)))
    return Table("Attack success by what the picture shows", heads, tuple(rows))


def selective(lines: list[RowFigures]) -> Table | None:
    """Return what withholding unsure answers is worth; None where there are too few answers."""
    heads = [
        ("AURC benign", "100 times the area under risk over coverage: 0 where confidence sorts all errors last"),
        ("AURC attacked", "The same under attack"),
    ]
    heads += [
        (f"coverage at {risk * 100:g} % risk", "Largest share of answers under attack that can be given at that risk")
        for risk in RISKS
    ]
    heads += [
        (f"Φ{cost:g}", f"+1 right, −{cost:g} wrong, 0 withheld; threshold from other scenes; answering always below")
        for cost in COSTS
    ]
    rows = []
    for line in lines:
        found = line.selective
        if found is None:
            continue
        cells = [TableCell(_plain(found.aurc_benign)), TableCell(_plain(found.aurc_attacked))]
        cells += [TableCell(f"{value * 100:.0f} %") for value in found.coverage]
        cells += [TableCell(f"{chosen:.2f}", f"{always:.2f}") for _, chosen, always in found.reliability]
        rows.append(TableRow(line.name, line.variant, "attack" if line.row.block == "DNN" else "benign", tuple(cells)))
    return Table("What withholding unsure answers is worth", tuple(heads), tuple(rows)) if rows else None


def _plain(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"


def _natural(text: str) -> tuple[float, str]:
    digits = "".join(c for c in text if c in "0123456789.-")
    try:
        return float(digits), text
    except ValueError:
        return 0.0, text


def lead(result: EvaluationResult) -> list[tuple[str, str, list[str]]]:
    """Return (task, category, a sentence per victim) of Table III: the answer at one look.

    The category colours a card and decides nothing: ``lost`` where every V²LM loses a quarter of its right answers and
    more, ``held`` where none loses a tenth, else ``unclear``.
    """
    cards = []
    for task, words in TASKS.items():
        lines = [line for line in result.tables.get("III", []) if line.row.task == task]
        if not lines:
            continue
        parts = [f"{line.name} {_short(line)}" for line in lines if line.row.against != line.row.victim.agent]
        shares = [line.attack.loss.success.value or 0.0 for line in lines if line.row.block == V2LM]
        kind = "unclear"
        if shares:
            kind = "lost" if min(shares) >= 0.25 else "held" if max(shares) < 0.1 else "unclear"
        cards.append((f"{words} under the {ATTACK_WORDS[task]}", kind, parts))
    return cards


def _short(line: RowFigures) -> str:
    rate = line.attack.loss.success
    if not rate.n:
        return "had no right answer to lose"
    return f"lost {rate.k} of {rate.n} right answers ({rate.interval.low * 100:.0f}–{rate.interval.high * 100:.0f} %)"
