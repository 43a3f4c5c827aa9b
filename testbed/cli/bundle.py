"""``testbed bundle RUN``: a run with its safety case as one file, every byte listed, signed on demand."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from testbed.core.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, for instance reports/drp10")
    parser.add_argument("--out", metavar="FILE.zip", help="what to write (default RUN.zip); only a bundle is replaced")
    parser.add_argument(
        "--traces",
        action="store_true",
        help="pack traces and videos too, and a report that shows them; without, only their hashes",
    )
    parser.add_argument(
        "--key", type=Path, metavar="PRIVATE.pem", help="Ed25519 private key that signs the list of checksums"
    )


def execute(options: argparse.Namespace) -> int:
    """Pack, and print what was written and what was left out."""
    from testbed.report import bundle

    if options.out is not None and options.out.endswith(("/", os.sep)):
        raise UsageError(f"{options.out} is the name of a folder", hint="give the name of a file that ends with .zip")
    run: Path = options.run.resolve() if options.run.name in ("", "..") else options.run
    out = Path(options.out) if options.out else run.with_name(f"{run.name}.zip")
    count = bundle.pack(options.run, out, traces=options.traces, key=options.key)
    print(f"bundle: {out} ({count} files{', signed' if options.key else ''})")
    if not options.traces:
        print("left out: traces, videos, and what the report draws from them; --traces packs them too")
    return 0
