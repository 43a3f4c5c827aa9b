"""The drive of a run that a user means, and what its trace holds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.core.errors import UsageError
from testbed.core.records import EpisodeRecord
from testbed.store import PlannedEpisode, RunFolder, TraceReader
from testbed.store.foxglove_messages import log

SHOWN_KEY = 8
"""Digits of a key that are shown: with fewer than a thousand drives, enough to tell them apart."""

MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class TopicCount:
    """A topic of a trace: its schema, and how many messages it has."""

    topic: str
    schema: str
    messages: int


@dataclass(frozen=True)
class StoredDrive:
    """A finished drive with its trace.

    Attributes:
        record: What happened in it.
        trace: Its trace, whose checksum is right.
    """

    record: EpisodeRecord
    trace: Path

    @functools.cached_property
    def reader(self) -> TraceReader:
        """Reads the trace."""
        return TraceReader(self.trace)

    @property
    def title(self) -> str:
        """Which drive it is, in words."""
        return _title(self.record)

    def document(self) -> dict[str, Any]:
        """Return what the trace holds, as JSON types.

        Raises:
            StoreError: The trace is damaged.
        """
        plan = self.record.plan
        topics = self.reader.topics()
        return {
            "key": plan.key,
            "scenario": plan.scenario,
            "agent": plan.agent,
            "condition": plan.condition,
            "seed": plan.seed,
            "trace": str(self.trace),
            "trace_version": self.reader.version,
            "bytes": self.trace.stat().st_size,
            "duration_s": self.reader.duration_s(),
            "topics": {name: {"schema": schema, "messages": count} for name, (schema, count) in topics.items()},
            "events": [
                {"t_s": event.t_s, "kind": event.kind, "message": log(event)["message"]} for event in self.record.events
            ],
            "metadata": self.reader.metadata(),
        }

    def topics(self) -> list[TopicCount]:
        """Return the topics of the trace, in the order in which they were declared."""
        return [TopicCount(name, schema, count) for name, (schema, count) in self.reader.topics().items()]


def find_drive(folder: Path, beginning: str) -> StoredDrive:
    """Return the drive of a run whose key begins with some digits.

    Args:
        folder: Run folder.
        beginning: First digits of the key; empty is enough in a run of one drive.

    Raises:
        UsageError: No drive, or more than one, has such a key, or it failed and has no trace, or is not stored.
        StoreError: There is no run, or its manifest or the drive is damaged.
    """
    run = RunFolder.open(folder)
    planned = run.manifest().planned
    keys = [key for key in run.keys() if key.startswith(beginning.lower())]
    if not keys:
        _refuse_unstored([one for one in planned if one.key.startswith(beginning.lower())], folder)
    if len(keys) != 1:
        many = f"{len(keys)} drives whose keys begin with {beginning!r}" if beginning else f"{len(keys)} drives"
        told = many if keys else f"no drive whose key begins with {beginning!r}"
        raise UsageError(f"{folder} has {told}", hint=_choices(run, keys or run.keys()))
    record = run.read_episode(keys[0])
    trace = run.file_of(keys[0], record.trace) if record.trace else None
    if trace is None:
        why = f": it {record.status}, {record.error}" if record.error else ""
        raise UsageError(f"{_title(record)} ({keys[0][:SHOWN_KEY]}) has no trace{why}")
    return StoredDrive(record, trace)


def _refuse_unstored(planned: Sequence[PlannedEpisode], folder: Path) -> None:
    """Refuse drives that a run has planned and does not hold.

    Raises:
        UsageError: There are some.
    """
    if not planned:
        return
    again = "the command that began the run drives what is missing"
    if len(planned) > 1:
        raise UsageError(f"{folder}: {len(planned)} drives are planned, but not stored", hint=again)
    (one,) = planned
    what = f"{one.scenario}, {one.agent}, {one.condition}, seed {one.seed} ({one.key[:SHOWN_KEY]})"
    raise UsageError(f"{folder}: {what} is planned, but not stored", hint=again)


def _choices(run: RunFolder, keys: list[str]) -> str:
    """Return which keys a user can choose from."""
    shown = [f"{key[:SHOWN_KEY]} ({_title(run.read_episode(key))})" for key in keys[:MOST_SHOWN]]
    more = f" and {len(keys) - MOST_SHOWN} more" if len(keys) > MOST_SHOWN else ""
    return f"choose one by the first digits of its key: {'; '.join(shown)}{more}" if shown else "it holds no drive"


def _title(record: EpisodeRecord) -> str:
    plan = record.plan
    return f"{plan.scenario}, {plan.agent}, {plan.condition}, seed {plan.seed}"
