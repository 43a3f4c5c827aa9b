"""What a reader of the tables must know, as sentences."""

from __future__ import annotations

from testbed.evaluate.figures import EvaluationResult
from testbed.evaluate.published import facts, statement
from testbed.evaluate.tables import TASKS


def notes(result: EvaluationResult) -> list[str]:
    """Return what a reader must know."""
    shown = [line for lines in result.tables.values() for line in lines]
    lines = [
        "Our figures are measured here, with our models, our data and our attacks; what [V2LM] prints stands beside "
        "them under “published”. What it does not print is empty, and what nobody here can answer says why."
    ]
    lines += _about_pictures({line.row.task for line in shown if line.attacks}) + _about_tables(result)
    said = dict.fromkeys(one for line in shown for one in line.row.published)
    lines += [f"Stated {one.text} ({one.mark}): {one.source}." for one in sorted(said, key=lambda one: one.mark)]
    lines += [f"[{name}]: {title}." for name, title in facts().publications.items()]
    lines += [
        f"Left out of {row.table}: {row.victim.label}, {TASKS[row.task].lower()}: {reason}."
        for row, reason in result.left_out
    ]
    return [*lines, *(f"In the publication: {one}" for one in facts().inconsistencies)]


def _about_pictures(tasks: set[str]) -> list[str]:
    from testbed.evaluate.shadow_album import KIND

    said = {
        "tsr": f"A {KIND} is searched for every bright sign that is read rightly; darker signs cannot be shaded and "
        "are left out of the attacked pictures, as in the attack's paper. So attacked pictures are fewer.",
        "alc": "Pictures of one approach to a road patch resemble each other; the intervals of an accuracy drop and of "
        "macro figures resample whole approaches, intervals of k/n do not and are narrower than they should be.",
        "vd": "Vehicle detection counts presence as right or wrong; AP50 counts reported boxes with an overlap of at "
        "least one half. No attack can be shown in views without a vehicle: they are left out of attacked pictures, "
        "but count in macro F1, which would know one class alone without them.",
    }
    return [sentence for task, sentence in said.items() if task in tasks]


def _about_tables(result: EvaluationResult) -> list[str]:
    lines = []
    if "I" in result.tables:
        lines.append(
            "Of a defence the publication prints the change against the row without one; adversarial training is its "
            "Fig. 1. Median blur, noise, autoencoder and distillation are ours alone."
        )
    if "II" in result.tables:
        lines.append("No shipped model is a V²LM before fine-tuning: --zero-shot FILE,… names such checkpoints.")
    if "IV" in result.tables or "fig5" in result.tables:
        lines.append(
            "A V²LM beside a family has that family's parts, not its size; a family without one here shows its printed "
            "cells alone. Under the shadow all of them see what was found by asking YOLOv5-cls."
        )
    if "IV" in result.tables:
        memory, latency = facts().memory_gb, facts().latency_ms
        label = {name: family.label for name, family in facts().families.items()}
        sizes = ", ".join(f"{label[name]} {size:.2f}" for name, size in memory.families.items())
        times = ", ".join(f"{label[name]} {row['full']:g}" for name, row in latency.families.items())
        adversarial = statement("v2lm_adversarial_training")
        lines += [
            f"Published memory in GB ({memory.source}): {sizes}.",
            f"Published latency in ms ({latency.source}): {times}; a decision may take {latency.budget:g}.",
            f"Published {adversarial.text}: {adversarial.source}.",
        ]
    if "fig5" in result.tables:
        lines.append(
            "The publication's Figure 5 shows boxes before and after fine-tuning, without an attack; what the "
            "camouflage does to them is ours alone."
        )
    return lines
