"""Progress of a run: a line per finished episode with the time left, on a TTY a counter, or JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from testbed.core.records import EpisodeRecord
    from testbed.sweep.run import RunRequest
    from testbed.sweep.schedule import EpisodeProgress


def duration(seconds: float) -> str:
    """Return ``42 s``, ``3 min`` or ``2 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def outcome_of(record: EpisodeRecord) -> str:
    """Return what came of an episode in a few words."""
    if record.status != "done":
        return f"FAILED {record.error_code}: {record.error}"
    kinds = list(dict.fromkeys(event.kind.replace("_", " ") for event in record.events))
    said = ", ".join(kinds) or "clean"
    return f"{said} (attack not valid: {record.invalid_reason})" if record.valid_attack is False else said


class ProgressConsole:
    """Print progress.

    Args:
        total: Number of episodes.
        stream: Where to; default stdout.
        as_json: Print JSON objects, one a line, and no counter.
    """

    def __init__(self, total: int, stream: TextIO | None = None, *, as_json: bool = False) -> None:
        """Print nothing yet."""
        self._total = total
        self._as_json = as_json
        self._stream = sys.stdout if stream is None else stream
        self._live = self._stream.isatty() and not as_json
        self._begin = time.monotonic()
        self._fresh = 0

    def __enter__(self) -> Self:
        """Return the console."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the counter."""
        self._clear()

    def begin(self, question: RunRequest, folder: Path) -> None:
        """Say what is asked and where answers go."""
        if self._as_json:
            self.tell("begin", question=question.text, run=str(folder), episodes=len(question.plans))
            return
        self._line(question.text)
        self._line(f"{len(question.plans)} episode{'s' if len(question.plans) != 1 else ''} into {folder}")
        self._count(0, None)

    def show(self, progress: EpisodeProgress) -> None:
        """Print one change."""
        plan = progress.plan
        if self._as_json:
            self._fresh += progress.record is not None
            self._tell(progress)
            return
        name = f"{plan.agent} {plan.condition} seed {plan.seed}"
        if progress.record is None:
            self._line(f"  again        {name}: {progress.reason}")
        else:
            self._fresh += 1
            place = f"{progress.finished:>{len(str(self._total))}}/{self._total}"
            left = self._left(progress.finished)
            told = [f"{progress.record.wall_s:.1f} s"] if progress.record.wall_s else []
            # a terminal counts in a line of its own; a log tells it here
            told += [f"about {duration(left)} left"] if left and not self._live else []
            took = f" ({', '.join(told)})" if told else ""
            self._line(f"  {place}  {name}: {outcome_of(progress.record)}{took}")
        self._count(progress.finished, self._left(progress.finished))

    def tell(self, event: str, **content: object) -> None:
        """Print one JSON object."""
        print(json.dumps({"event": event, **content}, sort_keys=True), file=self._stream, flush=True)

    def _tell(self, progress: EpisodeProgress) -> None:
        plan, record = progress.plan, progress.record
        whose = {"key": plan.key, "scenario": plan.scenario, "agent": plan.agent, "condition": plan.condition}
        content: dict[str, object] = {**whose, "seed": plan.seed, "finished": progress.finished, "of": self._total}
        if record is None:
            self.tell(progress.kind, **content, reason=progress.reason)
            return
        left = self._left(progress.finished)
        content |= {"events": [event.kind for event in record.events], "wall_s": record.wall_s, "left_s": left}
        failed = {"code": record.error_code, "reason": record.error} if record.status != "done" else {}
        self.tell(progress.kind, **content, **failed)

    def warn(self, sentence: str) -> None:
        """Print a warning on stderr."""
        self._clear()
        print(f"warning: {sentence}", file=sys.stderr)

    def _left(self, finished: int) -> float | None:
        if not self._fresh:
            return None
        return (time.monotonic() - self._begin) / self._fresh * (self._total - finished)

    def _line(self, text: str) -> None:
        self._clear()
        printable = "".join(character if character.isprintable() else "?" for character in text)
        print(printable, file=self._stream, flush=True)

    def _count(self, finished: int, left_s: float | None) -> None:
        if self._live and finished < self._total:
            left = f", about {duration(left_s)} left" if left_s is not None else ""
            print(f"  {finished} of {self._total} done{left} … ", end="", file=self._stream, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\x1b[K", end="", file=self._stream, flush=True)
