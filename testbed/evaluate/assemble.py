"""From filled cells to the documents: ``tables.json``, ``summary.md``, ``manifest.json`` and the page.

Nothing is asked here, so the same cells give the same documents; only the manifest holds times.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import __version__, stats
from testbed.evaluate.published import INCONSISTENCIES
from testbed.evaluate.score import Answer, Loss, Score, loss, paired, score
from testbed.evaluate.tables import ATTACKS, LANE_NETS, SIGN_NETS, TABLES, TASKS, V2LM, Row
from testbed.judge.perception import ABSTAIN
from testbed.report.gap import Gap, gap_table, gaps
from testbed.report.gap import document as gap_document
from testbed.report.run_view import gather
from testbed.report.tables import Table
from testbed.selective import COSTS, RISKS, Judged, aurc, best_threshold, coverage_at, reliability
from testbed.store.atomic import write_text

if TYPE_CHECKING:
    from testbed.evaluate.run import Asked, Request

VERSION = 1


@dataclass(frozen=True, slots=True)
class Under:
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
    loss: Loss


@dataclass(frozen=True, slots=True)
class Selective:
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
class Line:
    """One row, filled.

    Attributes:
        row: What was asked.
        benign: Figures without an attack.
        attacks: Under each attack.
        controls: Under each control.
        held_out: On held-out pictures of the data set; None where the benign pictures are those.
        selective: What confidence is worth, see `testbed.selective`; None without enough answers.
        cells: Condition to the key of the cell that holds its answers.
        parts: Attack success by what the pictures show: tag, value, rate.
    """

    row: Row
    benign: Score
    attacks: tuple[Under, ...]
    controls: tuple[Under, ...]
    held_out: Score | None
    cells: dict[str, str]
    parts: tuple[tuple[str, str, stats.Rate], ...] = ()
    selective: Selective | None = None

    @property
    def attack(self) -> Under:
        """The attack that the table is about."""
        return self.attacks[0]

    @property
    def name(self) -> str:
        """Victim without its defence."""
        row = self.row
        return SIGN_NETS[row.base] if row.base in SIGN_NETS else LANE_NETS.get(row.base, row.victim.label)

    @property
    def variant(self) -> str:
        """Its defence, or whom the shadows were found against where that is not itself."""
        row = self.row
        if row.block == V2LM and row.against:
            return "shadows found by asking it" if row.against == row.victim.agent else "shadows found on YOLOv5-cls"
        return row.defence


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that the documents say.

    Attributes:
        tables: Table to its lines, in order.
        left_out: Rows that were not asked, with the reason.
        digests: Artefacts and weights to their hashes.
        gap: Table of the gap between images and road; None without a run.
        gaps: What it is made of.
        page: Path of the page once written.
        pictures: File name to what one picture of each condition shows.
    """

    tables: dict[str, list[Line]]
    left_out: list[tuple[Row, str]]
    digests: dict[str, str]
    gap: Table | None = None
    gaps: list[Gap] = field(default_factory=list)
    page: Path | None = None
    pictures: dict[str, Path] = field(default_factory=dict)


def assemble(
    asked: Sequence[Asked], left_out: Sequence[tuple[Row, str]], digests: dict[str, str], request: Request
) -> Result:
    """Turn cells into figures."""
    tables: dict[str, list[Line]] = {}
    for one in asked:
        tables.setdefault(one.row.table, []).append(_line(one))
    found = [] if request.gap is None else gaps(gather(request.gap))
    pictures = {path.name: path for path in sorted((request.out / "pictures").glob("*.png"))}
    return Result(tables, list(left_out), digests, gap_table(found, _images(tables)), found, pictures=pictures)


def _images(tables: dict[str, list[Line]]) -> dict[tuple[str, str], stats.Rate]:
    """Return (kind of adversary, agent) to the attack success rate on pictures, of agents as they come."""
    return {
        (ATTACKS[line.row.task], line.row.victim.agent): line.attack.loss.success
        for lines in tables.values()
        for line in lines
        if set(line.row.victim.content) == {"agent"} and line.row.against != line.row.victim.agent
    }


def _line(one: Asked) -> Line:
    benign = one.benign.answers
    cells = {"benign": one.benign.key, **{name: cell.key for name, cell in (one.attacks | one.controls).items()}}
    if one.held_out is not None:
        cells["held_out"] = one.held_out.key
    return Line(
        one.row,
        score(benign),
        tuple(_under(name, benign, cell.answers) for name, cell in one.attacks.items()),
        tuple(_under(name, benign, cell.answers) for name, cell in one.controls.items()),
        None if one.held_out is None else score(one.held_out.answers),
        cells,
        _parts(benign, next(iter(one.attacks.values())).answers),
        _selective(benign, next(iter(one.attacks.values())).answers),
    )


def _under(name: str, benign: Sequence[Answer], answers: Sequence[Answer]) -> Under:
    twins = [before for before, _ in paired(benign, answers)]
    return Under(name, score(answers), score(twins), loss(benign, answers))


def _selective(benign: Sequence[Answer], attacked: Sequence[Answer]) -> Selective | None:
    def judged(answers: Iterable[Answer]) -> list[Judged]:
        return [Judged(one.confidence, one.right, one.said != ABSTAIN) for one in answers]

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
    return Selective(aurc(judged(benign)), aurc(shown), tuple(coverage_at(shown, risk) for risk in RISKS), tuple(found))


def _parts(benign: Sequence[Answer], attacked: Sequence[Answer]) -> tuple[tuple[str, str, stats.Rate], ...]:
    """Return the attack success rate by each tag of the pictures."""
    counts: dict[tuple[str, str], list[int]] = {}
    for before, after in paired(benign, attacked):
        if before.right:
            for tag in before.tags:
                count = counts.setdefault(tag, [0, 0])
                count[0] += not after.right
                count[1] += 1
    return tuple((name, value, stats.rate(k, n)) for (name, value), (k, n) in counts.items() if name != "class")


def notes(result: Result) -> list[str]:
    """Return what a reader must know."""
    from testbed.evaluate.shadow_album import KIND

    lines = [
        "Our figures are measured here, with our models, our data and our attacks; the publications' stand beside "
        "them only where they are known, and a cell without one is empty."
    ]
    if any(line.row.task == "tsr" for lines_ in result.tables.values() for line in lines_):
        lines.append(
            f"A {KIND} is searched for every bright sign that is read rightly; darker signs cannot be shaded and are "
            "left out of the attacked pictures, as in the attack's paper. So attacked pictures are fewer."
        )
    if any(line.row.task == "alc" for lines_ in result.tables.values() for line in lines_):
        lines.append(
            "Pictures of one approach to a road patch resemble each other; the interval of an accuracy drop resamples "
            "whole approaches, intervals of k/n do not and are narrower than they should be."
        )
    if any(line.row.task == "vd" for lines_ in result.tables.values() for line in lines_):
        lines.append(
            "Vehicle detection counts presence as right or wrong; AP50 counts reported boxes with an overlap of at "
            "least one half."
        )
    if "I" in result.tables:
        lines.append(
            "Which six defences the publication's Table I lists is not known here; these are all that we have."
        )
    published = dict.fromkeys(one for lines_ in result.tables.values() for line in lines_ for one in line.row.published)
    lines += [f"Published {one.text} ({one.mark}): {one.source}." for one in sorted(published, key=lambda p: p.mark)]
    lines += [
        f"Left out of Table {row.table}: {row.victim.label}, {TASKS[row.task].lower()}: {reason}."
        for row, reason in result.left_out
    ]
    return [*lines, *(f"In the publication: {one}" for one in INCONSISTENCIES)]


def document(result: Result, request: Request) -> dict[str, Any]:
    """Return ``tables.json`` (docs/formats.md)."""
    return {
        "version": VERSION,
        "testbed": __version__,
        "command": request.command,
        "seed": request.seed,
        "tables": {
            name: {"title": TABLES[name], "rows": [_row(line) for line in lines]}
            for name, lines in result.tables.items()
        },
        "left_out": [
            {"table": row.table, "task": row.task, "victim": row.victim.label, "reason": reason}
            for row, reason in result.left_out
        ],
        "gap": None if result.gap is None else gap_document(result.gaps),
        "notes": notes(result),
    }


def _row(line: Line) -> dict[str, Any]:
    row = line.row
    return {
        "task": row.task,
        "block": row.block,
        "victim": row.victim.label,
        "agent": row.victim.content,
        "defence": row.defence,
        "attack": ATTACKS[row.task],
        "shadows_found_by_asking": row.against or None,
        "benign": _score(line.benign),
        "held_out": None if line.held_out is None else _score(line.held_out),
        "attacks": {under.condition: _under_document(under) for under in line.attacks},
        "controls": {under.condition: _under_document(under) for under in line.controls},
        "selective": None if line.selective is None else _selective_document(line.selective),
        "success_by": [{"tag": tag, "value": value, **_rate(rate)} for tag, value, rate in line.parts],
        "published": [{"text": one.text, "source": one.source} for one in row.published],
        "cells": line.cells,
    }


def _selective_document(found: Selective) -> dict[str, Any]:
    return {
        "aurc_benign": found.aurc_benign,
        "aurc_attacked": found.aurc_attacked,
        "coverage_at_risk": {f"{risk:g}": value for risk, value in zip(RISKS, found.coverage, strict=True)},
        "effective_reliability": {
            f"{cost:g}": {"chosen": chosen, "always": always} for cost, chosen, always in found.reliability
        },
    }


def _rate(rate: stats.Rate) -> dict[str, Any]:
    return {
        "k": rate.k,
        "n": rate.n,
        "low": round(rate.interval.low, 6),
        "high": round(rate.interval.high, 6),
        "method": rate.interval.method,
    }


def _score(score: Score) -> dict[str, Any]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 6)

    return {
        "accuracy": _rate(score.accuracy),
        "macro_f1": rounded(score.macro_f1),
        "abstained": score.abstained,
        "mean_iou": rounded(score.mean_iou),
        "ap50": rounded(score.ap50),
    }


def _under_document(under: Under) -> dict[str, Any]:
    lost = under.loss
    span = lost.drop_interval
    return {
        **_score(under.score),
        "benign_same_scenes": _score(under.twin),
        "success": _rate(lost.success),
        "drop_points": round(lost.drop_points, 4),
        "drop_interval": None if span is None else [round(span.low, 4), round(span.high, 4)],
        "mcnemar": {
            "only_benign_right": lost.test.only_first,
            "only_attacked_right": lost.test.only_second,
            "pairs": lost.test.pairs,
            "p": lost.test.p_value,
        },
    }


def write(result: Result, request: Request) -> Result:
    """Write all documents and return the result with the path of the page.

    Raises:
        StoreError: The folder cannot be written to.
    """
    import dataclasses
    import importlib.metadata

    from testbed.evaluate.page import render
    from testbed.evaluate.run import created_utc, machine
    from testbed.evaluate.summary import summary

    out = request.out
    tables = json.dumps(document(result, request), indent=1, sort_keys=True, allow_nan=False) + "\n"
    page = render(result, request)
    hashes = {
        "tables.json": write_text(out / "tables.json", tables),
        "summary.md": write_text(out / "summary.md", summary(result, request)),
        "index.html": write_text(out / "index.html", page),
    }
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "torch", "transformers", "warp-lang")}
    manifest = {
        "version": VERSION,
        "created_utc": created_utc(),
        "command": request.command,
        "tables": list(result.tables),
        "pictures": dataclasses.asdict(request.sizes),
        "data": "the user's data sets" if request.data is not None else "made by the simulator",
        "seed": request.seed,
        "versions": {"testbed": __version__, **versions},
        "machine": machine(),
        "digests": result.digests,
        "sha256": hashes,
    }
    write_text(out / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return dataclasses.replace(result, page=out / "index.html")
