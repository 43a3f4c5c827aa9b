"""The drives behind a case, each with the hashes of its record and its trace: ``evidence.csv``, and what cites it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from testbed.core.errors import StoreError
from testbed.report.run_view import RunView
from testbed.report.safety_case.nodes import Citation
from testbed.store.run_folder import RECORD, TRACE

EVIDENCE_FILE = "evidence.csv"
COLUMNS = (
    "drive", "agent", "scenario", "condition", "seed", "counts", "reason", "record_sha256", "trace_sha256", "cited_by",
)  # fmt: skip
COUNTS, INVALID, FAILED, NOT_RUN = "yes", "invalid attack", "failed", "not run"
UNKNOWN_AGENT = "?"
"""Whose a drive was that cannot be read: it stands in every case, for it may be anyone's counter-evidence."""
MOST_CITED = 6
"""Drives up to which a solution names every hash itself."""


@dataclass(slots=True)
class DriveEvidence:
    """A planned drive and what is stored of it.

    Attributes:
        key: Of the episode.
        agent: Which agent drove.
        scenario: Its scenario.
        condition: What was injected.
        seed: Its seed.
        counts: Whether it counts as a result, in a word.
        reason: Why it does not.
        record_sha256: Of its record; empty where there is none that can be read.
        trace_sha256: Of its trace; empty where there is none.
        cited_by: Solutions that rest on it, ``CASE:ID``.
    """

    key: str
    agent: str
    scenario: str
    condition: str
    seed: int
    counts: str
    reason: str = ""
    record_sha256: str = ""
    trace_sha256: str = ""
    cited_by: list[str] = field(default_factory=list)


def drives_of(view: RunView) -> list[DriveEvidence]:
    """Return every planned or stored drive of a run, in order of scenario, agent, condition and seed."""
    found: list[DriveEvidence] = []
    for episode in view.episodes:
        plan = episode.plan
        told = COUNTS if episode.valid else INVALID
        found.append(
            DriveEvidence(plan.key, plan.agent, plan.scenario, plan.condition, plan.seed, told, episode.reason)
        )
    for lost in view.lost:
        p = lost.planned
        reason = f"{lost.code} {lost.reason}".strip()
        found.append(DriveEvidence(p.key, p.agent, p.scenario, p.condition, p.seed, FAILED, reason))
    for p in view.not_run:
        found.append(DriveEvidence(p.key, p.agent, p.scenario, p.condition, p.seed, NOT_RUN))
    for drive in found:
        if drive.counts != NOT_RUN:
            stored = _stored(view, drive.key)
            drive.record_sha256, drive.trace_sha256 = stored.get(RECORD, ""), stored.get(TRACE, "")
    return sorted(found, key=lambda one: (one.scenario, one.agent, one.condition, one.seed, one.key))


def _stored(view: RunView, key: str) -> dict[str, str]:
    try:
        return view.folder.sums(key)
    except StoreError:
        return {}  # damaged: its row says so


def digest_of(drives: Iterable[DriveEvidence]) -> str:
    """Return the sha256 over the hashes of drives, in order of their keys."""
    return digest_of_hashes((one.record_sha256, one.trace_sha256) for one in sorted(drives, key=lambda one: one.key))


def digest_of_hashes(hashes: Iterable[tuple[str, str]]) -> str:
    """Return the sha256 over one line ``RECORD TRACE`` per drive."""
    return hashlib.sha256("".join(f"{record} {trace}\n" for record, trace in hashes).encode()).hexdigest()


def cite(drives: Collection[DriveEvidence], case: str, solution: str) -> Citation:
    """Return what a solution rests on, and note it with each of the drives.

    Args:
        drives: The drives.
        case: Name of the case's files, without ending.
        solution: Id of the solution.
    """
    for drive in drives:
        drive.cited_by.append(f"{case}:{solution}")
    few = sorted(drives, key=lambda one: one.key) if len(drives) <= MOST_CITED else []
    return Citation(
        digest_of(drives),
        len(drives),
        EVIDENCE_FILE,
        tuple(one.record_sha256 or "none" for one in few),
        tuple(one.trace_sha256 or "none" for one in few),
    )


def evidence_rows(drives: Iterable[DriveEvidence]) -> list[list[object]]:
    """Return the rows of the table of drives, its head first."""
    rows: list[list[object]] = [list(COLUMNS)]
    for one in drives:
        told = [one.key, one.agent, one.scenario, one.condition, one.seed, one.counts, one.reason]
        rows.append([*told, one.record_sha256, one.trace_sha256, " ".join(one.cited_by)])
    return rows
