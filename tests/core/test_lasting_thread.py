"""The thread that outlives those who use it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from testbed.core import lasting_thread


def test_what_is_called_answers_and_raises_as_if_called_here() -> None:
    assert lasting_thread.call(lambda: threading.current_thread().name) != threading.current_thread().name
    with pytest.raises(ZeroDivisionError):
        lasting_thread.call(lambda: 1 // 0)


def test_it_is_the_same_thread_for_everybody_also_from_within() -> None:
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(lasting_thread.call(threading.get_ident)))
    other.start()
    other.join()
    assert found == [lasting_thread.call(lambda: lasting_thread.call(threading.get_ident))]


def test_what_looking_around_raises_ends_the_waiting_but_not_the_call() -> None:
    ended = threading.Event()

    def slow() -> None:
        time.sleep(2.0 * lasting_thread.LOOK_S)
        ended.set()

    with pytest.raises(LookupError):
        lasting_thread.call(slow, look=lambda: {}[0])
    assert not ended.is_set()
    assert ended.wait(5.0)


def test_an_error_of_time_is_the_functions_own() -> None:
    def slow() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        lasting_thread.call(slow, look=lambda: None)


def test_a_signal_is_served_at_once_and_what_was_begun_is_undone() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    undone: list[str] = []
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            lasting_thread.call(lambda: time.sleep(0.5) or "made", undo=undone.append)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert undone == ["made"]


def test_a_fork_has_one_of_its_own() -> None:
    lasting_thread.call(lambda: None)
    child = os.fork()
    if child == 0:
        os._exit(0 if lasting_thread.call(lambda: 7) == 7 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
