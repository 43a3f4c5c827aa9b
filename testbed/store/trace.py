"""Episode traces as MCAP files that Foxglove opens and that judges can read again without a simulator.

One channel per subject, JSON messages with JSON schemas, simulated time as log time and nothing of the wall clock, so
the same episode gives the same bytes. All of it is right-handed: world x forward, y left, z up
(`testbed.store.right_handed`).

=======================  =============================================================================================
``/ego``                 EgoState
``/lane``                LaneState, lane frame (positive left)
``/traffic``             speed limit, lead, sign, passed signs, collisions
``/attack``              AttackTruth; no message in steps without an artefact
``/command``             Command
``/decision``            Decision, once when it takes effect
``/arbitration``         Arbitration of that decision; none of agents that are one
``/event``               Event as a judge reported it
``/log``                 foxglove.Log, the same in a line
``/tf``                  foxglove.FrameTransform world to ego
``/tf_static``           foxglove.FrameTransform ego to camera, once
``/camera``              foxglove.CompressedImage, JPEG of the driver's view
``/camera/annotations``  foxglove.ImageAnnotations, true and answered boxes, with every picture
``/camera/calibration``  foxglove.CameraCalibration, once
``/scene/standing``      foxglove.SceneUpdate, lanes, signs, artefacts and the ego in its own frame, once
``/scene/moving``        foxglove.SceneUpdate, other road users, with every picture
``/location``            foxglove.LocationFix, with every picture
=======================  =============================================================================================

What is written once has a topic of its own: players that jump to a time show the last message of every topic.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from testbed.core.errors import StoreError
from testbed.core.records import Event
from testbed.core.surroundings import Surroundings, Whereabouts
from testbed.core.types import Decision, Image, Step
from testbed.store import foxglove_messages, foxglove_scene
from testbed.store.atomic import store_errors
from testbed.store.mcap_file import McapFile
from testbed.store.right_handed import turned_ego, turned_event
from testbed.store.trace_schemas import LIBRARY, OPTIONAL_TOPICS, SCHEMAS, TOPICS

Json = dict[str, Any]


def _plain(value: object) -> object:
    # numpy scalars carry their Python value; anything else is a mistake that must not be written
    if isinstance(value, (np.generic,)):
        return value.item()
    raise TypeError(f"a trace cannot hold a {type(value).__name__}")


def encoded(message: Json, time_ns: int) -> bytes:
    """Return a message as it is stored.

    Raises:
        StoreError: It holds a number that is not finite.
    """
    try:
        return json.dumps(message, separators=(",", ":"), default=_plain, allow_nan=False).encode()
    except ValueError as error:
        raise StoreError(f"step at {time_ns / 1e9:.3f} s holds a number that is not finite") from error


def event_messages(event: Event) -> dict[str, Json]:
    """Return what is written of an event, by topic."""
    return {"/event": turned_event(event.model_dump(mode="json")), "/log": foxglove_messages.log(event)}


class TraceWriter:
    """Write one episode; the file appears under its name only when `close` has finished.

    Args:
        path: Target file.
        image_hz: Images are kept at most this often (simulated time).
        jpeg_quality: 1-95.
    """

    def __init__(self, path: Path, *, image_hz: float = 10.0, jpeg_quality: int = 80) -> None:
        """Open the file and declare its channels."""
        self._path = path
        self._file = McapFile(path, LIBRARY)
        self._image_every_s = 1.0 / image_hz
        self._jpeg_quality = jpeg_quality
        self._last_image_s = -math.inf
        self._last_decision: tuple[int, float] | None = None
        self._time_ns = 0
        self._around: Surroundings | None = None
        self._schemas: dict[str, int] = {}
        self._channels = {topic: self._declare(topic, schema) for topic, schema in TOPICS.items()}

    def _declare(self, topic: str, schema: str) -> int:
        if schema not in self._schemas:
            content = json.dumps(SCHEMAS[schema], sort_keys=True).encode()
            self._schemas[schema] = self._file.schema(schema, "jsonschema", content)
        return self._file.channel(topic, "json", self._schemas[schema])

    def begin(self, around: Surroundings, about: Mapping[str, Mapping[str, str]]) -> None:
        """Write what concerns the whole episode, before its first step.

        Args:
            around: What stands around the ego.
            about: Metadata: name of a record to its names and values.

        Raises:
            StoreError: The disk is full.
        """
        self._around = around
        with store_errors(self._path):
            for name, values in about.items():
                self._file.metadata(name, dict(values))
            self._add("/tf_static", foxglove_messages.camera_transform(around.camera))
            self._add("/camera/calibration", foxglove_messages.camera_calibration(around.camera))
            self._add("/scene/standing", foxglove_scene.standing(around))

    def step(
        self,
        step: Step,
        image: Image | None = None,
        events: Iterable[Event] = (),
        whereabouts: Whereabouts | None = None,
    ) -> None:
        """Write one step.

        Args:
            step: Truth, command and the answer in force.
            image: Driver's view of this step, shape (h, w, 3), RGB uint8; kept at ``image_hz``.
            events: Events that began in this step.
            whereabouts: Where everything that moves is, in the order of the surroundings that `begin` was given.

        Raises:
            StoreError: The disk is full or the trace was closed.
        """
        if not self._file.is_open:
            raise StoreError(f"{self._path} was written to after it had been closed")
        self._time_ns = round(step.t_s * 1e9)
        with store_errors(self._path):
            self._tell(step)
            ego = step.truth.ego
            pose = whereabouts.ego if whereabouts else (ego.x_m, ego.y_m, ego.z_m, 0.0, ego.yaw_deg, 0.0)
            # the last of every step before its events: those that judge again put theirs behind it
            self._add("/tf", foxglove_messages.ego_transform(step.t_s, pose))
            for event in events:
                for topic, message in event_messages(event).items():
                    self._add(topic, message)
            if image is not None and step.t_s >= self._last_image_s + self._image_every_s - 1e-6:
                self._last_image_s = step.t_s
                self._show(step, image, whereabouts)

    def _tell(self, step: Step) -> None:
        """Write what judges need."""
        head: Json = {"frame": step.frame, "t_s": step.t_s}
        truth = step.truth
        self._add("/ego", head | turned_ego(dataclasses.asdict(truth.ego)))
        self._add("/lane", head | dataclasses.asdict(truth.lane))
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
        self._add("/traffic", head | traffic)
        if truth.attack is not None:
            self._add("/attack", head | dataclasses.asdict(truth.attack))
        in_force = step.decision.frame if step.decision is not None else None
        self._add("/command", head | dataclasses.asdict(step.command) | {"decision_frame": in_force})
        if step.decision is not None:
            identity = (step.decision.frame, step.decision.applied_t_s)
            if identity != self._last_decision:
                self._last_decision = identity
                self._decide(head, step.decision)

    def _decide(self, head: Json, decision: Decision) -> None:
        content = _decision(decision)
        arbitration = content["perception"].pop("arbitration")
        self._add("/decision", head | {"decision": content})
        if arbitration is not None:
            # its own frame, by which a reader finds the decision that it belongs to
            self._add("/arbitration", {"frame": decision.frame, "t_s": decision.t_s} | arbitration)

    def _show(self, step: Step, image: Image, whereabouts: Whereabouts | None) -> None:
        """Write what goes with a picture."""
        self._add("/camera", foxglove_messages.compressed_image(step.t_s, image, self._jpeg_quality))
        self._add("/camera/annotations", foxglove_messages.image_annotations(step))
        if whereabouts is None or self._around is None:
            return
        self._add("/location", foxglove_messages.location_fix(step.t_s, whereabouts))
        if whereabouts.road_users:
            users = self._around.road_users
            self._add("/scene/moving", foxglove_scene.moving(step.t_s, users, whereabouts.road_users))

    def _add(self, topic: str, message: Json) -> None:
        if topic not in self._channels:
            self._channels[topic] = self._declare(topic, OPTIONAL_TOPICS[topic])
        self._file.message(self._channels[topic], self._time_ns, encoded(message, self._time_ns))

    def close(self) -> str:
        """Finish the file, put it under its name and return its sha256.

        Raises:
            StoreError: The disk is full; nothing appears under the name.
        """
        return self._file.close()

    def abort(self) -> None:
        """Give the trace up: nothing appears under its name. Harmless after `close`."""
        self._file.abort()


def _decision(decision: Decision) -> Json:
    """Return a decision as JSON types; what most agents never say is mentioned only where it was said."""
    return dataclasses.asdict(decision, dict_factory=_without_unsaid)


def _without_unsaid(items: list[tuple[str, Any]]) -> Json:
    """Return the fields of an object, sets as sorted lists."""
    filled = [(name, value) for name, value in items if value != frozenset() and (name, value) != ("command", None)]
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in filled}
