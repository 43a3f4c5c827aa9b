"""The pool of Ray actors: the same workers on this machine's own Ray or on a cluster, and the models that they share.

Facts it is built on (Ray 2.60): actors hold their CPUs for life, so each asks for a small fraction; a hung actor is
never noticed, so deadlines are the scheduler's; a killed one shows as an actor error within two seconds; no shared
file system is assumed, so trace and video travel as bytes; a call may block for a minute, signals and all, when the
head is gone, so all of them are made in a thread of their own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from testbed.core import lasting_thread
from testbed.core.errors import SimulatorCrashError, SimulatorHangError, TestbedError
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.core.types import Agent
from testbed.sweep.model_fleet import ACTOR_CPUS, START_S, ModelFleet
from testbed.sweep.node_files import NodeFiles
from testbed.sweep.outcome import AttemptOutcome, from_wire, to_wire
from testbed.sweep.process_watchdog import ProcessWatchdog
from testbed.sweep.ray_cluster import connect
from testbed.sweep.ray_liveness import Liveness
from testbed.sweep.remote_readers import served_readers
from testbed.sweep.serving import served_agents
from testbed.sweep.travelling import collect
from testbed.sweep.worker import RestartingRunner, RunnerSpec, environment

Result = TypeVar("Result")

LEAVING_S = 15.0
"""Time that leaving Ray may take; without its head it takes 8 s or does not end."""


class _Actor:
    """Run plans inside a Ray worker process: one runner, the user's files by content, results returned as bytes."""

    def __init__(self, spec: str, models: Mapping[str, Any], files: NodeFiles) -> None:
        os.environ.update(environment(os.environ))
        self._spec, self._models, self._files = RunnerSpec.from_json(spec), models, files
        self._runner = RestartingRunner(self._spec, self._load_agent if models else None)

    def _load_agent(self, local: str) -> Agent:
        """Load an agent by its name on this node, its models and those of its parts left where they are served."""
        from testbed import agents

        needed = {local, *agents.parts(local).values()}
        here = {self._files.agent(name, self._models): name for name in self._models}
        served = {
            file: served_readers(self._models[name], name, START_S) for file, name in here.items() if file in needed
        }
        return agents.load(local, device=self._spec.device, served=served)

    def where(self) -> tuple[str, int]:
        import ray

        return ray.get_runtime_context().get_node_id(), os.getpid()

    def attempt(self, plan: str, agent_file: str) -> dict[str, Any]:
        asked = EpisodePlan.model_validate_json(plan).model_copy(update={"agent_file": agent_file})
        try:
            here = self._files.plan(asked, self._models)
        except TestbedError as error:
            return {"error": to_wire(error)}
        with tempfile.TemporaryDirectory(prefix="testbed-") as scratch:
            folder = Path(scratch)
            answer = self._runner.attempt(here, folder)
            if "record" in answer:
                answer["record"]["plan"] = asked.model_dump(mode="json")
            answer["files"] = {
                path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
            }
            return answer


def _fetched(content: Any) -> bytes:
    import ray

    return bytes(ray.get(content))


class RayPool:
    """Workers as Ray actors.

    Args:
        size: Number of workers.
        spec: How each makes its runner.
        scratch: Folder for unfinished episodes, on the file system of the run folder.
        address: ``auto`` for a Ray of our own on this machine, else the address of a cluster.
        plans: What will be carried out; models of their agents that are served are loaded at once.

    Raises:
        ServerError: A Ray of our own does not start.
        UnreachableError: There is no cluster at the address.
        UsageError: It is no address, or an agent asks for GPUs that the cluster does not have.
        TestbedError: A model that is to be served cannot be loaded.
    """

    def __init__(
        self, size: int, spec: RunnerSpec, scratch: Path, address: str = "auto", plans: Sequence[EpisodePlan] = ()
    ) -> None:
        """Start or join Ray and load the models that are served; start no worker yet."""
        self._size = size
        self._spec = spec
        self._scratch = scratch
        self._actors: dict[int, Any] = {}
        self._tasks: dict[Any, int] = {}
        self._ray, self._head = connect(size, address)
        self._watchdog = ProcessWatchdog() if address == "auto" else None
        self._models: ModelFleet | None = None
        try:
            self._liveness = self._call(lambda: Liveness(self._ray))
            self._files = self._call(lambda: self._sent(plans))
            self._models = self._start_models([plan.agent_here for plan in plans])
        except BaseException:
            self.close()
            raise

    def _call(self, function: Callable[[], Result]) -> Result:
        """Call Ray where it may block, and give up waiting when its head is gone."""
        return lasting_thread.call(function, look=self._head.check)

    def _sent(self, plans: Sequence[EpisodePlan]) -> NodeFiles:
        """Put the user's files where every node can fetch them."""
        bundle = collect(plans)
        contents = {sha256: self._ray.put(Path(file.source).read_bytes()) for sha256, file in bundle.files().items()}
        return NodeFiles(bundle, contents, _fetched)

    def _start_models(self, names: Sequence[str]) -> ModelFleet:
        gpus = float(self._ray.cluster_resources().get("GPU", 0.0))
        served = served_agents(names, self._spec.device, gpus, self._size)
        fleet = ModelFleet(self._ray, served, self._size, self._files)
        try:
            self._call(fleet.wait)
        except BaseException:
            fleet.close()
            raise
        return fleet

    @property
    def size(self) -> int:
        """Number of slots."""
        return self._size

    def submit(self, slot: int, plan: EpisodePlan) -> None:
        """Give a free worker a plan, starting the worker if it is not there."""
        task = self._call(lambda: self._submit(slot, plan))
        self._tasks[task] = slot

    def _submit(self, slot: int, plan: EpisodePlan) -> Any:
        if slot not in self._actors:
            assert self._models is not None
            # spread: a small fraction of a CPU each, they would all be packed on the first node
            made = self._ray.remote(num_cpus=ACTOR_CPUS, max_restarts=0, scheduling_strategy="SPREAD")(_Actor)
            self._actors[slot] = made.remote(self._spec.to_json(), self._models.for_simulator(slot), self._files)
            self._liveness.began(slot, self._actors[slot].where.remote())
        return self._actors[slot].attempt.remote(plan.model_dump_json(), plan.agent_file)

    def has_place(self, slot: int) -> bool:
        """Tell whether the worker runs on some node, and does not wait for room on one."""
        return self._liveness.has_place(slot)

    def wait(self, timeout_s: float) -> list[AttemptOutcome]:
        """Return what has ended, waiting at most ``timeout_s`` for the first; a dead worker is an outcome too."""
        if not self._tasks:
            time.sleep(timeout_s)
            return []
        ready, lost = self._call(lambda: self._looked(timeout_s))
        outcomes = [self._outcome(task) for task in ready]
        answered = {outcome.slot for outcome in outcomes}
        for slot, why in lost.items():
            if slot not in answered and slot in self._tasks.values():
                outcomes.append(AttemptOutcome(slot, error=SimulatorHangError(why)))
                self.kill(slot)
        return outcomes

    def _looked(self, timeout_s: float) -> tuple[list[Any], dict[int, str]]:
        ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=timeout_s)
        return ready, self._liveness.check()

    def _outcome(self, task: Any) -> AttemptOutcome:
        slot = self._tasks.pop(task)
        try:
            answer = self._call(lambda: self._ray.get(task))
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
        self._liveness.ended(slot)
        if actor is not None:
            self._call(lambda: self._ray.kill(actor, no_restart=True))

    def close(self) -> None:
        """End all workers and leave Ray."""
        self._head.close()
        # not in the thread of the other calls: one of them may still be waiting
        leaving = threading.Thread(target=self._leave, name="testbed-leaving-ray", daemon=True)
        leaving.start()
        leaving.join(LEAVING_S)
        if self._watchdog is not None:
            self._watchdog.close()

    def _leave(self) -> None:
        if not self._head.is_lost():
            for actor in self._actors.values():
                self._ray.kill(actor, no_restart=True)
            if self._models is not None:
                self._models.close()
        self._ray.shutdown()
