"""Reach a CARLA server, ours or a real one, and say in one sentence why where that fails."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import carla

from testbed.client.texture_calls import TextureCalls
from testbed.core.errors import MapError, ServerError, UnreachableError, UsageError, VersionMismatchError
from testbed.server.process import ServerHandle, start_server

CLIENT_VERSION = "0.9.16"
CONNECT_TIMEOUT_S = 3.0
FIRST_ANSWER_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 20.0
LOAD_TIMEOUT_S = 120.0


def parse_address(text: str) -> tuple[str, int]:
    """Return (host, port) of ``HOST:PORT`` or ``HOST`` (port 2000).

    Raises:
        UsageError: If the port is no number between 1 and 65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, 2000
    if not port.isdigit() or not 0 < int(port) < 65536 or not host:
        raise UsageError(f"{text!r} is no server address", hint="use HOST:PORT, for instance 127.0.0.1:2000")
    return host, int(port)


def probe(host: str, port: int) -> None:
    """Fail within seconds where nothing listens; the carla client would wait for its whole timeout.

    Raises:
        UnreachableError: If no TCP connection can be made.
    """
    try:
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S):
            return
    except OSError as error:
        raise UnreachableError(
            f"no CARLA server answers at {host}:{port}: {error.strerror or error}",
            hint="start one with `python -m testbed serve --port PORT`, or leave --carla out to use the embedded one",
        ) from error


@dataclass
class Connection:
    """A client and the world it talks to; ``server`` is the embedded server where it was started for this connection.

    Attributes:
        host: Server host.
        port: RPC port.
        embedded: Whether the server is the embedded one (it offers decals and sign boards as blueprints).
        server: Handle of the server process started for this connection, None for a foreign server.
        hung: The server missed its deadline: it is asked nothing more, each call would wait for its whole timeout.
    """

    _client: carla.Client | None = field(repr=False)
    host: str
    port: int
    embedded: bool
    server: ServerHandle | None = None
    hung: bool = False
    _map: str = field(default="", repr=False)
    _textures: TextureCalls | None = field(default=None, repr=False)

    @property
    def client(self) -> carla.Client:
        """The carla client."""
        assert self._client is not None, "the connection is closed"
        return self._client

    def world(self, map_name: str) -> carla.World:
        """Return the carla world with ``map_name`` loaded: an embedded map, a CARLA town or an OpenDRIVE file.

        Raises:
            MapError: If the server does not know the map, or the file cannot be read or parsed.
        """
        if self._map == map_name:
            return self.client.get_world()
        self.client.set_timeout(LOAD_TIMEOUT_S)
        try:
            if map_name.endswith(".xodr"):
                text = Path(map_name).read_text(encoding="utf-8")
                world: carla.World = self.client.generate_opendrive_world(text)
            else:
                world = self.client.get_world()
                if world.get_map().name.rsplit("/", 1)[-1] != map_name:
                    world = self.client.load_world(map_name)
        except OSError as error:
            raise MapError(f"map file {map_name} cannot be read: {error.strerror}") from error
        except RuntimeError as error:
            names = sorted(name.rsplit("/", 1)[-1] for name in self.client.get_available_maps())
            raise MapError(f"map {map_name!r} cannot be loaded: {error}", hint=f"known: {', '.join(names)}") from error
        finally:
            self.client.set_timeout(CALL_TIMEOUT_S)
        self._map = map_name
        return world

    def texture_calls(self, world: carla.World) -> TextureCalls:
        """Return the texture calls of the server; what they can do is found out once per connection."""
        if self._textures is None:
            self._textures = TextureCalls(world)
        self._textures.world = world
        return self._textures

    def alive(self) -> bool:
        """Tell whether the server can be asked: not hung, and still running if it is ours."""
        return not self.hung and (self.server is None or self.server.alive())

    def close(self) -> None:
        """Let go of the client and stop the server if it is ours."""
        self._client = None
        if self.server is not None:
            self.server.close()
            self.server = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def connect(address: str | None = None, *, map_name: str = "highway", device: str = "cpu") -> Connection:
    """Connect to a running server, or start the embedded one on free loopback ports.

    Args:
        address: ``HOST:PORT`` of a running server; None starts the embedded one.
        map_name: Map the embedded server starts with.
        device: Warp device of the embedded renderer.

    Raises:
        UnreachableError: If nothing answers there.
        VersionMismatchError: If the server is not CARLA 0.9.16.
        ServerError: If the embedded server does not start.
    """
    if address is None:
        server = start_server(map_name if not map_name.endswith(".xodr") else "highway", device=device)
        try:
            return _attach(server.host, server.port, server)
        except BaseException:
            server.close()
            raise
    host, port = parse_address(address)
    probe(host, port)
    return _attach(host, port, None)


def _attach(host: str, port: int, server: ServerHandle | None) -> Connection:
    client = carla.Client(host, port, 1)
    # A foreign server says its version at once or is none; our own may still be busy on a loaded machine.
    client.set_timeout(FIRST_ANSWER_TIMEOUT_S if server is None else CALL_TIMEOUT_S)
    try:
        version = client.get_server_version()
    except RuntimeError as error:
        if server is not None:
            raise ServerError(f"the embedded server at {host}:{port} does not answer: {error}") from error
        raise UnreachableError(
            f"what listens at {host}:{port} does not answer as a CARLA server does",
            hint="check host and port; a CARLA server that is still loading its map answers a little later",
        ) from error
    client.set_timeout(CALL_TIMEOUT_S)
    if version != CLIENT_VERSION:
        raise VersionMismatchError(
            f"the server at {host}:{port} is CARLA {version}, this testbed speaks {CLIENT_VERSION}",
            hint=f"run a CARLA {CLIENT_VERSION} server, or leave --carla out to use the embedded one",
        )
    library = client.get_world().get_blueprint_library()
    embedded = len(library.filter("static.prop.decal")) > 0
    return Connection(client, host, port, embedded, server)
