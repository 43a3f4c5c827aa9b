"""A small process that outlives a killed driver long enough to end what the driver started.

Ray's two agent processes do not notice when driver and raylet are killed. The watchdog reads one line with the
processes it answers for, then waits for the end of its stdin, which comes when the driver closes it or dies, however
it dies, and then kills those that are left. A process is known by its id and its start time, so that a reused id is
never hit.

    python -m testbed.sweep.process_watchdog
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import psutil

GRACE_S = 3.0
"""Time that the processes get to end by themselves."""


class ProcessWatchdog:
    """The driver's end: answers for all processes that the driver has started so far."""

    def __init__(self) -> None:
        """Start the process and tell it who is there."""
        watched = [(child.pid, child.create_time()) for child in psutil.Process().children(recursive=True)]
        command = [sys.executable, "-m", "testbed.sweep.process_watchdog"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(watched).encode("ascii") + b"\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Let it end what is left and wait for it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def main() -> int:
    """Wait for the driver's end, then kill its processes that are left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watched = json.loads(sys.stdin.readline() or "[]")
    sys.stdin.read()
    left = []
    for pid, started in watched:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.create_time() == started:
                left.append(process)
    _, left = psutil.wait_procs(left, timeout=GRACE_S)
    for process in left:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
