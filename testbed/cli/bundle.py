"""``testbed bundle RUN``: a run with its safety case as one file, every byte listed, signed on demand."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, for instance reports/drp10")
    parser.add_argument("--out", type=Path, metavar="FILE.zip", help="what to write (default RUN.zip)")
    parser.add_argument(
        "--traces",
        action="store_true",
        help="pack traces, videos and the pages that replay them too; without, only their hashes",
    )
    parser.add_argument(
        "--key", type=Path, metavar="PRIVATE.pem", help="Ed25519 private key that signs the list of checksums"
    )


def execute(options: argparse.Namespace) -> int:
    """Bring the report up to date, pack, and print what was written."""
    from testbed.cli.work import build_report
    from testbed.report import bundle
    from testbed.report.made_from import current_page

    if current_page(options.run) is None:
        build_report(options.run)
    out: Path = options.out or options.run.with_name(f"{options.run.resolve().name}.zip")
    count = bundle.pack(options.run, out, traces=options.traces, key=options.key)
    print(f"bundle: {out} ({count} files{', signed' if options.key else ''})")
    return 0
