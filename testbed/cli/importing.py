"""``testbed import FILE --out DIR``: scenarios out of Leaderboard routes or an OpenSCENARIO file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from testbed.exchange import Imported, LeftOut
    from testbed.scenario.schema import Scenario
    from testbed.world.maps import RoadNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="routes of the CARLA Leaderboard (.xml) or an OpenSCENARIO 1.x file"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the scenario files, one per route"
    )
    parser.add_argument(
        "--map",
        type=Path,
        action="append",
        default=[],
        metavar="TOWN.xodr",
        help="OpenDRIVE file of a town that is not embedded; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="print files and what was left out as JSON")


def execute(options: argparse.Namespace) -> int:
    """Write scenario files, and tell all that was left out."""
    from testbed.exchange import Towns, read_file
    from testbed.sweep.catalogue import blueprints
    from testbed.sweep.places import check_places

    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out {options.out} is a file", hint="name a folder; each scenario is a file in it")

    known = blueprints()

    def check(scenario: Scenario, network: RoadNetwork) -> None:
        check_places(scenario, network, scenario.seeds.expand(), known)

    imported, left_out = read_file(options.file, Towns(options.map, options.out), check, known)
    written = _write(imported, options.out)
    if options.json:
        print(json.dumps(_told(imported, written, left_out), indent=1, ensure_ascii=False))
        return 0
    for path in written:
        print(f"scenario: {path}")
    if left_out:
        print(f"left out of {options.file}:")
    for one in left_out:
        print(f"  line {one.line}, {one.element}: {one.reason}")
    return 0


def _write(imported: Sequence[Imported], folder: Path) -> list[Path]:
    """Write every scenario's file, or none where one is there already."""
    from testbed.store.atomic import store_errors, write_text

    paths = [folder / f"{one.name}.yaml" for one in imported]
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} exists", hint="choose another folder with --out, or remove it")
    with store_errors(folder, "create"):
        folder.mkdir(parents=True, exist_ok=True)
    for one, path in zip(imported, paths, strict=True):
        write_text(path, one.text())
    return paths


def _told(imported: Sequence[Imported], written: Sequence[Path], left_out: Sequence[LeftOut]) -> dict[str, object]:
    return {
        "scenarios": [{"name": one.name, "file": str(path)} for one, path in zip(imported, written, strict=True)],
        "left_out": [{"element": one.element, "line": one.line, "reason": one.reason} for one in left_out],
    }
