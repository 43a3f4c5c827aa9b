"""A driver process for the fault tests: carries out fake plans, printing one line per change and its workers.

python fake_drive.py FOLDER JOBS SEED…
"""

from __future__ import annotations

import sys
from pathlib import Path

from testbed.core.errors import TestbedError
from testbed.core.records import EpisodePlan
from testbed.sweep import run
from testbed.sweep.interrupt import Interrupted
from testbed.sweep.worker import RunnerSpec


def main(folder: str, jobs: str, *seeds: str) -> int:
    ray = "auto" if "--ray" in seeds else None
    seeds = tuple(seed for seed in seeds if seed != "--ray")
    plans = tuple(
        EpisodePlan(scenario="fake", scene={"duration_s": 1.0}, agent="constant", seed=int(seed)) for seed in seeds
    )
    question = run.RunRequest("fake", "Does the scheduler hold?", (), plans)
    settings = run.ExecutionSettings(int(jobs), ray=ray, runner=RunnerSpec("fake_runner:FakeRunner"))
    try:
        run.carry_out(
            question, Path(folder), settings, report=lambda item: print(item.kind, item.plan.seed, flush=True)
        )
    except Interrupted as interrupt:
        return interrupt.exit_code
    except TestbedError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
