"""The pool of Ray actors: the same workers on this machine's own Ray or on a cluster. The only module that imports ray.

Facts it is built on (Ray 2.60): actors hold their CPUs for life, so each asks for a small fraction; a hung actor is
never noticed, so deadlines are the scheduler's; a killed one shows as an actor error within two seconds; no shared
file system is assumed, so trace and video travel as bytes. A Ray of our own demands a token from whoever connects.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from testbed.core.errors import ServerError, SimulatorCrashError, UnreachableError, UsageError
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.sweep.interrupt import SIGNALS
from testbed.sweep.outcome import AttemptOutcome, from_wire
from testbed.sweep.process_watchdog import ProcessWatchdog
from testbed.sweep.worker import RestartingRunner, RunnerSpec, environment

ACTOR_CPUS = 0.1
_PROBE_S = 5.0
_HINT = "--ray auto starts one here"


class _Actor:
    """Run plans inside a Ray worker process: one runner, files returned as bytes."""

    def __init__(self, spec: str) -> None:
        os.environ.update(environment(os.environ))
        self._runner = RestartingRunner(RunnerSpec.from_json(spec))

    def attempt(self, plan: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="testbed-") as scratch:
            folder = Path(scratch)
            answer = self._runner.attempt(EpisodePlan.model_validate_json(plan), folder)
            answer["files"] = {
                path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
            }
            return answer


class RayPool:
    """Workers as Ray actors.

    Args:
        size: Number of workers.
        spec: How each makes its runner.
        scratch: Folder for unfinished episodes, on the file system of the run folder.
        address: ``auto`` for a Ray of our own on this machine, else the address of a cluster.

    Raises:
        ServerError: A Ray of our own does not start.
        UnreachableError: There is no cluster at the address.
        UsageError: It is no address.
    """

    def __init__(self, size: int, spec: RunnerSpec, scratch: Path, address: str = "auto") -> None:
        """Start or join Ray; start no worker yet."""
        self._size = size
        self._spec = spec
        self._scratch = scratch
        self._actors: dict[int, Any] = {}
        self._tasks: dict[Any, int] = {}
        self._ray = _connect(size, address)
        self._watchdog = ProcessWatchdog() if address == "auto" else None

    @property
    def size(self) -> int:
        """Number of slots."""
        return self._size

    def submit(self, slot: int, plan: EpisodePlan) -> None:
        """Give a free worker a plan, starting the worker if it is not there."""
        if slot not in self._actors:
            self._actors[slot] = self._ray.remote(num_cpus=ACTOR_CPUS, max_restarts=0)(_Actor).remote(
                self._spec.to_json()
            )
        self._tasks[self._actors[slot].attempt.remote(plan.model_dump_json())] = slot

    def wait(self, timeout_s: float) -> list[AttemptOutcome]:
        """Return what has ended, waiting at most ``timeout_s`` for the first; a dead worker is an outcome too."""
        if not self._tasks:
            time.sleep(timeout_s)
            return []
        # Short waits in turn, so that a signal is served between them: ray.wait blocks outside the interpreter.
        deadline = time.monotonic() + timeout_s
        ready: list[Any] = []
        while not ready and time.monotonic() < deadline:
            ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=0.1)
        return [self._outcome(task) for task in ready]

    def _outcome(self, task: Any) -> AttemptOutcome:
        slot = self._tasks.pop(task)
        try:
            answer = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            self.kill(slot)
            reason = str(error).strip().splitlines()[0]
            return AttemptOutcome(
                slot, error=SimulatorCrashError(f"the worker died ({type(error).__name__}: {reason})")
            )
        if "error" in answer:
            return AttemptOutcome(slot, error=from_wire(answer["error"]))
        folder = self._scratch / f"slot-{slot}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in answer["files"].items():
            target = (folder / name).resolve()
            if not target.is_relative_to(folder.resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return AttemptOutcome(slot, record=EpisodeRecord.model_validate(answer["record"]), folder=folder)

    def kill(self, slot: int) -> None:
        """End a worker and its simulator at once; the slot is free again."""
        actor = self._actors.pop(slot, None)
        self._tasks = {task: owner for task, owner in self._tasks.items() if owner != slot}
        if actor is not None:
            self._ray.kill(actor, no_restart=True)

    def close(self) -> None:
        """End all workers and leave Ray."""
        for slot in list(self._actors):
            self.kill(slot)
        self._ray.shutdown()
        if self._watchdog is not None:
            self._watchdog.close()


def _connect(size: int, address: str) -> Any:
    """Start or join Ray, quietly."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address == "auto":
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    else:
        _probe(address)
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address == "auto":
        # More logical CPUs than cores: actors must never wait for one another (see the module docstring).
        options |= {"address": "local", "include_dashboard": False, "num_cpus": max(2, size)}
    else:
        options |= {"address": address}
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises bare exceptions too
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if address == "auto":
            hint = "the machine may be too busy; without --ray the same command goes on with local processes"
            raise ServerError(f"Ray did not start: {reason}", hint=hint) from error
        raise UnreachableError(f"no Ray cluster at {address}: {reason}", hint=_HINT) from error
    finally:
        # Ray takes SIGTERM for itself; ours ends the run in a state that can be resumed.
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
    return ray


def _probe(address: str) -> None:
    """Ray waits minutes for a cluster that is not there; a closed port says so at once.

    Raises:
        UnreachableError: Nothing listens at the address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--ray {address!r} is not understood", hint="use auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
    except (OSError, OverflowError) as error:
        raise UnreachableError(f"no Ray cluster at {address}: {error}", hint=_HINT) from error
