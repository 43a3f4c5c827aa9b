"""Train a policy on the Gymnasium environment of a scenario (PPO of stable-baselines3), and drive it as an agent.

    python examples/05_train_a_policy.py [STEPS]

The default is a few steps, which show that it works and teach nothing; a policy wants hours. Needs the extra `rl`.

A trained policy drives by itself: the testbed's planner and controller stand aside, judges, records and report see it
like any other agent. A package offers it with `card()` and `build()`, as examples/02_own_agent.py shows; this file is
such a module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO

from testbed.core.types import Agent, AgentCard
from testbed.wrappers import PolicyAgent

OUT = Path("reports/examples")
SCENARIO = """\
name: trained_policy
question: Does the trained policy keep its lane?
ego: {spawn: {road: 1, lane: -2, s_m: 60}, speed_mps: 22}
duration_s: 3
seeds: {count: 1}
"""


class Smaller(gymnasium.ObservationWrapper):  # type: ignore[type-arg]
    """Show the policy every second row and column of the road part of the picture, and the speed."""

    def __init__(self, env: gymnasium.Env) -> None:  # type: ignore[type-arg]
        """Declare what is left of the observation."""
        super().__init__(env)
        camera = env.observation_space["camera"]  # type: ignore[index]
        rows, columns, channels = road(np.zeros(camera.shape, np.uint8)).shape
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (rows, columns, channels), np.uint8),
                "speed": env.observation_space["speed"],  # type: ignore[index]
            }
        )

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Return the smaller observation."""
        return smaller(observation)


def road(camera: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return every second row and column of the road part of a picture."""
    return camera[len(camera) // 3 :: 2, ::2]


def smaller(observation: dict[str, Any]) -> dict[str, Any]:
    """Return what the policy sees: the same in training and as an agent."""
    return {"camera": road(observation["camera"]), "speed": observation["speed"]}


def card() -> AgentCard:
    """Tell about the agent without loading it; its latency is charged to the simulation clock."""
    return AgentCard("ppo", kind="dnn", latency_ms=(4.0, 6.0), notes="Steers by itself; answers no questions.")


def build(*, path: str) -> Agent:
    """Load the policy that an agent file names: `{agent: ppo, options: {path: policy.zip}}`."""
    model = PPO.load(path, device="cpu")
    return PolicyAgent(card(), lambda observation: model.predict(smaller(observation), deterministic=True)[0])


def train(steps: int) -> Path:
    """Train and save."""
    warnings.filterwarnings("ignore", category=UserWarning, module="stable_baselines3")
    OUT.mkdir(parents=True, exist_ok=True)
    env = Smaller(gymnasium.make("testbed:testbed/DrpHighway-v1"))
    model = PPO("MultiInputPolicy", env, n_steps=32, batch_size=32, n_epochs=2, seed=1, device="cpu")
    model.learn(total_timesteps=steps)
    env.close()
    model.save(OUT / "ppo_drp_highway")
    print(f"policy after {model.num_timesteps} steps of training: {OUT / 'ppo_drp_highway.zip'}")
    return OUT / "ppo_drp_highway.zip"


def drive(policy: Path) -> None:
    """Drive a scenario with the policy as an agent, from a folder that is thrown away; the run is kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(__file__, folder / "ppo_agent.py")
        metadata = folder / "ppo_agent-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ppo_agent\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[testbed.agents]\nppo = ppo_agent\n")
        (folder / "trained.yaml").write_text(f"agent: ppo\noptions: {{path: '{policy.resolve()}'}}\n")
        (folder / "trained_policy.yaml").write_text(SCENARIO, encoding="utf-8")
        command = [sys.executable, "-m", "testbed", "run", str(folder / "trained_policy.yaml")]
        command += ["--agents", str(folder / "trained.yaml"), "--jobs", "1", "--out", str(OUT / "trained_policy")]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": name}, check=True)


if __name__ == "__main__":
    drive(train(int(sys.argv[1]) if sys.argv[1:] else 64))
