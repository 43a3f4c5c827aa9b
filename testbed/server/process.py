"""Start the embedded server as a child process that dies with its parent, on free loopback ports.

The child runs ``python -m testbed.server`` and reports its ports through a pipe once it is ready (kernels loaded). Its
parent's death ends it twice over: the kernel kills it, whatever state it is in (Linux), and it ends by itself when a
pipe closes whose write end the parent holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import IO, Self

from testbed.core import lasting_thread
from testbed.core.errors import PortBusyError, ServerError
from testbed.core.process_life import StandstillClock

READY_TIMEOUT_S = 120.0
RENDER_THREADS = "TESTBED_RENDER_THREADS"
"""Environment variable with the server's default of ``--render-threads``; sweeps set it for their workers."""
STOP_TIMEOUT_S = 3.0


class ServerHandle:
    """A running server.

    Attributes:
        host: Address it listens on.
        port: RPC port; streams are on the next one.
        pid: Process id.
    """

    def __init__(self, host: str, port: int, process: subprocess.Popen[bytes], lifeline: int, log: IO[bytes]) -> None:
        """Take over a started process; `start_server` does that."""
        self.host = host
        self.port = port
        self.pid = process.pid
        self._process = process
        self._lifeline = lifeline
        self._log = log
        self._standstill = StandstillClock()

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def trouble(self) -> str:
        """Return why it answers no more: it ended, or was stopped for some time; an empty string while it runs."""
        status = self._process.poll()
        if status is not None:
            return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return "was stopped" if self._standstill.given_up(self.pid) else ""

    def log_tail(self, characters: int = 2000) -> str:
        """Return the end of what the server wrote to its standard error."""
        return _tail(self._log, characters)

    def close(self) -> None:
        """End the server; returns when it is gone. Calling it again does nothing."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                _end(self._process)
        self._log.close()

    def __enter__(self) -> Self:
        """Return the handle."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server."""
        self.close()


def start_server(
    map_name: str = "highway",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    device: str = "cpu",
    timeout_s: float = READY_TIMEOUT_S,
    seed: int = 0,
    plain: bool = False,
) -> ServerHandle:
    """Start a server and wait until it is ready.

    Args:
        map_name: Shipped map or path of an ``.xodr`` file.
        host: Loopback address to bind to.
        port: RPC port; 0 finds a free pair of ports.
        device: Warp device of the renderer, "cpu" or "cuda:0".
        timeout_s: How long it may take; the first start on a machine compiles kernels.
        seed: Enters episode ids and sensor noise.
        plain: Offer no blueprints of our own, and let texture calls change nothing.

    Raises:
        PortBusyError: The port is in use.
        ServerError: It did not start; the message carries the end of its log.
    """
    ready_read, ready_write = os.pipe()
    life_read, life_write = os.pipe()
    log = tempfile.TemporaryFile(prefix="testbed-server-")
    command = [sys.executable, "-m", "testbed.server", "--map", map_name, "--host", host, "--port", str(port)]
    command += ["--device", device, "--seed", str(seed)]
    if plain:
        command.append("--plain")
    command += ["--ready-fd", str(ready_write), "--lifeline-fd", str(life_read), "--parent", str(os.getpid())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=environment,
            pass_fds=(ready_write, life_read),
            start_new_session=True,  # Ctrl-C goes to the parent, which closes us in order
        )

    try:
        # servers are started from worker threads, and the kernel ends a child with the thread that started it
        process = lasting_thread.call(start, undo=_end)
    except BaseException as error:
        for descriptor in (ready_read, life_write):
            os.close(descriptor)
        log.close()
        if isinstance(error, OSError):
            raise ServerError(f"cannot start the embedded server: {error}") from error
        raise
    finally:
        os.close(ready_write)
        os.close(life_read)
    try:
        ports = _await_ready(ready_read, process, timeout_s)
    except BaseException as error:
        os.close(life_write)
        _end(process)
        tail = _tail(log, 2000)
        log.close()
        if isinstance(error, ServerError):
            raise _explain(error, process.returncode, tail) from None
        raise
    finally:
        os.close(ready_read)
    return ServerHandle(host, ports, process, life_write, log)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _await_ready(descriptor: int, process: subprocess.Popen[bytes], timeout_s: float) -> int:
    """Return the RPC port that the child reports."""
    deadline = time.monotonic() + timeout_s
    standstill = StandstillClock()
    data = b""
    while not data.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0.0:
            raise ServerError(f"the embedded server was not ready after {timeout_s:.0f} s")
        if standstill.given_up(process.pid):
            raise ServerError("the embedded server was stopped while starting")
        if not select.select([descriptor], [], [], min(left, 1.0))[0]:
            continue
        chunk = os.read(descriptor, 4096)
        if not chunk:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5.0)
            raise ServerError(f"the embedded server ended while starting (status {process.poll()})")
        data += chunk
    return int(json.loads(data)["port"])


def _explain(error: ServerError, status: int | None, tail: str) -> ServerError:
    last = tail.strip().splitlines()[-1] if tail.strip() else ""
    if status == PortBusyError.exit_code and "in use" in last:
        return PortBusyError(last.removeprefix("error: "))
    return ServerError(f"{error}; it said: {last}" if last else str(error))


def _tail(log: IO[bytes], characters: int) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - characters))
    return log.read().decode("utf-8", "replace")
