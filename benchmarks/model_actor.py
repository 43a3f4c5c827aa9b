"""Decisions per second of one model actor: ``python -m benchmarks.model_actor [AGENT.yaml] [--simulators 1 4 16]``.

N simulators that do nothing else ask one model actor of a Ray of our own, each waiting for its answer before it asks
again, as they do in a sweep. Without an agent file the shipped ``tandem`` is served. Printed are decisions per second,
how long one took (p50, p95), and how many were answered together. On a machine without a GPU the rows of GPUs say
"not measured".
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.agents import observations
from testbed import agents
from testbed.core.errors import TestbedError
from testbed.sweep.model_fleet import ACTOR_CPUS, ModelFleet
from testbed.sweep.ray_cluster import connect
from testbed.sweep.remote_readers import served_readers
from testbed.sweep.serving import ServedAgent

SHIPPED = "agent: tandem\nmodel: {kind: shipped, serve: actor}\n"


class _Asking:
    """A simulator that only asks."""

    def __init__(self, agent: str, actor: Any) -> None:
        import torch

        torch.set_num_threads(1)
        self._agent = agents.load(agent, device="cpu", served={agent: served_readers(actor, agent, 600.0)})

    def ask(self, seconds: float) -> list[float]:
        """Ask for some seconds; return how long each decision took in ms."""
        seen = observations(8)
        spent_ms: list[float] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            before = time.perf_counter()
            self._agent.perceive(seen[len(spent_ms) % len(seen)])
            spent_ms.append(1e3 * (time.perf_counter() - before))
        return spent_ms


def measure(ray: Any, served: ServedAgent, simulators: int, seconds: float) -> str:
    """Return a row of the table."""
    fleet = ModelFleet(ray, [served], simulators)
    try:
        fleet.wait()
        made = ray.remote(num_cpus=ACTOR_CPUS)(_Asking)
        asking = [made.remote(served.agent, fleet.for_simulator(slot)[served.agent]) for slot in range(simulators)]
        ray.get([one.ask.remote(0.5) for one in asking])
        before = fleet.batches()[served.agent]
        spent_ms = [value for one in ray.get([one.ask.remote(seconds) for one in asking]) for value in one]
        after = fleet.batches()[served.agent]
    finally:
        fleet.close()
    counts = {size: number - before.get(size, 0) for size, number in after.items()}
    together = sum(size * number for size, number in counts.items()) / max(1, sum(counts.values()))
    p50_ms, p95_ms = np.percentile(spent_ms, [50, 95])
    rate = len(spent_ms) / seconds
    return f"{served.device:8} {simulators:10d} {rate:13.1f} {p50_ms:8.0f} {p95_ms:8.0f} {together:10.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_actor", description=__doc__)
    parser.add_argument("agent", nargs="?", help="agent file (default: the shipped tandem)")
    parser.add_argument("--simulators", type=int, nargs="+", default=[1, 4, 16], metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0, help="per row (default 10)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        agent = options.agent
        if agent is None:
            (Path(folder) / "tandem.yaml").write_text(SHIPPED, encoding="utf-8")
            agent = str(Path(folder) / "tandem.yaml")
        if agents.serving(agent) is None:
            raise TestbedError(f"{agent} has no models that can be served")
        ray, _ = connect(max(options.simulators), "auto")
        try:
            print("device   simulators   decisions/s   p50 ms   p95 ms   per batch", flush=True)
            for simulators in options.simulators:
                print(measure(ray, ServedAgent(agent, 1, 0.0), simulators, options.seconds), flush=True)
            gpu = ray.cluster_resources().get("GPU", 0.0) >= 1.0
            for simulators in options.simulators:
                row = f"{'cuda':8} {simulators:10d}  not measured: no GPU here"
                if gpu:
                    row = measure(ray, ServedAgent(agent, 1, 1.0), simulators, options.seconds)
                print(row, flush=True)
        finally:
            ray.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
