"""The server: dispatches calls, decides when the world ticks, and feeds the streams.

Order of a synchronous tick: compute → push the state → answer ``tick_cue`` → render and push sensor data. The client
returns from ``world.tick()`` as soon as it has the state, while the images are still being drawn.

A tick is held back, for at most 100 ms, while a client is about to subscribe to a stream (it has asked for the token,
its TCP connection has not arrived): otherwise the first frame of a sensor would be lost to a race.
"""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

from testbed.server.rpc.catalogue import KNOWN, METHODS
from testbed.server.rpc.connections import CallConnection, StreamConnection
from testbed.server.rpc.event_loop import Loop
from testbed.server.rpc.results import ResultWrapping, failure, success
from testbed.server.sensors.scene_sync import SceneSync
from testbed.server.sensors.suite import SensorSuite
from testbed.server.simulation import state_stream
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.world import OBSERVER_STREAM, World
from testbed.world.maps.catalogue import MapBundle

SUBSCRIPTION_WAIT_S = 0.1
RELOAD_QUIET_S = 0.15
"""No state with a new episode id goes out on an old subscription this long after a map load: the client would crash."""

ASYNCHRONOUS_FPS = 30.0
ASYNCHRONOUS_BACKLOG = 8 << 20
MAX_ASYNCHRONOUS_STEP_S = 0.1


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose handler answers in its own time."""

    connection: CallConnection
    message_id: int

    def answer(self, kind: ResultWrapping, value: object) -> None:
        """Send the result."""
        self.connection.reply(self.message_id, success(kind, value))


class Server:
    """State of a running server.

    Attributes:
        world: The simulation.
        scene_sync: Scenery and pictures.
        version: CARLA version it answers with.
        stream_port: Port of the streams.
        generated: Map uploaded by ``generate_opendrive_world``, if any.
        traffic_managers: Port to address of registered traffic managers.
    """

    version = "0.9.16"

    def __init__(
        self,
        bundle: MapBundle,
        stream_port: int,
        *,
        seed: int = 0,
        device: str = "cpu",
        render_threads: int = 1,
        plain: bool = False,
    ) -> None:
        """Load the first map.

        Args:
            bundle: Map.
            stream_port: Port of the streams, for tokens.
            seed: Enters the episode ids and sensor noise.
            device: Warp device of the renderer.
            render_threads: CPU threads that draw one picture.
            plain: Offer no blueprints of our own and let texture calls change nothing, as on CARLA servers on which
                they fail.
        """
        self.plain = plain
        self.stream_port = stream_port
        self.generated: MapBundle | None = None
        self.traffic_managers: dict[int, str] = {}
        self.world = World(bundle, seed)
        self.scene_sync = SceneSync(device, render_threads)
        self.suite = SensorSuite(self.world, self.scene_sync, stream_port, seed)
        self._subscribers: dict[int, list[StreamConnection]] = {}
        self._expected: dict[int, float] = {}
        self._waiting: list[Call] = []
        self._last_tick_s = time.monotonic()
        self._started_s = time.monotonic()
        self._quiet_until_s = 0.0
        self._old: set[StreamConnection] = set()
        self._enter(bundle)

    # Map loads

    def load(self, bundle: MapBundle, *, reset_settings: bool) -> None:
        """Start a new episode."""
        if reset_settings:
            self.world.settings = type(self.world.settings)()
        self.world.load(bundle, ())
        self._enter(bundle)
        self._quiet_until_s = time.monotonic() + RELOAD_QUIET_S
        self._old = set(self._subscribers.get(OBSERVER_STREAM, ()))
        self.restart_clock()

    def _enter(self, bundle: MapBundle) -> None:
        self.world.set_statics(self.scene_sync.load_map(bundle))
        self.world.on_spawn = self.scene_sync.add
        self.world.on_destroy = self.scene_sync.remove
        for actor in self.world.actors.values():
            self.scene_sync.add(actor)

    # Calls

    def dispatch(self, connection: CallConnection, message: Any) -> None:
        """Carry out one decoded message; a malformed one ends the connection, a failing one gets an error."""
        if not (isinstance(message, list) and len(message) == 4 and message[0] == 0 and isinstance(message[1], int)):
            connection.close()
            return
        _, message_id, name, params = message
        if not isinstance(name, str) or not isinstance(params, list) or not 0 <= message_id < 2**32:
            connection.close()
            return
        kind = KNOWN.get(name)
        if kind is None:
            connection.reply_error(message_id, f"the server could not find the function '{name[:80]}'")
            return
        entry = METHODS.get(name)
        if entry is None:
            text = f"'{name}' is not implemented by the embedded CARLA server"
            connection.reply(message_id, failure(kind, text))
            return
        arguments = params[1:]
        if not entry.arity[0] <= len(arguments) <= entry.arity[1]:
            text = f"{name}: {len(arguments)} arguments, expected {entry.arity[0]}"
            connection.reply(message_id, failure(kind, text))
            return
        try:
            if entry.answers_itself:
                entry.handler(self, Call(connection, message_id), *arguments)
            else:
                connection.reply(message_id, success(kind, entry.handler(self, *arguments)))
        except CallError as error:
            connection.reply(message_id, failure(kind, str(error)))
        except Exception as error:  # a defect of ours must cost one call, not the process and everyone else's episode
            traceback.print_exc(file=sys.stderr)
            connection.reply(message_id, failure(kind, f"{name}: internal error, {type(error).__name__}: {error}"))

    # Streams

    def expect(self, stream_id: int) -> None:
        """Hold the next tick until the subscription to this stream has arrived."""
        self._expected[stream_id] = time.monotonic() + SUBSCRIPTION_WAIT_S

    def subscribed(self, connection: StreamConnection) -> None:
        """Add a subscriber and let a held tick go."""
        assert connection.stream_id is not None
        self._subscribers.setdefault(connection.stream_id, []).append(connection)
        self._expected.pop(connection.stream_id, None)
        if not self._expected:
            self._release()

    def unsubscribed(self, connection: StreamConnection) -> None:
        """Remove a subscriber."""
        listeners = self._subscribers.get(connection.stream_id or 0, [])
        if connection in listeners:
            listeners.remove(connection)
            if not listeners:
                del self._subscribers[connection.stream_id or 0]

    # Time

    def cue(self, call: Call) -> None:
        """Tick for a client, now or as soon as expected subscriptions are there."""
        if self._expected and max(self._expected.values()) > time.monotonic():
            self._waiting.append(call)
            return
        self._expected.clear()
        self._tick(self.world.settings.step_s, call)

    def timer(self) -> float:
        """Do what is due and return the seconds until the next thing is."""
        now = time.monotonic()
        if self._expected and max(self._expected.values()) <= now:
            self._expected.clear()
            self._release()
        if self._waiting:
            return 0.005
        settings = self.world.settings
        if settings.synchronous:
            return 0.5
        period = settings.fixed_delta_s or 1.0 / ASYNCHRONOUS_FPS
        due = self._last_tick_s + period
        if now < due:
            return due - now
        step = settings.fixed_delta_s or min(MAX_ASYNCHRONOUS_STEP_S, now - self._last_tick_s)
        # Keep the beat instead of drifting, but do not try to catch up after a pause.
        self._last_tick_s = due if now - due < period else now
        try:
            self._tick(step, None)
        except Exception:  # as in dispatch: one bad tick must not end everybody's session
            traceback.print_exc(file=sys.stderr)
        return max(0.0, self._last_tick_s + period - time.monotonic())

    def tick(self) -> None:
        """Tick without anybody waiting for the frame number."""
        self._tick(self.world.settings.step_s, None)

    def restart_clock(self) -> None:
        """Begin a new asynchronous period now."""
        self._last_tick_s = time.monotonic()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            if not call.connection.closed:
                self._tick(self.world.settings.step_s, call)

    def _tick(self, step_s: float, call: Call | None) -> None:
        world = self.world
        world.step(step_s)
        listeners = self._subscribers.get(OBSERVER_STREAM)
        if listeners:
            if self._old and time.monotonic() >= self._quiet_until_s:
                self._old.clear()
            state = state_stream.encode(world, self._platform_s())
            for connection in list(listeners):
                if connection not in self._old:
                    connection.message(state)
        if call is not None:
            call.answer(ResultWrapping.VALUE, world.frame)
        self._emit()

    def _platform_s(self) -> float:
        """Return the platform time stamp: the simulation's own clock when it is synchronous, so that runs repeat."""
        return self.world.clock_s if self.world.settings.synchronous else time.monotonic() - self._started_s

    def _emit(self) -> None:
        streams = [stream for stream in self._subscribers if stream != OBSERVER_STREAM]
        if not streams:
            return
        drop = not self.world.settings.synchronous
        try:
            for stream_id, parts in self.suite.measure(sorted(streams)):
                for connection in list(self._subscribers.get(stream_id, ())):
                    if not (drop and connection.backlog > ASYNCHRONOUS_BACKLOG):
                        connection.message(*parts)
        except Exception:  # the frame has been answered already; its remaining measurements are missing
            traceback.print_exc(file=sys.stderr)


def attach(loop: Loop, server: Server, calls: Any, streams: Any) -> None:
    """Let a loop serve a server on two listening sockets."""
    loop.listen(calls, lambda owner, sock: CallConnection(owner, sock, server))
    loop.listen(streams, lambda owner, sock: StreamConnection(owner, sock, server))
