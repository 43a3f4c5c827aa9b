"""How often an attack succeeds in closed loop: ``python -m benchmarks.attacks [SCENARIO] [--agents dnn] [--seeds 10]``.

Every condition of the scenario is driven with the same seeds as in ``testbed run``, and each line says in how many
episodes the ego was beyond (lane - vehicle) / 2 within the reaction window, with a 95 % interval, the mean time from
reaching the artefact to that moment, and the mean of the largest offset. The published attack (Sato et al., USENIX
Security 2021) succeeds in more than 97.5 % of 80 cases, after 0.903 s on average.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from testbed.core.records import EpisodePlan
from testbed.episode import EpisodeRunner
from testbed.scenario.loader import load_scenario
from testbed.stats import wilson


def main() -> None:
    """Drive and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="drp_highway")
    parser.add_argument("--agents", default="dnn")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    scenario = load_scenario(options.scenario).content
    first = scenario.seeds.first
    print("agent      condition    left the lane in time     time to it   largest offset")
    with EpisodeRunner() as runner, tempfile.TemporaryDirectory() as folder:
        for agent in options.agents.split(","):
            for condition in ("benign", *scenario.injections()):
                scores = []
                for seed in range(first, first + options.seeds):
                    plan = EpisodePlan(
                        scenario=scenario.name, scene=scenario.dump(), agent=agent, condition=condition, seed=seed
                    )
                    scores.append(runner.run(plan, Path(folder)).scores)
                hits = [score for score in scores if score["window.success"]]
                interval = wilson(len(hits), len(scores))
                times = [float(score["window.time_to_threshold_s"] or 0.0) for score in hits]
                offsets = [float(score["window.max_offset_m"] or 0.0) for score in scores]
                print(
                    f"{agent:10} {condition:10} {len(hits):3}/{len(scores)}  [{interval.low:.2f}, {interval.high:.2f}]"
                    f"   {f'{np.mean(times):6.2f} s' if times else '       -'}   {np.mean(offsets):8.2f} m",
                    flush=True,
                )


if __name__ == "__main__":
    main()
