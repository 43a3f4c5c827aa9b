"""Processes that are stopped, and those that outlive a moment of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from testbed.core.process_life import StandstillClock, is_stopped


@pytest.fixture
def sleeper() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process.pid
    process.kill()
    process.wait()


def stopped(pid: int) -> bool:
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 5.0
    while not is_stopped(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_stopped(pid)


def test_a_process_is_stopped_only_while_it_is(sleeper: int) -> None:
    assert not is_stopped(sleeper)
    assert stopped(sleeper)
    os.kill(sleeper, signal.SIGCONT)
    time.sleep(0.1)
    assert not is_stopped(sleeper)
    assert not is_stopped(2**22 + 1), "nobody"


def test_one_that_was_stopped_for_a_moment_is_not_given_up(sleeper: int) -> None:
    clock = StandstillClock(patience_s=0.2)
    assert stopped(sleeper)
    assert not clock.given_up(sleeper)
    os.kill(sleeper, signal.SIGCONT)
    time.sleep(0.1)
    assert not clock.given_up(sleeper)
    assert stopped(sleeper)
    time.sleep(0.15)
    assert not clock.given_up(sleeper), "counted from the second stop"
    time.sleep(0.25)
    assert clock.given_up(sleeper)
