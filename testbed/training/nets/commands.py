"""The commands that make weights from nothing, as their cards list them.

A card's ``commands`` are in order: the data sets, the trainings that others go on from, last the training that wrote
the weights. Given one after the other in an empty folder they make such weights again, from random numbers and data of
the testbed's own making. Data sets lie in ``data``; each training in a row writes a folder of its own, ``work/1``,
``work/2`` and so on, since it may go on from weights of the same name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.training.data.format import load_card
from testbed.training.data.generate import SHARES, VIEWS_PER_PLACE

TESTBED = "python -m testbed"


def dataset_command(card: Mapping[str, Any]) -> str | None:
    """Return the command that makes a data set, told by its card; None for one of the user's own pictures."""
    if "seed" not in card or "counts" not in card:
        return None
    task = card["task"]
    count = sum(int(split["images"]) for split in card["counts"].values())
    words = [TESTBED, "dataset", task, "--count", str(count), "--seed", str(card["seed"])]
    if card["shares"] != SHARES[task]:
        words += ["--map", ",".join(f"{name}:{share}" for name, share in card["shares"].items())]
    if card["views_per_place"] != VIEWS_PER_PLACE.get(task):
        words += ["--views-per-place", str(card["views_per_place"])]
    return " ".join([*words, "--out", f"data/{task}"])


def data_sha256(folder: Path) -> str:
    """Return one sha256 over the files of a data set: equal commands on one machine give equal ones.

    The card of the data set is left out: it tells how long it took.
    """
    return hashlib.sha256(json.dumps(load_card(folder)["sha256"], sort_keys=True).encode()).hexdigest()


def training_commands(
    name: str,
    options: Mapping[str, Any],
    data: Sequence[Path],
    *,
    start: Mapping[str, Any] | None = None,
    beside: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return the ``commands`` of a training's card.

    Args:
        name: What is trained.
        options: Options of ``train`` by name, without their dashes.
        data: Folders of its data sets.
        start: Card of the weights that it goes on from (``--from``); None for random ones.
        beside: Card of the weights that it finds in the folder it writes to.
    """
    commands = list((beside or start or {}).get("commands", ()))
    for folder in data:
        made = dataset_command(load_card(folder))
        place = f"--out data/{load_card(folder)['task']}"
        if made is not None and made != next((line for line in reversed(commands) if line.endswith(place)), None):
            commands.append(made)
    words = [TESTBED, "train", name, "--data", "data"]
    if start is not None:
        words += ["--from", _folder(start)]
    number = 1 if beside is None and start is None else int(Path(_folder(beside or start)).name) + (beside is None)
    words += ["--out", f"work/{number}"]
    for option, value in options.items():
        words += [f"--{option}", str(value)]
    return [*commands, " ".join(words)]


def _folder(card: Mapping[str, Any] | None) -> str:
    """Return the folder that the commands of a card end in; ``work/0`` for a card that lists none."""
    words = (card or {}).get("commands", ["--out work/0"])[-1].split()
    return str(words[words.index("--out") + 1])
