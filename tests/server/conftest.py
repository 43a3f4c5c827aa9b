"""One embedded server for the session, one fresh synchronous world per test, all through the real carla client."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import carla
import numpy as np
import pytest

from testbed.server.process import ServerHandle, start_server

STEP_S = 0.05
EGO = "vehicle.lincoln.mkz_2020"


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the client's map cache out of the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARLA_CACHE_DIR", str(tmp_path_factory.mktemp("carla-cache")))
        yield


@pytest.fixture(scope="session")
def server(cache_folder: None) -> Iterator[ServerHandle]:
    with start_server("highway", timeout_s=170.0) as handle:
        yield handle
        assert handle.alive(), handle.log_tail()


@pytest.fixture(scope="session")
def client(server: ServerHandle) -> Any:
    client = carla.Client(server.host, server.port)
    client.set_timeout(20.0)
    return client


@dataclass
class Drive:
    """A synchronous world with shortcuts for what most tests do."""

    client: Any
    world: Any
    sensors: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.library = self.world.get_blueprint_library()
        self.map = self.world.get_map()
        self.spawn_points = self.map.get_spawn_points()

    def place(self, ahead_m: float = 0.0, right_m: float = 0.0, index: int = 0) -> Any:
        """A pose on the straight first kilometre, in lane coordinates of a spawn point."""
        start = self.spawn_points[index]
        location = start.transform(carla.Location(x=ahead_m, y=right_m))
        return carla.Transform(carla.Location(location.x, location.y, 0.0), start.rotation)

    def spawn(self, name: str = EGO, where: Any = None, parent: Any = None, **attributes: object) -> Any:
        blueprint = self.library.find(name)
        for key, value in attributes.items():
            blueprint.set_attribute(key, str(value))
        return self.world.spawn_actor(blueprint, where or self.place(), attach_to=parent)

    def tick(self, count: int = 1) -> int:
        frame = 0
        for _ in range(count):
            frame = self.world.tick()
        return frame

    def listen(self, sensor: Any) -> queue.Queue[Any]:
        received: queue.Queue[Any] = queue.Queue()
        sensor.listen(received.put)
        self.sensors.append(sensor)
        return received

    def camera(
        self, kind: str, parent: Any = None, where: Any = None, size: tuple[int, int] = (96, 48)
    ) -> Callable[[], Any]:
        """Return a function that ticks and returns the image as an array (h, w, 4) BGRA."""
        where = where or carla.Transform(carla.Location(x=0.6, z=1.45), carla.Rotation(pitch=-2))
        sensor = self.spawn(f"sensor.camera.{kind}", where, parent, image_size_x=size[0], image_size_y=size[1], fov=75)
        images = self.listen(sensor)

        def shoot() -> Any:
            frame = self.tick()
            while True:
                image = images.get(timeout=20)
                if image.frame >= frame:
                    assert (image.width, image.height) == size
                    return np.frombuffer(image.raw_data, np.uint8).reshape(size[1], size[0], 4).copy()

        return shoot


def make_synchronous(world: Any, step_s: float = STEP_S) -> None:
    settings = world.get_settings()
    settings.synchronous_mode = True
    settings.fixed_delta_seconds = step_s
    world.apply_settings(settings)


@pytest.fixture
def drive(client: Any) -> Iterator[Drive]:
    world = client.load_world("highway")
    make_synchronous(world)
    drive = Drive(client, world)
    yield drive
    for sensor in drive.sensors:
        sensor.stop()
