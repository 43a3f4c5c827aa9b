"""Read what a run has stored: the table, the records, the traces. None of it needs a simulator.

    python examples/04_read_results.py [RUN_FOLDER]

Without a folder it makes a small run first. All files and their fields: docs/formats.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from testbed.cli import main as testbed
from testbed.store import RunFolder, TraceReader, read_table

OUT = Path("reports/examples/read_results")
SCENARIO = """\
name: read_results
question: Is an agent with perfect answers turned by a patch?
ego: {spawn: {road: 1, lane: -2, s_m: 60}, speed_mps: 22}
duration_s: 3
adversaries:
  - {id: drp, kind: road_patch, artefact: drp_highway_left, at: {ahead_m: 20}}
agents: [scripted]
seeds: {count: 1}
"""


def small_run() -> Path:
    """Drive one seed with and without a patch; the second call finds the episodes of the first."""
    OUT.mkdir(parents=True, exist_ok=True)
    scenario = OUT / "read_results.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    status = testbed(["run", str(scenario), "--jobs", "1", "--out", str(OUT / "run")])
    if status:
        sys.exit(status)
    return OUT / "run"


def main() -> None:
    """Show a table, the records and one trace."""
    path = Path(sys.argv[1]) if sys.argv[1:] else small_run()

    print("\nepisodes.parquet: one row per episode; pandas, DuckDB and spreadsheets read it, too")
    for row in read_table(path / "episodes.parquet"):
        offset = row["score.lane.max_offset_m"]
        print(f"  {row['agent']:10} {row['condition']:10} seed {row['seed']}  {row['events']} events  {offset:.2f} m")

    print("\nepisodes/<key>/record.json: what happened, and what was perceived before it")
    run = RunFolder.open(path)
    for record in run.records():
        plan = record.plan
        print(f"  {plan.key[:8]} {plan.condition}: {record.status}, injected {record.injection or 'nothing'}")
        for event in record.events:
            print(f"    {event.t_s:.2f} s {event.kind}, cause: {event.cause}")

    print("\nepisodes/<key>/trace.mcap: every step; Foxglove opens it")
    for record in run.records():
        trace = run.file_of(record.plan.key, "trace.mcap")
        if trace is None:
            continue
        columns = TraceReader(trace).columns()
        t_s, offset_m = columns["t_s"], columns["lane.lateral_offset_m"]
        worst = int(np.argmax(np.abs(offset_m)))
        pictures = sum(1 for _ in TraceReader(trace).frames())
        print(f"  {record.plan.condition}: {len(t_s)} steps, {pictures} pictures")
        print(f"    farthest off the lane's centre: {offset_m[worst]:+.2f} m at {t_s[worst]:.2f} s")


if __name__ == "__main__":
    main()
