"""Strips share the work on one picture among threads. No bit depends on how many there are.

On the CPU a kernel runs on the thread that launches it, and Python's lock is released meanwhile: every thread launches
kernels for rows or clusters of triangles of its own. On a GPU there is one launch for everything.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from testbed.core.errors import UsageError


class Strips:
    """Threads of one renderer; they start with the first picture and idle between kernels.

    Attributes:
        threads: How many strips a picture is cut into.
    """

    def __init__(self, threads: int) -> None:
        """Take the number of threads.

        Raises:
            UsageError: If there is not at least one.
        """
        if threads < 1:
            raise UsageError(f"a picture cannot be drawn by {threads} threads", hint="use 1 or more")
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "strip") if threads > 1 else None

    def share(self, count: int, index: int) -> int:
        """Return how many of ``count`` rows are a strip's: ``index``, ``index + threads`` and so on."""
        return len(range(index, count, self.threads))

    def begin(self, work: Callable[[int], None]) -> Callable[[], None]:
        """Let the other threads call ``work(index)`` from now on, each its own index from 1.

        A sleeping thread takes a third of a millisecond to wake up on small machines: begin early.

        Returns:
            What calls ``work(0)`` on the calling thread and waits for all.
        """
        others = [] if self._pool is None else [self._pool.submit(work, index) for index in range(1, self.threads)]

        def finish() -> None:
            work(0)
            for other in others:
                other.result()

        return finish
