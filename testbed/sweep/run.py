"""From plans to a run folder: opens or creates it, locks it, chooses the pool, and does what is missing."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.core.errors import StoreError, UsageError
from testbed.core.records import EpisodePlan
from testbed.scenario.schema import Scenario
from testbed.store import RunFolder
from testbed.sweep.interrupt import interruptible
from testbed.sweep.pool import Pool, ProcessPool
from testbed.sweep.schedule import SCRATCH, Progress, Schedule, Summary, deadline_s, missing
from testbed.sweep.worker import RunnerSpec

LOCK_NAME = ".lock"


@dataclass(frozen=True, slots=True)
class Question:
    """What a run is about.

    Attributes:
        name: Name of the scenario or sweep.
        text: The question in a sentence.
        scenarios: Its scenarios; their claims are judged in the report.
        plans: Its episodes in order.
    """

    name: str
    text: str
    scenarios: tuple[Scenario, ...]
    plans: tuple[EpisodePlan, ...]

    @property
    def run_id(self) -> str:
        """Return the name of the default run folder: the same episodes have the same one, so a command resumes."""
        digest = hashlib.sha256("\n".join(sorted(plan.key for plan in self.plans)).encode("ascii")).hexdigest()
        return f"{self.name}-{digest[:8]}"


@dataclass(frozen=True, slots=True)
class Means:
    """What a run is carried out with.

    Attributes:
        jobs: Workers at once.
        ray: None for local processes, ``auto`` for a Ray of our own, else the address of a cluster.
        runner: How each worker makes its runner.
    """

    jobs: int = 1
    ray: str | None = None
    runner: RunnerSpec = RunnerSpec()

    def pool(self, scratch: Path, episodes: int) -> Pool:
        """Start the pool, no larger than there are episodes."""
        size = max(1, min(self.jobs, episodes))
        if self.ray is None:
            return ProcessPool(size, self.runner, scratch)
        from testbed.sweep.cluster import RayPool

        return RayPool(size, self.runner, scratch, self.ray)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from working on a run folder; the kernel lifts the lock when this one ends, however.

    Raises:
        UsageError: Another process works on it.
        StoreError: The folder cannot be written to.
    """
    path = folder / LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise UsageError(f"{folder}: process {owner} is working on this run") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def carry_out(
    question: Question,
    folder: Path,
    means: Means,
    *,
    report: Callable[[Progress], None] | None = None,
    deadline: Callable[[EpisodePlan], float] = deadline_s,
) -> Summary:
    """Do what is missing of a question in a run folder.

    Args:
        question: The question.
        folder: Run folder, made when absent.
        means: Workers.
        report: Told after every episode.
        deadline: Wall seconds one attempt may take.

    Returns:
        The counts, see `Summary.check`.

    Raises:
        TestbedError: An error that would come again in every episode.
        Interrupted: Ctrl-C or SIGTERM; the same call resumes.
    """
    with interruptible(), locked(folder):
        run = RunFolder.create(folder, question=question.text, scenarios=question.scenarios, plans=question.plans)
        todo = missing(question.plans, run)
        if not todo:
            return Summary(len(question.plans), len(question.plans), 0, 0, 0)
        pool = means.pool(folder / SCRATCH, len(todo))
        return Schedule(question.plans, run, pool, report=report, deadline=deadline).carry_out()
