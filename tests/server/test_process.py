"""Life and death of the server process: ports, parents, signals, hosts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from testbed.core.errors import PortBusyError, ServerError
from testbed.server.process import ServerHandle, start_server


def run(*arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "testbed.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def gone(pid: int, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_busy_port_is_named_with_status_3(server: ServerHandle) -> None:
    for port in (server.port, server.port - 1):  # the second one collides with the stream port + 1
        result = run("--port", str(port))
        assert result.returncode == 3
        assert str(server.port) in result.stderr and "--port 0" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_start_server_reports_a_busy_port(server: ServerHandle) -> None:
    with pytest.raises(PortBusyError, match=str(server.port)):
        start_server(port=server.port)


def test_unknown_map_is_one_sentence() -> None:
    with pytest.raises(ServerError, match="Town99"):
        start_server("Town99")


def test_other_hosts_need_permission() -> None:
    result = run("--host", "0.0.0.0", "--port", "0")
    assert result.returncode == 2 and "--allow-remote" in result.stderr


def test_sigterm_ends_it_cleanly_and_frees_the_port() -> None:
    handle = start_server(timeout_s=170.0)
    try:
        os.kill(handle.pid, signal.SIGTERM)
        assert gone(handle.pid)
        assert not handle.alive() and handle._process.returncode == 0
        for port in (handle.port, handle.port + 1):
            socket.create_server((handle.host, port)).close()
    finally:
        handle.close()
        handle.close()


@pytest.mark.parametrize("stopped", [False, True])
def test_dies_with_its_parent_whatever_state_it_is_in(stopped: bool) -> None:
    script = (
        "import os, threading, time\n"
        "from testbed.server.process import start_server\n"
        "made = []\n"
        "thread = threading.Thread(target=lambda: made.append(start_server(timeout_s=170.0)))\n"
        "thread.start()\n"
        "thread.join()\n"  # the kernel ends children with the thread that started them
        "handle, = made\n"
        "time.sleep(0.5)\n"
        "assert handle.alive() and not handle.trouble()\n"
        "if os.fork():\n"  # a forked child keeps a copy of the pipe's end, as multiprocessing workers do
        "    print(handle.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert parent.stdout is not None
    try:
        server_pid = int(parent.stdout.readline())
        if stopped:
            os.kill(server_pid, signal.SIGSTOP)
        os.kill(parent.pid, signal.SIGKILL)
        assert gone(server_pid)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
