"""The fixed parts of sensor messages (LibCarla's carla/sensor/s11n)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.server.simulation.actors import SimulatedActor
from testbed.server.simulation.state_stream import SENSOR_HEADER

IMAGE_HEADER = struct.Struct("<IIf")

Buffer = bytes | memoryview
Message = Sequence[Buffer]
"""One message as buffers that are sent one after another."""


@dataclass(frozen=True, slots=True)
class Instant:
    """When a measurement is taken: frame number and simulation time."""

    frame: int
    elapsed_s: float


def header(actor: SimulatedActor, type_id: int, instant: Instant) -> bytes:
    """Return the 48 bytes in front of every measurement."""
    return SENSOR_HEADER.pack(type_id, instant.frame, instant.elapsed_s, *actor.pose)
