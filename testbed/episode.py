"""One episode, one loop.

The order of a tick:

==========  ==================================================================================================
sense       the session's tick: observation for the agent, truth for the judges
perceive    every ``decision_every_steps`` ticks, unless the agent is still busy with its last image
delay       the answer's latency is charged to the simulation clock; past a deadline it may be dropped (latency.py)
decide      answers whose time has come reach the driver (planner and controller, testbed/driver/controller.py)
actuate     the driver's command
judge       the judges see the step: truth, command, answer in force
record      the step goes into the trace
tick        the session applies the command and advances the world
==========  ==================================================================================================

A failure of the simulator is never a driving failure: it is raised, and whoever runs episodes tries again.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import __version__, agents
from testbed.adversaries.delivery import load_payloads
from testbed.client import Connection, Session, Tick, connect
from testbed.core import extras
from testbed.core.answer_check import blamed, check_answers
from testbed.core.errors import AgentError, TestbedError
from testbed.core.latency_spec import LatencySpec
from testbed.core.perception_tasks import EGO_HALF_LENGTH_M
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.core.types import Agent, Decision, Observation, Step
from testbed.driver.controller import Driver, DriverConfig
from testbed.judge import JudgePanel, judges_for
from testbed.judging import focal_px, judge_versions, judged, limits_for
from testbed.latency import DeadlineKeeper, LatencyModel
from testbed.scenario.concrete import ConcreteScenario, concretise
from testbed.store import TraceWriter
from testbed.world.render.placement import renderer_device

Progress = Callable[[float], None]
VERSIONED = ("carla", "numpy", "torch", "transformers", "peft", "warp-lang", "gymnasium", "ray")
TRACE_NAME = "trace.mcap"


class EpisodeRunner:
    """Run plans one after the other with a warm server and loaded agents.

    Args:
        carla: ``HOST:PORT`` of a running server; None starts the embedded one.
        device: Where renderer and models run, a word of `testbed.core.device`.
        load_agent: How agents are loaded by their names in plans; None loads them here, on `device`.
    """

    def __init__(
        self,
        *,
        carla: str | None = None,
        device: str = "auto",
        load_agent: Callable[[str], Agent] | None = None,
    ) -> None:
        """Start nothing yet: the server comes with the first plan; raises `UsageError` for a GPU that is not there."""
        self._address = carla
        self._load_agent = load_agent or functools.partial(agents.load, device=device)
        self._renderer = renderer_device(device) if carla is None else "cpu"
        self._connection: Connection | None = None
        self._agents: dict[str, Agent] = {}

    def run(self, plan: EpisodePlan, folder: Path, *, on_progress: Progress | None = None) -> EpisodeRecord:
        """Carry out a plan; the trace is written into ``folder``.

        Args:
            plan: What to do.
            folder: Existing folder that receives ``trace.mcap``.
            on_progress: Called with the share done, 0-1.

        Raises:
            SimulatorCrashError: If the simulator died; the next run starts a new one.
            SimulatorHangError: If the simulator missed its deadline; the same.
            TestbedError: If the plan cannot be carried out.
        """
        concrete = concretise(plan)
        agent = self._agent(plan.agent_here)
        started = time.perf_counter()
        try:
            if self._connection is None or not self._connection.alive():
                self._drop()
                self._connection = connect(self._address, map_name=concrete.map, device=self._renderer)
            record = _drive(plan, concrete, agent, Session(self._connection), folder, on_progress)
        except TestbedError as error:
            # a server that failed is not asked again
            if error.code.startswith("TB3"):
                self._drop()
            raise
        return record.model_copy(update={"wall_s": round(time.perf_counter() - started, 3)})

    def trouble(self) -> str:
        """Return why the server that was started here cannot answer any more, or an empty string; from any thread."""
        connection = self._connection
        server = None if connection is None else connection.server
        return "" if server is None else server.trouble()

    def _agent(self, name: str) -> Agent:
        if name not in self._agents:
            self._agents[name] = self._load_agent(name)
            if "torch" in sys.modules:
                # beside a simulator two threads wait for each other at every layer: several times slower than one
                importlib.import_module("torch").set_num_threads(1)
        return self._agents[name]

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Stop the server."""
        self._drop()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def run_episode(
    plan: EpisodePlan, folder: Path, *, carla: str | None = None, on_progress: Progress | None = None
) -> EpisodeRecord:
    """Carry out one plan with a runner of its own; see `EpisodeRunner.run`."""
    with EpisodeRunner(carla=carla) as runner:
        return runner.run(plan, folder, on_progress=on_progress)


def driver_for(concrete: ConcreteScenario) -> Driver:
    """Return the shared driver, told about this episode's camera and cruising speed."""
    camera = concrete.camera
    return Driver(
        DriverConfig(
            cruise_mps=concrete.ego.cruise_mps,
            camera_height_m=camera.z_m,
            camera_pitch_rad=math.radians(camera.pitch_deg),
            camera_to_bumper_m=EGO_HALF_LENGTH_M - camera.x_m,
            focal_px=focal_px(camera),
            centre_px=(camera.width_px / 2.0, camera.height_px / 2.0),
        )
    )


class _DelayedAgent:
    """An agent with its latency: asks it, charges the time, and hands its answers over when they are due."""

    def __init__(self, agent: Agent, latency: LatencyModel, keeper: DeadlineKeeper, every_steps: int) -> None:
        self._agent = agent
        self._latency = latency
        self._keeper = keeper
        self._every_steps = every_steps
        self._pending: list[tuple[Observation, Decision]] = []
        self._busy_until_s = -math.inf
        self._drives: bool | None = None
        self.decision: Decision | None = None

    def ask(self, tick: Tick) -> None:
        """Ask for answers about a tick unless it is no decision's turn or the agent is still busy."""
        if tick.number % self._every_steps or tick.t_s < self._busy_until_s - 1e-9:
            return
        observation = tick.observation
        if self._agent.card.needs_truth:
            observation = dataclasses.replace(observation, truth=tick.truth)
        before = time.perf_counter()
        with blamed(self._agent):
            perception = self._agent.perceive(observation)
        measured_ms = 1e3 * (time.perf_counter() - before)
        check_answers(perception, self._agent.card.name)
        if self._drives not in (None, perception.command is not None):
            raise AgentError(
                f"agent {self._agent.card.name!r} drove by itself and answered questions in one drive",
                hint="an agent does one or the other",
            )
        self._drives = perception.command is not None
        charged_ms = self._latency.charge_ms(measured_ms)
        due_s = tick.t_s + charged_ms / 1e3
        self._busy_until_s = due_s
        if self._keeper.admits(charged_ms):
            self._pending.append((observation, Decision(tick.number, tick.t_s, due_s, perception, charged_ms)))

    def due(self, t_s: float) -> list[tuple[Observation, Decision]]:
        """Return the answers whose time has come, oldest first."""
        ready = [item for item in self._pending if item[1].applied_t_s <= t_s + 1e-9]
        self._pending = [item for item in self._pending if item[1].applied_t_s > t_s + 1e-9]
        if ready:
            self.decision = ready[-1][1]
        return ready


def _drive(
    plan: EpisodePlan,
    concrete: ConcreteScenario,
    agent: Agent,
    session: Session,
    folder: Path,
    on_progress: Progress | None,
) -> EpisodeRecord:
    payloads, manifests = load_payloads(concrete.injections)
    judges = judges_for(concrete.judges)
    versions = {"testbed": __version__, **extras.versions(VERSIONED), **judge_versions(judges, concrete.judges)}
    with blamed(agent):
        agent.reset(plan.seed)
    latency = LatencyModel(LatencySpec.parse(plan.latency), agent.card, plan.seed)
    keeper = DeadlineKeeper(concrete.deadline)
    delayed = _DelayedAgent(agent, latency, keeper, concrete.decision_every_steps)
    driver = driver_for(concrete)
    writer = TraceWriter(folder / TRACE_NAME)
    try:
        tick = session.begin(concrete, payloads)
        injection = session.injection
        limits = limits_for(concrete, session.ego_width_m, session.ego_length_m)
        panel = JudgePanel(limits, judges)
        writer.begin(session.surroundings(), {"episode": _about(plan, concrete), "versions": versions})
        for index in range(concrete.steps):
            delayed.ask(tick)
            for observation, decision in delayed.due(tick.t_s):
                driver.hear(observation, decision.perception)
            command = driver.command(tick.t_s, tick.truth.ego.speed_mps)
            step = Step(tick.number, tick.t_s, tick.truth, command, delayed.decision)
            began = panel.step(step)
            writer.step(step, tick.observation.image, began, session.whereabouts())
            if on_progress is not None:
                on_progress((index + 1) / concrete.steps)
            if index + 1 < concrete.steps:
                tick = session.step(command)
        digest = writer.close()
    except BaseException:
        writer.abort()
        raise
    finally:
        session.end()
    record = EpisodeRecord(
        plan=plan,
        scores=keeper.scores(),
        injection=injection,
        trace=TRACE_NAME,
        trace_sha256=digest,
        versions=versions,
    )
    return judged(record, panel.finish(), limits, manifests.values())


def _about(plan: EpisodePlan, concrete: ConcreteScenario) -> dict[str, str]:
    """Return what a trace says of the plan that it is of."""
    artefacts = ",".join(f"{injection.adversary}={injection.artefact}" for injection in concrete.injections)
    return {
        "key": plan.key,
        "scenario": plan.scenario,
        "agent": plan.agent,
        "condition": plan.condition,
        "seed": str(plan.seed),
        "latency": plan.latency,
        "map": concrete.map,
        "artefacts": artefacts,
    }
