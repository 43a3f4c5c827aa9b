"""All sensors of the world: which are due in a frame, and their messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from testbed.server.sensors import cameras, contacts, navigation
from testbed.server.sensors.cameras import RenderRequest
from testbed.server.sensors.headers import Instant, Message
from testbed.server.sensors.navigation import GeoReference, SensorNoise
from testbed.server.sensors.scene_sync import SceneSync
from testbed.server.simulation.actors import SimulatedActor
from testbed.server.simulation.transforms import to_local
from testbed.server.simulation.world import World
from testbed.world.render.renderer import RenderedFrame

_EPSILON_S = 1e-6


class SensorSuite:
    """Measures for the streams that somebody listens to.

    Args:
        world: The simulation.
        scene_sync: Draws pictures.
        stream_port: For tokens inside messages.
        seed: Enters the noise.
    """

    def __init__(self, world: World, scene_sync: SceneSync, stream_port: int, seed: int) -> None:
        """Start without any noise generator or picture."""
        self._world = world
        self._scene_sync = scene_sync
        self._port = stream_port
        self._seed = seed
        self._noise: dict[int, SensorNoise] = {}
        self._reference: tuple[str, GeoReference] = ("", GeoReference())

    def measure(self, stream_ids: Iterable[int]) -> Iterator[tuple[int, Message]]:
        """Yield (stream id, message) for every sensor that is due; nothing is measured for streams without sensor."""
        world = self._world
        instant = Instant(world.frame, world.elapsed_s)
        due = [(stream, world.streams[stream]) for stream in stream_ids if stream in world.streams]
        due = [(stream, actor) for stream, actor in due if self._is_due(actor)]
        # What is cheap goes first: it has arrived long before a client that waits for a picture goes on.
        for stream, actor in due:
            if not _is_camera(actor):
                for message in self._message(actor, instant):
                    yield stream, message
        yield from self._pictures([item for item in due if _is_camera(item[1])], instant)

    def _is_due(self, actor: SimulatedActor) -> bool:
        clock = actor.sensor
        if clock is None:
            return False
        if clock.period_s <= 0.0:
            return True
        now = self._world.elapsed_s
        if clock.due_s is not None and now + _EPSILON_S < clock.due_s:
            return False
        # A tick longer than the period must not build up a debt of measurements.
        clock.due_s = max((clock.due_s if clock.due_s is not None else now) + clock.period_s, now)
        return True

    def _message(self, actor: SimulatedActor, instant: Instant) -> Iterator[Message]:
        assert actor.sensor is not None
        match actor.sensor.type_id:
            case contacts.COLLISION:
                yield from contacts.collisions(actor, instant, self._world, self._port)
            case contacts.OBSTACLE:
                yield from contacts.obstacles(actor, instant, self._world, self._port)
            case navigation.IMU:
                yield navigation.imu(actor, instant, self._noise_of(actor))
            case navigation.GNSS:
                yield navigation.gnss(actor, instant, self._noise_of(actor), self._geo_reference())
            case _:
                return

    def _pictures(self, due: list[tuple[int, SimulatedActor]], instant: Instant) -> Iterator[tuple[int, Message]]:
        if not due or self._world.settings.no_rendering:
            return
        requests: dict[RenderRequest, set[str]] = {}
        for _, actor in due:
            assert actor.sensor is not None
            requests.setdefault(self._request(actor), set()).update(cameras.ENCODINGS[actor.sensor.type_id].want)
        self._scene_sync.follow(self._world)
        frames: dict[RenderRequest, RenderedFrame] = {
            request: self._scene_sync.draw(request, frozenset(want)) for request, want in requests.items()
        }
        for stream, actor in due:
            assert actor.sensor is not None
            pixels = cameras.ENCODINGS[actor.sensor.type_id].encode(frames[self._request(actor)])
            yield stream, cameras.message(actor, actor.sensor.type_id, instant, pixels)

    def _request(self, actor: SimulatedActor) -> RenderRequest:
        width_px, height_px = cameras.image_size(actor)
        age = 0
        if actor.sensor is not None and self._world.weather.precipitation > 0.0:
            age = self._world.frame - actor.sensor.born_frame
        return RenderRequest(width_px, height_px, actor.number("fov", 90.0), actor.pose, self._enclosing(actor), age)

    def _enclosing(self, actor: SimulatedActor) -> int:
        """Return the parent whose box the camera sits in: a real camera would see the windshield, not the inside."""
        parent = self._world.actors.get(actor.parent_id)
        if parent is None or parent.vehicle is None:
            return 0
        local = to_local(parent.pose, actor.pose[:3])
        inside = all(
            abs(value - centre) < extent
            for value, centre, extent in zip(local, parent.box.centre_m, parent.box.extent_m, strict=True)
        )
        return parent.id if inside else 0

    def _noise_of(self, actor: SimulatedActor) -> SensorNoise:
        if actor.id not in self._noise:
            if len(self._noise) > 4096:
                self._noise = {key: value for key, value in self._noise.items() if key in self._world.actors}
            self._noise[actor.id] = SensorNoise(actor, self._seed)
        return self._noise[actor.id]

    def _geo_reference(self) -> GeoReference:
        text = self._world.bundle.network.geo_reference
        if self._reference[0] != text:
            self._reference = (text, GeoReference.parse(text))
        return self._reference[1]


def _is_camera(actor: SimulatedActor) -> bool:
    return actor.sensor is not None and actor.sensor.type_id in cameras.ENCODINGS
