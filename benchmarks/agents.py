"""Milliseconds per decision of every agent on one thread: ``python -m benchmarks.agents [NAME ...] [--repeats N]``.

A decision answers all questions that are open: lane and vehicle always, and a sign crop, which is the dearest case.
Two clocks are read: wall time, and the CPU time of the process, which on one thread is what a quiet machine would show
and so does not depend on what else runs. With ``--write`` the CPU figures of `dnn` go into the card that the simulation
clock is charged from by default.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from testbed import agents
from testbed.core.errors import TestbedError
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from testbed.core.types import Observation


def observations(count: int) -> list[Observation]:
    """Return noisy driver's views, each with a sign crop; what is in the picture does not change the cost."""
    rng = np.random.default_rng(0)
    out = []
    for frame in range(count):
        image = rng.integers(0, 256, (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3), dtype=np.uint8)
        out.append(Observation(frame, 0.1 * frame, image, 25.0, image[40:64, 200:224].copy(), "bench", 20.0))
    return out


def measure(name: str, repeats: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return (p50, p95) of one decision in ms, in CPU time and in wall time, after ten decisions that do not count."""
    agent = agents.load(name)
    agent.reset(0)
    cpu_ms, wall_ms = [], []
    for index, observation in enumerate(observations(repeats + 10)):
        cpu, wall = time.process_time(), time.perf_counter()
        agent.perceive(observation)
        if index >= 10:
            cpu_ms.append(1e3 * (time.process_time() - cpu))
            wall_ms.append(1e3 * (time.perf_counter() - wall))
    return _percentiles(cpu_ms), _percentiles(wall_ms)


def _percentiles(values: list[float]) -> tuple[float, float]:
    return float(np.percentile(values, 50)), float(np.percentile(values, 95))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agents", description=__doc__)
    parser.add_argument("names", nargs="*", help="agents (default: all that need no ground truth)")
    parser.add_argument("--repeats", type=int, default=60, help="decisions per agent")
    parser.add_argument("--write", action="store_true", help="write dnn's figures into its card")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    print(f"{'agent':12s} {'CPU p50 ms':>11s} {'p95':>7s} {'wall p50 ms':>12s} {'p95':>7s} {'parameters':>12s}")
    for name in options.names or agents.names():
        try:
            card = agents.card(name)
            if card.needs_truth:
                continue
            (p50_ms, p95_ms), wall_ms = measure(name, options.repeats)
        except TestbedError as error:
            print(f"{name:12s} {error}")
            continue
        wall = f"{wall_ms[0]:12.1f} {wall_ms[1]:7.1f}"
        print(f"{name:12s} {p50_ms:11.1f} {p95_ms:7.1f} {wall} {card.parameters:12,d}", flush=True)
        if options.write and name == "dnn":
            from testbed.agents import weights

            weights.amend("dnn-lane", agent_latency_ms=[round(p50_ms, 1), round(p95_ms, 1)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
