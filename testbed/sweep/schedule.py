"""Carry out the plans of a run on a pool of workers: each exactly once, whatever dies on the way.

=======================================  ===========================================================================
what happens                             what is done
=======================================  ===========================================================================
a record comes back                      stored atomically, then noted in the ledger; a crash in between is found
                                         when the run is opened again, because the stored episodes are the truth
the worker, its node, the simulator or   the episode is tried again by a fresh worker, at most `RETRIES` times, then
a model actor dies, stands still or      recorded as failed with ``SIM_CRASH``, ``SIM_HANG`` or ``TB410`` (quarantine)
misses its deadline, an endpoint stays
away beyond its budget
a worker waits for room on a cluster     nothing counts as tried; another worker that is free takes its episode
the agent or a judge raises              recorded as failed with the error's code; the run goes on
anything else (weights, map, port, …)    it would come again in every episode: the run ends with that error
Ctrl-C, SIGTERM                          workers are killed, what was under way is planned again, resumable
=======================================  ===========================================================================
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from testbed.core.errors import InconclusiveError, SimulatorHangError, TestbedError
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.sweep.ledger import Ledger
from testbed.sweep.outcome import (
    SIM_CRASH,
    SIM_HANG,
    AttemptOutcome,
    belongs_to_episode,
    quarantine_code,
    worth_retrying,
)
from testbed.sweep.pool import WorkerPool

if TYPE_CHECKING:
    from testbed.store import RunFolder

RETRIES = 2
"""Further attempts after the first that infrastructure failures may cost."""

INCONCLUSIVE_SHARE = 0.10
"""Share of episodes lost to infrastructure above which a run answers nothing."""

HOPELESS_AFTER = 3
"""Quarantined episodes without a single result after which a run gives up early."""

SCRATCH = ".work"
"""Folder of logs and unfinished episodes inside a run folder."""

_START_ALLOWANCE_S = 180.0
_SECONDS_PER_SIMULATED_SECOND = 30.0


@dataclass(frozen=True, slots=True)
class EpisodeProgress:
    """Told after every change.

    Attributes:
        kind: ``done``, ``failed`` (both with ``record``) or ``retry`` (with ``reason``).
        plan: Episode it is about.
        finished: Episodes with a result, including those of earlier calls.
        total: Episodes of this call's question.
        record: Its record.
        reason: Why it is tried again.
    """

    kind: Literal["done", "failed", "retry"]
    plan: EpisodePlan
    finished: int
    total: int
    record: EpisodeRecord | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended.

    Attributes:
        planned: Episodes asked for.
        found: Of these, done before.
        done: Of these, done now.
        failed: Of these, failed now, infrastructure included.
        lost: Of these, failed for infrastructure reasons.
        note: A sentence about a repaired ledger, or an empty string.
    """

    planned: int
    found: int
    done: int
    failed: int
    lost: int
    note: str = ""

    def check(self) -> None:
        """Judge whether the run can answer anything.

        Raises:
            InconclusiveError: Too many episodes were lost to infrastructure.
        """
        if self.lost > INCONCLUSIVE_SHARE * self.planned:
            raise InconclusiveError(
                f"{self.lost} of {self.planned} episodes were lost because simulators, workers or endpoints failed",
                hint="the same command tries them again",
            )


def deadline_s(plan: EpisodePlan) -> float:
    """Return the wall seconds after which an attempt counts as hung; generous, simulators have a tick deadline too."""
    duration_s = plan.scene.get("duration_s", 60.0)
    return _START_ALLOWANCE_S + _SECONDS_PER_SIMULATED_SECOND * float(duration_s)


def missing(plans: Sequence[EpisodePlan], run: RunFolder, ledger: Ledger) -> list[EpisodePlan]:
    """Return the plans without a sound, finished record, in order, and make the ledger say so.

    Files that are as the ledger knows them are not read again: of a long run that would take hours.
    """
    entries = {entry.key: entry for entry in ledger.entries()}
    left = []
    for plan in plans:
        entry, stamp = entries[plan.key], run.stamp(plan.key)
        if stamp and entry.state == "done" and entry.stamp == stamp:
            continue
        if stamp and run.is_done(plan.key):
            ledger.finish(plan.key, "done", stamp=stamp)
            continue
        left.append(plan)
        if entry.state != "planned":
            ledger.release([plan.key])
    return left


class Schedule:
    """One call's work on a run folder.

    Args:
        plans: Episodes of the question, in order.
        todo: Those of them that are missing.
        run: Where records are stored.
        ledger: Of the run, open; knows all plans.
        pool: Workers; closed at the end.
        report: Told after every change.
        deadline: Wall seconds one attempt may take.
    """

    def __init__(
        self,
        plans: Sequence[EpisodePlan],
        todo: Sequence[EpisodePlan],
        run: RunFolder,
        ledger: Ledger,
        pool: WorkerPool,
        *,
        report: Callable[[EpisodeProgress], None] | None = None,
        deadline: Callable[[EpisodePlan], float] = deadline_s,
    ) -> None:
        """Prepare; nothing is started."""
        self._plans = plans
        self._run = run
        self._ledger = ledger
        self._pool = pool
        self._report = report or (lambda progress: None)
        self._deadline = deadline
        self._attempts: dict[str, int] = {}
        self._busy: dict[int, tuple[EpisodePlan, float]] = {}
        self._queue: deque[EpisodePlan] = deque(todo)
        self._found = len(plans) - len(todo)
        self._done = self._failed = self._lost = 0

    def carry_out(self) -> RunSummary:
        """Do what is missing.

        Returns:
            The counts; ``RunSummary.check`` judges them.

        Raises:
            TestbedError: An error that would come again in every episode.
            KeyboardInterrupt: The user or the system asked to end; the state is resumable.
        """
        try:
            while self._queue or self._busy:
                self._step()
        finally:
            self._pool.close()
            self._ledger.release([plan.key for plan, _ in self._busy.values()])
        if not self._failed:
            shutil.rmtree(self._run.path / SCRATCH, ignore_errors=True)
        return RunSummary(len(self._plans), self._found, self._done, self._failed, self._lost)

    def _step(self) -> None:
        now = time.monotonic()
        self._withdraw()
        # those that have a place first: a plan that was taken back goes to one of them
        for slot in sorted(range(self._pool.size), key=lambda slot: not self._pool.has_place(slot)):
            if slot not in self._busy and self._queue:
                plan = self._queue.popleft()
                self._attempts[plan.key] = self._attempts.get(plan.key, 0) + 1
                self._ledger.begin(plan.key)
                self._busy[slot] = (plan, now + self._deadline(plan))
                self._pool.submit(slot, plan)
        nearest = min((due for _, due in self._busy.values()), default=now)
        for outcome in self._pool.wait(max(0.01, min(1.0, nearest - now))):
            self._take(outcome)
        now = time.monotonic()
        for slot, (plan, due) in list(self._busy.items()):
            if not self._pool.has_place(slot):
                self._busy[slot] = (plan, now + self._deadline(plan))
            elif now > due:
                self._pool.kill(slot)
                error = SimulatorHangError(f"no result within {self._deadline(plan):.0f} s")
                self._take(AttemptOutcome(slot, error=error))

    def _withdraw(self) -> None:
        """Take a plan back from a worker that waits for room on a cluster where another one has nothing to do."""
        free = sum(slot not in self._busy and self._pool.has_place(slot) for slot in range(self._pool.size))
        if self._queue or not free:
            return
        for slot in [slot for slot in self._busy if not self._pool.has_place(slot)][:free]:
            plan, _ = self._busy.pop(slot)
            self._pool.kill(slot)
            self._attempts[plan.key] -= 1
            self._ledger.release([plan.key])
            self._queue.append(plan)

    def _take(self, outcome: AttemptOutcome) -> None:
        plan, _ = self._busy.pop(outcome.slot)
        if outcome.record is not None:
            self._keep(plan, outcome.record, outcome.folder)
            return
        error = outcome.error
        assert error is not None
        if worth_retrying(error):
            self._pool.kill(outcome.slot)
            if self._attempts[plan.key] <= RETRIES:
                self._ledger.release([plan.key])
                self._queue.appendleft(plan)
                self._tell("retry", plan, reason=str(error))
                return
            self._lost += 1
            self._keep(plan, self._failure(plan, quarantine_code(error), error), None)
            if self._lost >= HOPELESS_AFTER and not self._done and not self._found:
                raise InconclusiveError(f"the first {self._lost} episodes were all lost; the last one: {error}")
        elif belongs_to_episode(error):
            self._keep(plan, self._failure(plan, error.code, error), None)
        else:
            self._ledger.release([plan.key])
            raise error

    def _failure(self, plan: EpisodePlan, code: str, error: TestbedError) -> EpisodeRecord:
        return EpisodeRecord(plan=plan, status="failed", error_code=code, error=str(error))

    def _keep(self, plan: EpisodePlan, record: EpisodeRecord, folder: Path | None) -> None:
        record = record.model_copy(update={"attempts": self._attempts[plan.key]})
        trace, video = (folder / name if folder is not None and name else None for name in (record.trace, record.video))
        self._run.write_episode(record, trace, video)
        state: Literal["done", "failed"] = "done" if record.status == "done" else "failed"
        self._ledger.finish(plan.key, state, record.error_code, self._run.stamp(plan.key))
        if state == "done":
            self._done += 1
        else:
            self._failed += 1
        self._tell(state, plan, record=record)

    def _tell(
        self,
        kind: Literal["done", "failed", "retry"],
        plan: EpisodePlan,
        *,
        record: EpisodeRecord | None = None,
        reason: str = "",
    ) -> None:
        finished = self._found + self._done + self._failed
        self._report(EpisodeProgress(kind, plan, finished, len(self._plans), record, reason))


__all__ = ["SIM_CRASH", "SIM_HANG", "EpisodeProgress", "RunSummary", "Schedule", "deadline_s", "missing"]
