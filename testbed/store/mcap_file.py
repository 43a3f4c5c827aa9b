"""An MCAP file that appears under its name only when it is whole; everything in it is told at simulated times."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from testbed.core.errors import StoreError
from testbed.store.atomic import store_errors, temporary_name

CHUNK_BYTES = 256 * 1024


class McapFile:
    """Write one file, record after record.

    Args:
        path: Target file.
        library: What the header says about the writer.
    """

    def __init__(self, path: Path, library: str) -> None:
        """Open a temporary file beside the target; raises `StoreError` where that cannot be."""
        from mcap.writer import CompressionType, Writer

        self._path = path
        self._temporary = path.with_name(temporary_name(path.name))
        self._sequence = 0
        with store_errors(path):
            self._stream: BinaryIO | None = open(self._temporary, "xb")  # noqa: SIM115
            self._writer = Writer(self._stream, compression=CompressionType.ZSTD, chunk_size=CHUNK_BYTES)
            self._writer.start(profile="", library=library)

    @property
    def is_open(self) -> bool:
        """Whether it can still be written to."""
        return self._stream is not None

    def schema(self, name: str, encoding: str, data: bytes) -> int:
        """Declare a schema and return its id."""
        return int(self._writer.register_schema(name, encoding, data))

    def channel(self, topic: str, encoding: str, schema_id: int) -> int:
        """Declare a channel and return its id."""
        return int(self._writer.register_channel(topic, encoding, schema_id))

    def metadata(self, name: str, values: dict[str, str]) -> None:
        """Write names and values that concern the whole file."""
        self._writer.add_metadata(name, values)

    def message(self, channel_id: int, time_ns: int, data: bytes) -> None:
        """Write one message."""
        self._writer.add_message(
            channel_id=channel_id, log_time=time_ns, publish_time=time_ns, sequence=self._sequence, data=data
        )
        self._sequence += 1

    def close(self) -> str:
        """Finish the file, put it under its name and return its sha256.

        Raises:
            StoreError: The disk is full; nothing appears under the name.
        """
        if self._stream is None:
            raise StoreError(f"{self._path} was closed twice")
        try:
            with store_errors(self._path):
                self._writer.finish()
                self._stream.flush()
                self._stream.close()
                with open(self._temporary, "rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                self._temporary.replace(self._path)
        except BaseException:
            self.abort()
            raise
        self._stream = None
        return digest

    def abort(self) -> None:
        """Give the file up: nothing appears under its name. Harmless after `close`."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._temporary.unlink(missing_ok=True)
