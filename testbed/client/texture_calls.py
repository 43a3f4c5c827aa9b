"""The texture calls of a server: what they can do, found out by trying, and one way to use them.

On some builds of CARLA the calls are accepted and change nothing (issues 5748, 5618, 6403, 7120, 8022). So before a
foreign server is trusted, a parked car is painted black and white in front of a camera.
"""

from __future__ import annotations

import queue
from typing import cast

import carla
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from testbed.core.errors import ServerError

DECAL, SIGN, OCCLUDER = "static.prop.decal", "static.prop.trafficsign", "static.prop.occluder"
"""Blueprints that only the embedded server offers."""

PROBE_PX = 64
PROBE_CHANGE = 8.0
"""Mean difference, in grey levels, from which a car painted white differs from the same car painted black."""

MOST_PX = 1024
"""Rows and columns of a texture that are sent; more than a camera can tell apart, and less than a call has time for."""

_TIMEOUT_S = 10.0


class TextureCalls:
    """The texture calls of one server.

    Attributes:
        world: In synchronous mode; a server has another one after it has loaded another map.
    """

    def __init__(self, world: carla.World) -> None:
        """Nothing is known yet."""
        self.world = world
        self._fault: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the server is the embedded one, which shows what it is told."""
        return len(self.world.get_blueprint_library().filter(DECAL)) > 0

    def fault(self) -> str:
        """Return why the calls are of no use on this server, or an empty string; tries them once."""
        if self._fault is None:
            self._fault = "" if self.embedded else _try_out(self.world)
        return self._fault

    def knows(self, name: str) -> bool:
        """Tell whether the calls accept an object of this name."""
        return name in self.world.get_names_of_all_objects()

    def paint(self, name: str, rgba: NDArray[np.float32]) -> None:
        """Put a linear texture on an object.

        Args:
            name: Name that `knows`.
            rgba: Shape (rows, columns, 3 or 4); premultiplied where the object is a decal. A larger one than `MOST_PX`
                is averaged down to it.

        Raises:
            ServerError: If the server does not know the object.
        """
        if not self.knows(name):
            raise ServerError(f"the server does not let {name} be textured")
        _apply(self.world, name, _sendable(rgba))


def _sendable(rgba: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = rgba.shape[:2]
    if max(rows, columns) <= MOST_PX:
        return rgba
    scale = MOST_PX / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    channels = [PilImage.fromarray(np.ascontiguousarray(rgba[..., index])) for index in range(rgba.shape[2])]
    return np.stack([np.asarray(one.resize(size, PilImage.Resampling.BOX)) for one in channels], axis=-1)


def _apply(world: carla.World, name: str, rgba: NDArray[np.float32]) -> None:
    rows, columns, channels = rgba.shape
    texture = carla.TextureFloatColor(columns, rows)  # type: ignore[call-arg]  # the stubs know no arguments
    for row, line in enumerate(rgba.tolist()):
        for column, colour in enumerate(line):
            alpha = colour[3] if channels == 4 else 1.0
            texture.set(column, row, carla.FloatColor(colour[0], colour[1], colour[2], alpha))
    world.apply_float_color_texture_to_object(name, carla.MaterialParameter.Diffuse, texture)


def _try_out(world: carla.World) -> str:
    """Paint a car and look at it; return why that failed, or an empty string."""
    library = world.get_blueprint_library()
    cars, points = library.filter("vehicle.tesla.model3"), world.get_map().get_spawn_points()
    if not len(cars) or not points:
        return "it has no car or place to try the texture calls on"
    actors: list[carla.Actor] = []
    try:
        car = next((found for point in points if (found := world.try_spawn_actor(cars[0], point)) is not None), None)
        if car is None:
            return "it has no free place to try the texture calls on"
        actors.append(car)
        car.set_simulate_physics(False)
        name = next((n for n in world.get_names_of_all_objects() if n == f"{car.type_id}_{car.id}"), None)
        if name is None:
            return "its texture calls do not know the vehicles that were spawned"
        camera = library.find("sensor.camera.rgb")
        for key in ("image_size_x", "image_size_y"):
            camera.set_attribute(key, str(PROBE_PX))
        behind = carla.Transform(carla.Location(x=-6.0, z=1.5), carla.Rotation(pitch=-8.0))
        eye = cast(carla.Sensor, world.spawn_actor(camera, behind, attach_to=car))
        actors.append(eye)
        images: queue.SimpleQueue[carla.Image] = queue.SimpleQueue()
        eye.listen(images.put)
        seen = []
        for level in (0.0, 1.0):
            _apply(world, name, np.full((4, 4, 3), level, np.float32))
            world.tick(_TIMEOUT_S)
            frame = world.tick(_TIMEOUT_S)
            while (picture := images.get(timeout=_TIMEOUT_S)).frame < frame:
                pass
            seen.append(np.frombuffer(picture.raw_data, np.uint8).astype(np.float64))
        change = float(np.abs(seen[1] - seen[0]).mean())
        return "" if change >= PROBE_CHANGE else "its texture calls are accepted and change nothing"
    except (RuntimeError, queue.Empty) as error:
        return f"its texture calls fail: {error}"
    finally:
        for actor in reversed(actors):
            if isinstance(actor, carla.Sensor):
                actor.stop()
            actor.destroy()
