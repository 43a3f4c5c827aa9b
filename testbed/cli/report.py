"""``testbed report RUN``: rebuild the report of a run from its stored episodes alone, or check what is stored."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.cli.options import add_case_option, add_gate_option, add_json_option
from testbed.cli.work import rebuild_report, result

if TYPE_CHECKING:
    from testbed.report import RunView

AGAIN = "the same run or sweep command does only the damaged episodes again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, for instance reports/drp10")
    parser.add_argument("--verify", action="store_true", help="compare every stored file with its checksum instead")
    add_case_option(parser)
    add_gate_option(parser)
    add_json_option(parser)


def execute(options: argparse.Namespace) -> int:
    """Rebuild and print the path, or name every damaged file."""
    if options.verify:
        return verify(options.run)
    if options.case is not None:
        from testbed.report.safety_case import take_case

        take_case(options.run, options.case)
    page, view = rebuild_report(options.run)
    print(json.dumps(result(options.run, page), sort_keys=True) if options.json else f"report: {page}")
    status = tell_damage(view)
    if options.fail_on:
        from testbed.report import gate

        gate.check(options.run, options.fail_on)
    return status


def tell_damage(view: RunView) -> int:
    """Name the episodes that a report could not read, and count those that it lacks; exit status 3 for the former."""
    from testbed.core.errors import StoreError

    for one in view.damaged:
        p = one.planned
        print(f"damaged: {p.agent}, {p.condition}, seed {p.seed}: {one.reason}", file=sys.stderr)
    if view.damaged:
        print(AGAIN, file=sys.stderr)
    if view.not_run:
        print(
            f"note: {len(view.not_run)} of {len(view.manifest.planned)} planned drives are not there", file=sys.stderr
        )
    return StoreError.exit_code if view.damaged else 0


def verify(folder: Path) -> int:
    """Check a run; exit status 3 when something is damaged."""
    from testbed.core.errors import StoreError
    from testbed.store import RunFolder
    from testbed.sweep.ledger import FILE_NAME, Ledger

    run = RunFolder.open(folder)
    damaged = [f"{damage.path}: {damage.reason}" for damage in run.verify()]
    if (folder / FILE_NAME).exists():
        try:
            Ledger(folder / FILE_NAME).close()
        except StoreError as error:
            damaged.append(str(error))
    for sentence in damaged:
        print(f"damaged: {sentence}", file=sys.stderr)
    if damaged:
        print(AGAIN, file=sys.stderr)
        return StoreError.exit_code
    print(f"{folder}: {len(run.keys())} episodes, every file as it was stored")
    return 0
