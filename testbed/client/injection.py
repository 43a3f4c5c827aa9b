"""Put what adversaries bring into an episode: into the world where the server can show it, over the picture where not.

==========  ================================================================================================
world       the artefact is in the simulated world: a decal, a repainted vehicle or sign, a card before the sun
composite   it is drawn over the camera's picture with known geometry, depth test and the picture's own light
paste       it is put at fixed pixels, in plain light: what published sample images do
==========  ================================================================================================

``auto`` is ``world`` where the server can, ``composite`` elsewhere; the record of an episode says which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import carla
import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.appearance import dressed, sign_face, worn_by
from testbed.client.compositing.cast_shadow import ShadeLayer
from testbed.client.compositing.layers import Layer, RoadLayer, SignLayer
from testbed.client.compositing.paste import paste_layer
from testbed.client.compositing.surfaces import RoadRectangle, SignPlate, TargetSurface, VehicleBody
from testbed.client.compositing.vehicle_paint import SkinLayer
from testbed.client.texture_calls import DECAL, OCCLUDER, TextureCalls
from testbed.core.errors import ScenarioError, UnsupportedError
from testbed.core.types import Decal, Payload, Pose, Shade, SignFace, Skin
from testbed.core.weather import WeatherParameters
from testbed.scenario.concrete import Injection
from testbed.world.assets.occluder import OccluderCard, occluder_for, sun_vector


class Spawn(Protocol):
    """Spawn an actor that goes when the episode ends; raises testbed errors."""

    def __call__(self, name: str, pose: Pose, what: str, attributes: Mapping[str, object] | None = None) -> carla.Actor:
        """Spawn the blueprint ``name`` at a pose; ``what`` names it in errors."""


@dataclass
class InjectedArtefact:
    """An artefact in an episode.

    Attributes:
        adversary: Id of the scenario's entry.
        mode: ``world``, ``composite`` or ``paste``.
        payload: What it is.
        target: What it is on.
        layer: Draws it over a picture; None where it is in the world.
        undo: Takes it off what stays when the episode ends; None where nothing stays.
    """

    adversary: str
    mode: str
    payload: Payload
    target: TargetSurface
    layer: Layer | None = None
    undo: Callable[[], None] | None = None


class Injector:
    """Inject into the world of one episode.

    Args:
        world: In synchronous mode.
        textures: Its texture calls.
        spawn: Spawns an actor that goes when the episode ends.
        weather: Weather when things are put into the world.
        later: The same when the episode begins: the sun may have gone on.
        eye_m: Where the driver's camera starts, world frame, (3,).
    """

    def __init__(
        self,
        world: carla.World,
        textures: TextureCalls,
        spawn: Spawn,
        weather: WeatherParameters,
        later: WeatherParameters,
        eye_m: NDArray[np.float64],
    ) -> None:
        """Look up what the server offers."""
        self._weather = weather
        self._later = later
        self._eye_m = eye_m
        self._world = world
        self._textures = textures
        self._library = world.get_blueprint_library()
        self._spawn = spawn

    def inject(self, injection: Injection, payload: Payload, target: TargetSurface) -> InjectedArtefact:
        """Put an artefact on its target.

        Args:
            injection: What the scenario asks for.
            payload: What it brings.
            target: What it is put on.

        Raises:
            ScenarioError: If it does not fit its target.
            UnsupportedError: If the server cannot show it in the way that is asked for.
        """
        _check_fit(injection, payload, target)
        mode = injection.mode
        if mode in ("auto", "world"):
            fault = self._why_not(payload, target)
            if fault and mode == "world":
                raise UnsupportedError(
                    f"adversary {injection.adversary!r} asks for inject: world, which this server cannot show: {fault}",
                    hint="write inject: composite, or leave --carla out to use the embedded server",
                )
            mode = "composite" if fault else "world"
        injected = InjectedArtefact(injection.adversary, mode, payload, target)
        if mode == "world":
            injected.undo = self._show(injected)
        elif mode == "composite":
            injected.layer = self._layer(injected)
        else:
            injected.layer = paste_layer(payload, target)
        return injected

    def _layer(self, injected: InjectedArtefact) -> Layer:
        """Return what draws an artefact over a picture."""
        # the embedded server shows one thing per pixel, others smooth the edges of things
        crisp = self._textures.embedded
        payload, target = injected.payload, injected.target
        if isinstance(payload, Decal) and isinstance(target, RoadRectangle):
            return RoadLayer(payload, target)
        if isinstance(payload, Skin) and isinstance(target, VehicleBody):
            return SkinLayer(payload, target, self._later, crisp=crisp)
        assert isinstance(target, SignPlate)
        if isinstance(payload, SignFace):
            return SignLayer(payload, target, crisp=crisp)
        assert isinstance(payload, Shade)
        return ShadeLayer(self._card(injected.adversary, payload, target), target, self._later, crisp=crisp)

    def _card(self, adversary: str, shade: Shade, target: SignPlate) -> OccluderCard:
        """Return the card that throws a shade on a sign under the sun as it stood when the card was hung."""
        sun = sun_vector(self._weather.sun_altitude_angle, self._weather.sun_azimuth_angle)
        card = occluder_for(shade, target.pose, target.width_m, sun, eye_m=self._eye_m)
        if card is None:
            raise ScenarioError(
                f"adversary {adversary!r}: the sun does not light sign {target.sign_id!r}, so nothing "
                "can throw a shadow on it",
                hint="choose sun_altitude_deg and sun_azimuth_deg such that it does",
            )
        return card

    def _why_not(self, payload: Payload, target: TargetSurface) -> str:
        """Return why the server cannot show a payload in its world, or an empty string."""
        needed = {Decal: DECAL, Shade: OCCLUDER}.get(type(payload))
        if needed is not None:
            return "" if len(self._library.filter(needed)) else f"it does not offer the blueprint {needed}"
        if isinstance(payload, Skin) and payload.body is not None and self._textures.embedded:
            return f"it draws its own vehicles, not {payload.body.name}"
        fault = self._textures.fault()
        if fault:
            return fault
        name = self._object_name(target)
        return "" if name else "its texture calls do not know the object"

    def _show(self, injected: InjectedArtefact) -> Callable[[], None] | None:
        payload, target = injected.payload, injected.target
        if isinstance(payload, Decal):
            assert isinstance(target, RoadRectangle)
            self._lay(injected.adversary, payload, target)
            return None
        if isinstance(payload, Skin):
            assert isinstance(target, VehicleBody)
            own = np.zeros((1, 1, 3), np.float32) if payload.mask is None else worn_by(payload, target).atlas
            self._textures.paint(self._object_name(target), dressed(own, payload.rgb, payload.mask))
            return None
        assert isinstance(target, SignPlate)
        if isinstance(payload, SignFace):
            own = sign_face(target.gtsrb_class)
            rgba = payload.rgba
            name = self._object_name(target)
            self._textures.paint(name, dressed(own, np.ascontiguousarray(rgba[..., :3]), rgba[..., 3]))
            return (lambda: self._textures.paint(name, own)) if target.on_map else None
        card = self._card(injected.adversary, payload, target)
        self._spawn(OCCLUDER, card.pose, f"adversary {injected.adversary!r}", card.blueprint_attributes)
        return None

    def _lay(self, adversary: str, decal: Decal, target: RoadRectangle) -> None:
        x, y, z, _, yaw, _ = target.pose
        flat: Pose = (x, y, z, 0.0, yaw, 0.0)
        what = f"adversary {adversary!r}"
        prop = self._spawn(DECAL, flat, what, {"length_m": decal.length_m, "width_m": decal.width_m})
        self._textures.paint(f"{DECAL}_{prop.id}", decal.rgba)

    def _object_name(self, target: TargetSurface) -> str:
        """Return the name under which the texture calls know a target, or an empty string."""
        if isinstance(target, VehicleBody):
            name = f"{target.type_id}_{target.actor_id}"
            return name if self._textures.knows(name) else ""
        if isinstance(target, SignPlate):
            name = f"{target.type_id}_{target.actor_id}"
            return name if self._textures.knows(name) else self._scenery_name(target)
        return ""

    def _scenery_name(self, target: SignPlate) -> str:
        """Return the name of the map's object that stands where the sign does."""
        signs = self._world.get_environment_objects(carla.CityObjectLabel.TrafficSigns)
        near = [
            (abs(one.transform.location.x - target.pose[0]) + abs(one.transform.location.y - target.pose[1]), one.name)
            for one in signs
        ]
        found = [name for distance_m, name in sorted(near) if distance_m < 1.0 and self._textures.knows(name)]
        return found[0] if found else ""


SIZE_RATIO = 1.3
"""How far sides of a mesh of one's own and of the vehicle that it is laid over may be apart."""


def _check_fit(injection: Injection, payload: Payload, target: TargetSurface) -> None:
    """Raise ScenarioError where a payload does not fit its target."""
    wanted: tuple[type, ...] = (SignFace, Shade)
    if isinstance(target, RoadRectangle):
        wanted = (Decal,)
    elif isinstance(target, VehicleBody):
        wanted = (Skin,)
    if not isinstance(payload, wanted):
        raise ScenarioError(f"adversary {injection.adversary!r}: a {type(payload).__name__} cannot be put there")
    if not isinstance(payload, Skin) or not isinstance(target, VehicleBody):
        return
    if payload.blueprint not in (None, target.type_id):
        raise ScenarioError(
            f"adversary {injection.adversary!r}: {payload.name!r} was made for {payload.blueprint}, "
            f"actor {injection.actor!r} is a {target.type_id}",
            hint=f"give the actor blueprint: {payload.blueprint}",
        )
    if payload.body is not None:
        mesh, there = payload.body.size_m, tuple(2.0 * float(half) for half in target.half_m)
        if any(not 1.0 / SIZE_RATIO <= a / b <= SIZE_RATIO for a, b in zip(mesh, there, strict=True)):
            sizes = [" x ".join(f"{side:.1f}" for side in size) for size in (mesh, there)]
            raise ScenarioError(
                f"adversary {injection.adversary!r}: mesh {payload.body.name} measures {sizes[0]} m, "
                f"actor {injection.actor!r} ({target.type_id}) {sizes[1]} m: it is another vehicle",
                hint="give the actor a blueprint of the mesh's size, or correct length_m, front and up of the mesh",
            )
