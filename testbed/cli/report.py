"""``testbed report RUN``: rebuild the report of a run from its stored episodes alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.cli.work import build_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, for instance reports/drp10")


def execute(options: argparse.Namespace) -> int:
    """Rebuild and print the path."""
    print(f"report: {build_report(options.run)}")
    return 0
