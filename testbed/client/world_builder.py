"""Put a concrete scenario into a CARLA world: weather, ego, other road users, signs, artefacts; take it out again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.surfaces import RoadRectangle, SignPlate, TargetSurface, VehicleBody
from testbed.client.injection import InjectedArtefact, Injector
from testbed.client.scripted_traffic import ScriptedActor
from testbed.client.texture_calls import SIGN, TextureCalls
from testbed.client.transforms import to_bounds, to_pose, to_transform
from testbed.client.truth.right_of_way import lights_on_path
from testbed.client.truth.road_signs import find_map_sign, sign_plate
from testbed.client.truth.route import follow_lane, ground_height_m, lane_of
from testbed.client.weather import drift_sun, to_weather, weather_parameters
from testbed.core.errors import ScenarioError, ServerError, UnsupportedError
from testbed.core.lane_path import LanePath
from testbed.core.types import Decal, Payload, Pose
from testbed.scenario.concrete import ConcreteScenario, Injection
from testbed.scenario.schema import Actor, Sign

SPAWN_HEIGHT_M = 0.05
WALKER_SPAWN_M = 1.0
ROUTE_MARGIN_M = 200.0
QUAD_M = 4.0


@dataclass(frozen=True)
class EpisodeWorld:
    """The actors, sensors and artefacts of one episode in the world.

    Attributes:
        path: The ego's lane.
        ego: The vehicle under test.
        camera: Its camera.
        collision: Its collision sensor.
        depth: Depth camera at the camera's pose; None in benign episodes.
        scripted_actors: Other road users.
        artefacts: What adversaries bring.
    """

    path: LanePath
    ego: carla.Vehicle
    camera: carla.Sensor
    collision: carla.Sensor
    depth: carla.Sensor | None
    scripted_actors: Sequence[ScriptedActor]
    artefacts: Sequence[InjectedArtefact]


def find_blueprint(library: carla.BlueprintLibrary, name: str) -> carla.ActorBlueprint:
    """Return a blueprint by id.

    Raises:
        ScenarioError: If the server has none of that name.
    """
    try:
        return library.find(name)
    except (IndexError, RuntimeError) as error:
        group = ".".join(name.split(".")[:2]) + ".*"
        known = sorted(b.id for b in library.filter(group)) or sorted(b.id for b in library.filter("vehicle.*"))
        raise ScenarioError(f"the server has no blueprint {name!r}", hint=f"known: {', '.join(known[:12])}") from error


class WorldBuilder:
    """Build the world of one episode; whatever fails on the way, ``spawned`` has everything that is to go again.

    Args:
        world: In synchronous mode.
        concrete: What to build.
        payloads: Adversary id to what it brings.
        textures: Texture calls of the server.
    """

    def __init__(
        self,
        world: carla.World,
        concrete: ConcreteScenario,
        payloads: Mapping[str, Payload],
        textures: TextureCalls | None = None,
    ) -> None:
        """Look up map and blueprints once."""
        self._world = world
        self._map = world.get_map()
        self._library = world.get_blueprint_library()
        self._concrete = concrete
        self._payloads = payloads
        self._textures = textures or TextureCalls(world)
        self._signs: dict[str, SignPlate] = {}
        self._actors: dict[str, carla.Actor] = {}
        self.spawned: list[carla.Actor] = []

    def build(self) -> EpisodeWorld:
        """Spawn everything.

        Raises:
            ScenarioError: If a place or blueprint does not exist, or two things are put into the same place.
            UnsupportedError: If the server cannot show what the scenario asks for.
            ServerError: If an actor cannot be spawned.
        """
        concrete = self._concrete
        weather = weather_parameters(concrete.weather_preset, concrete.weather)
        self._world.set_weather(weather)
        start = concrete.ego
        length = start.cruise_mps * 1.2 * concrete.steps * concrete.step_s + ROUTE_MARGIN_M
        path = follow_lane(self._map, start.road, start.lane, start.s_m, length)
        pose = path.pose(0.0, start.lateral_offset_m, SPAWN_HEIGHT_M)
        pose = (*pose[:4], pose[4] - start.heading_error_deg, pose[5])
        ego = cast(carla.Vehicle, self._spawn(start.blueprint, pose, "the ego", {"role_name": "hero"}))
        self._set_lights(path)
        scripted_actors = [self._scripted_actor(actor, path) for actor in concrete.actors]
        for sign in concrete.signs:
            self._signs[sign.id] = self._sign(sign, path)
        artefacts = self._inject(weather, path)
        if concrete.sun_drift_min:
            self._world.set_weather(drift_sun(weather, concrete.sun_drift_min))
        camera = self._camera("sensor.camera.rgb", "the driver's camera", ego)
        collision = self._spawn("sensor.other.collision", (0.0,) * 6, "the collision sensor", parent=ego)
        # last, so that everything else is numbered as in the benign twin
        depth = self._camera("sensor.camera.depth", "the depth camera", ego) if concrete.injections else None
        return EpisodeWorld(path, ego, camera, cast(carla.Sensor, collision), depth, scripted_actors, artefacts)

    def _inject(self, weather: carla.WeatherParameters, path: LanePath) -> list[InjectedArtefact]:
        """Put what adversaries bring on its targets, under the weather as it is now."""
        concrete = self._concrete
        if not concrete.injections:
            return []
        later = drift_sun(weather_parameters(concrete.weather_preset, concrete.weather), concrete.sun_drift_min)
        injector = Injector(
            self._world, self._textures, self._spawn, to_weather(weather), to_weather(later), self._eye_m(path)
        )
        found = []
        for injection in concrete.injections:
            payload = self._payloads[injection.adversary]
            found.append(injector.inject(injection, payload, self._target(injection, payload, path)))
        return found

    def _eye_m(self, path: LanePath) -> NDArray[np.float64]:
        """Return where the driver's camera is when the ego starts, world frame, (3,)."""
        camera = self._concrete.camera
        x, y, z, _, _, _ = path.pose(camera.x_m, self._concrete.ego.lateral_offset_m)
        return np.array([x, y, z + camera.z_m])

    def _set_lights(self, path: LanePath) -> None:
        """Bring traffic lights into the state the scenario asks for, the same at the start of every episode."""
        world, wanted = self._world, self._concrete.lights
        lights = [cast(carla.TrafficLight, one) for one in world.get_actors().filter("traffic.traffic_light")]
        if not lights:
            return
        world.reset_all_traffic_lights()
        world.freeze_all_traffic_lights(wanted != "cycle")
        if wanted == "cycle":
            return
        ours = {light.id for light, _ in lights_on_path(lights, path)}
        mine, others = carla.TrafficLightState.Red, carla.TrafficLightState.Green
        if wanted == "green":
            mine, others = others, mine
        for light in lights:
            light.set_state(mine if light.id in ours else others)

    def _spawn(
        self,
        name: str,
        pose: Pose,
        what: str,
        attributes: Mapping[str, object] | None = None,
        *,
        parent: carla.Actor | None = None,
    ) -> carla.Actor:
        blueprint = find_blueprint(self._library, name)
        for key, value in (attributes or {}).items():
            if blueprint.has_attribute(key):
                blueprint.set_attribute(key, str(value))
        try:
            actor = self._world.spawn_actor(blueprint, to_transform(pose), attach_to=parent)
        except RuntimeError as error:
            if "collision" in str(error):
                raise ScenarioError(f"{what} cannot be put at x={pose[0]:.1f} y={pose[1]:.1f}: {error}") from error
            raise ServerError(f"{what} ({name}) cannot be spawned: {error}") from error
        self.spawned.append(actor)
        return actor

    def _scripted_actor(self, plan: Actor, ego_path: LanePath) -> ScriptedActor:
        path, s_m = lane_of(plan, self._concrete, ego_path, self._map)
        scripted = ScriptedActor(0, plan, path, s_m)
        scripted.up_m = ground_height_m(self._map, scripted.pose(0.0)) if scripted.walks else 0.0
        x, y, z, pitch, yaw, roll = scripted.pose(0.0)
        above_m = WALKER_SPAWN_M if scripted.walks else SPAWN_HEIGHT_M
        actor = self._spawn(plan.blueprint, (x, y, z + above_m, pitch, yaw, roll), f"actor {plan.id!r}")
        actor.set_simulate_physics(False)
        # a vehicle's origin lies on the ground, a walker's in its middle
        scripted.up_m += float(actor.bounding_box.extent.z - actor.bounding_box.location.z)
        self._actors[plan.id] = actor
        scripted.actor_id = actor.id
        return scripted

    def _sign(self, sign: Sign, path: LanePath) -> SignPlate:
        pose = path.pose(sign.ahead_m, sign.lateral_m)
        if sign.on_map:
            actor = find_map_sign(self._world.get_actors(), path, sign.gtsrb_class, pose)
            return sign_plate(actor, sign.id, sign.gtsrb_class, path, on_map=True)
        what = f"sign {sign.id!r}"
        if not len(self._library.filter(SIGN)):
            raise UnsupportedError(
                f"{what} needs the blueprint {SIGN}, which this server does not offer",
                hint="write on_map: true to use one of the map's own signs, or leave --carla out",
            )
        actor = self._spawn(
            SIGN, pose, what, {"gtsrb_class": sign.gtsrb_class, "size_m": sign.size_m, "role_name": sign.id}
        )
        # what was just spawned has no place in the world before the next tick
        return sign_plate(actor, sign.id, sign.gtsrb_class, path, on_map=False, pose=pose)

    def _camera(self, blueprint: str, what: str, ego: carla.Actor) -> carla.Sensor:
        camera = self._concrete.camera
        pose = (camera.x_m, 0.0, camera.z_m, camera.pitch_deg, 0.0, 0.0)
        size = {"image_size_x": camera.width_px, "image_size_y": camera.height_px, "fov": camera.fov_deg}
        return cast(carla.Sensor, self._spawn(blueprint, pose, what, size, parent=ego))

    def _target(self, injection: Injection, payload: Payload, path: LanePath) -> TargetSurface:
        """Return where an artefact goes."""
        if injection.sign is not None:
            return self._signs[injection.sign]
        if injection.actor is not None:
            return _vehicle_body(self._actors[injection.actor], path)
        assert injection.at is not None
        if not isinstance(payload, Decal):
            raise ScenarioError(f"adversary {injection.adversary!r}: a {type(payload).__name__} is not for the road")
        near_m, lateral_offset_m = injection.at.ahead_m, injection.at.lateral_m
        centre = path.pose(near_m + payload.length_m / 2.0, lateral_offset_m)
        pieces = max(1, math.ceil(payload.length_m / QUAD_M))
        heights = [path.pose(near_m + payload.length_m * k / pieces)[2] for k in range(pieces + 1)]
        return RoadRectangle(centre, payload.length_m, payload.width_m, near_m, np.array(heights))


def _vehicle_body(actor: carla.Actor, path: LanePath) -> VehicleBody:
    bounds, said = to_bounds(actor.bounding_box), actor.attributes.get("color", "")
    numbers = [int(part) for part in said.split(",")] if said else []
    return VehicleBody(
        actor.id,
        actor.type_id,
        (numbers[0], numbers[1], numbers[2]) if numbers else None,
        lambda: to_pose(actor.get_transform()),
        bounds.centre_m,
        bounds.half_m,
        path,
    )


def clear(client: carla.Client, actors: Sequence[carla.Actor]) -> None:
    """Stop and destroy actors, sensors first, in one batch."""
    for actor in actors:
        if isinstance(actor, carla.Sensor):
            actor.stop()
    client.apply_batch_sync([carla.command.DestroyActor(actor.id) for actor in reversed(actors)], False)
