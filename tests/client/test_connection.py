"""Whatever stands at ``--carla HOST:PORT``, the user learns within seconds what is wrong with it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from testbed.client import connect
from testbed.client.connection import parse_address
from testbed.core.errors import UnreachableError, UsageError


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a listener that takes connections and never says a word, like many a server would."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)
        for one in held:
            one.close()


def test_a_listener_that_is_no_carla_is_named(mute: int) -> None:
    with pytest.raises(UnreachableError, match=f"127.0.0.1:{mute} does not answer as a CARLA server"):
        connect(f"127.0.0.1:{mute}")


def test_a_port_where_nothing_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"no CARLA server answers at 127.0.0.1:{port}"):
        connect(f"127.0.0.1:{port}")


@pytest.mark.parametrize("text", ["host:port", "host:0", "host:70000", ":2000"])
def test_addresses_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no server address"):
        parse_address(text)


def test_the_port_may_be_left_out() -> None:
    assert parse_address("gpu-node") == ("gpu-node", 2000)
