"""Does a V²LM read the question? Six conditions on held-out pictures, per model, as text and as JSON.

The conditions and what is right under each stand in `testbed.training.data.questions.language_test`. An answer that is
unsure of itself is withheld below the agent's own threshold; where it has none, below `LEAST`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import stats
from testbed.core.errors import UsageError
from testbed.evaluate import v2lms
from testbed.store.atomic import write_text
from testbed.training.data.format import TASKS
from testbed.training.data.generate import generate_missing
from testbed.training.data.questions import CONDITIONS
from testbed.training.vlm.held_out import language_figures

LEAST = 0.5
PICTURES = 60
MADE = 400
"""Pictures per task that are made where there are no data sets; a quarter and more of them are held out."""
UNANSWERED = ("nonsense", "blank")
"""Conditions under which an answer should be unsure of itself."""


@dataclass(frozen=True, slots=True)
class LanguageLine:
    """One model, one task, one condition.

    Attributes:
        agent: Name.
        task: ``tsr``, ``alc`` or ``vd``.
        condition: One of `testbed.training.data.questions.CONDITIONS`.
        right: Right answers.
        unsure: Answers below the threshold.
        threshold: Of the agent for this task.
        confidence: Median.
    """

    agent: str
    task: str
    condition: str
    right: stats.Rate
    unsure: stats.Rate
    threshold: float
    confidence: float


def language(
    out: Path,
    *,
    agents: Sequence[str] = (),
    data: Path | None = None,
    count: int = PICTURES,
    seed: int = 0,
    progress: Callable[[str], None] = print,
) -> list[LanguageLine]:
    """Ask V²LMs under six conditions and write ``language.json`` and ``language.md``.

    Args:
        out: Folder of the results, and of the pictures that are made.
        agents: Names or agent files; empty for the shipped V²LMs.
        data: Folder with data sets; None makes small ones.
        count: Pictures per task.
        seed: Of all chance.
        progress: Told what is done.

    Raises:
        UsageError: If an agent is no V²LM whose questions can be put.
        DatasetError: If the data sets cannot be asked about.
    """
    from testbed import agents as registry
    from testbed.agents.vlm.agent import VlmAgent

    chosen = v2lms.named(agents) if agents else v2lms.shipped()
    data = _made(out / "data", seed) if data is None else data
    lines: list[LanguageLine] = []
    for one in chosen:
        agent = registry.load(str(one.victim.file(out / "agents")))
        if not isinstance(agent, VlmAgent):
            raise UsageError(f"agent {one.victim.label!r} is no V²LM that can be asked a question of one's own")
        for task in TASKS:
            reader = agent.readers.get(task) or agent.readers["tandem"]
            figures = language_figures(reader, data, (task,), count, seed=seed)[task]
            threshold = getattr(agent.abstention, task) or LEAST
            lines += [_line(one.victim.label, task, name, figures[name], threshold) for name in CONDITIONS]
            progress(f"  {one.victim.label} {task}: {_shares(figures)}")
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "language.json", json.dumps([_entry(line) for line in lines], indent=1) + "\n")
    write_text(out / "language.md", table(lines))
    return lines


def table(lines: Sequence[LanguageLine]) -> str:
    """Return the lines as a Markdown table, one row per model and task."""
    heads = ("agent", "task", *(name.replace("_", " ") for name in CONDITIONS), "unsure: nonsense", "unsure: blank")
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for agent, task in dict.fromkeys((line.agent, line.task) for line in lines):
        of = {line.condition: line for line in lines if (line.agent, line.task) == (agent, task)}
        cells = [f"{of[name].right.k}/{of[name].right.n}" for name in CONDITIONS]
        cells += [f"{of[name].unsure.k}/{of[name].unsure.n} (below {of[name].threshold:g})" for name in UNANSWERED]
        rows.append(f"| {' | '.join((agent, task, *cells))} |")
    return "\n".join(rows) + "\n"


def _line(agent: str, task: str, condition: str, figures: Mapping[str, Any], threshold: float) -> LanguageLine:
    sure = figures["confidences"]
    return LanguageLine(
        agent,
        task,
        condition,
        stats.rate(figures["right"], figures["asked"]),
        stats.rate(sum(value < threshold for value in sure), len(sure)),
        threshold,
        figures["median_confidence"],
    )


def _entry(line: LanguageLine) -> dict[str, Any]:
    def rate(found: stats.Rate) -> dict[str, Any]:
        return {"k": found.k, "n": found.n, "low": round(found.interval.low, 4), "high": round(found.interval.high, 4)}

    return {
        "agent": line.agent,
        "task": line.task,
        "condition": line.condition,
        "right": rate(line.right),
        "unsure": rate(line.unsure),
        "threshold": line.threshold,
        "median_confidence": line.confidence,
    }


def _shares(figures: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} {figures[name]['right']}/{figures[name]['asked']}" for name in CONDITIONS)


def _made(folder: Path, seed: int) -> Path:
    """Make small data sets where they are not there yet."""
    return generate_missing(TASKS, folder, count=MADE, seed=1000 + seed, progress=lambda _: None)
