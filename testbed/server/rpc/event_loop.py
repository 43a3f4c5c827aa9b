"""One thread, one epoll loop: listening sockets, buffered non-blocking connections, a timer.

Image bytes are never copied in Python: a message is a list of buffers that goes to the kernel with ``sendmsg``; what
the kernel does not take at once waits as memoryviews.
"""

from __future__ import annotations

import collections
import errno
import selectors
import socket
from collections.abc import Callable

from testbed.core.errors import PortBusyError, ServerError

Buffer = bytes | bytearray | memoryview

MAX_CONNECTIONS = 512
RECEIVE_BYTES = 1 << 20
SEND_BUFFER_BYTES = 4 << 20
PARTS_PER_CALL = 64
MAX_TOTAL_BACKLOG = 512 << 20


class SocketConnection:
    """A non-blocking TCP connection with a queue of unsent buffers.

    Args:
        loop: Loop that owns it.
        sock: Connected socket.
        max_backlog: Unsent bytes beyond which the peer counts as gone.
    """

    def __init__(self, loop: Loop, sock: socket.socket, max_backlog: int) -> None:
        """Take over a connected, non-blocking socket."""
        self.loop = loop
        self.sock = sock
        self.closed = False
        self.backlog = 0
        self.writing = False
        self._max_backlog = max_backlog
        self._queue: collections.deque[memoryview] = collections.deque()

    def received(self, data: bytes) -> None:
        """Handle bytes from the peer; implemented by each kind of connection."""
        raise NotImplementedError

    def lost(self) -> None:
        """Hear that the connection is closed; by default nothing depends on it."""

    def send(self, *parts: Buffer) -> None:
        """Send buffers in order; whatever the kernel does not take is queued and sent by the loop.

        A peer that lets more than ``max_backlog`` bytes pile up, or that makes the sum of all backlogs too large, is
        disconnected.
        """
        if self.closed:
            return
        pending = [memoryview(part) for part in parts if len(part)]
        if not self._queue:
            try:
                sent = self.sock.sendmsg(pending[:PARTS_PER_CALL])
            except BlockingIOError:
                sent = 0
            except OSError:
                self.close()
                return
            pending = _drop(pending, sent)
        if pending:
            self._queue.extend(pending)
            self._owe(sum(len(part) for part in pending))
            if self.backlog > self._max_backlog or self.loop.backlog > MAX_TOTAL_BACKLOG:
                self.close()
                return
            self.loop.watch_writes(self, True)

    def writable(self) -> None:
        """Send more of the queue."""
        while self._queue:
            try:
                sent = self.sock.sendmsg([self._queue[i] for i in range(min(len(self._queue), PARTS_PER_CALL))])
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._owe(-sent)
            while self._queue and sent >= len(self._queue[0]):
                sent -= len(self._queue.popleft())
            if sent:
                self._queue[0] = self._queue[0][sent:]
        self.loop.watch_writes(self, False)

    def _owe(self, change: int) -> None:
        self.backlog += change
        self.loop.backlog += change

    def readable(self) -> None:
        """Read what is there and hand it on."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.received(data)
        else:
            self.close()

    def close(self) -> None:
        """Close the socket and forget what was not sent."""
        if not self.closed:
            self.closed = True
            self._queue.clear()
            self._owe(-self.backlog)
            self.loop.forget(self)
            self.lost()


def _drop(parts: list[memoryview], count: int) -> list[memoryview]:
    for index, part in enumerate(parts):
        if count < len(part):
            return [part[count:], *parts[index + 1 :]]
        count -= len(part)
    return []


Factory = Callable[["Loop", socket.socket], SocketConnection]


class Loop:
    """Accepts, reads, writes and calls a timer.

    Attributes:
        unfinished: Bytes of requests that have not arrived completely, over all connections.
        backlog: Bytes that peers have not taken, over all connections.
    """

    def __init__(self) -> None:
        """Create an empty loop."""
        self._selector = selectors.DefaultSelector()
        self.unfinished = 0
        self.backlog = 0
        self._listeners: list[socket.socket] = []
        self._connections: set[SocketConnection] = set()
        self._running = True

    def listen(self, sock: socket.socket, factory: Factory) -> None:
        """Accept connections on a listening socket."""
        sock.setblocking(False)
        self._listeners.append(sock)
        self._selector.register(sock, selectors.EVENT_READ, factory)

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call back when a plain file descriptor becomes readable."""
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def watch_writes(self, connection: SocketConnection, wanted: bool) -> None:
        """Start or stop waiting for room in a connection's send buffer."""
        if connection.writing != wanted and not connection.closed:
            connection.writing = wanted
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
            self._selector.modify(connection.sock, events, connection)

    def forget(self, connection: SocketConnection) -> None:
        """Close the socket of a connection that ended."""
        self._connections.discard(connection)
        try:
            self._selector.unregister(connection.sock)
        except (KeyError, ValueError):
            pass
        connection.sock.close()

    def run(self, timer: Callable[[], float]) -> None:
        """Serve until `stop`.

        Args:
            timer: Called after each round; returns the seconds after which it wants to be called again.
        """
        wait_s = 0.0
        while self._running:
            for key, events in self._selector.select(wait_s):
                target = key.data
                if isinstance(target, SocketConnection):
                    if events & selectors.EVENT_WRITE and not target.closed:
                        target.writable()
                    if events & selectors.EVENT_READ and not target.closed:
                        target.readable()
                elif isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj, target)
                else:
                    target()
            wait_s = timer()

    def stop(self) -> None:
        """End `run` after the current round, or before the first one."""
        self._running = False

    def close(self) -> None:
        """Close every socket."""
        for connection in list(self._connections):
            connection.close()
        for listener in self._listeners:
            listener.close()
        self._selector.close()

    def _accept(self, listener: socket.socket, factory: Factory) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        connection = factory(self, sock)
        self._connections.add(connection)
        self._selector.register(sock, selectors.EVENT_READ, connection)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: Address to bind to.
        port: Port, 0 for any free one.

    Raises:
        PortBusyError: Another process holds the port.
        ServerError: The address cannot be bound for another reason.
    """
    try:
        return socket.create_server((host, port), backlog=64)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortBusyError(
                f"port {port} on {host} is in use by another process",
                hint="choose another one with --port, or --port 0 for any free port",
            ) from None
        raise ServerError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return listening sockets on ``port`` and ``port + 1``; port 0 finds a free pair.

    Raises:
        PortBusyError: One of the two is in use.
        ServerError: As in `bind`.
    """
    if port:
        calls = bind(host, port)
        try:
            return calls, bind(host, port + 1)
        except ServerError:
            calls.close()
            raise
    for _ in range(64):
        calls = bind(host, 0)
        free = int(calls.getsockname()[1])
        if free < 65535:
            try:
                return calls, bind(host, free + 1)
            except PortBusyError:
                pass
        calls.close()
    raise PortBusyError(f"no two adjacent free ports on {host}", hint="close other servers and try again")
