"""``testbed export SCENARIO… --out routes.xml``: scenarios as routes of the CARLA Leaderboard."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from testbed.core.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="scenario, by path or shipped name")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="file of routes, for instance routes.xml"
    )
    parser.add_argument("--json", action="store_true", help="print the file and what was left out as JSON")


def execute(options: argparse.Namespace) -> int:
    """Write a file of routes, and tell what a route cannot say."""
    from testbed.exchange import export_routes
    from testbed.scenario.loader import load_scenario
    from testbed.store.atomic import store_errors, write_text

    if options.out.is_dir():
        raise UsageError(f"--out {options.out} is a folder", hint="name a file, for instance routes.xml")
    text, left_out = export_routes([load_scenario(name) for name in options.scenarios])
    with store_errors(options.out.parent, "create"):
        options.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.out, text)
    if options.json:
        print(json.dumps({"file": str(options.out), "left_out": left_out}, indent=1))
        return 0
    print(f"routes: {options.out}")
    for name, parts in left_out.items():
        if parts:
            print(f"left out of {name}: {'; '.join(parts)}")
    return 0
