"""``testbed dataset``: generate training data with the testbed's own renderer and maps, or change its layout.

``dataset TASK`` generates; ``dataset export DATA --format F --out DIR`` writes a data set in another layout;
``dataset load FOLDER --format F --out DATA`` makes a data set of the user's own pictures;
``dataset questions --data DATA --out DIR`` asks many kinds of question about the pictures of all three tasks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.cli.options import jobs

TASKS = ("tsr", "alc", "vd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "task",
        metavar="TASK",
        help="tsr (signs), alc (lane centring), vd (vehicles), or all, each in a folder of its own; "
        "export or load to change the layout of a folder; questions for conversations about all of them",
    )
    parser.add_argument("source", nargs="?", type=Path, metavar="FOLDER", help="what to export or load")
    parser.add_argument(
        "--format",
        metavar="F",
        help="layout: llava, qwen, gtsrb, tusimple, culane, coco, yolo (export); gtsrb, tusimple, coco (load)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default data/TASK; data for all)")
    parser.add_argument("--data", type=Path, metavar="DATA", help="folder with tsr, alc and vd to ask questions about")
    parser.add_argument(
        "--unattacked",
        action="store_true",
        help="state that no picture to load shows an attack: nothing is trained on pictures of which nobody says so",
    )
    parser.add_argument(
        "--count",
        type=int,
        metavar="N",
        help="images, of questions conversations, over both splits (default: as published; as many as images)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance (default 0)")
    parser.add_argument(
        "--map",
        metavar="MAP[:SHARE],...",
        help="embedded maps to drive on, e.g. town or highway:0.5,town:0.3,rural:0.2 (default: all three; tsr highway)",
    )
    parser.add_argument(
        "--views-per-place",
        type=int,
        metavar="N",
        help="images at one place in one light: more are faster, fewer more varied (default: alc 2, vd 8)",
    )
    parser.add_argument(
        "--jobs", type=jobs, default=1, metavar="N", help="processes (default 1); the images are the same"
    )


def execute(options: argparse.Namespace) -> int:
    """Generate, export or load."""
    from testbed.core.errors import UsageError
    from testbed.training.data.generate import VIEWS_PER_PLACE, generate

    if options.task in ("export", "load"):
        return _exchange(options)
    if options.unattacked:
        raise UsageError("--unattacked is for pictures that are loaded", hint="see dataset load")
    if options.task == "questions":
        return _questions(options)
    if options.data is not None:
        raise UsageError(f"dataset {options.task} takes no --data", hint="see dataset questions")
    if options.source is not None or options.format is not None:
        raise UsageError(f"dataset {options.task} takes neither a folder nor --format", hint="see dataset export")
    if options.task not in (*TASKS, "all"):
        raise UsageError(
            f"unknown data set {options.task!r}", hint=f"there are {', '.join(TASKS)}, all, export, load and questions"
        )
    data = Path("data")
    if options.task == "all":
        folders = {task: (options.out or data) / task for task in TASKS}
    else:
        folders = {options.task: options.out or data / options.task}
    maps = None if options.map is None else _shares(options.map)
    for task, folder in folders.items():
        generate(
            task,
            folder,
            count=options.count,
            seed=options.seed,
            maps=maps,
            views_per_place=None if options.task == "all" and task not in VIEWS_PER_PLACE else options.views_per_place,
            jobs=options.jobs,
        )
    print(f"data: {', '.join(str(folder) for folder in folders.values())}")
    return 0


def _exchange(options: argparse.Namespace) -> int:
    from testbed.core.errors import UsageError
    from testbed.training.data import exchange
    from testbed.training.data.format import load_card
    from testbed.training.data.unseen import artefacts_of

    for name in ("source", "format", "out"):
        if getattr(options, name) is None:
            word = "a folder" if name == "source" else f"--{name}"
            raise UsageError(
                f"dataset {options.task} needs {word}",
                hint=f"for instance: testbed dataset {options.task} FOLDER --format coco --out DIR",
            )
    if options.data is not None:
        raise UsageError(f"dataset {options.task} takes no --data", hint="name the folder before --format")
    if options.task == "export":
        if options.unattacked:
            raise UsageError("--unattacked is for pictures that are loaded", hint="see dataset load")
        written = exchange.export(options.source, options.format, options.out, count=options.count)
        print(f"{written} pictures: {options.out}")
        return 0
    folder = exchange.load(
        options.source, options.format, options.out, count=options.count, unattacked=options.unattacked
    )
    print(f"data: {folder}")
    if artefacts_of(load_card(folder)) is None:
        print("nothing is trained on it: load it with --unattacked if no picture shows an attack")
    return 0


def _questions(options: argparse.Namespace) -> int:
    from testbed.core.errors import UsageError
    from testbed.training.data.questions.export import export_questions

    unused = {"a folder": options.source, "--format": options.format, "--map": options.map}
    unused |= {"--views-per-place": options.views_per_place, "--jobs": None if options.jobs == 1 else options.jobs}
    for word, given in unused.items():
        if given is not None:
            raise UsageError(f"dataset questions does not take {word}", hint="it takes --data, --out, --count, --seed")
    if options.out is None:
        raise UsageError("dataset questions needs --out", hint="for instance: --data data --out data/questions")
    card = export_questions(options.data or Path("data"), options.out, count=options.count, seed=options.seed)
    for name, talks in card["conversations"].items():
        kinds = len(card["counts"][name])
        told = f"{card['questions'][name]} questions of {kinds} kinds about {card['pictures'][name]} pictures"
        print(f"{name}: {talks} conversations, {told}")
    print(f"conversations: {options.out}")
    return 0


def _shares(text: str) -> dict[str, float]:
    from testbed.core.errors import UsageError

    shares: dict[str, float] = {}
    for item in text.split(","):
        name, _, share = item.strip().partition(":")
        try:
            shares[name] = float(share) if share else 1.0
        except ValueError:
            raise UsageError(f"--map: {item!r} is not NAME or NAME:SHARE", hint="for instance town:0.3") from None
    return shares
