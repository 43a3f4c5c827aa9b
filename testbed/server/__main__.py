"""``python -m testbed.server --port 2000 --map highway``: the embedded CARLA server in the foreground."""

from __future__ import annotations

import argparse
import gc
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from testbed.core.errors import TestbedError, UsageError
from testbed.core.home import usable_home
from testbed.core.process_life import die_with_parent
from testbed.server.process import RENDER_THREADS
from testbed.world.render.placement import renderer_device

if TYPE_CHECKING:
    from testbed.server.rpc.event_loop import Loop


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.server",
        description="Serve the embedded CARLA simulator (protocol of carla==0.9.16) on ports PORT (calls) and PORT+1.",
    )
    parser.add_argument("--map", default="highway", help="shipped map, or path of an .xodr file (default: highway)")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=2000, help="RPC port; 0 for any free pair (default: 2000)")
    parser.add_argument(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda[:N]",
        help="where pictures are drawn (default: auto, the CPU, whose pictures are the same on every machine)",
    )
    parser.add_argument(
        "--render-threads",
        type=int,
        metavar="N",
        help=f"threads that draw one picture on the CPU; its bits do not depend on it (default: {RENDER_THREADS} of the"
        " environment, else 2 where there are two cores; use 1 when as many servers as cores run at once)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of episode ids and sensor noise (default: 0)")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow --host other than loopback; the protocol has no authentication",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="offer none of our own blueprints and let texture calls change nothing, as on some CARLA servers",
    )
    for name in ("--ready-fd", "--lifeline-fd", "--parent"):
        parser.add_argument(name, type=int, default=-1, help=argparse.SUPPRESS)
    return parser


def render_threads(option: int | None, environment: Mapping[str, str]) -> int:
    """Return how many threads draw a picture.

    Args:
        option: What the command line says, or None.
        environment: Environment variables.

    Raises:
        UsageError: The number is not a positive integer.
    """
    text = environment.get(RENDER_THREADS, "") if option is None else str(option)
    if not text:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        return min(2, cores)
    if not text.isdecimal() or int(text) < 1:
        name = RENDER_THREADS if option is None else "--render-threads"
        raise UsageError(f"{name} is {text!r}, not a number of threads", hint="use 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, Ctrl-C, or the end of the parent; return the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        return _serve(options)
    except TestbedError as error:
        print(f"error[{error.code}]: {error}", file=sys.stderr)
        return error.exit_code


def _serve(options: argparse.Namespace) -> int:
    _check_host(options.host, options.allow_remote)
    if not 0 <= options.port < 65535:
        raise UsageError(f"--port {options.port} is not between 0 and 65534")
    if options.parent > 0:
        die_with_parent(options.parent)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    usable_home()
    device = renderer_device(options.device)

    # Ports first: a busy one is told before seconds are spent on loading.
    from testbed.server.rpc.event_loop import Loop, bind_pair

    calls, streams = bind_pair(options.host, options.port)
    port = int(calls.getsockname()[1])

    import testbed.server.rpc.calls  # noqa: F401  registers the handlers
    from testbed.server.rpc.server import Server, attach
    from testbed.world.maps.catalogue import load_map

    server = Server(
        load_map(options.map),
        port + 1,
        seed=options.seed,
        device=device,
        render_threads=render_threads(options.render_threads, os.environ),
        plain=options.plain,
    )
    server.scene_sync.warm_up()
    loop = Loop()
    attach(loop, server, calls, streams)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    wake_read, wake_write = os.pipe()
    for descriptor in (wake_read, wake_write):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake_write)  # a signal interrupts the wait even though Python retries the system call
    loop.watch(wake_read, lambda: _drain(wake_read))
    if options.lifeline_fd >= 0:
        os.set_blocking(options.lifeline_fd, False)
        loop.watch(options.lifeline_fd, lambda: _lifeline(loop, options.lifeline_fd))
    gc.collect()
    gc.freeze()
    if options.ready_fd >= 0:
        os.write(options.ready_fd, (json.dumps({"port": port, "stream_port": port + 1}) + "\n").encode())
        os.close(options.ready_fd)
    else:
        print(f"serving CARLA {server.version} on {options.host}:{port}, map {options.map}", flush=True)
    try:
        loop.run(server.timer)
    finally:
        loop.close()
    return 0


def _drain(descriptor: int) -> None:
    with suppress(BlockingIOError):
        os.read(descriptor, 64)


def _lifeline(loop: Loop, descriptor: int) -> None:
    """Stop when the pipe that the parent holds open is closed."""
    with suppress(BlockingIOError):
        if not os.read(descriptor, 64):
            loop.stop()


def _check_host(host: str, allowed: bool) -> None:
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if loopback:
        return
    if not allowed:
        raise UsageError(
            f"--host {host} is not a loopback address; anyone who reaches it could drive the simulator",
            hint="add --allow-remote if that is what you want",
        )
    print(f"warning: listening on {host} without authentication", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
