"""Read episode traces back: steps for judges, columns for charts, pictures for videos; of every released version."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import StoreError
from testbed.core.records import Event
from testbed.core.types import Decision, Image, Step
from testbed.store.atomic import store_errors
from testbed.store.right_handed import turned_ego, turned_event
from testbed.store.trace_decoder import arbitrated, decision_from, step_from
from testbed.store.trace_schemas import LIBRARY, LIBRARY_NAME, TRACE_VERSION

if TYPE_CHECKING:
    from mcap.reader import McapReader

MAX_PIXELS = 3840 * 2160
"""Larger pictures in a trace are refused: no camera of a scenario makes them."""


def version_of(library: str, path: Path) -> int:
    """Return the version of a trace.

    Args:
        library: What its header says about the writer.
        path: The file, for messages.

    Raises:
        StoreError: The testbed did not write it, or one that is newer than this one.
    """
    found = re.fullmatch(rf"{re.escape(LIBRARY_NAME)} ([1-9][0-9]{{0,5}})", library)
    if found is None:
        raise StoreError(f"{path} is no trace of the testbed: its writer calls itself {library!r}, not {LIBRARY!r}")
    version = int(found[1])
    if version > TRACE_VERSION:
        raise StoreError(
            f"{path} was written by a newer testbed (trace {version}, this one reads up to {TRACE_VERSION})",
            hint="upgrade the testbed",
        )
    return version


@dataclasses.dataclass(frozen=True, slots=True)
class TraceFrame:
    """One stored picture of the driver's view."""

    t_s: float
    jpeg: bytes

    def image(self) -> Image:
        """Return the picture, shape (h, w, 3), RGB uint8."""
        from PIL import Image as Pictures

        try:
            with Pictures.open(io.BytesIO(self.jpeg), formats=("JPEG",)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise StoreError(f"the picture at {self.t_s:.2f} s has {picture.width} x {picture.height} pixels")
                return np.asarray(picture.convert("RGB"), dtype=np.uint8)
        except (OSError, ValueError, SyntaxError, Pictures.DecompressionBombError) as error:
            raise StoreError(f"the picture at {self.t_s:.2f} s cannot be read: {error}") from error


class TraceReader:
    """Read a trace back: steps for judges, columns for charts, frames for videos.

    Args:
        path: MCAP file written by `TraceWriter`.
    """

    def __init__(self, path: Path) -> None:
        """Remember the path; the file is read on demand."""
        self._path = path

    @functools.cached_property
    def version(self) -> int:
        """Version of the trace.

        Raises:
            StoreError: The file is damaged, or no trace that this testbed reads.
        """
        with self._open() as reader:
            return version_of(reader.get_header().library, self._path)

    def metadata(self) -> dict[str, dict[str, str]]:
        """Return what the trace says of the whole episode: nothing in traces of version 1.

        Raises:
            StoreError: The file is damaged.
        """
        with self._open() as reader:
            return {record.name: dict(record.metadata) for record in reader.iter_metadata()}

    def topics(self) -> dict[str, tuple[str, int]]:
        """Return of every topic its schema and how many messages it has, in the order of the channels.

        Raises:
            StoreError: The file is damaged.
        """
        summary = self._summary()
        counts = summary.statistics.channel_message_counts
        return {
            channel.topic: (summary.schemas[channel.schema_id].name, counts.get(channel.id, 0))
            for channel in sorted(summary.channels.values(), key=lambda channel: int(channel.id))
        }

    def duration_s(self) -> float:
        """Return the simulated time of the last message.

        Raises:
            StoreError: The file is damaged.
        """
        return float(self._summary().statistics.message_end_time / 1e9)

    def _summary(self) -> Any:
        with self._open() as reader:
            summary = reader.get_summary()
            if summary is None or summary.statistics is None:
                raise StoreError(f"{self._path} is no readable trace: it has no summary")
            return summary

    @contextlib.contextmanager
    def _open(self) -> Iterator[McapReader]:
        from mcap.reader import make_reader

        with store_errors(self._path, "read"), open(self._path, "rb") as stream:
            try:
                yield make_reader(stream, validate_crcs=True)
            except (OSError, StoreError):
                raise
            except Exception as error:
                # a damaged file fails anywhere below: decompression, lengths, JSON, missing channels
                raise StoreError(f"{self._path} is no readable trace: {error}") from error

    def messages(self, topics: list[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield topics and messages, as they are stored, in the order of the file; all of them, or of some topics.

        Raises:
            StoreError: The file is damaged.
        """
        with self._open() as reader:
            for _, channel, message in reader.iter_messages(topics=topics):
                yield channel.topic, json.loads(message.data)

    def steps(self) -> list[Step]:
        """Return every step as the judges saw it.

        Raises:
            StoreError: The file is damaged.
        """
        parts: dict[int, dict[str, dict[str, Any]]] = {}
        decisions: dict[int, Decision] = {}
        turned = self.version > 1
        topics = ["/ego", "/lane", "/traffic", "/attack", "/command", "/decision", "/arbitration"]
        try:
            for topic, message in self.messages(topics):
                if topic == "/decision":
                    decision = decision_from(message["decision"])
                    decisions[decision.frame] = decision
                elif topic == "/arbitration":
                    frame = int(message["frame"])
                    decisions[frame] = arbitrated(decisions[frame], message)
                elif topic == "/ego" and turned:
                    parts.setdefault(int(message["frame"]), {})[topic] = turned_ego(message)
                else:
                    parts.setdefault(int(message["frame"]), {})[topic] = message
            return [step_from(messages, decisions) for _, messages in sorted(parts.items())]
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{self._path} is no readable trace: {type(error).__name__}: {error}") from error

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return the numbers of all steps by name, for instance ``t_s``, ``ego.x_m`` or ``lane.lateral_offset_m``.

        Missing values (no lead, no limit, no artefact) are NaN; every array has shape (steps,).
        """
        names: dict[str, list[float]] = {}
        steps = self.steps()
        for index, step in enumerate(steps):
            for name, value in _numbers(step):
                names.setdefault(name, [math.nan] * len(steps))[index] = value
        return {name: np.array(values) for name, values in names.items()}

    def events(self) -> list[Event]:
        """Return the events that were written beside the steps (provisional ones, as they began)."""
        turn = turned_event if self.version > 1 else dict
        return [Event.model_validate(turn(message)) for _, message in self.messages(["/event"])]

    def frames(self) -> Iterator[TraceFrame]:
        """Yield the stored pictures in order of time."""
        for _, message in self.messages(["/camera"]):
            stamp = message["timestamp"]
            yield TraceFrame(stamp["sec"] + stamp["nsec"] / 1e9, base64.b64decode(message["data"], validate=True))


def _numbers(step: Step) -> Iterator[tuple[str, float]]:
    yield "frame", float(step.frame)
    yield "t_s", step.t_s
    truth = step.truth
    traffic = (("lead", truth.lead), ("ahead", truth.ahead), ("sign", truth.sign), ("attack", truth.attack))
    for prefix, part in (("ego", truth.ego), ("lane", truth.lane), *traffic, ("command", step.command)):
        if part is None:
            continue
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if isinstance(value, (bool, int, float)):
                yield f"{prefix}.{field.name}", float(value)
    if truth.speed_limit_mps is not None:
        yield "speed_limit_mps", float(truth.speed_limit_mps)
