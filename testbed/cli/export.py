"""``testbed export SCENARIO… --out routes.xml``: scenarios as routes of the CARLA Leaderboard."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from testbed.core.errors import ScenarioError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="scenario, by path or shipped name")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.xml", help="file of routes; one that is there is replaced"
    )
    parser.add_argument("--json", action="store_true", help="print the file and what was left out as JSON")


def execute(options: argparse.Namespace) -> int:
    """Write a file of routes, and tell what a route cannot say."""
    from testbed.exchange import export_routes
    from testbed.scenario.loader import load_scenario
    from testbed.store.atomic import store_errors, write_text

    _check_target(options.out)
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


def _check_target(path: Path) -> None:
    """Refuse a name that is no routes file's, and a file that is there and holds something else.

    Raises:
        UsageError: Routes cannot go there.
    """
    from testbed.exchange import is_routes

    if path.is_dir():
        raise UsageError(f"--out {path} is a folder", hint="name a file, for instance routes.xml")
    if path.suffix.lower() != ".xml":
        raise UsageError(f"--out {path} is no file of routes", hint="its name must end in .xml")
    if not path.exists():
        return
    try:
        routes = is_routes(path)
    except ScenarioError:
        routes = False
    if not routes:
        raise UsageError(
            f"--out {path} exists and holds no <routes>, so it is not replaced", hint="name another file, or remove it"
        )
