"""Vehicle camouflage: how well the attacked detector still finds the car, and who drives into it.

On images: AP50 over the view grid (every distance, side, camera height and light, each at three places on the road that
the artefact's own figures do not show), original, plain and random paint beside the attack, and in how many views a car
that was found no longer is. On the road: every condition of the scenarios with the same seeds as in ``testbed run``; a
line says in how many episodes the ego hit a vehicle.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from testbed import adversaries
from testbed.adversaries.camouflage import MEASURED_MAPS
from testbed.adversaries.camouflage.car import vehicle_subject
from testbed.adversaries.camouflage.measure import ORIGINAL, detector_answers, measure, table
from testbed.adversaries.camouflage.surrogate import load_victim
from testbed.adversaries.camouflage.views import VehicleScene, free_grid, photographs
from testbed.core.records import EpisodePlan
from testbed.core.types import Skin
from testbed.episode import EpisodeRunner
from testbed.scenario.loader import load_scenario
from testbed.stats import wilson

ATTACK, CONTROLS = "rauca_model3", ("plain_camouflage", "random_camouflage")
PLACES = (1, 2, 3)
"""Seeds of the places; `attack camouflage` draws those of its figures from 1000 on."""
SCENARIOS = ("rauca_broadside", "rauca_parked", "rauca_lead_vehicle")


def look() -> None:
    """Measure on images and print."""
    manifest = adversaries.load(ATTACK).manifest
    facts = manifest.settings
    print(f"{ATTACK}: made in {facts['seconds']} s, {facts['steps']} steps of {facts['batch']} pictures")
    subject, victim = vehicle_subject("vehicle.tesla.model3"), load_victim()
    textures = {ORIGINAL: subject.original}
    for name in (*CONTROLS, ATTACK):
        skin = adversaries.load(name).payload()
        assert isinstance(skin, Skin)
        textures[name] = skin.rgb
    scenes = [VehicleScene(subject, name) for name in MEASURED_MAPS]
    views = [view for seed in PLACES for view in photographs(scenes, free_grid(), seed)]
    print(table(measure(views, textures, detector_answers(victim), threshold=victim.threshold)))


def drive(agents: Sequence[str], seeds: int) -> None:
    """Drive and print."""
    print(f"{'scenario':20} {'agent':8} {'condition':11} {'hit a vehicle':>14} {'interval':>13} {'m/s':>6}")
    with EpisodeRunner() as runner, tempfile.TemporaryDirectory() as folder:
        for name in SCENARIOS:
            scenario = load_scenario(name).content
            chosen = range(scenario.seeds.first, scenario.seeds.first + seeds)
            for agent in agents:
                for condition in ("benign", *scenario.injections()):
                    speeds = []
                    for seed in chosen:
                        plan = EpisodePlan(
                            scenario=name, scene=scenario.dump(), agent=agent, condition=condition, seed=seed
                        )
                        scores = runner.run(plan, Path(folder)).scores
                        if scores["collision_vehicle.count"]:
                            speeds.append(float(scores["collision.worst_mps"] or 0.0))
                    interval = wilson(len(speeds), seeds)
                    fast = f"{np.mean(speeds):6.1f}" if speeds else "     -"
                    print(
                        f"{name:20} {agent:8} {condition:11} {len(speeds):>10}/{seeds:<3} "
                        f"[{interval.low:.2f}, {interval.high:.2f}] {fast}",
                        flush=True,
                    )
