"""How a fine-tuned model answers about held-out pictures: each task's figures and the language test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from testbed.agents.vlm import checkpoint, how_asked
from testbed.agents.vlm.choose import ClosedSetReader
from testbed.agents.vlm.form import FormReader
from testbed.agents.vlm.readings import CHOICES, ConversationReader, ImagePrompt, Reading
from testbed.training.data.format import load_split
from testbed.training.data.questions import CANNOT_TELL, CONDITIONS, LanguageTest, QuestionAnswer, language_test
from testbed.training.data.questions.registry import PUBLISHED
from testbed.training.vlm.plan import Plan

BATCH = 16
TASK_OF_KIND = {kind.name: task for task, kind in PUBLISHED.items()}


def language_figures(
    reader: ConversationReader, data: Path, tasks: Iterable[str], count: int, *, seed: int = 0
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, per task and condition of the language test, how many answers are right and how sure they are.

    Args:
        reader: Who is asked, one question per conversation.
        data: Folder with data sets.
        tasks: Whose published questions.
        count: Pictures per task.
        seed: Of the choice of pictures and words.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for task in tasks:
        test = language_test(load_split(data / task, "test", task=task), count, seed=seed)
        found[task] = {name: _condition(reader, test, test.items[name]) for name in CONDITIONS}
    return found


def report(folder: Path, plan: Plan, data: Path, count: int = 60) -> str:
    """Ask a fine-tuned model about held-out pictures, write the figures into its card and return them as text.

    Args:
        folder: What `testbed.training.vlm.fine_tuning.tune` returned.
        plan: How it was made.
        data: Folder with data sets; conversations in a file hold nothing out.
        count: Pictures per task.
    """
    if data.is_file():
        return "held out: nothing, the conversations stand in one file"
    adapter = (folder / "adapter_config.json").is_file()
    base = plan.checkpoint() if adapter else str(folder)
    ready = checkpoint.load(base, adapter=str(folder) if adapter else None, dtype="fp32", device=plan.device)
    reader = FormReader(ready) if plan.taught == "form" else ClosedSetReader(ready)
    figures = language_figures(reader, data, plan.tasks, count, seed=plan.seed)
    asked = how_asked.read(folder)
    asked.model_copy(update={"card": asked.card | {"figures": figures}}).write(folder)
    lines = ["held out, right of asked:", f"{'':5}" + "".join(f"{name:>16}" for name in CONDITIONS)]
    for task, conditions in figures.items():
        cells = (f"{one['right']}/{one['asked']}" for one in conditions.values())
        lines.append(f"{task:5}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def _condition(reader: ConversationReader, test: LanguageTest, items: Sequence[QuestionAnswer]) -> dict[str, Any]:
    readings = _ask(reader, test, items)
    right = sum(_is_right(reading, item) for reading, item in zip(readings, items, strict=True))
    sure = sorted(reading.confidence for reading in readings)
    return {
        "right": right,
        "asked": len(items),
        "median_confidence": round(sure[len(sure) // 2], 4) if sure else 0.0,
        "confidences": [round(reading.confidence, 4) for reading in readings],
    }


def _ask(reader: ConversationReader, test: LanguageTest, items: Sequence[QuestionAnswer]) -> list[Reading]:
    readings: dict[int, Reading] = {}
    by_task: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        by_task.setdefault(TASK_OF_KIND.get(item.kind, test.task), []).append(place)
    for places in by_task.values():
        for start in range(0, len(places), BATCH):
            chosen = places[start : start + BATCH]
            answered = reader.read_batch([[prompt_of(test, items[place])] for place in chosen])
            readings |= {place: one for place, (one,) in zip(chosen, answered, strict=True)}
    return [readings[place] for place in range(len(items))]


def prompt_of(test: LanguageTest, item: QuestionAnswer) -> ImagePrompt:
    """Return what is asked: the closed set is that of the question, the part of the picture that of the picture."""
    return ImagePrompt(TASK_OF_KIND.get(item.kind, test.task), test.picture(item), item.question, test.task)


def _is_right(reading: Reading, item: QuestionAnswer) -> bool:
    if item.answer == CANNOT_TELL:
        return reading.status == "cannot_tell"
    return reading.choice is not None and CHOICES[reading.task][reading.choice] == item.answer
