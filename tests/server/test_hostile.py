"""Nothing that arrives on a socket ends the server or someone else's episode."""

from __future__ import annotations

import math
import socket
import struct
from typing import Any

import msgpack
import numpy as np
import pytest

from testbed.server.process import ServerHandle


def call(sock: socket.socket, method: str, *arguments: object, message_id: int = 1) -> Any:
    sock.sendall(msgpack.packb([0, message_id, method, [[False], *arguments]]))
    return receive(sock)


def receive(sock: socket.socket) -> Any:
    unpacker = msgpack.Unpacker()
    while True:
        data = sock.recv(65536)
        if not data:
            return None
        unpacker.feed(data)
        for message in unpacker:
            return message


def connect(server: ServerHandle, offset: int = 0) -> socket.socket:
    sock = socket.create_connection((server.host, server.port + offset), timeout=10)
    sock.settimeout(10)
    return sock


@pytest.fixture(autouse=True)
def still_serving(server: ServerHandle, client: Any) -> Any:
    yield
    assert server.alive(), server.log_tail()
    assert client.get_server_version() == "0.9.16"


def test_random_bytes_on_both_ports(server: ServerHandle) -> None:
    generator = np.random.default_rng(7)
    for trial in range(60):
        with connect(server, trial % 2) as sock:
            try:
                sock.sendall(generator.bytes(int(generator.integers(1, 5000))))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except OSError:
                pass


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",  # array of 2^32 - 1
        b"\xdf\xff\xff\xff\xff",  # map of 2^32 - 1
        b"\xdb\xff\xff\xff\xff",  # string of 4 GiB
        b"\xc6\xff\xff\xff\xff",  # bytes of 4 GiB
        b"\x91" * 100_000,  # a hundred thousand arrays in each other
        msgpack.packb([0, 1, "version"]),
        msgpack.packb([0, "x", "version", []]),
        msgpack.packb({"a": 1}),
        msgpack.packb([1, 1, None, None]),
        msgpack.packb([0, 2**40, "version", []]),
        b"\xc1",
    ],
)
def test_malformed_messages_end_only_their_connection(server: ServerHandle, data: bytes) -> None:
    with connect(server) as sock:
        sock.settimeout(0.5)
        try:
            sock.sendall(data)
            assert sock.recv(16) == b""
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass  # an unfinished message: the server waits for the rest, within its limit


def test_a_message_without_end_is_cut_off(server: ServerHandle) -> None:
    import psutil

    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    with connect(server) as sock:
        block = (b"\xdd\x00\x1f\xff\xff" + b"\x90" * 8192) * 100
        try:
            for _ in range(60):
                sock.sendall(block)
        except OSError:
            pass
        else:
            pytest.fail("50 MB of nested arrays were swallowed")
    assert process.memory_info().rss - before < 3 << 30


def test_half_a_message_is_waited_for(server: ServerHandle) -> None:
    message = msgpack.packb([0, 5, "version", [[False]]])
    with connect(server) as sock:
        sock.sendall(message[:7])
        sock.sendall(message[7:])
        assert receive(sock) == [1, 5, None, [[1, "0.9.16"]]]


def test_unknown_method_is_an_rpc_error(server: ServerHandle) -> None:
    with connect(server) as sock:
        _, _, error, result = call(sock, "format_disk")
        assert "format_disk" in error and result is None


def test_known_method_without_handler_names_itself(server: ServerHandle) -> None:
    with connect(server) as sock:
        assert "get_gbuffer_token" in call(sock, "get_gbuffer_token", 1, 2)[3][0][1][0]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("spawn_actor", ()),
        ("spawn_actor", (1, 2)),
        ("spawn_actor", ([0, "vehicle.tesla.model3", []], [[math.nan, 0, 0], [0, 0, 0]])),
        ("spawn_actor", ([0, "vehicle.tesla.model3", [["color", 5, "red"]]], [[0, 0, 0], [0, 0, 0]])),
        ("spawn_actor", ([0, "sensor.camera.rgb", [["image_size_x", 2, "1e9"]]], [[0, 0, 0], [0, 0, 0]])),
        ("spawn_actor", ([0, "static.prop.decal", [["length_m", 3, "nan"]]], [[0, 0, 0], [0, 0, 0]])),
        ("get_actor_bounding_box", ("x",)),
        ("get_actor_bounding_box", (2**31,)),
        ("get_actors_by_id", ([None],)),
        ("set_episode_settings", ([True],)),
        ("set_episode_settings", ([True, False, [True, math.inf], True, 0.01, 10, 0, True, 1, 1, True],)),
        ("get_sensor_token", (-1,)),
        ("request_file", ("../../../etc/passwd",)),
        ("get_environment_objects", (None,)),
        ("project_point", ([0, 0, 1], [0, 0, math.nan], 5.0)),
    ],
)
def test_wrong_arguments_are_answered_with_an_error(
    server: ServerHandle, method: str, arguments: tuple[Any, ...]
) -> None:
    with connect(server) as sock:
        _, _, error, result = call(sock, method, *arguments)
        assert error is None
        assert result[0][0] == 0 and isinstance(result[0][1][0], str), result


@pytest.mark.parametrize(
    "arguments",
    [
        (["x"], 2, [1 << 20, 1 << 20, []]),
        (["x"], 2, [2, 2, [[1, 1, 1, 1]]]),
        (["x"], 2, [1, 1, [["a", 1, 1, 1]]]),
        (["x"], 2, [1, 1, [[math.nan, 1, 1, 1]]]),
        ("x", 2, [1, 1, [[1, 1, 1, 1]]]),
    ],
)
def test_wrong_textures_are_answered_with_an_error(server: ServerHandle, arguments: tuple[Any, ...]) -> None:
    with connect(server) as sock:
        result = call(sock, "apply_float_color_texture_to_objects", *arguments)[3]
        assert result[0][0] is True


def test_batch_survives_nonsense(server: ServerHandle) -> None:
    with connect(server) as sock:
        commands = [[[99, [1]]], [[2, [2**40, 1]]], [[0, []]], 7, [[1, []]], [[21, [1, 2, 3]]]]
        result = call(sock, "apply_batch", commands, False)[3]
        assert len(result) == len(commands)
        assert all(item[0][0] == 0 for item in result)


def test_no_method_crashes_on_arbitrary_arguments(server: ServerHandle) -> None:
    from testbed.server.rpc.catalogue import KNOWN

    values: list[Any] = [None, True, -1, 2**63, math.nan, "x", b"\xff", [], [[]], {}, [[0, 0, 0], [0, 0, 0]]]
    generator = np.random.default_rng(11)
    skipped = {"load_new_episode", "tick_cue", "apply_batch"}  # would change the world under other tests
    with connect(server) as sock:
        for name in sorted(set(KNOWN) - skipped):
            for _ in range(6):
                count = int(generator.integers(0, 4))
                answer = call(sock, name, *(values[int(generator.integers(len(values)))] for _ in range(count)))
                assert answer is not None, name
    assert "internal error" not in server.log_tail(20_000)
    assert "Traceback" not in server.log_tail(20_000)


def test_silent_and_greedy_subscribers(server: ServerHandle, drive: Any) -> None:
    with connect(server, 1) as silent, connect(server, 1) as greedy, connect(server, 1) as unknown:
        silent.sendall(b"\x01")
        greedy.sendall(struct.pack("<I", 1))
        unknown.sendall(struct.pack("<I", 4_000_000_000))
        drive.tick(50)
        greedy.sendall(b"more")
        drive.tick(2)
