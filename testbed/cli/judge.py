"""``testbed judge RUN``: judge a run again from its stored traces, with other limits or other judges."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.cli.options import add_gate_option, default_jobs, jobs, names
from testbed.cli.work import build_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, for instance reports/drp10")
    parser.add_argument(
        "--limits",
        type=Path,
        metavar="FILE",
        help="YAML file with constants of the judges, for instance brake_mps2: 3.5; `testbed list limits` tells all",
    )
    parser.add_argument(
        "--judges",
        type=names,
        default=(),
        metavar="a,b",
        help="judges of other packages, besides those that the scenarios ask for",
    )
    parser.add_argument("--out", type=Path, metavar="RUN2", help="new run folder (default RUN-judged)")
    parser.add_argument("--jobs", type=jobs, metavar="N", help="processes (default: the cores of this machine)")
    add_gate_option(parser)


def execute(options: argparse.Namespace) -> int:
    """Judge, report, and print where the page is."""
    from testbed.report import gate, judge_again
    from testbed.sweep.interrupt import interruptible

    out: Path = options.out or options.run.with_name(f"{options.run.name}-judged")
    with interruptible():
        found = judge_again.carry_out(
            options.run,
            out,
            limits=judge_again.read_limits(options.limits) if options.limits else None,
            judges=options.judges,
            command=options.command,
            jobs=options.jobs or default_jobs(),
        )
    print(f"{found.episodes} episodes judged again, {found.otherwise} of them otherwise than before")
    if found.without:
        print(f"{found.without} episodes have no trace, because they failed, and stand as they were")
    if found.missing:
        print(f"{found.missing} planned drives are not there; the command that began the run drives them")
    print(f"report: {build_report(out)}")
    if options.fail_on:
        gate.check(out, options.fail_on)
    return 0
