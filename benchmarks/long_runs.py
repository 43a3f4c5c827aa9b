"""What a run of many episodes costs beside driving them: ``python -m benchmarks.long_runs [--finished 10000,100000]``.

Finished episodes are made up through the API that stores real ones (no traces), in the plans of a shipped scenario.

    state      ledger, manifest and records on disk, per finished episode
    start      seconds and memory of the same command again, which finds nothing to do
    report     seconds, memory and size of its page and of the list of all drives
    overhead   milliseconds per episode of a runner that does nothing, on local processes and on Ray (``--ray``)
    slope      memory, descriptors and threads of one worker that drives many short episodes (``--drive N``)

Every figure is of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.core.records import EpisodePlan, EpisodeRecord, Event
from testbed.sweep.run import ExecutionSettings, RunRequest
from testbed.sweep.worker import RunnerSpec

SCENARIO = "drp_highway"
DEPARTED_OF = 3
"""Every third attacked episode departs from its lane."""
SLOPE_EVERY = 100


class IdleRunner:
    """A runner without a simulator."""

    def __init__(self, **_: Any) -> None:
        """Need nothing."""

    def run(self, plan: EpisodePlan, folder: Path) -> EpisodeRecord:
        """Return a record at once."""
        return made_up(plan)

    def trouble(self) -> str:
        """Have none."""
        return ""

    def close(self) -> None:
        """Have nothing to close."""


def made_up(plan: EpisodePlan) -> EpisodeRecord:
    """Return the record of an episode that nobody drove."""
    events: tuple[Event, ...] = ()
    if plan.condition != "benign" and plan.seed % DEPARTED_OF == 0:
        events = (Event(kind="lane_departure", t_s=3.0, frame=60, location_xyz_m=(80.0, 2.0, 0.0), ego_speed_mps=25.0),)
    scores: dict[str, float | int | str | bool | None] = {
        "driving.distance_m": 250.0,
        "lane.departure_s": 1.2 if events else 0.0,
        "alc.right": 90 + plan.seed % 10,
        "alc.n": 100,
    }
    valid = None if plan.condition == "benign" else True
    return EpisodeRecord(plan=plan, events=events, scores=scores, valid_attack=valid, wall_s=8.0)


def request(count: int) -> RunRequest:
    """Return a question of at least `count` episodes."""
    from testbed.scenario.expand import expand
    from testbed.scenario.loader import load_scenario
    from testbed.sweep.catalogue import Installed

    loaded = load_scenario(SCENARIO)
    some = expand(loaded, catalogue=Installed(), agents=["dnn", "tandem"], seeds=[1])
    plans = [plan.model_copy(update={"seed": seed}) for seed in range(1, -(-count // len(some)) + 1) for plan in some]
    return RunRequest("long", loaded.content.question, (loaded.content,), tuple(plans[:count]))


def fabricate(folder: Path, count: int) -> None:
    """Store finished episodes as the scheduler does."""
    from testbed.sweep.ledger import open_ledger
    from testbed.sweep.run import open_run

    asked = request(count)
    run, _ = open_run(asked, folder)
    ledger, _ = open_ledger(folder)
    with ledger:
        ledger.add(asked.plans)
        for plan in asked.plans:
            run.write_episode(made_up(plan))
            ledger.finish(plan.key, "done", stamp=run.stamp(plan.key))


def start(folder: Path, count: int) -> dict[str, float]:
    """Return seconds and memory of a call that finds everything done."""
    from testbed.sweep.run import carry_out

    asked = request(count)
    begin = time.perf_counter()
    summary = carry_out(asked, folder, ExecutionSettings(1))
    assert summary.found == count, summary
    return {"seconds": time.perf_counter() - begin, "memory_mb": _peak_mb()}


def report(folder: Path, _: int) -> dict[str, float]:
    """Return seconds, memory and sizes of the report: of its page, and of the list of all drives."""
    from testbed.report import build

    begin = time.perf_counter()
    build(folder)
    seconds = time.perf_counter() - begin
    page_mb, list_mb = ((folder / name).stat().st_size / 1e6 for name in ("index.html", "drives.html"))
    return {"seconds": seconds, "memory_mb": _peak_mb(), "page_mb": page_mb, "list_mb": list_mb}


def overhead(folder: Path, count: int, ray: str | None = None) -> dict[str, float]:
    """Return milliseconds per episode that is nothing but stored, without the time until the first one."""
    from testbed.sweep.run import carry_out

    told: list[float] = []
    settings = ExecutionSettings(1, ray, RunnerSpec("benchmarks.long_runs:IdleRunner"))
    carry_out(request(count), folder, settings, report=lambda _: told.append(time.perf_counter()))
    return {"ms": 1e3 * (told[-1] - told[0]) / (len(told) - 1), "memory_mb": _peak_mb()}


def on_ray(folder: Path, count: int) -> dict[str, float]:
    """Return `overhead` on a Ray of our own."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH", "")]))
    return overhead(folder, count, "auto")


def slope(folder: Path, count: int) -> dict[str, float]:
    """Drive short episodes in this process; return what each thousand of them leaves behind, after the first tenth."""
    import numpy as np

    from testbed.episode import EpisodeRunner

    (plan, *_) = request(1).plans
    seen = []
    with EpisodeRunner() as runner:
        for number in range(count):
            scene = {**plan.scene, "duration_s": 1.0}
            runner.run(plan.model_copy(update={"scene": scene, "seed": number + 1}), folder)
            if number % SLOPE_EVERY == SLOPE_EVERY - 1:
                seen.append((number, *_state()))
    settled = np.array(seen[len(seen) // 10 :], np.float64)
    per_thousand = 1e3 * np.polyfit(settled[:, 0], settled[:, 1:], 1)[0]
    return dict(zip(("memory_mb", "descriptors", "threads"), map(float, per_thousand), strict=True))


def _state() -> tuple[float, int, int]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    memory_mb = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return memory_mb, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


STEPS = {step.__name__: step for step in (fabricate, start, report, overhead, on_ray, slope)}


def measured(step: str, folder: Path, count: int) -> dict[str, float]:
    """Carry a step out in a process of its own and return what it found."""
    command = [sys.executable, "-m", "benchmarks.long_runs", "--step", step, str(folder), str(count)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def size_bytes(path: Path) -> int:
    """Return the bytes of a file or of all files below a folder."""
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size


def main(arguments: Sequence[str] | None = None) -> int:
    """Make up runs, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_runs", description=__doc__)
    parser.add_argument("--finished", default="10000", metavar="N,N", help="finished episodes (default 10000)")
    parser.add_argument("--idle", type=int, default=500, metavar="N", help="episodes of the overhead (default 500)")
    parser.add_argument("--ray", action="store_true", help="measure the overhead on Ray too")
    parser.add_argument("--drive", type=int, default=0, metavar="N", help="short episodes of the slope (default none)")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        step, folder, count = options.step
        print(json.dumps(STEPS[step](Path(folder), int(count)) or {}))
        return 0
    with tempfile.TemporaryDirectory(prefix="testbed-long-") as scratch:
        for count in map(int, options.finished.split(",")):
            run = Path(scratch) / f"run-{count}"
            begin = time.perf_counter()
            measured("fabricate", run, count)
            made_ms = 1e3 * (time.perf_counter() - begin) / count
            kb = {name: size_bytes(run / name) / count / 1e3 for name in ("ledger.sqlite", "manifest.json", "episodes")}
            told = ", ".join(f"{name} {size:.2f} kB" for name, size in kb.items())
            print(f"{count:6} finished: {told} per episode; stored in {made_ms:.1f} ms each", flush=True)
            for step in ("start", "report"):
                print(f"{count:6} {step}: {_told(measured(step, run, count))}", flush=True)
        for step in ("overhead", "on_ray") if options.ray else ("overhead",):
            print(f"{step}: {_told(measured(step, Path(scratch) / step, options.idle))}", flush=True)
        if options.drive:
            drives = Path(scratch) / "drives"
            drives.mkdir()
            print(f"slope per 1000 episodes: {_told(measured('slope', drives, options.drive))}", flush=True)
    return 0


def _told(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items())


if __name__ == "__main__":
    raise SystemExit(main())
