"""``testbed verify BUNDLE``: check every byte of a bundle, what its safety case cites, and its signature."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from testbed.core.errors import StoreError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="zip file that `testbed bundle` wrote")
    parser.add_argument("--key", type=Path, metavar="PUBLIC.pem", help="Ed25519 public key of who signed it")


def execute(options: argparse.Namespace) -> int:
    """Check; exit status 3 when something is damaged, or not signed by the owner of the key."""
    from testbed.report import bundle_check

    if options.bundle.is_dir():
        raise UsageError(f"{options.bundle} is a folder", hint=f"testbed report {options.bundle} --verify checks a run")
    found = bundle_check.check(options.bundle, options.key)
    for sentence in found.damage:
        print(f"damaged: {sentence}", file=sys.stderr)
    if found.damage:
        return StoreError.exit_code
    told = f"{found.files} files as they were packed, {found.episodes} records, {found.cited} solutions rest on them, "
    told += "the report follows from them"
    if found.traces_left_out:
        told += f"; {found.traces_left_out} traces are not in it, only their hashes"
    signed = {
        "no": "not signed",
        "not checked": "signed, not checked: give --key PUBLIC.pem",
        "yes": "signed by the key",
    }
    print(f"{options.bundle}: {told}; {signed[found.signed]}")
    return 0
