"""What a reader of the tables must know, as sentences."""

from __future__ import annotations

from testbed.evaluate.figures import EvaluationResult
from testbed.evaluate.published import INCONSISTENCIES
from testbed.evaluate.tables import TASKS


def notes(result: EvaluationResult) -> list[str]:
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
