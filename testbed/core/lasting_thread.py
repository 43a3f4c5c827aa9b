"""A thread that lives as long as its process, for what must not be started or waited for in any other.

Linux ends a child that asked for it when the *thread* that started it ends, not the process; a thread of a pool or of a
notebook may end long before. And a call into a library that blocks without the interpreter would keep the main thread
from serving signals: made here, it leaves that one free.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")

LOOK_S = 0.2
"""How often a waiting caller looks around."""

_NAME = "testbed-lasting"
_LOCK = threading.Lock()
_orders: tuple[int, queue.SimpleQueue[Any]] | None = None


def call(
    function: Callable[[], Result],
    *,
    undo: Callable[[Result], object] | None = None,
    look: Callable[[], object] | None = None,
) -> Result:
    """Call a function in the thread and wait for its end; signals are served meanwhile.

    From the thread itself it is simply called.

    Args:
        function: What to call.
        undo: Called with the result when the caller is interrupted before he has it.
        look: Called now and then in the waiting thread; what it raises ends the waiting, not the call.

    Raises:
        BaseException: What the function or `look` raises, or what interrupts the caller.
    """
    if threading.current_thread().name == _NAME:
        return function()
    future: Future[Result] = Future()
    _thread().put((future, function))
    if look is not None:
        while not _is_done(future, LOOK_S):
            look()
    try:
        return future.result()
    except BaseException:
        if undo is not None and future.exception() is None:
            undo(future.result())
        raise


def _is_done(future: Future[Any], timeout_s: float) -> bool:
    try:
        future.exception(timeout_s)
    except TimeoutError:
        return future.done()
    return True


def _thread() -> queue.SimpleQueue[Any]:
    """Return the queue of this process's thread; a fork has its parent's memory but not its threads."""
    global _orders
    with _LOCK:
        if _orders is None or _orders[0] != os.getpid():
            _orders = os.getpid(), queue.SimpleQueue()
            # a daemon: joined at the end of the interpreter, it would end its children before they are closed in order
            threading.Thread(target=_serve, args=(_orders[1],), name=_NAME, daemon=True).start()
        return _orders[1]


def _serve(orders: queue.SimpleQueue[Any]) -> None:
    while True:
        future, function = orders.get()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
        del future, function
