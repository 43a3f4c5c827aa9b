"""Train the vision tower of the small V²LM: procedural pictures, signs, then all data sets; ``vlm-tower``.

Every stage has a fixed number of steps, so that equal data, seed and libraries give equal weights however fast the
machine is. With ``--from`` it starts from the tower of that folder and takes the shorter way of `CONTINUED`.
"""

from __future__ import annotations

import importlib.metadata
import logging
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from testbed.agents import weights
from testbed.agents.vlm import tower as towers
from testbed.training.data.format import TASKS, Split, load_split
from testbed.training.data.unseen import refuse_attacked
from testbed.training.nets import vlm_tower
from testbed.training.nets.commands import data_sha256, training_commands

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageSteps:
    """Steps of every stage.

    Attributes:
        warm_up: On procedural pictures.
        signs: Mostly on signs.
        tower: On all data sets, in cycles: each begins with a fresh optimiser at the full learning rate.
    """

    warm_up: int = 6000
    signs: int = 250
    tower: tuple[int, ...] = (2800,)


RATE = 1.5e-3
"""Peak learning rate on the data sets."""
FROM_RANDOM = StageSteps()
CONTINUED = StageSteps(warm_up=0, signs=0, tower=(4200, 2000))


def plan_for(start_from: Path | None) -> StageSteps:
    """Return how long to train from random weights (None) or from those of a folder."""
    return FROM_RANDOM if start_from is None else CONTINUED


def train_tower(
    data: Path,
    out: Path | None = None,
    *,
    start_from: Path | None = None,
    plan: StageSteps | None = None,
    rate: float = RATE,
    seed: int = 1,
    commands: Sequence[str] | None = None,
) -> Path:
    """Train the vision tower and write it, heads included, as ``vlm-tower``; finished stages in `out` are reused.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where to write; None for the shipped weights' folder.
        start_from: Folder of a ``vlm-tower`` or ``vlm-base`` whose tower to start from.
        plan: Steps; None takes `plan_for`.
        rate: Peak learning rate on the data sets.
        seed: Of everything.
        commands: How it is made, where that is not this training alone.
    """
    torch.set_num_threads(1)
    plan = plan_for(start_from) if plan is None else plan
    stages = {"warm_up": plan.warm_up, "signs": plan.signs, "all_data_sets": list(plan.tower)}
    settings = {"rate": rate, "seed": seed, "shares": vlm_tower.SHARES, "stages": stages}
    start = None if start_from is None else weights.card(towers.stored_in(start_from), start_from)
    if commands is None:
        sets = [data / task for task in TASKS]
        options = {"seed": seed} if rate == RATE else {"seed": seed, "rate": rate}
        commands = training_commands(towers.TOWER, options, sets, start=start)
    folder = weights.FOLDER if out is None else out
    torch.manual_seed(seed)
    model = vlm_tower.TowerWithHeads()
    for task in TASKS:
        refuse_attacked(data / task)
    splits = _open(data, "train")
    if start_from is not None:
        known = model.tower.state_dict()
        own = towers.trained(start_from)
        model.tower.load_state_dict({key: value.to(known[key].dtype) for key, value in own.items()})
    warmed, signed = folder / "warmup.safetensors", folder / "signs.safetensors"
    seconds = 0.0
    if plan.warm_up:
        if not warmed.is_file():
            vlm_tower.warm_up(folder, steps=plan.warm_up, seed=seed)
        seconds += vlm_tower.restore(model, warmed)
    if plan.signs:
        if not signed.is_file():
            vlm_tower.learn_signs(model, splits["tsr"], folder, steps=plan.signs, seed=seed)
        seconds += vlm_tower.restore(model, signed)

    def check(limit: int | None = 640) -> dict[str, float]:
        return {
            key: round(value, 4)
            for task, split in _open(data, "test").items()
            for key, value in vlm_tower.evaluate(model, *vlm_tower.held_out(split, limit), task).items()
        }

    for cycle, steps in enumerate(plan.tower):
        finished = folder / f"tower-{cycle}.safetensors"
        if not finished.is_file():
            started_s = time.monotonic()
            sources = {task: vlm_tower.SplitBatches(split, seed + cycle) for task, split in splits.items()}
            vlm_tower.optimise(model, sources, steps=steps, peak=rate, seed=seed + cycle, check=check)
            vlm_tower.store(model, finished, started_s)
        seconds += vlm_tower.restore(model, finished)
    figures = check(None)
    log.info("tower: %s", figures)
    card = {
        "command": commands[-1],
        "commands": list(commands),
        "data": {task: data_sha256(data / task) for task in TASKS},
        "artefacts": [],
        "hyper_parameters": settings,
        "trained": {
            "steps": plan.warm_up + plan.signs + sum(plan.tower),
            "seconds": round(seconds, 1),
            "hardware": f"CPU {platform.machine()}, {torch.get_num_threads()} thread(s)",
            "torch": torch.__version__,
            "transformers": importlib.metadata.version("transformers"),
        },
        "figures": figures,
        **({} if start is None else {"start": {str(start["name"]): str(start["sha256"])}}),
    }
    return weights.save(towers.TOWER, model.state_dict(), card, folder)


def _open(data: Path, name: str) -> dict[str, Split]:
    return {task: load_split(data / task, name, task=task) for task in TASKS}
