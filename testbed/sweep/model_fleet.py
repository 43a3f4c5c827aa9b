"""The model actors of a run: started before its first episode, shared by its simulators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from testbed.core.errors import InconclusiveError
from testbed.sweep.batching import BatchLimits
from testbed.sweep.model_actor import ModelActor
from testbed.sweep.node_files import NodeFiles
from testbed.sweep.remote_readers import fetched
from testbed.sweep.serving import ServedAgent

START_S = 900.0
"""Time within which a model actor must have loaded its models."""
RESTARTS = -1
"""Ray starts an actor anew however often it dies: what it was asked then counts as an infrastructure failure, and the
scheduler bounds the attempts at every episode."""
ACTOR_CPUS = 0.1
"""Actors hold their CPUs for life and must never wait for one another."""


class ModelFleet:
    """All model actors of a run.

    Args:
        ray: The module, connected.
        served: Which agents are served, by how many actors.
        simulators: Workers that will ask.
        files: What of the user's files is sent to the nodes.
        limits: Of the batches.
    """

    def __init__(
        self,
        ray: Any,
        served: Sequence[ServedAgent],
        simulators: int,
        files: NodeFiles | None = None,
        limits: BatchLimits | None = None,
    ) -> None:
        """Start the actors; `wait` waits for their models."""
        self._ray = ray
        self._actors: dict[str, list[Any]] = {}
        for one in served:
            callers = -(-simulators // one.actors)
            settings = replace(limits or BatchLimits(), callers=callers)
            made = ray.remote(
                num_cpus=ACTOR_CPUS,
                num_gpus=one.num_gpus,
                max_restarts=RESTARTS,
                max_task_retries=0,
                # a thread for each simulator, which waits in it, and one to look
                max_concurrency=callers + 1,
                scheduling_strategy="SPREAD",
            )(ModelActor)
            self._actors[one.agent] = [made.remote(one.agent, one.device, settings, files) for _ in range(one.actors)]

    def wait(self) -> None:
        """Wait until all models are loaded.

        Raises:
            TestbedError: One cannot be loaded.
            InconclusiveError: An actor finds no place on the cluster.
        """
        for agent, actors in self._actors.items():
            tasks = [actor.open.remote() for actor in actors]
            # short waits in turn, so that a signal is served between them
            ready: list[Any] = []
            for _ in range(int(START_S / 0.5)):
                ready, _ = self._ray.wait(tasks, num_returns=len(tasks), timeout=0.5)
                if len(ready) == len(tasks):
                    break
            if len(ready) < len(tasks):
                raise InconclusiveError(
                    f"a model actor of {agent!r} had not loaded its models after {START_S:g} s",
                    hint="`ray status` shows whether the cluster has room for it",
                )
            fetched(tasks, agent, 10.0)

    def for_simulator(self, slot: int) -> dict[str, Any]:
        """Return whom a simulator asks: agent to the handle of its actor."""
        return {agent: actors[slot % len(actors)] for agent, actors in self._actors.items()}

    def batches(self) -> dict[str, dict[int, int]]:
        """Return how many batches of each size the actors of every agent answered."""
        counts: dict[str, dict[int, int]] = {}
        for agent, actors in self._actors.items():
            total: dict[int, int] = {}
            for one in self._ray.get([actor.batches.remote() for actor in actors], timeout=10.0):
                for size, number in one.items():
                    total[size] = total.get(size, 0) + number
            counts[agent] = total
        return counts

    def close(self) -> None:
        """End all actors at once."""
        for actors in self._actors.values():
            for actor in actors:
                self._ray.kill(actor, no_restart=True)
        self._actors.clear()
