"""Train a policy end to end: PPO of stable-baselines3 on the Gymnasium environment of a shipped scenario.

    python examples/05_train_a_policy.py [STEPS]

The default is a few steps, which show that it works and teach nothing; a policy wants hours. Needs the extra `rl`.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO

OUT = Path("reports/examples")


class Smaller(gymnasium.ObservationWrapper):  # type: ignore[type-arg]
    """Show the policy every second row and column of the road part of the picture, and the speed."""

    def __init__(self, env: gymnasium.Env) -> None:  # type: ignore[type-arg]
        """Declare what is left of the observation."""
        super().__init__(env)
        camera = env.observation_space["camera"]  # type: ignore[index]
        rows, columns, channels = self._road(np.zeros(camera.shape, np.uint8)).shape
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (rows, columns, channels), np.uint8),
                "speed": env.observation_space["speed"],  # type: ignore[index]
            }
        )

    @staticmethod
    def _road(camera: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return camera[len(camera) // 3 :: 2, ::2]

    def observation(self, observation: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
        """Return the smaller observation."""
        return {"camera": self._road(observation["camera"]), "speed": observation["speed"]}


def main() -> None:
    """Train, save, and drive one episode with what was learnt."""
    steps = int(sys.argv[1]) if sys.argv[1:] else 64
    warnings.filterwarnings("ignore", category=UserWarning, module="stable_baselines3")
    OUT.mkdir(parents=True, exist_ok=True)
    env = Smaller(gymnasium.make("testbed:testbed/DrpHighway-v1"))
    model = PPO("MultiInputPolicy", env, n_steps=32, batch_size=32, n_epochs=2, seed=1, device="cpu")
    model.learn(total_timesteps=steps)
    model.save(OUT / "ppo_drp_highway")

    observation, info = env.reset(seed=101)
    total, done = 0.0, False
    for _ in range(30):
        action, _ = model.predict(observation, deterministic=True)
        observation, reward, terminated, truncated, info = env.step(action)
        total += float(reward)
        done = terminated or truncated
        if done:
            break
    env.close()
    print(f"after {model.num_timesteps} steps of training: return {total:.1f}, {info['lateral_offset_m']:+.2f} m off")
    print(f"policy: {OUT / 'ppo_drp_highway.zip'}")


if __name__ == "__main__":
    main()
