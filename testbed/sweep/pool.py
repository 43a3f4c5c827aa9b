"""What the scheduler asks of a pool of workers, and the pool of local processes.

Each worker leads a process group of its own that holds its simulator too, so that killing the group leaves nothing
behind. A worker that dies shows at once as the end of its pipe.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from testbed.core.errors import SimulatorCrashError, SimulatorHangError
from testbed.core.process_life import StandstillClock
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.sweep.outcome import AttemptOutcome, from_wire
from testbed.sweep.worker import RunnerSpec, environment


class WorkerPool(Protocol):
    """Workers in numbered slots, each busy with at most one plan."""

    @property
    def size(self) -> int:
        """Number of slots."""

    def submit(self, slot: int, plan: EpisodePlan) -> None:
        """Give a free worker a plan, starting the worker if it is not there."""

    def has_place(self, slot: int) -> bool:
        """Tell whether a busy worker runs somewhere, and does not wait for room."""

    def wait(self, timeout_s: float) -> list[AttemptOutcome]:
        """Return what has ended, waiting at most ``timeout_s`` for the first; a dead worker is an outcome too."""

    def kill(self, slot: int) -> None:
        """End a worker and its simulator at once; the slot is free again."""

    def close(self) -> None:
        """End all workers at once."""


class _Worker:
    """One worker process and the line it is writing."""

    def __init__(self, spec: RunnerSpec, log: Path, render_threads: int) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "testbed.sweep.worker", str(os.getpid()), spec.to_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env=environment(os.environ, render_threads),
                start_new_session=True,
            )
        # of the plan that it has not answered
        self.folder: Path | None = None
        self.partial = b""
        self.standstill = StandstillClock()

    def send(self, plan: EpisodePlan, folder: Path) -> None:
        asked = {**plan.model_dump(mode="json"), "agent_file": plan.agent_file}
        order = json.dumps({"plan": asked, "folder": str(folder)}) + "\n"
        assert self.process.stdin is not None
        self.folder = folder
        try:
            self.process.stdin.write(order.encode("ascii"))
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died since its last answer: the end of its stdout says so to wait()

    def stands_still(self) -> bool:
        """Tell whether it owes an answer that will not come because somebody stopped it."""
        return self.folder is not None and self.standstill.given_up(self.process.pid)

    def kill(self) -> int:
        """End the whole group and reap the worker; return its exit status."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        return status


class ProcessPool:
    """Workers as local processes.

    Args:
        size: Number of workers.
        spec: How each makes its runner.
        scratch: Folder for logs and unfinished episodes, on the file system of the run folder.
    """

    def __init__(self, size: int, spec: RunnerSpec, scratch: Path) -> None:
        """Start nothing yet."""
        self._size = size
        self._spec = spec
        self._scratch = scratch
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()

    @property
    def size(self) -> int:
        """Number of slots."""
        return self._size

    def pids(self) -> list[int]:
        """Return the process ids of the workers that are alive."""
        return [worker.process.pid for worker in self._workers.values()]

    def log(self, slot: int) -> Path:
        """Return the log file of a worker."""
        return self._scratch / f"worker-{slot}.log"

    def submit(self, slot: int, plan: EpisodePlan) -> None:
        """Give a free worker a plan, starting the worker if it is not there."""
        worker = self._workers.get(slot)
        if worker is None:
            # A worker that has cores to itself draws its pictures with two of them.
            threads = min(2, max(1, (os.cpu_count() or 1) // self._size))
            worker = self._workers[slot] = _Worker(self._spec, self.log(slot), threads)
            assert worker.process.stdout is not None
            os.set_blocking(worker.process.stdout.fileno(), False)
            self._selector.register(worker.process.stdout, selectors.EVENT_READ, slot)
        folder = self._scratch / f"slot-{slot}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        worker.send(plan, folder)

    def has_place(self, slot: int) -> bool:
        """Tell that a worker runs on this machine."""
        return slot in self._workers

    def wait(self, timeout_s: float) -> list[AttemptOutcome]:
        """Return what has ended, waiting at most ``timeout_s`` for the first; a dead worker is an outcome too."""
        if not self._workers:
            time.sleep(timeout_s)
            return []
        outcomes = []
        for ready, _ in self._selector.select(timeout_s):
            outcome = self._read(ready.data)
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes + [self._give_up(slot) for slot, worker in self._workers.items() if worker.stands_still()]

    def _give_up(self, slot: int) -> AttemptOutcome:
        return AttemptOutcome(slot, error=SimulatorHangError("the worker was stopped and did not go on"))

    def _read(self, slot: int) -> AttemptOutcome | None:
        worker = self._workers[slot]
        assert worker.process.stdout is not None
        content = os.read(worker.process.stdout.fileno(), 1 << 20)
        worker.partial += content
        if not content:
            status = self._end(slot)
            reason = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
            return AttemptOutcome(
                slot, error=SimulatorCrashError(f"the worker died ({reason})", hint=f"see {self.log(slot)}")
            )
        if not worker.partial.endswith(b"\n"):
            return None
        answer, worker.partial = json.loads(worker.partial), b""
        folder, worker.folder = worker.folder, None
        if "record" in answer:
            return AttemptOutcome(slot, record=EpisodeRecord.model_validate(answer["record"]), folder=folder)
        return AttemptOutcome(slot, error=from_wire(answer["error"]))

    def _end(self, slot: int) -> int:
        worker = self._workers.pop(slot)
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        return worker.kill()

    def kill(self, slot: int) -> None:
        """End a worker and its simulator at once; the slot is free again."""
        if slot in self._workers:
            self._end(slot)

    def close(self) -> None:
        """End all workers at once."""
        for slot in list(self._workers):
            self._end(slot)
        self._selector.close()
