"""Puts a staging into a CARLA world: weather, ego, other road users, signs, artefacts; and takes it all out again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import carla
import numpy as np

from testbed.client.path import LanePath
from testbed.core.errors import ScenarioError, ServerError
from testbed.core.types import Decal, Pose
from testbed.scenario.realise import Injection, Staging
from testbed.scenario.schema import Actor

SPAWN_HEIGHT_M = 0.05
ROUTE_MARGIN_M = 200.0


def to_transform(pose: Pose) -> Any:
    """Return a pose as ``carla.Transform``."""
    x, y, z, pitch, yaw, roll = pose
    return carla.Transform(carla.Location(x=x, y=y, z=z), carla.Rotation(pitch=pitch, yaw=yaw, roll=roll))


def to_pose(transform: Any) -> Pose:
    """Return a ``carla.Transform`` as a pose."""
    place, turn = transform.location, transform.rotation
    return (place.x, place.y, place.z, turn.pitch, turn.yaw, turn.roll)


@dataclass
class Traveller:
    """Another road user that follows its lane by plan, so that twins meet the same traffic.

    Attributes:
        actor_id: Id in the world.
        plan: Scenario entry with its seeded place.
        path: Lane it follows.
        start_s_m: Where on that lane it starts.
    """

    actor_id: int
    plan: Actor
    path: LanePath
    start_s_m: float

    BRAKING_MPS2 = 6.0

    def at(self, t_s: float) -> tuple[float, float]:
        """Return (distance along its lane, speed) at a time; it brakes with 6 m/s² from ``stops_at_s`` on."""
        speed, stop = self.plan.speed_mps, self.plan.stops_at_s
        if stop is None or t_s <= stop:
            return self.start_s_m + speed * t_s, speed
        braked_s = min(t_s - stop, speed / self.BRAKING_MPS2)
        way_m = speed * stop + speed * braked_s - 0.5 * self.BRAKING_MPS2 * braked_s**2
        return self.start_s_m + way_m, speed - self.BRAKING_MPS2 * braked_s


@dataclass(frozen=True)
class PlacedDecal:
    """An artefact on the road: its world corners and where it begins and ends along the ego's lane."""

    adversary: str
    corners_m: Any
    near_s_m: float
    far_s_m: float


@dataclass
class Stage:
    """What was put into the world; ``actors`` is everything to take out again, in order of spawning."""

    world: Any
    path: LanePath
    ego: Any
    camera: Any
    collision: Any
    travellers: list[Traveller] = field(default_factory=list)
    decals: list[PlacedDecal] = field(default_factory=list)
    actors: list[Any] = field(default_factory=list)


def find_blueprint(library: Any, name: str) -> Any:
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


def weather_parameters(preset: str, changes: Mapping[str, float]) -> Any:
    """Return CARLA weather: a preset with absolute values and ``d_``-prefixed increments applied, kept in range."""
    weather = getattr(carla.WeatherParameters, preset)
    # presets are shared objects of the module: copy before changing
    copy = carla.WeatherParameters()
    names = [name for name in dir(copy) if isinstance(getattr(copy, name), float)]
    for name in names:
        setattr(copy, name, getattr(weather, name))
    for name, value in changes.items():
        if not name.startswith("d_"):
            setattr(copy, name, value)
    for name, value in changes.items():
        if name.startswith("d_"):
            total = getattr(copy, name[2:]) + value
            setattr(copy, name[2:], min(100.0, max(0.0, total)) if name == "d_cloudiness" else total)
    copy.sun_altitude_angle = min(90.0, max(-90.0, copy.sun_altitude_angle))
    return copy


class StageBuilder:
    """Builds one stage; whatever fails on the way, everything spawned so far is in ``stage_actors`` for the clean-up.

    Args:
        world: ``carla.World`` in synchronous mode.
        staging: What to build.
        decals: Adversary id to its decal.
    """

    def __init__(self, world: Any, staging: Staging, decals: Mapping[str, Decal]) -> None:
        """Look up map and blueprints once."""
        self._world = world
        self._map = world.get_map()
        self._library = world.get_blueprint_library()
        self._staging = staging
        self._decals = decals
        self.stage_actors: list[Any] = []

    def build(self) -> Stage:
        """Spawn everything.

        Raises:
            ScenarioError: If a place or blueprint does not exist, or two things are put into the same place.
            ServerError: If the server cannot show what the scenario asks for.
        """
        staging = self._staging
        self._world.set_weather(weather_parameters(staging.weather_preset, staging.weather))
        start = staging.ego
        length = start.cruise_mps * 1.2 * staging.steps * staging.step_s + ROUTE_MARGIN_M
        path = LanePath.follow(self._map, start.road, start.lane, start.s_m, length)
        pose = path.pose(0.0, start.lateral_offset_m, SPAWN_HEIGHT_M)
        pose = (*pose[:4], pose[4] - start.heading_error_deg, pose[5])
        ego = self._spawn(start.blueprint, pose, "the ego", role_name="hero")
        stage = Stage(self._world, path, ego, None, None, actors=self.stage_actors)
        for actor in staging.actors:
            stage.travellers.append(self._traveller(actor, path))
        for sign in staging.signs:
            place = path.pose(sign.ahead_m, sign.lateral_m)
            self._embedded_only("static.prop.trafficsign", f"sign {sign.id!r}")
            self._spawn(
                "static.prop.trafficsign",
                place,
                f"sign {sign.id!r}",
                gtsrb_class=sign.gtsrb_class,
                size_m=sign.size_m,
                role_name=sign.id,
            )
        for injection in staging.injections:
            stage.decals.append(self._decal(injection, self._decals[injection.adversary], path))
        stage.camera = self._camera(ego)
        stage.collision = self._spawn("sensor.other.collision", (0.0,) * 6, "the collision sensor", parent=ego)
        return stage

    def _spawn(self, name: str, pose: Pose, what: str, *, parent: Any = None, **attributes: object) -> Any:
        blueprint = find_blueprint(self._library, name)
        for key, value in attributes.items():
            if blueprint.has_attribute(key):
                blueprint.set_attribute(key, str(value))
        try:
            actor = self._world.spawn_actor(blueprint, to_transform(pose), attach_to=parent)
        except RuntimeError as error:
            if "collision" in str(error):
                raise ScenarioError(f"{what} cannot be put at x={pose[0]:.1f} y={pose[1]:.1f}: {error}") from error
            raise ServerError(f"{what} ({name}) cannot be spawned: {error}") from error
        self.stage_actors.append(actor)
        return actor

    def _embedded_only(self, blueprint: str, what: str) -> None:
        if not len(self._library.filter(blueprint)):
            raise ServerError(
                f"{what} needs the blueprint {blueprint}, which this server does not offer",
                hint="leave --carla out to use the embedded server",
            )

    def _traveller(self, actor: Actor, ego_path: LanePath) -> Traveller:
        start, path, s_m = self._staging.ego, ego_path, actor.ahead_m
        if actor.lane is not None and actor.lane != start.lane:
            path = LanePath.follow(self._map, start.road, actor.lane, start.s_m, ego_path.length_m)
        spawned = self._spawn(actor.blueprint, path.pose(s_m, 0.0, SPAWN_HEIGHT_M), f"actor {actor.id!r}")
        spawned.set_simulate_physics(False)
        return Traveller(spawned.id, actor, path, s_m)

    def _camera(self, ego: Any) -> Any:
        camera = self._staging.camera
        return self._spawn(
            "sensor.camera.rgb",
            (camera.x_m, 0.0, camera.z_m, camera.pitch_deg, 0.0, 0.0),
            "the driver's camera",
            parent=ego,
            image_size_x=camera.width_px,
            image_size_y=camera.height_px,
            fov=camera.fov_deg,
        )

    def _decal(self, injection: Injection, decal: Decal, path: LanePath) -> PlacedDecal:
        self._embedded_only("static.prop.decal", f"adversary {injection.adversary!r}")
        near_m = injection.at.ahead_m
        centre = path.pose(near_m + decal.length_m / 2.0, injection.at.lateral_m)
        prop = self._spawn(
            "static.prop.decal",
            centre,
            f"adversary {injection.adversary!r}",
            length_m=decal.length_m,
            width_m=decal.width_m,
        )
        name = f"static.prop.decal_{prop.id}"
        if name not in self._world.get_names_of_all_objects():
            raise ServerError(f"the server does not let its decal {name} be textured")
        self._world.apply_float_color_texture_to_object(name, carla.MaterialParameter.Diffuse, _float_texture(decal))
        half = (decal.length_m / 2.0, decal.width_m / 2.0)
        yaw = math.radians(centre[4])
        corners = [
            (
                centre[0] + u * half[0] * math.cos(yaw) - v * half[1] * math.sin(yaw),
                centre[1] + u * half[0] * math.sin(yaw) + v * half[1] * math.cos(yaw),
                centre[2],
            )
            for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        return PlacedDecal(injection.adversary, np.array(corners), near_m, near_m + decal.length_m)


def _float_texture(decal: Decal) -> Any:
    rows, columns = decal.rgba.shape[:2]
    texture = carla.TextureFloatColor(columns, rows)
    for row, line in enumerate(decal.rgba.tolist()):
        for column, (red, green, blue, alpha) in enumerate(line):
            texture.set(column, row, carla.FloatColor(red, green, blue, alpha))
    return texture


def clear(client: Any, actors: Sequence[Any]) -> None:
    """Stop and destroy actors, sensors first, in one batch."""
    for actor in actors:
        if actor.type_id.startswith("sensor.") and hasattr(actor, "is_listening") and actor.is_listening:
            actor.stop()
    client.apply_batch_sync([carla.command.DestroyActor(actor.id) for actor in reversed(actors)], False)
