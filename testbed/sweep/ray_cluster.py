"""Starting a Ray of our own, or joining a cluster: quietly, with our signals, never waiting for what is not there.

A Ray of our own demands a token from whoever connects.
"""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import socket
import threading
from typing import Any

from testbed.core import lasting_thread
from testbed.core.errors import ServerError, UnreachableError, UsageError
from testbed.sweep.interrupt import SIGNALS
from testbed.sweep.ray_liveness import HeadProbe

_PROBE_S = 5.0
_TOKEN = secrets.token_hex(32)
"""Of every Ray that this process starts: Ray reads a token once."""
_HINT = "--ray auto starts one here"


def connect(size: int, address: str) -> tuple[Any, HeadProbe]:
    """Start or join Ray, quietly, and return the module and what looks after its head.

    Args:
        size: Workers at once.
        address: ``auto`` for a Ray of our own on this machine, else the address of a cluster.

    Raises:
        ServerError: A Ray of our own does not start.
        UnreachableError: There is no cluster at the address.
        UsageError: It is no address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # a busy machine takes longer to start than the 20 s that Ray waits
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "90")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address == "auto":
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", _TOKEN)
    else:
        _probe(address)
    # an import that a signal tears in two ends in ways of its own
    ray = lasting_thread.call(lambda: importlib.import_module("ray"))
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address == "auto":
        # More logical CPUs than cores: actors must never wait for one another (see the module docstring).
        options |= {"address": "local", "include_dashboard": False, "num_cpus": max(2, size)}
    else:
        options |= {"address": address}
    try:
        # In a thread of its own Ray cannot take SIGTERM for itself, nor be torn in two by ours while it starts; and its
        # processes, which die with the thread that started them, are to stay.
        lasting_thread.call(lambda: ray.init(**options), undo=lambda _: ray.shutdown())
    except Exception as error:  # Ray raises bare exceptions too
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if address == "auto":
            hint = "the machine may be too busy; without --ray the same command goes on with local processes"
            raise ServerError(f"Ray did not start: {reason}", hint=hint) from error
        raise UnreachableError(f"no Ray cluster at {address}: {reason}", hint=_HINT) from error
    finally:
        # below the interpreter Ray takes SIGTERM all the same, to print where it was
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, signal.getsignal(number))
    place = ray.get_runtime_context().gcs_address if address == "auto" else address
    host, _, port = place.removeprefix("ray://").rpartition(":")
    return ray, HeadProbe(host.strip("[]"), int(port))


def _probe(address: str) -> None:
    """Ray waits minutes for a cluster that is not there; a closed port says so at once.

    Raises:
        UnreachableError: Nothing listens at the address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--ray {address!r} is not understood", hint="use auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
    except (OSError, OverflowError) as error:
        raise UnreachableError(f"no Ray cluster at {address}: {error}", hint=_HINT) from error
