"""``testbed dataset TASK DIR``: generate a training data set with the testbed's own renderer and maps."""

from __future__ import annotations

import argparse
from pathlib import Path

TASKS = ("tsr", "alc", "vd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("task", choices=TASKS, help="traffic signs, lane centring or vehicle detection")
    parser.add_argument("out", type=Path, metavar="DIR", help="folder that receives the data set")
    parser.add_argument("--count", type=int, default=2000, metavar="N", help="number of samples (default 2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance (default 0)")


def execute(options: argparse.Namespace) -> int:
    """Generate."""
    from testbed.dataset import generate

    generate(options.task, options.out, count=options.count, seed=options.seed)
    print(f"data set: {options.out}")
    return 0
