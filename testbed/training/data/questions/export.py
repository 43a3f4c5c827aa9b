"""``testbed dataset questions``: conversations for fine-tuning V²LMs, with pictures, right answers and a card.

The layout is LLaVA's, as in `testbed.training.data.exchange.conversations`; a conversation about three pictures lists
three under ``image``. ``kinds`` tells what is asked, question by question, ``answerable`` whether the picture tells::

    DIR/train.json, DIR/test.json   conversations; the wordings held out stand in test.json alone
    DIR/images/<split>/*.png        each picture once
    DIR/testbed.json                the card: counts per kind and answer, seed, the data sets' own cards
    DIR/README.md                   the same for people
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import testbed
from testbed.core.errors import UsageError
from testbed.training.data.exchange.files import attacks_told, save_picture, write_text
from testbed.training.data.format import SPLITS, TASKS, Split, load_card, load_split
from testbed.training.data.questions.conversations import about_one_picture, tandem
from testbed.training.data.questions.pool import QuestionAnswer, QuestionPool, counts
from testbed.training.data.unseen import EXPORT_CARD, refuse_attacked

SHARES: Mapping[str, float] = {"one": 0.5, "several": 0.3, "tandem": 0.1, "mixed": 0.1}
"""Of conversations: one question, several about one picture, tandem's three, three of any kind."""

LAYOUT = "questions"


def export_questions(data: Path, out: Path, *, count: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Write conversations about the pictures of three data sets.

    Args:
        data: Folder with the data sets ``tsr``, ``alc`` and ``vd``.
        out: Folder to write to, which must be empty or missing.
        count: Conversations over both splits, shared out like the pictures; None for as many as there are pictures.
        seed: Of all chance; equal ones give equal bytes.

    Returns:
        The card.

    Raises:
        UsageError: The folder is not empty, or the count leaves a split empty.
        DatasetError: A data set is missing or malformed, shows an attack, or leaves nothing to ask.
    """
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty", hint="choose another folder, so that no stale picture stays in it")
    for task in TASKS:
        refuse_attacked(data / task)
    splits = {name: [load_split(data / task, name, task=task) for task in TASKS] for name in SPLITS}
    wanted = _shared_out(count, splits)
    out.mkdir(parents=True, exist_ok=True)
    card: dict[str, Any] = {
        "task": "all",
        "layout": LAYOUT,
        "testbed": testbed.__version__,
        "seed": seed,
        "shares": dict(SHARES),
        "artefacts": [],
        "origin": {task: load_card(data / task) for task in TASKS},
        "conversations": wanted,
        "pictures": {},
        "questions": {},
        "counts": {},
    }
    for number, (name, found) in enumerate(splits.items()):
        pools = {split.task: QuestionPool(split) for split in found}
        talks = _conversations(pools, wanted[name], np.random.default_rng([seed, 90, number]))
        card["pictures"][name] = _save_pictures(out, pools, talks)
        entries = [_entry(name, index, talk) for index, talk in enumerate(talks)]
        write_text(out / f"{name}.json", [json.dumps(entries, indent=1)])
        asked = [item for talk in talks for item in talk]
        card["questions"][name], card["counts"][name] = len(asked), counts(asked)
    write_text(out / "README.md", _told(card))
    # The card comes last: a folder without one was not finished, and is refused by training.
    write_text(out / EXPORT_CARD, [json.dumps(card, indent=1, sort_keys=True)])
    return card


def _shared_out(count: int | None, splits: Mapping[str, Sequence[Split]]) -> dict[str, int]:
    """Return how many conversations each split gets, in proportion to its pictures; None for as many as there are."""
    sizes = {name: sum(len(split) for split in found) for name, found in splits.items()}
    whole = sum(sizes.values())
    wanted = {name: round((whole if count is None else count) * size / whole) for name, size in sizes.items()}
    if min(wanted.values()) < 1:
        raise UsageError(f"--count {count} leaves a split without conversations", hint="ask for at least 10")
    return wanted


def _conversations(
    pools: Mapping[str, QuestionPool], count: int, rng: np.random.Generator
) -> list[list[QuestionAnswer]]:
    """Return `count` conversations in random order, in the shares of `SHARES`, tasks in turn."""
    ends = np.round(count * np.cumsum(list(SHARES.values()))).astype(int)
    size = dict(zip(SHARES, np.diff(ends, prepend=0).tolist(), strict=True))
    talks: list[list[QuestionAnswer]] = []
    for number, task in enumerate(TASKS):
        ones = size["one"] // len(TASKS) + (number < size["one"] % len(TASKS))
        talks += [[item] for item in pools[task].draw(rng, ones)]
    talks += [about_one_picture(pools[TASKS[index % len(TASKS)]], rng) for index in range(size["several"])]
    talks += [tandem(pools, rng) for _ in range(size["tandem"])]
    talks += [tandem(pools, rng, published=False) for _ in range(size["mixed"])]
    return [talks[int(index)] for index in rng.permutation(len(talks))]


def _picture_name(split: str, item: QuestionAnswer) -> str:
    return f"images/{split}/{item.task}_{item.row:06d}{'_' if item.blank else ''}{item.blank}.png"


def _save_pictures(out: Path, pools: Mapping[str, QuestionPool], talks: Sequence[Sequence[QuestionAnswer]]) -> int:
    """Write every picture that is asked about once; return how many there are."""
    saved: set[str] = set()
    for item in (item for talk in talks for item in talk):
        name = _picture_name(pools[item.task].split.name, item)
        if name not in saved:
            save_picture(out / name, pools[item.task].picture(item))
            saved.add(name)
    return len(saved)


def _entry(split: str, index: int, talk: Sequence[QuestionAnswer]) -> dict[str, Any]:
    pictures = [_picture_name(split, item) for item in talk]
    turns: list[tuple[str, str]] = []
    if len(set(pictures)) > 1:
        turns.append(("human", "\n".join(f"<image>\n{item.question}" for item in talk)))
        turns.append(("gpt", "\n".join(item.spoken for item in talk)))
    else:
        for number, item in enumerate(talk):
            turns += [("human", item.question if number else f"<image>\n{item.question}"), ("gpt", item.spoken)]
    return {
        "id": f"{split}_{index:06d}",
        "image": pictures if len(set(pictures)) > 1 else pictures[0],
        "conversations": [{"from": role, "value": text} for role, text in turns],
        "kinds": [item.kind for item in talk],
        "answerable": [item.answerable for item in talk],
    }


def _told(card: Mapping[str, Any]) -> list[str]:
    lines = [
        "# Questions about driving pictures",
        "",
        "Conversations in LLaVA's layout about pictures of the V2LM testbed's simulator, written by",
        "`python -m testbed dataset questions`. Answers are the simulator's ground truth.",
        attacks_told(tuple(card["artefacts"])),
        "",
    ]
    for name in SPLITS:
        lines += [
            f"## {name}",
            "",
            f"{card['conversations'][name]} conversations, {card['questions'][name]} questions, "
            f"{card['pictures'][name]} pictures.",
            "",
            "| kind | answers |",
            "|---|---|",
            *(
                f"| `{kind}` | {', '.join(f'{answer}: {number}' for answer, number in answers.items())} |"
                for kind, answers in card["counts"][name].items()
            ),
            "",
        ]
    return lines[:-1]
