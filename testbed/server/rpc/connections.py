"""The two kinds of connections a client opens: one for calls, one per sensor stream."""

from __future__ import annotations

import socket
import struct
from typing import Any, Protocol

import msgpack

from testbed.server.rpc.event_loop import Buffer, Loop, SocketConnection

MAX_MESSAGE_BYTES = 32 << 20
"""Largest request. A float texture takes 21 bytes per pixel; decoded, one byte of msgpack can become 64 of objects."""

MAX_UNFINISHED_BYTES = 128 << 20
"""Bytes of unfinished requests over all connections."""

MAX_ELEMENTS = 1 << 21
MAX_CALL_BACKLOG = 64 << 20
MAX_STREAM_BACKLOG = 256 << 20

_SIZE = struct.Struct("<I")


class CallReceiver(Protocol):
    """Whoever carries out calls."""

    def dispatch(self, connection: CallConnection, message: Any) -> None:
        """Carry out one decoded message."""


class StreamHub(Protocol):
    """Whoever feeds streams."""

    def subscribed(self, connection: StreamConnection) -> None:
        """Hear that a connection named its stream."""

    def unsubscribed(self, connection: StreamConnection) -> None:
        """Hear that a stream connection is gone."""


class CallConnection(SocketConnection):
    """One client's msgpack-rpc connection; requests are handled strictly in order."""

    def __init__(self, loop: Loop, sock: socket.socket, receiver: CallReceiver) -> None:
        """Start with an empty unpacker of bounded size."""
        super().__init__(loop, sock, MAX_CALL_BACKLOG)
        self._receiver = receiver
        self._unfinished = 0
        self._packer = msgpack.Packer(use_bin_type=True, unicode_errors="surrogateescape")
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogateescape",
            max_buffer_size=MAX_MESSAGE_BYTES,
            max_array_len=MAX_ELEMENTS,
            max_map_len=1024,
        )

    def received(self, data: bytes) -> None:
        """Decode and dispatch; bytes that are no msgpack, or too large, end the connection.

        The unpacker bounds what it has not parsed yet, not what it builds, so the size of a message is counted here.
        """
        self._count(len(data))
        if self._unfinished > MAX_MESSAGE_BYTES or self.loop.unfinished > MAX_UNFINISHED_BYTES:
            self.close()
            return
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                self._count(-self._unfinished)
                self._receiver.dispatch(self, message)
                if self.closed:
                    return
        except (ValueError, TypeError, RecursionError, MemoryError, msgpack.exceptions.UnpackException):
            # ValueError covers malformed, oversized and too deeply nested messages; there is no way to find the start
            # of the next message after any of them.
            self.close()

    def lost(self) -> None:
        """Return what this connection took of the common budget, and what was half built."""
        self._count(-self._unfinished)
        self._unpacker = msgpack.Unpacker()

    def _count(self, change: int) -> None:
        self._unfinished += change
        self.loop.unfinished += change

    def reply(self, message_id: int, result: object) -> None:
        """Send the answer to a call."""
        self.send(self._packer.pack([1, message_id, None, result]))

    def reply_error(self, message_id: int, message: str) -> None:
        """Send an rpc-level error (the client drops the text)."""
        self.send(self._packer.pack([1, message_id, message, None]))


class StreamConnection(SocketConnection):
    """One subscription: the client sends four bytes with the stream id and then only listens."""

    def __init__(self, loop: Loop, sock: socket.socket, hub: StreamHub) -> None:
        """Wait for the stream id."""
        super().__init__(loop, sock, MAX_STREAM_BACKLOG)
        self.stream_id: int | None = None
        self._hub = hub
        self._head = b""

    def received(self, data: bytes) -> None:
        """Take the stream id; more than that ends the connection, since no client sends more."""
        self._head += data
        if self.stream_id is not None or len(self._head) > _SIZE.size:
            self.close()
        elif len(self._head) == _SIZE.size:
            self.stream_id = int(_SIZE.unpack(self._head)[0])
            self._hub.subscribed(self)

    def lost(self) -> None:
        """Leave the hub."""
        self._hub.unsubscribed(self)

    def message(self, *parts: Buffer) -> None:
        """Send one length-prefixed message."""
        self.send(_SIZE.pack(sum(len(part) for part in parts)), *parts)
