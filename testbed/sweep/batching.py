"""Requests of many callers, answered together: whoever asks waits for the others a few milliseconds at most.

Callers block in `Batcher.ask`. One thread answers: it takes the oldest request and all that can be answered with it,
as soon as there are enough of them or the oldest has waited its time. What comes in while it works waits for the next
batch, so under load batches fill by themselves. When too many wait, further callers are held back until there is room.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How long and how many.

    Attributes:
        wait_s: Longest time that the oldest request waits for others while nothing is being answered.
        most: Requests that are answered together.
        capacity: Requests that may wait; further callers are held back.
        callers: Who can ask at the same time; when all of them wait, nobody else can come.
    """

    wait_s: float = 0.005
    most: int = 16
    capacity: int = 64
    callers: int = 1_000_000

    def __post_init__(self) -> None:
        """Refuse limits under which nothing is ever answered."""
        if self.wait_s < 0.0 or min(self.most, self.capacity, self.callers) < 1:
            raise ValueError(f"batches take a time of at least 0 s and counts of at least 1: {self}")


class BatcherClosed(RuntimeError):
    """Raised to callers whose request is dropped because the batcher was closed."""


@dataclass(eq=False)
class _Waiting(Generic[Request, Answer]):
    """One caller's request and, in the end, its answer or error."""

    request: Request
    group: Hashable
    since_s: float
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Answer | BaseException | None = None


class Batcher(Generic[Request, Answer]):
    """Answer requests together.

    Args:
        answer: Takes requests of one group and returns an answer or an exception for each, in their order; what it
            raises is raised to all of them.
        group: Requests of the same group can be answered together.
        limits: How long and how many.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Request]], Sequence[Answer | BaseException]],
        group: Callable[[Request], Hashable],
        limits: BatchLimits,
    ) -> None:
        """Start the thread that answers."""
        self._answer, self._group, self._limits = answer, group, limits
        self._queue: deque[_Waiting[Request, Answer]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.sizes: Counter[int] = Counter()
        """How many batches there were of each size."""
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> Answer:
        """Return the answer to a request; blocks until it is there.

        Raises:
            BatcherClosed: The batcher was closed before.
            Exception: What answering it raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._queue) < self._limits.capacity)
            if self._closed:
                raise BatcherClosed("nobody answers any more")
            waiting: _Waiting[Request, Answer] = _Waiting(request, self._group(request), time.monotonic())
            self._queue.append(waiting)
            self._changed.notify_all()
        waiting.done.wait()
        if isinstance(waiting.outcome, BaseException):
            raise waiting.outcome
        return cast(Answer, waiting.outcome)

    def close(self) -> None:
        """Answer what is being answered, drop what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        while self._queue:
            self._end(self._queue.popleft(), BatcherClosed("nobody answers any more"))

    def _work(self) -> None:
        while batch := self._next():
            self.sizes[len(batch)] += 1
            try:
                outcomes = self._answer([waiting.request for waiting in batch])
                if len(outcomes) != len(batch):
                    raise RuntimeError(f"{len(outcomes)} answers to {len(batch)} requests")
            except BaseException as error:
                outcomes = [error] * len(batch)
            for waiting, outcome in zip(batch, outcomes, strict=True):
                self._end(waiting, outcome)

    def _next(self) -> list[_Waiting[Request, Answer]]:
        """Wait for the next batch and take it out of the queue; empty once closed."""
        limits = self._limits
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._queue))
            while not self._closed:
                oldest = self._queue[0]
                batch = [waiting for waiting in self._queue if waiting.group == oldest.group][: limits.most]
                left_s = oldest.since_s + limits.wait_s - time.monotonic()
                if left_s <= 0.0 or len(batch) == limits.most or len(self._queue) >= limits.callers:
                    for waiting in batch:
                        self._queue.remove(waiting)
                    self._changed.notify_all()
                    return batch
                self._changed.wait(left_s)
            return []

    def _end(self, waiting: _Waiting[Request, Answer], outcome: Answer | BaseException) -> None:
        waiting.outcome = outcome
        waiting.done.set()
