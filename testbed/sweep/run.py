"""From plans to a run folder: opens or creates it, locks it, chooses the pool, and does what is missing."""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import __version__, agents
from testbed.core import extras
from testbed.core.errors import StoreError, UsageError
from testbed.core.records import EpisodePlan
from testbed.scenario.schema import Scenario
from testbed.store import PlannedEpisode, RunFolder, RunManifest, writable
from testbed.sweep.interrupt import interruptible
from testbed.sweep.ledger import open_ledger
from testbed.sweep.pool import ProcessPool, WorkerPool
from testbed.sweep.schedule import SCRATCH, EpisodeProgress, RunSummary, Schedule, deadline_s, missing
from testbed.sweep.worker import RunnerSpec
from testbed.world.render.placement import renderer_device

VERSIONED = ("carla", "gymnasium", "numpy", "peft", "ray", "torch", "transformers", "warp-lang")
"""Distributions whose versions stand in the manifest, where they are installed."""


REPORTS = Path("reports")
"""Folder below the working directory that receives runs."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run is about.

    Attributes:
        name: Name of the scenario or sweep.
        text: The question in a sentence.
        scenarios: Its scenarios; their claims are judged in the report.
        plans: Its episodes in order.
        stopping: See `testbed.store.RunManifest`.
    """

    name: str
    text: str
    scenarios: tuple[Scenario, ...]
    plans: tuple[EpisodePlan, ...]
    stopping: str = ""

    def __post_init__(self) -> None:
        """Refuse, by `UsageError`, two agent files of one name: nobody could tell them apart in the report."""
        files: dict[str, Path] = {}
        for plan in self.plans:
            if plan.agent_file:
                path = Path(plan.agent_file).resolve()
                other = files.setdefault(plan.agent, path)
                if other != path:
                    raise UsageError(f"two agent files are called {plan.agent}: {other} and {path}", hint="rename one")

    @property
    def run_id(self) -> str:
        """Return the name of the default run folder: the same episodes have the same one, so a command resumes."""
        digest = hashlib.sha256("\n".join(sorted(plan.key for plan in self.plans)).encode("ascii")).hexdigest()
        return f"{self.name}-{digest[:8]}"

    @property
    def folder(self) -> Path:
        """Return the default run folder."""
        return REPORTS / "-".join(filter(None, (self.run_id, self.stopping)))


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """What a run is carried out with.

    Attributes:
        jobs: Workers at once.
        ray: None for local processes, ``auto`` for a Ray of our own, else the address of a cluster.
        runner: How each worker makes its runner.
    """

    jobs: int = 1
    ray: str | None = None
    runner: RunnerSpec = RunnerSpec()

    def pool(self, scratch: Path, plans: Sequence[EpisodePlan]) -> WorkerPool:
        """Start the pool for some plans, no larger than there are of them."""
        size = max(1, min(self.jobs, len(plans)))
        if self.ray is None:
            return ProcessPool(size, self.runner, scratch)
        extras.require("--ray", ("ray", "psutil"))
        from testbed.sweep.ray_pool import RayPool

        return RayPool(size, self.runner, scratch, self.ray, plans)


def check_agents(plans: Iterable[EpisodePlan], runner: RunnerSpec) -> None:
    """Check, before a simulator is started, that agents of plans can be loaded here, where they are to run.

    Raises:
        MissingExtraError: An agent needs an extra that is not installed.
        UsageError: A GPU is asked for that is not there.
    """
    if runner.carla is None:
        renderer_device(runner.device)
    for agent in dict.fromkeys(plan.agent_here for plan in plans):
        agents.check_extras(agent)
        agents.check_device(agent, runner.device)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from working on a run folder; the kernel lifts the lock when this one ends, however.

    Raises:
        UsageError: Another process works on it.
        StoreError: The folder cannot be written to.
    """
    writable(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{folder}: another process is working on this run") from None
        yield
    finally:
        os.close(descriptor)


def open_run(request: RunRequest, folder: Path, command: str = "") -> tuple[RunFolder, str]:
    """Make a run folder or take one up; what it planned before stays planned.

    Args:
        request: What is asked now.
        folder: Run folder.
        command: Command that repeats the run.

    Returns:
        The run, and a sentence about a damaged manifest that was written anew, or an empty string.

    Raises:
        StoreError: It cannot be written, or is a folder of something else.
    """
    note = ""
    planned: dict[str, PlannedEpisode] = {}
    scenarios = {scenario.name: scenario.dump() for scenario in request.scenarios}
    fresh = RunManifest.of(
        folder.resolve().name,
        request.plans,
        scenarios=scenarios,
        command=command,
        versions=_versions(),
        created_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        notes=request.text,
        stopping=request.stopping,
    )
    try:
        before = RunFolder.open(folder).manifest() if (folder / "manifest.json").exists() else None
    except StoreError as error:
        note, before = f"{error}; written anew, stored episodes are kept", None
    if before is not None:
        planned = {episode.key: episode for episode in before.planned}
        fresh = fresh.model_copy(
            update={
                "created_utc": before.created_utc,
                "stopping": before.stopping or fresh.stopping,
                "scenarios": {**before.scenarios, **fresh.scenarios},
                "digests": {**before.digests, **fresh.digests},
            }
        )
    planned.update({episode.key: episode for episode in fresh.planned})
    fresh = fresh.model_copy(update={"planned": tuple(planned.values())})
    run = RunFolder.open(folder) if fresh == before else RunFolder.create(folder, fresh)
    run.clean()
    return run, note


def _versions() -> dict[str, str]:
    return {"testbed": __version__, **extras.versions(VERSIONED)}


def carry_out(
    request: RunRequest,
    folder: Path,
    settings: ExecutionSettings,
    *,
    report: Callable[[EpisodeProgress], None] | None = None,
    deadline: Callable[[EpisodePlan], float] = deadline_s,
    command: str = "",
) -> RunSummary:
    """Do what is missing of a request in a run folder.

    Args:
        request: What is asked.
        folder: Run folder, made when absent.
        settings: Workers.
        report: Told after every episode.
        deadline: Wall seconds one attempt may take.
        command: Command that repeats the run.

    Returns:
        The counts, see `RunSummary.check`.

    Raises:
        TestbedError: An error that would come again in every episode.
        Interrupted: Ctrl-C or SIGTERM; the same call resumes.
    """
    with interruptible(), locked(folder):
        run, note = open_run(request, folder, command)
        ledger, damage = open_ledger(folder)
        with ledger:
            ledger.add(request.plans)
            todo = missing(request.plans, run, ledger)
            summary = RunSummary(len(request.plans), len(request.plans), 0, 0, 0)
            if todo:
                pool = settings.pool(folder / SCRATCH, todo)
                work = Schedule(request.plans, todo, run, ledger, pool, report=report, deadline=deadline)
                summary = work.carry_out()
        return dataclasses.replace(summary, note="; ".join(filter(None, (note, damage))))
