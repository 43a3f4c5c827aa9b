"""Which agents are served by model actors, and by how many of them.

An agent is served when its file says ``serve: actor``, or leaves it open and its checkpoint is large or runs on a GPU;
all others are loaded beside every simulator, which is faster for small networks than a way through another process.
Every served agent gets as many actors as fit on the GPUs of the cluster, at least one, each with the agent's share of a
GPU; on CPUs it gets one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

from testbed import agents
from testbed.core.agent_names import is_file
from testbed.core.device import is_gpu
from testbed.core.errors import UsageError

LARGE_BYTES = 1_000_000_000
"""Weights above this size are loaded once and not beside every simulator."""


@dataclass(frozen=True, slots=True)
class ServedAgent:
    """One agent whose models run in actors of their own.

    Attributes:
        agent: Name or agent file, as in plans.
        actors: How many.
        num_gpus: Share of a GPU for each; 0 on CPUs.
    """

    agent: str
    actors: int
    num_gpus: float

    @property
    def device(self) -> str:
        """Where its models run inside an actor, which sees the GPU that it was given and no other."""
        return "cuda:0" if self.num_gpus else "cpu"


def _with_parts(names: Iterable[str]) -> tuple[str, ...]:
    """Return agents and those that they are made of; agent files of these by their absolute paths, as they travel."""
    found: dict[str, None] = {}
    for name in dict.fromkeys(names):
        found[name] = None
        for part in agents.parts(name).values():
            found[os.path.abspath(part) if is_file(part) else part] = None
    return tuple(found)


def served_agents(names: Iterable[str], device: str, gpus: float, simulators: int) -> tuple[ServedAgent, ...]:
    """Return which agents are served.

    Args:
        names: Agents of the plans.
        device: What the command line says.
        gpus: GPUs of the cluster.
        simulators: Workers at once; more actors than that are of no use.

    Raises:
        UsageError: An agent asks for a GPU and there is none, or they ask for more than there are.
        TestbedError: An agent or its checkpoint does not exist.
    """
    shares: dict[str, float] = {}
    for name in _with_parts(names):
        wanted = agents.serving(name, device)
        if wanted is None:
            continue
        if is_gpu(wanted.device) and not gpus and wanted.where != "worker":
            raise UsageError(
                f"agent {name!r} is to run on {wanted.device}, but the cluster has no GPU",
                hint="use --device auto or cpu, or add a node with a GPU",
            )
        on_gpu = is_gpu(wanted.device) or (wanted.device == "auto" and gpus > 0)
        large = on_gpu or wanted.weight_bytes > LARGE_BYTES
        if wanted.where == "actor" or (wanted.where == "auto" and large):
            shares[name] = wanted.num_gpus if on_gpu else 0.0
    total = sum(shares.values())
    if total > gpus:
        raise UsageError(
            f"{', '.join(shares)} ask for {total:g} GPUs together, but the cluster has {gpus:g}",
            hint="give them shares of one, model: {num_gpus: 0.5}, or run them one after the other",
        )
    fit = max(1, min(simulators, math.floor(gpus / total))) if total else 1
    return tuple(ServedAgent(name, fit if share else 1, share) for name, share in shares.items())
