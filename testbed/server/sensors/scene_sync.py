"""Keep a scene in step with the world, its scenery and its actors, and draw it.

The renderer is heavy and only made for the first picture (or before the server reports ready); the scene is plain
numpy and exists from the start, because scenery is also what vehicles collide with.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from testbed.core.weather import WeatherParameters
from testbed.server.sensors.bodies import body, body_pose
from testbed.server.sensors.cameras import RenderRequest
from testbed.server.simulation.actors import SimulatedActor
from testbed.server.simulation.bounding_boxes import BoundingBox, footprint
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.collisions import StaticBox
from testbed.server.simulation.settings import WEATHER_FIELDS
from testbed.server.simulation.world import World
from testbed.world.maps.catalogue import MapBundle
from testbed.world.maps.scenery import SceneryObject, build_scenery
from testbed.world.render.camera import PinholeCamera
from testbed.world.render.renderer import RenderedFrame, Renderer
from testbed.world.render.scene import Scene

DECAL = "static.prop.decal"
SCENERY_SEED = 0


class SceneSync:
    """Scene and renderer of the current map.

    Attributes:
        scenery: What stands on the map, in order of creation.
    """

    def __init__(self, device: str = "cpu", threads: int = 1) -> None:
        """Start empty; ``device`` is the Warp device of the renderer, ``threads`` draw a picture on the CPU."""
        self._device = device
        self._threads = threads
        self._scene = Scene()
        self._renderer: Renderer | None = None
        self._handles: dict[int, int] = {}
        self._weather: object = None
        self._bundle: MapBundle | None = None
        self._solids: list[StaticBox] = []
        self._scenery_painted = False
        self._disabled: set[int] = set()
        self._lamps: dict[int, int] = {}
        self.scenery: list[SceneryObject] = []

    def load_map(self, bundle: MapBundle) -> list[StaticBox]:
        """Show a map without actors, as it is before anybody painted or hid anything.

        Building takes seconds, so loading the same map again clears the scene instead of building another one.

        Args:
            bundle: Map; the same object is the same map.

        Returns:
            What of the scenery stops vehicles.
        """
        self._lamps = {}
        if bundle is self._bundle and not self._scenery_painted:
            for handle in self._handles.values():
                self._scene.remove(handle)
            self._handles = {}
            self.set_visible(self._disabled.copy(), True)
            return self._solids
        self._bundle = bundle
        self._scenery_painted = False
        self._disabled = set()
        self._scene = Scene()
        self._renderer = None
        self._handles = {}
        self._weather = None
        self.scenery = build_scenery(bundle.network, self._scene, SCENERY_SEED)
        self._solids = [
            StaticBox(item.name, item.tag, footprint(pose, BoundingBox((0.0, 0.0, 0.0), extent)))
            for item in self.scenery
            for pose, extent in item.solids
        ]
        return self._solids

    # Actors

    def add(self, actor: SimulatedActor) -> None:
        """Show a new actor, if it has a body."""
        if actor.type_id == DECAL:
            blank = np.zeros((2, 2, 4), np.float32)
            length_m, width_m = 2.0 * actor.box.extent_m[0], 2.0 * actor.box.extent_m[1]
            self._handles[actor.id] = self._scene.add_decal(actor.object_name, actor.pose, length_m, width_m, blank)
            return
        if actor.light is not None:
            self._lamps[actor.id] = actor.light.state
        asset = body(actor)
        if asset is not None:
            tag = actor.tags[0] if actor.tags else 0
            self._handles[actor.id] = asset.place(
                self._scene, actor.object_name, body_pose(actor), tag=tag, instance_id=actor.id
            )

    def remove(self, actor: SimulatedActor) -> None:
        """Stop showing an actor."""
        handle = self._handles.pop(actor.id, None)
        if handle is not None:
            self._scene.remove(handle)

    # Textures and objects

    def paintable_names(self) -> list[str]:
        """Return the names that `paint` accepts."""
        return self._scene.object_names()

    def paint(self, names: Iterable[str], pixels: ArrayLike) -> None:
        """Put a linear texture, shape (h, w, 4), on objects; names without a paintable surface are skipped.

        Raises:
            CallError: None of the names can be painted (CARLA's own words).
        """
        known = set(self._scene.object_names())
        chosen = [name for name in names if name in known]
        if not chosen:
            raise CallError("unable to find Actor to apply the texture")
        self._scenery_painted |= not {item.name for item in self.scenery}.isdisjoint(chosen)
        for name in chosen:
            self._scene.set_object_texture(name, pixels)

    def set_visible(self, instance_ids: Iterable[int], visible: bool) -> None:
        """Show or hide scenery."""
        wanted = set(instance_ids)
        for item in self.scenery:
            if item.instance_id in wanted:
                self._scene.set_visible(item.handle, visible)
                if visible:
                    self._disabled.discard(item.instance_id)
                else:
                    self._disabled.add(item.instance_id)

    # Pictures

    def warm_up(self) -> None:
        """Load the renderer's kernels now, so that the first picture does not wait for them."""
        camera = PinholeCamera(8, 8, 90.0, (0.0, 0.0, 5.0, 0.0, 0.0, 0.0))
        self._require_renderer().render(camera)

    def follow(self, world: World) -> None:
        """Bring poses and weather up to date before a frame is drawn."""
        for actor_id, handle in self._handles.items():
            self._scene.set_pose(handle, body_pose(world.actors[actor_id]))
        for actor in world.lights():
            if actor.light is not None and self._lamps.get(actor.id) != actor.light.state:
                self.remove(actor)
                self.add(actor)
        if self._weather is not world.weather:
            self._weather = world.weather
            self._scene.set_weather(
                WeatherParameters(**{name: getattr(world.weather, name) for name in WEATHER_FIELDS})
            )

    def draw(self, request: RenderRequest, want: frozenset[str]) -> RenderedFrame:
        """Draw what a camera sees."""
        camera = PinholeCamera(request.width_px, request.height_px, request.fov_deg, request.pose)
        self._scene.set_frame(request.age_frames)
        hidden = self._handles.get(request.hidden_id)
        hide = frozenset() if hidden is None else frozenset({hidden})
        return self._require_renderer().render(camera, want=want, hide=hide)

    def _require_renderer(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self._scene, self._device, self._threads)
        return self._renderer
