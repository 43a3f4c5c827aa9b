"""``testbed compare A B``: two runs drive by drive, and a gate against regressions."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from testbed.cli.options import column_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("first", type=Path, metavar="A", help="run folder that is compared with")
    parser.add_argument("second", type=Path, metavar="B", help="run folder that is judged")
    parser.add_argument(
        "--gate",
        nargs="?",
        const="any",
        choices=("any", "evidence"),
        help="exit with 5 when B is worse: any (a drive with an event that it had not in A, or missing), or evidence "
        "(more frequent beyond chance); a claim that became worse counts in both",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="page (default B/compare-A.html)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON instead of a table")


def execute(options: argparse.Namespace) -> int:
    """Compare, write the page, print, and judge."""
    from testbed.report import compare_page, gate, read_run
    from testbed.report.compare import compare

    page = options.out or options.second / f"compare-{options.first.resolve().name}.html"
    compare_page.check_target(page)
    first, second = (read_run(path, drives=False) for path in (options.first, options.second))
    for view in (first, second):
        for one in view.damaged:
            print(f"damaged: {view.manifest.run_id}: {one.reason}", file=sys.stderr)
    found = compare(first, second)
    compare_page.write(found, page, (options.first, options.second))
    if options.json:
        print(json.dumps(found.document(), indent=2, sort_keys=True))
    else:
        header = ["agent", "condition", "what", "first", "second", "gone", "new", "p", "verdict"]
        rows = [
            [
                *(rate.agent, rate.condition, rate.what, f"{rate.first}/{rate.pairs}", f"{rate.second}/{rate.pairs}"),
                *(str(rate.only_first), str(rate.only_second), f"{rate.adjusted_p:.2g}", rate.verdict),
            ]
            for rate in found.rates
        ]
        if rows:
            print(column_table(header, rows) + "\n")
        print(f"{compare_page.headline(found)}; {len(found.missing)} drives missing, {len(found.new)} new")
        print(f"comparison: {page}")
    if options.gate is not None:
        gate.refuse(f"--gate {options.gate}", found.regressions(options.gate))
    return 0
