"""The world: one episode of one map with its actors, advanced tick by tick.

Nothing here looks at a clock or at chance: ids, frames and episode numbers count from fixed starts, actors are visited
in the order of their ids, so the same calls give the same states.

A tick (`World.step`), in this order:

====  =====================================================================
 1    traffic lights move on
 2    vehicles and walkers move, in slices of at most 50 ms
 3    after each slice: contacts are resolved and collisions noted
 4    speed limits follow the signs that were passed
 5    attached actors follow their parents
====  =====================================================================
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable

from testbed.core.types import Pose
from testbed.server.simulation import factory
from testbed.server.simulation.actors import ActorKind, SimulatedActor, Vehicle
from testbed.server.simulation.bounding_boxes import footprint
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.chassis import WET_FRICTION_LOSS
from testbed.server.simulation.collisions import CollisionEvent, CollisionSolver, StaticBox, StaticGrid, blocked
from testbed.server.simulation.ground import Ground
from testbed.server.simulation.lights import GREEN, coordinate, step_light
from testbed.server.simulation.mover import step_vehicle, step_walker
from testbed.server.simulation.settings import Settings, WeatherState
from testbed.server.simulation.traffic_signs import SpeedLimits, TrafficLightApproaches, gtsrb_class, plate, type_id
from testbed.server.simulation.transforms import compose
from testbed.world.maps.catalogue import MapBundle

SLICE_S = 0.05
MAX_ACTORS = 4096
MAX_STEP_S = 10.0
GRAVEYARD = 256
"""Destroyed actors that getters still answer for: a client's traffic manager asks for a tick or two after the end."""

MAP_CHANGED, LIGHT_UPDATE = 1, 2
OBSERVER_STREAM = 1

BLOCKED = "Spawn failed because of collision at spawn position"

ActorHook = Callable[[SimulatedActor], None]


class World:
    """Everything that exists in the simulation.

    Attributes:
        settings: Episode settings.
        weather: Current weather.
        frame: Number of the last frame.
        elapsed_s: Simulation time since the map was loaded.
        step_s: Length of the last tick.
        episode_id: Changes with every map load.
        state_bits: Bits for the next state message.
        bundle: The map.
        actors: By id, in order of creation, which is also the order of ids.
        collisions: Contacts of the last tick.
        spawn_points: Recommended poses of the map.
    """

    def __init__(self, bundle: MapBundle, seed: int = 0) -> None:
        """Load the first map; ``seed`` only enters the episode id."""
        self.settings = Settings()
        self.weather = WeatherState()
        self.frame = 0
        self.step_s = 0.05
        self.clock_s = 0.0
        self.episode_id = (seed % 2**32) << 16
        self._next_id = 1
        self._next_stream = OBSERVER_STREAM + 1
        self.on_spawn: ActorHook | None = None
        self.on_destroy: ActorHook | None = None
        self.load(bundle, ())

    def load(self, bundle: MapBundle, statics: Iterable[StaticBox]) -> None:
        """Start a new episode on a map: all actors go, the weather is fine again, the frame number goes on.

        Args:
            bundle: Map.
            statics: Scenery that can be hit.
        """
        self.bundle = bundle
        self.weather = WeatherState()
        self.episode_id += 1
        self.elapsed_s = 0.0
        self.state_bits = MAP_CHANGED | LIGHT_UPDATE
        self.actors: dict[int, SimulatedActor] = {}
        self.streams: dict[int, SimulatedActor] = {}
        self.collisions: list[CollisionEvent] = []
        self._graveyard: OrderedDict[int, SimulatedActor] = OrderedDict()
        self.ground = Ground(bundle.network)
        self.limits = SpeedLimits(bundle.network)
        self.spawn_points = [_lifted(pose) for pose in bundle.network.spawn_points()]
        self.set_statics(statics)
        self.spectator = factory.spectator(self._take_id())
        self.actors[self.spectator.id] = self.spectator
        for signal in bundle.network.signals():
            actor = factory.map_actor(self._take_id(), type_id(signal), signal.pose, plate(signal), signal.id[:31])
            actor.attributes = [["signal_type", 4, signal.type], ["signal_name", 4, signal.name]]
            sign_class = gtsrb_class(signal)
            if sign_class is not None:
                actor.attributes.append(["gtsrb_class", 2, str(sign_class)])
            self.actors[actor.id] = actor
        lights = {actor.signal_id: actor for actor in self.lights()}
        coordinate({name: actor.light for name, actor in lights.items() if actor.light}, bundle.network.phases)
        named = {signal.id[:31]: signal for signal in bundle.network.signals()}
        self.approaches = TrafficLightApproaches(bundle.network, [(lights[name].id, named[name]) for name in lights])

    def set_statics(self, statics: Iterable[StaticBox]) -> None:
        """Replace the scenery that can be hit."""
        self._solver = CollisionSolver(StaticGrid(statics))

    @property
    def statics(self) -> StaticGrid:
        """Scenery that can be hit."""
        return self._solver.statics

    # Actors

    def get(self, actor_id: int) -> SimulatedActor:
        """Return a living or recently destroyed actor.

        Raises:
            CallError: There is none with this id.
        """
        actor = self.actors.get(actor_id) or self._graveyard.get(actor_id)
        if actor is None:
            raise CallError(f"unable to find actor: {actor_id} not found")
        return actor

    def spawn(
        self, type_id: str, attributes: list[list[object]], pose: Pose, parent_id: int = 0, attachment: int = 0
    ) -> SimulatedActor:
        """Create an actor.

        Args:
            type_id: Blueprint id.
            attributes: ``[name, type, value]`` triples.
            pose: World pose, or pose relative to the parent.
            parent_id: Actor to attach to; 0 for none.
            attachment: CARLA's attachment type.

        Raises:
            CallError: Unknown blueprint, wrong attribute, occupied place, missing parent, or too many actors.
        """
        if len(self.actors) >= MAX_ACTORS:
            raise CallError(f"Spawn failed: the world is full ({MAX_ACTORS} actors)")
        parent = None
        if parent_id:
            parent = self.actors.get(parent_id)
            if parent is None:
                raise CallError("unable to attach actor: parent actor not found")
        actor = factory.create(self._next_id, type_id, attributes, pose)
        if parent is None and actor.kind in (ActorKind.VEHICLE, ActorKind.WALKER):
            shape = footprint(pose, actor.box)
            if blocked(shape, self.actors.values()):
                raise CallError(BLOCKED)
        self._take_id()
        if actor.sensor is not None:
            actor.sensor.born_frame = self.frame
            actor.stream_id = self._next_stream
            self._next_stream += 1
            self.streams[actor.stream_id] = actor
        if parent is not None:
            actor.parent_id, actor.attachment = parent.id, attachment
            parent.children.append(actor.id)
            actor.pose = compose(parent.pose, actor.relative)
        if actor.vehicle is not None:
            actor.vehicle.speed_limit_kmh = self.limits.at(pose[0], pose[1])
        self.actors[actor.id] = actor
        if self.on_spawn is not None:
            self.on_spawn(actor)
        return actor

    def destroy(self, actor_id: int) -> None:
        """Take an actor out of the world; what was attached to it stays where it is.

        Raises:
            CallError: There is none with this id, or it belongs to the map.
        """
        actor = self.actors.get(actor_id)
        if actor is None:
            raise CallError("unable to destroy actor: not found")
        if actor is self.spectator:
            raise CallError("unable to destroy actor: the spectator belongs to the map")
        del self.actors[actor_id]
        for child_id in actor.children:
            child = self.actors.get(child_id)
            if child is not None:
                child.parent_id, child.relative = 0, child.pose
        parent = self.actors.get(actor.parent_id)
        if parent is not None:
            parent.children.remove(actor_id)
        if actor.stream_id:
            self.streams.pop(actor.stream_id, None)
        self.ground.forget(actor_id)
        self._graveyard[actor_id] = actor
        while len(self._graveyard) > GRAVEYARD:
            self._graveyard.popitem(last=False)
        if self.on_destroy is not None:
            self.on_destroy(actor)

    def vehicles(self) -> list[SimulatedActor]:
        """Return all living vehicles by id."""
        return [actor for actor in self.actors.values() if actor.vehicle is not None]

    def lights(self) -> list[SimulatedActor]:
        """Return all living traffic lights by id."""
        return [actor for actor in self.actors.values() if actor.light is not None]

    # Time

    def step(self, step_s: float) -> None:
        """Advance the world by one frame of ``step_s`` seconds (bounded to 10 s)."""
        step_s = min(max(step_s, 0.0), MAX_STEP_S)
        self.frame += 1
        self.step_s = step_s
        self.elapsed_s += step_s
        self.clock_s += step_s
        self.collisions = []
        actors = list(self.actors.values())
        for actor in actors:
            if actor.light is not None:
                step_light(actor.light, step_s)
        slices = max(1, math.ceil(step_s / SLICE_S - 1e-9))
        for _ in range(slices):
            self._slice(actors, step_s / slices)
        for actor in actors:
            if actor.parent_id:
                self._follow(actor)
            if actor.vehicle is not None:
                self._meet_light(actor, actor.vehicle)

    def _meet_light(self, actor: SimulatedActor, vehicle: Vehicle) -> None:
        """Tell a vehicle which light it comes to and how that shows now."""
        vehicle.traffic_light_id = self.approaches.at(actor.pose[0], actor.pose[1], math.radians(actor.pose[4]))
        light = self.actors[vehicle.traffic_light_id].light if vehicle.traffic_light_id in self.actors else None
        vehicle.traffic_light_state = GREEN if light is None else light.state

    def _slice(self, actors: list[SimulatedActor], step_s: float) -> None:
        friction = self.weather.friction(WET_FRICTION_LOSS)
        moved = []
        for actor in actors:
            vehicle = actor.vehicle
            if vehicle is not None:
                if actor.parent_id:
                    continue
                x, y = actor.pose[0], actor.pose[1]
                step_vehicle(actor, vehicle, step_s, self.ground, friction)
                moved.append((actor, vehicle, x, y))
            elif actor.walker is not None and not actor.parent_id:
                step_walker(actor, actor.walker, step_s, self.ground)
        self.collisions += self._solver.resolve(actors)
        for actor, vehicle, x, y in moved:
            limit = self.limits.crossed(x, y, actor.pose[0], actor.pose[1])
            if limit is not None:
                vehicle.speed_limit_kmh = limit

    def _follow(self, actor: SimulatedActor) -> None:
        parent = self.actors.get(actor.parent_id)
        if parent is not None:
            if parent.parent_id:
                self._follow(parent)
            actor.pose = compose(parent.pose, actor.relative)
            actor.velocity_mps = parent.velocity_mps
            actor.angular_deg_s = parent.angular_deg_s
            actor.acceleration_mps2 = parent.acceleration_mps2

    def refresh(self, actor: SimulatedActor) -> None:
        """Bring the children of an actor that was teleported along at once."""
        for child_id in actor.children:
            child = self.actors.get(child_id)
            if child is not None:
                child.pose = compose(actor.pose, child.relative)
                self.refresh(child)

    def _take_id(self) -> int:
        actor_id = self._next_id
        self._next_id += 1
        return actor_id


def _lifted(pose: Pose) -> Pose:
    """Return a spawn point half a metre above the road, as CARLA's are."""
    return (pose[0], pose[1], pose[2] + 0.5, *pose[3:])
