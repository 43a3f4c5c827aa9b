"""``testbed dataset TASK… --out DATA``: generate training data with the testbed's own renderer and maps."""

from __future__ import annotations

import argparse
from pathlib import Path

TASKS = ("tsr", "alc", "vd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "tasks", nargs="*", metavar="TASK", help="tsr (signs), alc (lane centring), vd (vehicles); default all"
    )
    parser.add_argument("--out", type=Path, default=Path("data"), metavar="DATA", help="gets a folder per task (data)")
    parser.add_argument("--count", type=int, metavar="N", help="images over both splits (default: as published)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance (default 0)")
    parser.add_argument("--map", default="highway", metavar="MAP", help="embedded map to drive on (default highway)")


def execute(options: argparse.Namespace) -> int:
    """Generate."""
    from testbed.core.errors import UsageError
    from testbed.dataset.generate import generate

    unknown = [task for task in options.tasks if task not in TASKS]
    if unknown:
        raise UsageError(f"unknown data set {unknown[0]!r}", hint=f"there are {', '.join(TASKS)}")
    for task in options.tasks or TASKS:
        generate(task, options.out / task, count=options.count, seed=options.seed, map_name=options.map)
    print(f"data: {options.out}")
    return 0
