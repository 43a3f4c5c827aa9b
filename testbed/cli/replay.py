"""``testbed replay RUN KEY``: what a stored drive's trace holds, how to watch it in Foxglove, or the same in Rerun."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.cli.options import column_table

if TYPE_CHECKING:
    from testbed.replay import StoredDrive

HOW = "Foxglove and Lichtblick open it as a local file: panels 3D, Image (/camera), Plot, Log; docs/traces.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, for instance reports/drp10")
    parser.add_argument(
        "key", nargs="?", default="", metavar="KEY", help="first digits of the drive's key; none in a run of one drive"
    )
    parser.add_argument("--rerun", action="store_true", help="show it in Rerun's viewer (extra [rerun])")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.rrd", help="with --rerun: write a recording instead of opening the viewer"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of words")


def execute(options: argparse.Namespace) -> int:
    """Say what the trace holds, or show it."""
    from testbed.core.errors import UsageError
    from testbed.replay import find_drive

    if options.out is not None and not options.rerun:
        raise UsageError("--out says where Rerun's recording goes", hint="add --rerun")
    if options.out is not None and options.out.suffix != ".rrd":
        raise UsageError(f"--out {options.out} is no recording", hint="its name must end in .rrd")
    drive = find_drive(options.run, options.key)
    if options.rerun:
        _rerun(drive, options.out)
    if options.json:
        recording = {} if options.out is None else {"recording": str(options.out)}
        print(json.dumps(drive.document() | recording, sort_keys=True))
    elif options.rerun:
        print(f"recording: {options.out}" if options.out is not None else f"Rerun's viewer shows {drive.title}")
    else:
        _tell(drive)
    return 0


def _rerun(drive: StoredDrive, out: Path | None) -> None:
    from testbed.core import extras

    with extras.explained("replay --rerun"):
        from testbed.replay import rerun_log
    if out is None:
        rerun_log.show(drive)
    else:
        rerun_log.write(drive, out)


def _tell(drive: StoredDrive) -> None:
    found = drive.document()
    print(f"{drive.title}: {found['duration_s']:.2f} s")
    print(f"trace: {found['trace']} ({found['bytes'] / 1e6:.2f} MB, version {found['trace_version']})\n")
    rows = [[one.topic, one.schema, str(one.messages)] for one in drive.topics()]
    print(column_table(["topic", "schema", "messages"], rows))
    print("\nevents:" if found["events"] else "\nno event")
    for event in found["events"]:
        print(f"  {event['t_s']:6.2f} s  {event['message']}")
    print(f"\n{HOW}")
