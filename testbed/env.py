"""The Gymnasium environment: a scenario's world, driven by steer and acceleration.

Observation (``Dict``): ``camera`` uint8 (height, width, 3) RGB driver's view; ``speed`` float32 (1,) in m/s;
``command`` discrete route command. Action (``Box``, float32, [-1, 1]²): CARLA steer (positive right), and acceleration
scaled to +4 m/s² (full throttle) and -8 m/s² (full braking). Reward per step: progress along the lane relative to
cruising, minus the squared offset from the lane centre relative to half the lane, and -10 when the episode ends in a
collision or off the road.

The judges of a run watch here, too. ``info`` of every step: ``events``, the kinds that began with it (lane departures,
collisions, signs that were run, speeding, braking for nothing: `testbed.events`); ``cost``, how many of them spoil a
drive, for safe reinforcement learning (constrained policies bound its sum per episode); ``sign_crop``, the picture of
the sign ahead, uint8 (48, 48, 3) RGB, where one is readable. `testbed.wrappers` has discrete actions and privileged
observations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image as PilImage

from testbed.adversaries.delivery import load_payloads
from testbed.client import Connection, Session, Tick, connect
from testbed.core.errors import UsageError, suggest
from testbed.core.records import EpisodePlan
from testbed.core.types import Command, Image, Observation, Step, Truth
from testbed.judge import JudgePanel, event_catalogue, judges_for
from testbed.judging import limits_for
from testbed.overlay import SCALE, driver_view
from testbed.scenario.concrete import ConcreteScenario, concretise
from testbed.scenario.loader import load_scenario
from testbed.scenario.schema import Scenario
from testbed.world.render.placement import renderer_device

ROUTE_COMMANDS: tuple[str, ...] = ("lane_follow", "left", "right", "straight")
ACCELERATION_MPS2 = 4.0
BRAKING_MPS2 = 8.0
MAX_SPEED_MPS = 80.0
FAILURE_REWARD = -10.0
SIGN_CROP_PX = 48

Observations = dict[str, Any]


class ScenarioEnv(gymnasium.Env[Observations, NDArray[np.float32]]):
    """A scenario as an environment; every instance has a server of its own unless ``carla`` names one.

    Args:
        scenario: Shipped scenario name, path of a scenario file, or a Scenario.
        condition: ``benign`` or what the scenario injects.
        render_mode: None or ``rgb_array``.
        carla: ``HOST:PORT`` of a running server.
        device: Where the embedded server renders, a word of `testbed.core.device`.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}  # type: ignore[misc]

    def __init__(
        self,
        scenario: str | Path | Scenario = "drp_highway",
        *,
        condition: str = "benign",
        render_mode: str | None = None,
        carla: str | None = None,
        device: str = "auto",
    ) -> None:
        """Read the scenario; the server starts with the first reset."""
        self._base: Path | None = None
        if isinstance(scenario, Scenario):
            self.scenario = scenario
        else:
            loaded = load_scenario(scenario)
            self.scenario, self._base = loaded.content, loaded.path.parent
        self._check_condition(condition)
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise UsageError(f"render mode {render_mode!r} is not offered", hint="use rgb_array or None")
        self.condition = condition
        self.render_mode = render_mode
        self._carla = carla
        self._device = renderer_device(device) if carla is None else "cpu"
        camera = self.scenario.camera
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (camera.height_px, camera.width_px, 3), np.uint8),
                "command": spaces.Discrete(len(ROUTE_COMMANDS)),
                "speed": spaces.Box(-MAX_SPEED_MPS, MAX_SPEED_MPS, (1,), np.float32),
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._concrete: ConcreteScenario | None = None
        self._tick: Tick | None = None
        self._panel: JudgePanel | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin the episode of a seed; without a seed, the next one of the environment's own generator.

        Args:
            seed: Episode seed: the same seed is the same episode.
            options: ``condition`` overrides the environment's.

        Returns:
            Observation and info.
        """
        super().reset(seed=seed)
        episode_seed = seed if seed is not None else int(self.np_random.integers(0, 2**31))
        condition = (options or {}).get("condition", self.condition)
        self._check_condition(condition)
        plan = EpisodePlan(
            scenario=self.scenario.name, scene=self.scenario.dump(), agent="", condition=condition, seed=episode_seed
        )
        concrete = self._concrete = concretise(plan)
        payloads, _ = load_payloads(concrete.injections, self._base)
        if self._connection is None or not self._connection.alive():
            self.close()
            self._connection = connect(self._carla, map_name=concrete.map, device=self._device)
            self._session = Session(self._connection)
        assert self._session is not None
        self._tick = self._session.begin(concrete, payloads)
        limits = limits_for(concrete, self._session.ego_width_m, self._session.ego_length_m)
        self._panel = JudgePanel(limits, judges_for(concrete.judges))
        info = self._info(self._tick, self._judged(self._tick, Command(0.0, 0.0)))
        return observed(self._tick.observation), info | {"episode_seed": episode_seed}

    def step(self, action: NDArray[np.float32]) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Apply steer and acceleration for one tick.

        Args:
            action: Shape (2,), each in [-1, 1].

        Returns:
            Observation, reward, terminated (collision or off the road), truncated (time is up), info.

        Raises:
            gymnasium.error.InvalidAction: It has another shape, or is not finite.
            gymnasium.error.ResetNeeded: The episode has not begun.
        """
        if self._session is None or self._tick is None or self._concrete is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        command, before = commanded(action), self._tick.truth
        self._tick = self._session.step(command)
        truth = self._tick.truth
        failed = bool(truth.collisions) or not truth.lane.on_road
        reward = _reward(before, truth, self._concrete) + (FAILURE_REWARD if failed else 0.0)
        truncated = self._tick.number + 1 >= self._concrete.steps
        info = self._info(self._tick, self._judged(self._tick, command))
        return observed(self._tick.observation), reward, failed, truncated, info

    def _judged(self, tick: Tick, command: Command) -> list[str]:
        """Return the kinds of events that began with a step."""
        assert self._panel is not None
        return [event.kind for event in self._panel.step(Step(tick.number, tick.t_s, tick.truth, command, None))]

    def _check_condition(self, condition: str) -> None:
        known = ("benign", *self.scenario.injections())
        if condition not in known:
            hint = f"{suggest(condition, known)}known: {', '.join(known)}"
            raise UsageError(f"scenario {self.scenario.name} has no condition {condition!r}", hint=hint)

    @property
    def truth(self) -> Truth:
        """Ground truth of the present step, for evaluation; a policy has no business with it."""
        if self._tick is None:
            raise gymnasium.error.ResetNeeded("call reset() before asking for the truth")
        return self._tick.truth

    @property
    def injection(self) -> dict[str, str]:
        """Adversary id to how its artefact reaches the camera: ``world``, ``composite`` or ``paste``."""
        return {} if self._session is None else self._session.injection

    def render(self) -> Image | None:
        """Return the driver's view with overlays, shape (2 h, 2 w, 3) uint8, in mode ``rgb_array``; None otherwise."""
        if self.render_mode is None:
            return None
        if self._tick is None:
            camera = self.scenario.camera
            return np.zeros((SCALE * camera.height_px, SCALE * camera.width_px, 3), np.uint8)
        return driver_view(self._tick.observation.image, self._tick.truth)

    def close(self) -> None:
        """Stop the server; no process or port is left."""
        if self._session is not None:
            self._session.end()
            self._session = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._tick = None

    @staticmethod
    def _info(tick: Tick, events: list[str]) -> dict[str, Any]:
        lane, kinds = tick.truth.lane, event_catalogue()
        info: dict[str, Any] = {
            "frame": tick.number,
            "t_s": tick.t_s,
            "lateral_offset_m": lane.lateral_offset_m,
            "distance_m": lane.s_m,
            "collisions": len(tick.truth.collisions),
            "events": tuple(events),
            "cost": float(sum(kinds[event].spoils_twin for event in events)),
        }
        crop = tick.observation.sign_crop
        if crop is None:
            return info
        # of one size, so that vector environments can put several together
        picture = PilImage.fromarray(crop).resize((SIGN_CROP_PX, SIGN_CROP_PX), PilImage.Resampling.BILINEAR)
        return info | {"sign_crop": np.asarray(picture)}


def observed(observation: Observation) -> Observations:
    """Return what a policy sees of what an agent is shown, see `ScenarioEnv`."""
    return {
        "camera": observation.image,
        "command": ROUTE_COMMANDS.index(observation.route_command),
        "speed": np.array([np.clip(observation.speed_mps, -MAX_SPEED_MPS, MAX_SPEED_MPS)], dtype=np.float32),
    }


def commanded(action: NDArray[np.float32]) -> Command:
    """Return what an action asks of the vehicle.

    Args:
        action: Shape (2,), each in [-1, 1].

    Raises:
        gymnasium.error.InvalidAction: It has another shape, or is not finite.
    """
    wanted = np.asarray(action, dtype=np.float64)
    if wanted.shape != (2,) or not np.isfinite(wanted).all():
        raise gymnasium.error.InvalidAction(f"an action is two finite numbers, steer and acceleration, not {action}")
    steer, pedal = (float(value) for value in np.clip(wanted, -1.0, 1.0))
    return Command(steer, pedal * (ACCELERATION_MPS2 if pedal >= 0.0 else BRAKING_MPS2))


def _reward(before: Truth, after: Truth, concrete: ConcreteScenario) -> float:
    cruise_m = max(concrete.ego.cruise_mps, 1.0) * concrete.step_s
    progress = (after.lane.s_m - before.lane.s_m) / cruise_m
    offset = after.lane.lateral_offset_m / (after.lane.lane_width_m / 2.0)
    return float(progress - min(offset**2, 4.0))
