"""Pools of processes: what they give back, and what a user is told when one dies."""

from __future__ import annotations

import os
import signal

import pytest

from testbed.core.errors import TestbedError
from testbed.core.processes import processes


def test_work_is_done_in_processes_that_leave_ctrl_c_to_the_caller() -> None:
    with processes(2, os.umask, (0o027,)) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        assert pool.submit(os.umask, 0o027).result() == 0o027, "what is called first was called"


def test_a_process_that_dies_is_told_in_one_sentence() -> None:
    with pytest.raises(TestbedError, match="one of 2 processes died.*fewer --jobs"), processes(2) as pool:
        pool.submit(os._exit, 9).result()


def test_an_error_drops_what_has_not_begun() -> None:
    with pytest.raises(ZeroDivisionError), processes(1) as pool:
        first = pool.submit(divmod, 1, 0)
        later = [pool.submit(signal.sigtimedwait, (), 0.2) for _ in range(20)]
        first.result()
    assert later[-1].cancelled()
