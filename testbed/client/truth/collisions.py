"""What the ego ran into: the reports of its collision sensor."""

from __future__ import annotations

import math
import queue
from collections.abc import Mapping

import carla

from testbed.core.types import Collision


class CollisionReports:
    """Collect the reports of a collision sensor, which listens from the moment this is made.

    Args:
        world: In synchronous mode.
        sensor: The sensor.
        numbers: Actor id in the world to its number in the records.
    """

    def __init__(self, world: carla.World, sensor: carla.Sensor, numbers: Mapping[int, int]) -> None:
        """Start listening."""
        self._world = world
        self._numbers = numbers
        self._events: queue.SimpleQueue[carla.CollisionEvent] = queue.SimpleQueue()
        sensor.listen(self._events.put)

    def take(self) -> tuple[Collision, ...]:
        """Return the collisions reported since the last call."""
        found: list[Collision] = []
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return tuple(found)
            other = event.other_actor
            impulse = event.normal_impulse
            magnitude = math.sqrt(impulse.x**2 + impulse.y**2 + impulse.z**2)
            mine = self._world.get_snapshot().find(event.actor.id).get_velocity()
            theirs = other.get_velocity()
            relative = math.hypot(mine.x - theirs.x, mine.y - theirs.y)
            static = not other.type_id.startswith(("vehicle.", "walker."))
            number = 0 if static else self._numbers.get(other.id, other.id)
            found.append(Collision(number, other.type_id, magnitude, relative))
