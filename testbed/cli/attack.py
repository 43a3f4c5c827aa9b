"""``testbed attack KIND SCENARIO``: optimise the artefacts that a scenario asks for."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("kind", metavar="KIND", help="kind of adversary, for instance road_patch")
    parser.add_argument("scenario", metavar="SCENARIO", help="scenario file, or the name of a shipped one")
    parser.add_argument("--out", type=Path, metavar="DIR", help="gets one folder per artefact (default artefacts)")
    parser.add_argument(
        "--side", choices=("left", "right", "both"), default="both", help="where to pull (default both)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance (default 0)")


def execute(options: argparse.Namespace) -> int:
    """Optimise and print where the artefacts are."""
    import adversaries
    from testbed.scenario.loader import load_scenario

    scenario = load_scenario(options.scenario).content
    for folder in adversaries.optimise(options.kind, scenario, out=options.out, seed=options.seed, side=options.side):
        print(f"artefact: {folder}")
    return 0
