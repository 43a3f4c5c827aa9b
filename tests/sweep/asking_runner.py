"""A runner without a simulator that asks the plan's agent about pictures of the plan's seed and records its answers."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from testbed import agents
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.core.types import Agent, Observation

DECISIONS = 4


class AskingRunner:
    """Ask `DECISIONS` times; a plan whose scene names a ``file`` records what stands in it."""

    def __init__(
        self, *, carla: str | None = None, device: str = "auto", load_agent: Callable[[str], Agent] | None = None
    ) -> None:
        self._load = functools.cache(load_agent or functools.partial(agents.load, device=device))

    def run(self, plan: EpisodePlan, folder: Path) -> EpisodeRecord:
        agent = self._load(plan.agent_here)
        agent.reset(plan.seed)
        scores: dict[str, float | int | str | bool | None] = {"latency_ms": agent.card.latency_ms[0]}
        for turn in range(DECISIONS):
            said = agent.perceive(observation(1000 * plan.seed + turn))
            scores[f"steering_{turn}"] = str(said.steering.steering)
            scores[f"steering_sure_{turn}"] = said.steering.confidence
            scores[f"vehicle_sure_{turn}"] = said.vehicle.confidence
            scores[f"sign_sure_{turn}"] = said.sign.confidence if said.sign is not None else None
            if plan.scene.get("slow"):
                time.sleep(0.2)
        where = os.environ.get("TOLD", "")
        if where:
            (Path(where) / f"{plan.seed}-{os.getpid()}").write_text(os.getcwd())
        return EpisodeRecord(plan=plan, scores=scores)

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        pass


def observation(seed: int) -> Observation:
    pictures = np.random.default_rng(seed)
    view = pictures.integers(0, 256, (20, 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    side = int(pictures.integers(16, 60))
    return Observation(0, 0.0, view, 20.0, sign_crop=pictures.integers(0, 256, (side, side, 3), dtype=np.uint8))
