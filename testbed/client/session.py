"""One episode's world as the loop sees it: begin, step, end.

Ticks are counted from the start of the episode, so that the numbers in a record do not depend on what the server did
before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import carla

from testbed.client.actuation import PedalController, PedalModel
from testbed.client.connection import Connection
from testbed.client.sensing import TICK_TIMEOUT_S, EpisodeSensors, Tick
from testbed.client.transforms import to_pose, to_transform
from testbed.client.world_builder import EpisodeWorld, WorldBuilder, clear
from testbed.core.errors import SimulatorCrashError, SimulatorHangError, TestbedError
from testbed.core.surroundings import Surroundings, Whereabouts
from testbed.core.types import Command, Payload
from testbed.scenario.concrete import ConcreteScenario

__all__ = ["Session", "Tick"]

SETTLING_TICKS = 2


class Session:
    """Put episodes into the world of a connection, one after the other.

    Args:
        connection: An open connection; the session does not close it.
    """

    def __init__(self, connection: Connection) -> None:
        """Nothing is in the world yet."""
        self._connection = connection
        self._episode: EpisodeWorld | None = None
        self._builder: WorldBuilder | None = None

    # ---------------------------------------------------------------- life of an episode
    def begin(self, concrete: ConcreteScenario, payloads: Mapping[str, Payload] | None = None) -> Tick:
        """Put an episode into the world and return its first tick.

        Args:
            concrete: What to put into the world.
            payloads: Adversary id to what it brings, one for each of ``concrete.injections``.

        Raises:
            ScenarioError: If the world cannot be built as asked.
            SimulatorCrashError: If the simulator died.
            SimulatorHangError: If the simulator missed its deadline.
        """
        self.end()
        try:
            self._begin(concrete, payloads or {})
            return self._sense()
        except TestbedError:
            self.end()
            raise
        except RuntimeError as error:
            raise self._failure(error) from error

    def _begin(self, concrete: ConcreteScenario, payloads: Mapping[str, Payload]) -> None:
        world = self._connection.world(concrete.map)
        self._world = world
        self._concrete = concrete
        settings = world.get_settings()
        if not settings.synchronous_mode or settings.fixed_delta_seconds != concrete.step_s:
            settings.synchronous_mode = True
            settings.fixed_delta_seconds = concrete.step_s
            world.apply_settings(settings)
        if not len(world.get_snapshot()):
            # a client that has just come to a waiting server knows of nothing that stands there before the first tick
            self._advance()
        self._builder = WorldBuilder(world, concrete, payloads, self._connection.texture_calls(world))
        episode = self._episode = self._builder.build()
        for _ in range(SETTLING_TICKS - 1):
            self._advance()
        # Servers count actors on from one episode to the next; records must not depend on what came before.
        numbers = {actor.id: number for number, actor in enumerate(self._builder.spawned, start=1)}
        self._sensors = EpisodeSensors(world, concrete, episode, numbers)
        heading = math.radians(to_pose(episode.ego.get_transform())[4])
        speed = concrete.ego.speed_mps
        episode.ego.set_target_velocity(carla.Vector3D(x=speed * math.cos(heading), y=speed * math.sin(heading), z=0.0))
        self._move_scripted_actors(0.0)
        self._server_frame = self._advance()
        self._number = 0
        self._pedals = PedalController(PedalModel(), concrete.step_s)
        self._steer = 0.0

    def step(self, command: Command) -> Tick:
        """Apply a command for one tick and return what it leads to.

        Args:
            command: Finite; steer is cut to [-1, 1].

        Raises:
            SimulatorCrashError: If the simulator died.
            SimulatorHangError: If the simulator missed its deadline.
        """
        assert self._episode is not None, "step() before begin()"
        try:
            ego = self._last_tick.truth.ego
            throttle, brake = self._pedals(command.acceleration_mps2, ego.acceleration_mps2, ego.speed_mps)
            self._steer = max(-1.0, min(1.0, command.steer))
            self._episode.ego.apply_control(carla.VehicleControl(throttle=throttle, steer=self._steer, brake=brake))
            self._move_scripted_actors((self._number + 1) * self._concrete.step_s)
            self._server_frame = self._advance()
            self._number += 1
            return self._sense()
        except RuntimeError as error:
            raise self._failure(error) from error

    def end(self) -> None:
        """Take everything out of the world again; harmless when nothing is there or the server is gone."""
        builder, episode, self._builder, self._episode = self._builder, self._episode, None, None
        if builder is None or not self._connection.alive():
            return
        try:
            for artefact in episode.artefacts if episode is not None else ():
                if artefact.undo is not None:
                    artefact.undo()
            clear(self._connection.client, builder.spawned)
        except RuntimeError:
            # a server that no longer answers has nothing left to clean up
            return

    # ---------------------------------------------------------------- what the loop asks for
    @property
    def ego_width_m(self) -> float:
        """Width of the ego."""
        return float(2.0 * self._sensors.ego_half_m[1])

    @property
    def ego_length_m(self) -> float:
        """Length of the ego."""
        return float(2.0 * self._sensors.ego_half_m[0])

    def surroundings(self) -> Surroundings:
        """Return what stands around the ego in this episode, for people to look at."""
        return self._sensors.around.surroundings()

    def whereabouts(self) -> Whereabouts:
        """Return where everything that moves is in the last tick."""
        return self._sensors.around.whereabouts(self._last_tick.t_s)

    @property
    def injection(self) -> dict[str, str]:
        """Adversary id to how its artefact reaches the camera: ``world``, ``composite`` or ``paste``."""
        return (
            {} if self._episode is None else {artefact.adversary: artefact.mode for artefact in self._episode.artefacts}
        )

    def _failure(self, error: RuntimeError) -> TestbedError:
        if not self._connection.alive():
            return SimulatorCrashError(f"the simulator died: {error}")
        if "time-out" in str(error) or "timeout" in str(error):
            self._connection.hung = True
            return SimulatorHangError(f"the simulator missed its deadline: {error}")
        return SimulatorCrashError(f"the simulator failed: {error}")

    def _advance(self) -> int:
        return int(self._world.tick(TICK_TIMEOUT_S))

    def _sense(self) -> Tick:
        self._last_tick = self._sensors.sense(self._number, self._server_frame, self._steer)
        return self._last_tick

    def _move_scripted_actors(self, t_s: float) -> None:
        assert self._episode is not None
        commands: list[carla.command.ApplyTransform | carla.command.ApplyTargetVelocity] = []
        for scripted in self._episode.scripted_actors:
            x_mps, y_mps = scripted.velocity(t_s)
            commands.append(carla.command.ApplyTransform(scripted.actor_id, to_transform(scripted.pose(t_s))))
            commands.append(
                carla.command.ApplyTargetVelocity(scripted.actor_id, carla.Vector3D(x=x_mps, y=y_mps, z=0.0))
            )
        if commands:
            self._connection.client.apply_batch(commands)
