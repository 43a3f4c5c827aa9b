"""A trace once more with other events: what drives that are judged again keep beside their new records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from testbed.core.errors import StoreError
from testbed.core.records import Event
from testbed.store.atomic import store_errors
from testbed.store.mcap_file import McapFile
from testbed.store.trace import encoded, event_messages
from testbed.store.trace_reader import version_of

OF_EVENTS = ("/event", "/log")


def with_events(source: Path, target: Path, events: Mapping[int, Iterable[Event]]) -> str:
    """Write a trace again with other events; all else stays as it is, byte by byte, and so does its version.

    Args:
        source: Trace.
        target: New file.
        events: Events that began in each frame.

    Returns:
        The sha256 of the new file.

    Raises:
        StoreError: One cannot be read, or the other not written.
    """
    records = _records(source)
    header = next(records)
    version = version_of(header.library, source)
    copy = McapFile(target, header.library)
    try:
        _copy(records, copy, version, events)
        return copy.close()
    except BaseException:
        copy.abort()
        raise


def _copy(records: Iterator[Any], copy: McapFile, version: int, events: Mapping[int, Iterable[Event]]) -> None:
    """Copy records, in their order: what a writer declared late is declared as late."""
    from mcap.records import Channel, Message, Metadata, Schema

    schemas: dict[int, int] = {}
    channels: dict[int, int] = {}
    topics: dict[int, str] = {}
    frame = 0
    for record in records:
        if isinstance(record, Schema):
            schemas[record.id] = copy.schema(record.name, record.encoding, record.data)
        elif isinstance(record, Channel):
            channels[record.id] = copy.channel(record.topic, record.message_encoding, schemas[record.schema_id])
            topics[record.id] = record.topic
        elif isinstance(record, Metadata):
            copy.metadata(record.name, record.metadata)
        elif isinstance(record, Message) and topics[record.channel_id] not in OF_EVENTS:
            copy.message(channels[record.channel_id], record.log_time, record.data)
            topic = topics[record.channel_id]
            if topic == "/ego":
                frame = int(json.loads(record.data)["frame"])
            elif topic == "/tf":
                # the last of every step but for what goes with its picture
                by_topic = {name: channels[number] for number, name in topics.items()}
                for event in events.get(frame, ()):
                    for name, message in _messages(event, version).items():
                        copy.message(by_topic[name], record.log_time, encoded(message, record.log_time))


def _messages(event: Event, version: int) -> dict[str, dict[str, Any]]:
    """Return what a trace of a version holds of an event; the first one was left-handed and had no log."""
    return {"/event": event.model_dump(mode="json")} if version == 1 else event_messages(event)


def _records(path: Path) -> Iterator[Any]:
    """Yield the records of a file from its header to the end of its data.

    Raises:
        StoreError: The file is damaged.
    """
    from mcap.records import DataEnd
    from mcap.stream_reader import StreamReader

    with store_errors(path, "read"), open(path, "rb") as stream:
        try:
            for record in StreamReader(stream, validate_crcs=True).records:
                if isinstance(record, DataEnd):
                    return
                yield record
        except (OSError, StoreError):
            raise
        except Exception as error:
            # a damaged file fails anywhere below: decompression, lengths, missing channels
            raise StoreError(f"{path} is no readable trace: {error}") from error
