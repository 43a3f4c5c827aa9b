"""One episode's world as the loop sees it: begin, step, end.

Frames are counted from the start of the episode, so that the numbers in a record do not depend on what the server did
before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import carla

from testbed.client.actuation import PedalModel, Pedals
from testbed.client.connection import Connection
from testbed.client.sensing import TICK_TIMEOUT_S, Frame, Senses
from testbed.client.staging import Stage, StageBuilder, clear
from testbed.client.transforms import to_pose, to_transform
from testbed.core.errors import SimulatorCrashError, SimulatorHangError, TestbedError
from testbed.core.types import Command, Payload
from testbed.scenario.concrete import Staging

__all__ = ["Frame", "Session"]

SETTLING_TICKS = 2


class Session:
    """Stages episodes on a connection, one after the other.

    Args:
        connection: An open connection; the session does not close it.
    """

    def __init__(self, connection: Connection) -> None:
        """Nothing is staged yet."""
        self._connection = connection
        self._stage: Stage | None = None
        self._builder: StageBuilder | None = None

    # ---------------------------------------------------------------- life of an episode
    def begin(self, staging: Staging, payloads: Mapping[str, Payload] | None = None) -> Frame:
        """Stage an episode and return its first frame.

        Args:
            staging: What to stage.
            payloads: Adversary id to what it brings, one for each of ``staging.injections``.

        Raises:
            ScenarioError: If the world cannot be staged as asked.
            SimulatorCrashError: If the simulator died.
            SimulatorHangError: If the simulator missed its deadline.
        """
        self.end()
        try:
            self._begin(staging, payloads or {})
            return self._sense()
        except TestbedError:
            self.end()
            raise
        except RuntimeError as error:
            raise self._failure(error) from error

    def _begin(self, staging: Staging, payloads: Mapping[str, Payload]) -> None:
        world = self._connection.world(staging.map)
        self._world = world
        self._staging = staging
        settings = world.get_settings()
        if not settings.synchronous_mode or settings.fixed_delta_seconds != staging.step_s:
            settings.synchronous_mode = True
            settings.fixed_delta_seconds = staging.step_s
            world.apply_settings(settings)
        if not len(world.get_snapshot()):
            # a client that has just come to a waiting server knows of nothing that stands there before the first tick
            self._tick()
        self._builder = StageBuilder(world, staging, payloads, self._connection.texture_calls(world))
        stage = self._stage = self._builder.build()
        for _ in range(SETTLING_TICKS - 1):
            self._tick()
        # Servers count actors on from one episode to the next; records must not depend on what came before.
        numbers = {actor.id: number for number, actor in enumerate(self._builder.stage_actors, start=1)}
        self._senses = Senses(world, staging, stage, numbers)
        heading = math.radians(to_pose(stage.ego.get_transform())[4])
        speed = staging.ego.speed_mps
        stage.ego.set_target_velocity(carla.Vector3D(x=speed * math.cos(heading), y=speed * math.sin(heading), z=0.0))
        self._move_travellers(0.0)
        self._last_tick = self._tick()
        self._frame = 0
        self._pedals = Pedals(PedalModel(), staging.step_s)
        self._steer = 0.0

    def step(self, command: Command) -> Frame:
        """Apply a command for one tick and return the frame it leads to.

        Args:
            command: Finite; steer is cut to [-1, 1].

        Raises:
            SimulatorCrashError: If the simulator died.
            SimulatorHangError: If the simulator missed its deadline.
        """
        assert self._stage is not None, "step() before begin()"
        try:
            ego = self._last_frame.truth.ego
            throttle, brake = self._pedals(command.acceleration_mps2, ego.acceleration_mps2, ego.speed_mps)
            self._steer = max(-1.0, min(1.0, command.steer))
            self._stage.ego.apply_control(carla.VehicleControl(throttle=throttle, steer=self._steer, brake=brake))
            self._move_travellers((self._frame + 1) * self._staging.step_s)
            self._last_tick = self._tick()
            self._frame += 1
            return self._sense()
        except RuntimeError as error:
            raise self._failure(error) from error

    def end(self) -> None:
        """Take everything out of the world again; harmless when nothing is staged or the server is gone."""
        builder, stage, self._builder, self._stage = self._builder, self._stage, None, None
        if builder is None or not self._connection.alive():
            return
        try:
            for placed in stage.placed if stage is not None else ():
                if placed.undo is not None:
                    placed.undo()
            clear(self._connection.client, builder.stage_actors)
        except RuntimeError:
            # a server that no longer answers has nothing left to clean up
            return

    # ---------------------------------------------------------------- what the loop asks for
    @property
    def ego_width_m(self) -> float:
        """Width of the ego."""
        return float(2.0 * self._senses.ego_half_m[1])

    @property
    def ego_length_m(self) -> float:
        """Length of the ego."""
        return float(2.0 * self._senses.ego_half_m[0])

    @property
    def injection(self) -> dict[str, str]:
        """Adversary id to how its artefact reaches the camera: ``world``, ``composite`` or ``paste``."""
        return {} if self._stage is None else {placed.adversary: placed.mode for placed in self._stage.placed}

    def _failure(self, error: RuntimeError) -> TestbedError:
        if not self._connection.alive():
            return SimulatorCrashError(f"the simulator died: {error}")
        if "time-out" in str(error) or "timeout" in str(error):
            self._connection.hung = True
            return SimulatorHangError(f"the simulator missed its deadline: {error}")
        return SimulatorCrashError(f"the simulator failed: {error}")

    def _tick(self) -> int:
        return int(self._world.tick(TICK_TIMEOUT_S))

    def _sense(self) -> Frame:
        self._last_frame = self._senses.sense(self._frame, self._last_tick, self._steer)
        return self._last_frame

    def _move_travellers(self, t_s: float) -> None:
        assert self._stage is not None
        commands = []
        for traveller in self._stage.travellers:
            x_mps, y_mps = traveller.velocity(t_s)
            commands.append(carla.command.ApplyTransform(traveller.actor_id, to_transform(traveller.pose(t_s))))
            commands.append(
                carla.command.ApplyTargetVelocity(traveller.actor_id, carla.Vector3D(x=x_mps, y=y_mps, z=0.0))
            )
        if commands:
            self._connection.client.apply_batch(commands)
