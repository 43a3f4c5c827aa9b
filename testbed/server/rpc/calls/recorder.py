"""Recorder calls: their answers are text for people, and the embedded server records nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.server.rpc.arguments import text
from testbed.server.rpc.catalogue import method

if TYPE_CHECKING:
    from testbed.server.rpc.server import Server


@method("start_recorder")
def start_recorder(server: Server, name: object, additional: object) -> str:
    """Say that nothing is recorded (the testbed stores its own traces)."""
    return f"the embedded server does not record; no file {text(name)} was written\n"


@method("stop_recorder")
def stop_recorder(server: Server) -> None:
    """Accept."""


def _missing(name: str) -> str:
    return f"File {name} not found on the server\n"


@method("show_recorder_file_info")
def show_recorder_file_info(server: Server, name: object, show_all: object) -> str:
    """Say that there is no such file."""
    return _missing(text(name))


@method("show_recorder_collisions")
def show_recorder_collisions(server: Server, name: object, first: object, second: object) -> str:
    """Say that there is no such file."""
    return _missing(text(name))


@method("show_recorder_actors_blocked")
def show_recorder_actors_blocked(server: Server, name: object, time_s: object, distance_m: object) -> str:
    """Say that there is no such file."""
    return _missing(text(name))


@method("replay_file")
def replay_file(server: Server, name: object, *_: object) -> str:
    """Say that there is no such file."""
    return _missing(text(name))


def _accept(name: str) -> None:
    def accept(server: Server, *_: object) -> None:
        return None

    method(name)(accept)


for _name in ("stop_replayer", "set_replayer_time_factor", "set_replayer_ignore_hero", "set_replayer_ignore_spectator"):
    _accept(_name)
