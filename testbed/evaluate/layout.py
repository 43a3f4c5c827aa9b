"""All tables in order, and the answer at one look; shared by page, summary and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.evaluate.attack_layout import ATTACK_WORDS, attack_parts
from testbed.evaluate.box_layout import box_parts
from testbed.evaluate.columns import TablePart
from testbed.evaluate.published import mean_drops
from testbed.evaluate.tables import ATTACK_TABLES, TASKS, V2LM
from testbed.evaluate.v2lm_layout import deployment_parts, zero_shot_parts

if TYPE_CHECKING:
    from testbed.evaluate.figures import EvaluationResult, RowFigures


def parts(result: EvaluationResult) -> list[TablePart]:
    """Return every grid of every table that was asked for, in the order of the publication."""
    found: list[TablePart] = []
    for name in result.tables:
        if name in ATTACK_TABLES:
            found += attack_parts(result, name)
        elif name == "II":
            found += zero_shot_parts(result)
        elif name == "IV":
            found += deployment_parts(result)
        else:
            found += box_parts(result)
    return found


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
        told = [f"{line.name} {_short(line)}" for line in lines if not line.row.adaptive]
        shares = [line.attack.loss.success.value or 0.0 for line in lines if line.row.block == V2LM]
        kind = "unclear"
        if shares:
            kind = "lost" if min(shares) >= 0.25 else "held" if max(shares) < 0.1 else "unclear"
        cards.append((f"{words} under the {ATTACK_WORDS[task]}", kind, told))
    return [*cards, *_lead_deployments(result), *_lead_boxes(result)]


def _lead_deployments(result: EvaluationResult) -> list[tuple[str, str, list[str]]]:
    if result.families is None:
        return []
    sentences = []
    for mean in result.families.means:
        printed = mean_drops("solo" if mean.deployment == "solo" else "tandem")
        span = mean.accuracy_interval
        within = "" if span is None else f" ({span.low:.1f} to {span.high:.1f})"
        sentences.append(
            f"{mean.deployment} lost {mean.accuracy:.1f} points{within} on average over {mean.rows} rows, "
            f"F1 {mean.f1:.1f}; published {printed.accuracy:.2f}, F1 {printed.f1:.2f}"
        )
    apart = sum(test.adjusted < 0.05 for test in result.families.tests)
    if result.families.tests:
        sentences.append(f"solo and tandem differ in {apart} of {len(result.families.tests)} tests (Holm)")
    return [("V²LMs under attack", "unclear", sentences)]


def _lead_boxes(result: EvaluationResult) -> list[tuple[str, str, list[str]]]:
    sentences = [
        f"{one.row.victim.label} {one.benign.mean.mean:.2f} → {one.attacked.mean.mean:.2f}" for one in result.boxes
    ]
    return [("Mean IoU of boxes, before → under the camouflage", "unclear", sentences)] if sentences else []


def _short(line: RowFigures) -> str:
    rate = line.attack.loss.success
    if not rate.n:
        return "had no right answer to lose"
    return f"lost {rate.k} of {rate.n} right answers ({rate.interval.low * 100:.0f}–{rate.interval.high * 100:.0f} %)"
