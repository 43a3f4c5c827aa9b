"""``testbed dataset TASK``: generate training data with the testbed's own renderer and maps."""

from __future__ import annotations

import argparse
from pathlib import Path

TASKS = ("tsr", "alc", "vd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "task",
        metavar="TASK",
        help="tsr (signs), alc (lane centring), vd (vehicles), or all, each in a folder of its own",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default data/TASK; data for all)")
    parser.add_argument("--count", type=int, metavar="N", help="images over both splits (default: as published)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance (default 0)")
    parser.add_argument("--map", default="highway", metavar="MAP", help="embedded map to drive on (default highway)")


def execute(options: argparse.Namespace) -> int:
    """Generate."""
    from testbed.core.errors import UsageError
    from testbed.dataset.generate import generate

    if options.task not in (*TASKS, "all"):
        raise UsageError(f"unknown data set {options.task!r}", hint=f"there are {', '.join(TASKS)} and all")
    data = Path("data")
    if options.task == "all":
        folders = {task: (options.out or data) / task for task in TASKS}
    else:
        folders = {options.task: options.out or data / options.task}
    for task, folder in folders.items():
        generate(task, folder, count=options.count, seed=options.seed, map_name=options.map)
    print(f"data: {', '.join(str(folder) for folder in folders.values())}")
    return 0
