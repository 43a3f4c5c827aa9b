"""Episode traces as MCAP files that Foxglove opens and that judges can read again without a simulator.

One channel per subject, JSON messages with JSON schemas, simulated time as log time and nothing of the wall clock, so
the same episode gives the same bytes:

===============  =====================================================================================================
``/ego``         EgoState, world frame of CARLA (left-handed, degrees)
``/lane``        LaneState, lane frame (positive left)
``/traffic``     speed limit, lead, sign, passed signs, collisions
``/attack``      AttackTruth; no message in steps without an artefact
``/command``     Command
``/decision``    Decision, once when it takes effect
``/arbitration`` Arbitration of that decision; none of agents that are one
``/event``       Event as a judge reported it
``/camera``      foxglove.CompressedImage, JPEG of the driver's view
``/tf``          foxglove.FrameTransform world to ego, right-handed as Foxglove wants it (y and yaw negated)
===============  =====================================================================================================
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import StoreError
from testbed.core.records import Event
from testbed.core.types import Decision, Image, Step
from testbed.store.atomic import store_errors, temporary_name
from testbed.store.trace_decoder import arbitrated, decision_from, step_from
from testbed.store.trace_schemas import LIBRARY, OPTIONAL_TOPICS, SCHEMAS, TOPICS

MAX_PIXELS = 3840 * 2160
"""Larger pictures in a trace are refused: no camera of a scenario makes them."""

if TYPE_CHECKING:
    from mcap.reader import McapReader


def _plain(value: object) -> object:
    # numpy scalars carry their Python value; anything else is a mistake that must not be written
    if isinstance(value, (np.generic,)):
        return value.item()
    raise TypeError(f"a trace cannot hold a {type(value).__name__}")


class TraceWriter:
    """Write one episode; the file appears under its name only when `close` has finished.

    Args:
        path: Target file.
        image_hz: Images are kept at most this often (simulated time).
        jpeg_quality: 1-95.

    Attributes:
        time_ns: Simulated time of the step that is being written.
    """

    def __init__(self, path: Path, *, image_hz: float = 10.0, jpeg_quality: int = 80) -> None:
        """Open the file and declare its channels."""
        from mcap.writer import CompressionType, Writer

        self._path = path
        self._temporary = path.with_name(temporary_name(path.name))
        self._image_every_s = 1.0 / image_hz
        self._jpeg_quality = jpeg_quality
        self._last_image_s = -math.inf
        self._last_decision: tuple[int, float] | None = None
        self._sequence = 0
        self.time_ns = 0
        with store_errors(path):
            self._stream: BinaryIO | None = open(self._temporary, "xb")  # noqa: SIM115
            self._writer = Writer(self._stream, compression=CompressionType.ZSTD, chunk_size=256 * 1024)
            self._writer.start(profile="", library=LIBRARY)
        schemas = {name: self._declare(name) for name in SCHEMAS if name not in OPTIONAL_TOPICS.values()}
        self._channels = {
            topic: self._writer.register_channel(topic, "json", schemas[schema]) for topic, schema in TOPICS.items()
        }

    def _declare(self, schema: str) -> int:
        content = json.dumps(SCHEMAS[schema], sort_keys=True).encode()
        return int(self._writer.register_schema(schema, "jsonschema", content))

    def step(self, step: Step, image: Image | None = None, events: Iterable[Event] = ()) -> None:
        """Write one step.

        Args:
            step: Truth, command and the answer in force.
            image: Driver's view of this step, shape (h, w, 3), RGB uint8; kept at ``image_hz``.
            events: Events that began in this step.

        Raises:
            StoreError: The disk is full or the trace was closed.
        """
        if self._stream is None:
            raise StoreError(f"{self._path} was written to after it had been closed")
        self.time_ns = round(step.t_s * 1e9)
        head: dict[str, Any] = {"frame": step.frame, "t_s": step.t_s}
        truth = step.truth
        with store_errors(self._path):
            self.add("/ego", head | dataclasses.asdict(truth.ego))
            self.add("/lane", head | dataclasses.asdict(truth.lane))
            traffic = {
                "speed_limit_mps": truth.speed_limit_mps,
                "lead": dataclasses.asdict(truth.lead) if truth.lead is not None else None,
                "sign": dataclasses.asdict(truth.sign) if truth.sign is not None else None,
                "passed_signs": [dataclasses.asdict(sign) for sign in truth.passed_signs],
                "collisions": [dataclasses.asdict(collision) for collision in truth.collisions],
                "lines": [dataclasses.asdict(line) for line in truth.lines],
                "conflicts": [dataclasses.asdict(conflict) for conflict in truth.conflicts],
                "ahead": dataclasses.asdict(truth.ahead) if truth.ahead is not None else None,
            }
            self.add("/traffic", head | traffic)
            if truth.attack is not None:
                self.add("/attack", head | dataclasses.asdict(truth.attack))
            in_force = step.decision.frame if step.decision is not None else None
            self.add("/command", head | dataclasses.asdict(step.command) | {"decision_frame": in_force})
            if step.decision is not None:
                identity = (step.decision.frame, step.decision.applied_t_s)
                if identity != self._last_decision:
                    self._last_decision = identity
                    self._decide(head, step.decision)
            self.add("/tf", _transform(step))
            for event in events:
                self.add("/event", event.model_dump(mode="json"))
            if image is not None and step.t_s >= self._last_image_s + self._image_every_s - 1e-6:
                self._last_image_s = step.t_s
                self.add("/camera", _image_message(step.t_s, image, self._jpeg_quality))

    def _decide(self, head: dict[str, Any], decision: Decision) -> None:
        content = _decision(decision)
        arbitration = content["perception"].pop("arbitration")
        self.add("/decision", head | {"decision": content})
        if arbitration is not None:
            # its own frame, by which a reader finds the decision that it belongs to
            self.add("/arbitration", {"frame": decision.frame, "t_s": decision.t_s} | arbitration)

    def add(self, topic: str, message: dict[str, Any]) -> None:
        """Write one message of the step at `time_ns`, whose times and numbers are the caller's business."""
        if topic not in self._channels:
            schema = self._declare(OPTIONAL_TOPICS[topic])
            self._channels[topic] = self._writer.register_channel(topic, "json", schema)
        try:
            data = json.dumps(message, separators=(",", ":"), default=_plain, allow_nan=False).encode()
        except ValueError as error:
            raise StoreError(f"step at {self.time_ns / 1e9:.3f} s holds a number that is not finite") from error
        self._writer.add_message(
            channel_id=self._channels[topic],
            log_time=self.time_ns,
            publish_time=self.time_ns,
            sequence=self._sequence,
            data=data,
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
        """Give the trace up: nothing appears under its name. Harmless after `close`."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._temporary.unlink(missing_ok=True)


def _decision(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON types; what most agents never say is mentioned only where it was said."""
    return dataclasses.asdict(decision, dict_factory=_without_unsaid)


def _without_unsaid(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of an object, sets as sorted lists."""
    filled = [(name, value) for name, value in items if value != frozenset() and (name, value) != ("command", None)]
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in filled}


def _stamp(t_s: float) -> dict[str, int]:
    time_ns = round(t_s * 1e9)
    return {"sec": time_ns // 1_000_000_000, "nsec": time_ns % 1_000_000_000}


def _transform(step: Step) -> dict[str, Any]:
    ego = step.truth.ego
    half_yaw_rad = math.radians(-float(ego.yaw_deg)) / 2
    return {
        "timestamp": _stamp(step.t_s),
        "parent_frame_id": "world",
        "child_frame_id": "ego",
        "translation": {"x": ego.x_m, "y": -ego.y_m, "z": ego.z_m},
        "rotation": {"x": 0.0, "y": 0.0, "z": math.sin(half_yaw_rad), "w": math.cos(half_yaw_rad)},
    }


def _image_message(t_s: float, image: Image, quality: int) -> dict[str, Any]:
    from PIL import Image as Pictures

    buffer = io.BytesIO()
    Pictures.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"timestamp": _stamp(t_s), "frame_id": "ego", "format": "jpeg", "data": data}


def with_events(source: Path, target: Path, events: Mapping[int, Iterable[Event]]) -> str:
    """Write a trace again with other events; all else stays as it is, byte by byte.

    Args:
        source: Trace.
        target: New file.
        events: Events that began in each frame.

    Returns:
        The sha256 of the new file.

    Raises:
        StoreError: One cannot be read, or the other not written.
    """
    writer = TraceWriter(target)
    frame = 0
    try:
        for topic, message in TraceReader(source).messages():
            if topic == "/event":
                continue
            if topic == "/ego":
                frame = int(message["frame"])
                writer.time_ns = round(message["t_s"] * 1e9)
            writer.add(topic, message)
            if topic == "/tf":
                # the last of every step but for its picture
                for event in events.get(frame, ()):
                    writer.add("/event", event.model_dump(mode="json"))
        return writer.close()
    except BaseException:
        writer.abort()
        raise


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

    def messages(self, topics: list[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield topics and messages in the order of the file; all of them, or of some topics.

        Raises:
            StoreError: The file is damaged.
        """
        from mcap.reader import make_reader

        with store_errors(self._path, "read"), open(self._path, "rb") as stream:
            try:
                reader: McapReader = make_reader(stream, validate_crcs=True)
                for _, channel, message in reader.iter_messages(topics=topics):
                    yield channel.topic, json.loads(message.data)
            except OSError:
                raise
            except Exception as error:
                # a damaged file fails anywhere below: decompression, lengths, JSON, missing channels
                raise StoreError(f"{self._path} is no readable trace: {error}") from error

    def steps(self) -> list[Step]:
        """Return every step as the judges saw it.

        Raises:
            StoreError: The file is damaged.
        """
        parts: dict[int, dict[str, dict[str, Any]]] = {}
        decisions: dict[int, Decision] = {}
        topics = ["/ego", "/lane", "/traffic", "/attack", "/command", "/decision", "/arbitration"]
        try:
            for topic, message in self.messages(topics):
                if topic == "/decision":
                    decision = decision_from(message["decision"])
                    decisions[decision.frame] = decision
                elif topic == "/arbitration":
                    frame = int(message["frame"])
                    decisions[frame] = arbitrated(decisions[frame], message)
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
        return [Event.model_validate(message) for _, message in self.messages(["/event"])]

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
