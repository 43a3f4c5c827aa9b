"""A runner that does as the plan's seed tells it: the faults of a simulator without the simulator.

Loaded by name inside worker processes (``FAULTS`` below maps seeds to behaviour); a file beside the plan's scratch
folder counts attempts, so that "fails twice, then works" is possible across processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from testbed.core.errors import AgentError, EndpointError, SimulatorCrashError, UnsupportedError, WeightsError
from testbed.core.records import EpisodePlan, EpisodeRecord, Event

FINE, SLOW, CRASH_ONCE, CRASH, KILLED_ONCE, HANG, AGENT, WEIGHTS, DEFECT, NOISY, CHILD, UNABLE, AWAY = range(
    0, 1300, 100
)


class FakeRunner:
    """Seeds up to 99 are fine; from 100 on the hundreds choose the fault."""

    def __init__(self, *, carla: str | None = None, device: str = "cpu") -> None:
        self.device = device

    def run(self, plan: EpisodePlan, folder: Path) -> EpisodeRecord:
        attempt = self.count(plan)
        fault = plan.seed // 100 * 100
        if fault == SLOW:
            time.sleep(0.3)
        if fault == CRASH or (fault == CRASH_ONCE and attempt == 1):
            raise SimulatorCrashError("the simulator died")
        if fault == KILLED_ONCE and attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == HANG:
            time.sleep(600)
        if fault == AGENT:
            raise AgentError("the agent answered nonsense", hint="<b>\x1b[31m")
        if fault == AWAY:
            raise EndpointError("the endpoint gave no usable reply")
        if fault == WEIGHTS:
            raise WeightsError("weights are missing")
        if fault == UNABLE:
            raise UnsupportedError("the server cannot show a decal")
        if fault == DEFECT:
            raise ZeroDivisionError("division by zero")
        if fault == NOISY:
            print("noise on stdout", flush=True)
            os.write(1, b"more noise\n")
        if fault == CHILD:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            (Path(os.environ["FAKE_COUNTS"]) / "child").write_text(str(child.pid))
            time.sleep(600)
        (folder / "trace.mcap").write_bytes(plan.key.encode())
        events = ()
        if plan.condition != "benign":
            events = (Event(kind="lane_departure", t_s=1.0, frame=20, location_xyz_m=(0, 0, 0), ego_speed_mps=25),)
        return EpisodeRecord(
            plan=plan, trace="trace.mcap", events=events, scores={"offset_m": plan.seed / 7}, wall_s=time.time() % 10
        )

    def count(self, plan: EpisodePlan) -> int:
        path = Path(os.environ["FAKE_COUNTS"]) / plan.key
        with path.open("a") as stream:
            stream.write("x")
        return len(path.read_text())

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        pass
