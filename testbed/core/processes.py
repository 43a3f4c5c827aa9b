"""Work on several processor cores of this machine: processes that start clean, and one sentence when one dies."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from typing import Any

from testbed.core.errors import TestbedError

CONTEXT: SpawnContext = multiprocessing.get_context("spawn")
"""Spawned, not forked: neither compiled kernels of the renderer nor the threads of torch survive a fork."""


@contextmanager
def processes(
    jobs: int, begin: Callable[..., object] | None = None, given: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes; at the end what has not begun is dropped and what has is waited for.

    Args:
        jobs: How many.
        begin: Called once in each of them first, importable by its name.
        given: Its arguments; queues and events of `CONTEXT` can be among them.

    Raises:
        TestbedError: One of them was killed, most often for want of memory.
    """
    pool = ProcessPoolExecutor(jobs, mp_context=CONTEXT, initializer=_begin, initargs=(begin, given))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise TestbedError(
            f"one of {jobs} processes died; memory may have run out", hint="try again with fewer --jobs"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(begin: Callable[..., object] | None, given: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of a terminal; the one that waits for these decides what becomes of their work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if begin is not None:
        begin(*given)
