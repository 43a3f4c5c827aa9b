"""Who touches whom, and what it does to their motion: oriented boxes, one impulse per contact and tick.

Vehicles are rigid bodies in the plane; scenery and most props do not give way; walkers and cones are pushed aside.
The order of pairs follows actor ids and scenery order, so the result does not depend on anything but the state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from testbed.core.geometry import Vector
from testbed.server.simulation.actors import ActorKind, SimulatedActor
from testbed.server.simulation.bounding_boxes import Contact, Footprint, footprint, overlap

RESTITUTION = 0.1
SLIDING_FRICTION = 0.3
CELL_M = 16.0
SLOP_M = 0.01
"""Overlap that is left standing, so that a touching pair keeps touching instead of trembling."""


@dataclass(frozen=True, slots=True)
class StaticBox:
    """Scenery that can be hit or seen by rays.

    Attributes:
        name: Scenery name.
        tag: CARLA semantic tag.
        shape: Footprint in the world.
    """

    name: str
    tag: int
    shape: Footprint


@dataclass(frozen=True, slots=True)
class CollisionEvent:
    """One contact of one actor in one tick.

    Attributes:
        actor_id: Who was hit.
        other_id: By whom; 0 for scenery.
        other_name: Scenery name when ``other_id`` is 0.
        other_tag: Semantic tag of the scenery.
        impulse_ns: World impulse on the actor.
    """

    actor_id: int
    other_id: int
    other_name: str
    other_tag: int
    impulse_ns: Vector


class StaticGrid:
    """Static boxes in a uniform grid, so that a vehicle only meets what stands near it."""

    def __init__(self, boxes: Iterable[StaticBox]) -> None:
        """Sort the boxes into cells of 16 m; a box lies in every cell that its outline may touch."""
        self._cells: dict[tuple[int, int], list[int]] = {}
        self.boxes: list[StaticBox] = list(boxes)
        for index, box in enumerate(self.boxes):
            shape = box.shape
            reach_x = abs(shape.cos) * shape.half_length_m + abs(shape.sin) * shape.half_width_m
            reach_y = abs(shape.sin) * shape.half_length_m + abs(shape.cos) * shape.half_width_m
            for column in _cells(shape.x_m, reach_x):
                for row in _cells(shape.y_m, reach_y):
                    self._cells.setdefault((column, row), []).append(index)

    def near(self, shape: Footprint) -> list[StaticBox]:
        """Return the boxes whose cells the circle around ``shape`` touches, in scenery order."""
        found: set[int] = set()
        for column in _cells(shape.x_m, shape.radius_m):
            for row in _cells(shape.y_m, shape.radius_m):
                found.update(self._cells.get((column, row), ()))
        return [self.boxes[index] for index in sorted(found)]


def _cells(centre_m: float, reach_m: float) -> range:
    return range(math.floor((centre_m - reach_m) / CELL_M), math.floor((centre_m + reach_m) / CELL_M) + 1)


@dataclass(slots=True)
class _Body:
    actor: SimulatedActor
    shape: Footprint
    inverse_mass: float
    inverse_inertia: float

    def velocity(self, x: float, y: float) -> tuple[float, float]:
        vehicle = self.actor.vehicle
        if vehicle is None:
            return self.actor.velocity_mps[0], self.actor.velocity_mps[1]
        motion = vehicle.motion
        cos, sin = self.shape.cos, self.shape.sin
        rate = motion.yaw_rate_rad_s
        vx = motion.vx_mps * cos - motion.vy_mps * sin - rate * (y - motion.y_m)
        vy = motion.vx_mps * sin + motion.vy_mps * cos + rate * (x - motion.x_m)
        return vx, vy

    def arm(self, x: float, y: float, nx: float, ny: float) -> float:
        vehicle = self.actor.vehicle
        if vehicle is None:
            return 0.0
        return (x - vehicle.motion.x_m) * ny - (y - vehicle.motion.y_m) * nx

    def push(self, x: float, y: float, jx: float, jy: float) -> None:
        vehicle = self.actor.vehicle
        if vehicle is None or self.inverse_mass == 0.0:
            return
        motion = vehicle.motion
        cos, sin = self.shape.cos, self.shape.sin
        dvx, dvy = jx * self.inverse_mass, jy * self.inverse_mass
        motion.vx_mps += dvx * cos + dvy * sin
        motion.vy_mps += dvy * cos - dvx * sin
        motion.yaw_rate_rad_s += ((x - motion.x_m) * jy - (y - motion.y_m) * jx) * self.inverse_inertia

    def shift(self, dx: float, dy: float) -> None:
        actor = self.actor
        actor.pose = (actor.pose[0] + dx, actor.pose[1] + dy, *actor.pose[2:])
        self.shape.x_m += dx
        self.shape.y_m += dy
        if actor.vehicle is not None:
            actor.vehicle.motion.x_m += dx
            actor.vehicle.motion.y_m += dy


class CollisionSolver:
    """Finds and resolves the contacts of a tick and remembers which pairs were in contact before."""

    def __init__(self, statics: StaticGrid) -> None:
        """Collide against the scenery in ``statics``."""
        self.statics = statics
        self._touching: set[tuple[int, str]] = set()

    def resolve(self, actors: Sequence[SimulatedActor]) -> list[CollisionEvent]:
        """Separate what overlaps, exchange impulses, and report each contact from both sides.

        Args:
            actors: All living actors, by rising id; only unattached vehicles, walkers and props take part.
        """
        bodies = [_body(actor) for actor in actors if _takes_part(actor)]
        movers = [body for body in bodies if body.actor.vehicle is not None]
        if not movers:
            return []
        events: list[CollisionEvent] = []
        touching: set[tuple[int, str]] = set()
        bodies.sort(key=lambda body: (body.shape.x_m - body.shape.radius_m, body.actor.id))
        for first, second in _pairs(bodies):
            contact = overlap(first.shape, second.shape)
            if contact is not None:
                impulse = _collide(first, second, contact)
                self._report(first, second, contact, impulse, touching, events)
        for body in movers:
            if not body.actor.physics:
                continue
            for box in self.statics.near(body.shape):
                contact = overlap(body.shape, box.shape)
                if contact is not None:
                    impulse = _collide(body, None, contact)
                    key = (body.actor.id, box.name)
                    touching.add(key)
                    if impulse > 1.0 or key not in self._touching:
                        vector = (contact.normal_x * impulse, contact.normal_y * impulse, 0.0)
                        events.append(CollisionEvent(body.actor.id, 0, box.name, box.tag, vector))
        self._touching = touching
        return events

    def _report(
        self,
        first: _Body,
        second: _Body,
        contact: Contact,
        impulse: float,
        touching: set[tuple[int, str]],
        events: list[CollisionEvent],
    ) -> None:
        low, high = sorted((first.actor.id, second.actor.id))
        key = (low, str(high))
        touching.add(key)
        if impulse <= 1.0 and key in self._touching:
            return
        x, y = contact.normal_x * impulse, contact.normal_y * impulse
        events.append(CollisionEvent(first.actor.id, second.actor.id, "", 0, (x, y, 0.0)))
        events.append(CollisionEvent(second.actor.id, first.actor.id, "", 0, (-x, -y, 0.0)))


def blocked(shape: Footprint, actors: Iterable[SimulatedActor]) -> bool:
    """Tell whether a new actor with this footprint would overlap a living one."""
    return any(overlap(shape, footprint(actor.pose, actor.box)) is not None for actor in actors if _takes_part(actor))


def _takes_part(actor: SimulatedActor) -> bool:
    if not actor.collides or actor.parent_id or actor.box.extent_m[0] <= 0.0:
        return False
    return actor.kind in (ActorKind.VEHICLE, ActorKind.WALKER, ActorKind.STATIC)


def _body(actor: SimulatedActor) -> _Body:
    shape = footprint(actor.pose, actor.box)
    vehicle = actor.vehicle
    if vehicle is not None:
        if not actor.physics or vehicle.constant_velocity is not None:
            return _Body(actor, shape, 0.0, 0.0)
        return _Body(actor, shape, 1.0 / vehicle.chassis.mass_kg, 1.0 / vehicle.chassis.yaw_inertia_kgm2)
    if actor.kind is ActorKind.WALKER:
        return _Body(actor, shape, 1.0 / 75.0, 0.0)
    return _Body(actor, shape, 1.0 / 5.0 if "cone" in actor.type_id else 0.0, 0.0)


def _pairs(bodies: Sequence[_Body]) -> Iterable[tuple[_Body, _Body]]:
    """Yield the pairs with at least one vehicle whose x ranges overlap; ``bodies`` is sorted by lowest x."""
    for index, first in enumerate(bodies):
        reach = first.shape.x_m + first.shape.radius_m
        for second in bodies[index + 1 :]:
            if second.shape.x_m - second.shape.radius_m > reach:
                break
            if first.actor.vehicle is not None or second.actor.vehicle is not None:
                yield (first, second) if first.actor.id < second.actor.id else (second, first)


def _collide(first: _Body, second: _Body | None, contact: Contact) -> float:
    """Exchange one impulse along the contact normal (towards ``first``) and return its size in N s."""
    nx, ny, x, y = contact.normal_x, contact.normal_y, contact.x_m, contact.y_m
    v1 = first.velocity(x, y)
    v2 = second.velocity(x, y) if second is not None else (0.0, 0.0)
    mass2 = second.inverse_mass if second is not None else 0.0
    inertia2 = second.inverse_inertia if second is not None else 0.0
    total = first.inverse_mass + mass2
    if total == 0.0:
        return 0.0
    excess = max(contact.depth_m - SLOP_M, 0.0) / total
    first.shift(nx * excess * first.inverse_mass, ny * excess * first.inverse_mass)
    if second is not None:
        second.shift(-nx * excess * mass2, -ny * excess * mass2)

    rx, ry = v1[0] - v2[0], v1[1] - v2[1]
    closing = rx * nx + ry * ny
    if closing >= 0.0:
        return 0.0
    arm1 = first.arm(x, y, nx, ny)
    arm2 = second.arm(x, y, nx, ny) if second is not None else 0.0
    effective = total + arm1 * arm1 * first.inverse_inertia + arm2 * arm2 * inertia2
    normal = -(1.0 + RESTITUTION) * closing / effective
    tx, ty = -ny, nx
    sliding = rx * tx + ry * ty
    arm1 = first.arm(x, y, tx, ty)
    arm2 = second.arm(x, y, tx, ty) if second is not None else 0.0
    effective = total + arm1 * arm1 * first.inverse_inertia + arm2 * arm2 * inertia2
    limit = SLIDING_FRICTION * normal
    tangential = max(-limit, min(limit, -sliding / effective))
    jx, jy = nx * normal + tx * tangential, ny * normal + ty * tangential
    first.push(x, y, jx, jy)
    if second is not None:
        second.push(x, y, -jx, -jy)
    return normal
