"""Train the small V²LM: vision tower, then text model, then the adapters of solo and tandem.

Order: ``vlm-tower`` → ``vlm-base`` → ``vlm-solo-tsr``, ``vlm-solo-alc``, ``vlm-solo-vd``, ``vlm-tandem``, each of them
a name to train; ``vlm`` trains them all in one process and computes the tower's tokens once::

    python -m testbed train vlm --data DATA --out DIR [--from DIR]

All read the folders ``tsr``, ``alc`` and ``vd`` below DATA. Every stage has a fixed number of steps, so that equal
data, seed and libraries give equal weights however fast the machine is. With ``--from`` tower and text model start
from the ``vlm-base`` of that folder and take the shorter way of `CONTINUED`.
"""

from __future__ import annotations

import importlib.metadata
import logging
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from testbed.agents import weights
from testbed.agents.vlm import cards
from testbed.agents.vlm import model as models
from testbed.agents.vlm.model import VisionLanguageModel
from testbed.agents.vlm.reader import Reader
from testbed.training.nets import vlm_tower
from testbed.training.nets.commands import data_sha256, training_commands
from testbed.training.nets.vlm_answers import fit_answers, quick_figures, whiten_projector
from testbed.training.nets.vlm_figures import evaluate, record_latency
from testbed.training.nets.vlm_tokens import TASKS, Shared, load_features, open_data

log = logging.getLogger(__name__)

TOWER = "vlm-tower"
LAYOUTS: tuple[tuple[str, ...], ...] = (("tsr",), ("alc",), ("vd",), ("tsr", "alc", "vd"), ("alc", "vd"))
"""Conversations the base model knows: one question each (solo), three or two in one (tandem)."""
PER_LAYOUT = (16, 24, 24, 6, 4)
"""Conversations of each layout in one step of the base model."""
_TOWER_PREFIX = "model.vision_tower.timm_model."


@dataclass(frozen=True)
class StageSteps:
    """Steps of every stage.

    Attributes:
        warm_up: Tower, on procedural pictures.
        signs: Tower, mostly on signs.
        tower: Tower, on all data sets, in cycles: each begins with a fresh optimiser at the full learning rate.
        base: Projector and text model.
        tandem: Adapter of tandem.
        solo: Adapter of each solo task.
    """

    warm_up: int = 6000
    signs: int = 250
    tower: tuple[int, ...] = (2800,)
    base: int = 1150
    tandem: int = 800
    solo: int = 400


FROM_RANDOM = StageSteps()
CONTINUED = StageSteps(warm_up=0, signs=0, tower=(4200, 2000), base=700, tandem=500, solo=300)


def plan_for(start_from: Path | None) -> StageSteps:
    """Return how long to train from random weights (None) or from those of a folder."""
    return FROM_RANDOM if start_from is None else CONTINUED


@dataclass
class Provenance:
    """How weights come to be, for their card; the clock starts with it.

    Attributes:
        data: Folder of the data sets.
        steps: Optimiser steps.
        settings: Hyper-parameters.
        tasks: Data sets used.
        start_from: Folder of the weights it starts from, None for random ones.
        started_s: When, on the monotonic clock.
        stages_s: Time of stages that were stored as they finished, perhaps in an earlier run; None without such stages.
        commands: How they are made (`testbed.training.nets.commands`).
    """

    data: Path
    steps: int
    settings: dict[str, Any]
    commands: Sequence[str]
    tasks: Sequence[str] = TASKS
    start_from: Path | None = None
    started_s: float = field(default_factory=time.monotonic)
    stages_s: float | None = None

    def card(self) -> dict[str, Any]:
        """Return the part of a card that is common to all."""
        card: dict[str, Any] = {
            "command": self.commands[-1],
            "commands": list(self.commands),
            "data": {task: data_sha256(self.data / task) for task in self.tasks},
            "artefacts": [],
            "hyper_parameters": self.settings,
            "trained": {
                "steps": self.steps,
                "seconds": round(time.monotonic() - self.started_s if self.stages_s is None else self.stages_s, 1),
                "hardware": f"CPU {platform.machine()}, {torch.get_num_threads()} thread(s)",
                "torch": torch.__version__,
                "transformers": importlib.metadata.version("transformers"),
            },
        }
        if self.start_from is not None:
            card["start"] = {cards.BASE: str(weights.card(cards.BASE, self.start_from)["sha256"])}
        return card


def commands_of(
    name: str,
    options: dict[str, Any],
    data: Path,
    *,
    tasks: Sequence[str] = TASKS,
    start_from: Path | None = None,
    beside: dict[str, Any] | None = None,
) -> list[str]:
    """Return how a stage is made: see `testbed.training.nets.commands.training_commands`.

    Args:
        name: What is trained.
        options: Options of ``train``.
        data: Folder of the data sets.
        tasks: Those used.
        start_from: Folder of the ``vlm-base`` that it goes on from, None for random weights.
        beside: Card of the stage before, in the same folder.
    """
    start_card = None if start_from is None else weights.card(cards.BASE, start_from)
    return training_commands(name, options, [data / task for task in tasks], start=start_card, beside=beside)


def train_tower(
    data: Path,
    out: Path | None = None,
    *,
    start_from: Path | None = None,
    plan: StageSteps | None = None,
    rate: float = 1.5e-3,
    seed: int = 1,
    commands: Sequence[str] | None = None,
) -> Path:
    """Train the vision tower and write it, heads included, as ``vlm-tower``; finished stages in `out` are reused.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where to write; None for the shipped weights' folder.
        start_from: Folder of a ``vlm-base`` whose tower to start from.
        plan: Steps; None takes `plan_for`.
        rate: Peak learning rate on the data sets.
        seed: Of everything.
        commands: How it is made, where that is not this training alone.
    """
    torch.set_num_threads(1)
    plan = plan_for(start_from) if plan is None else plan
    stages = {"warm_up": plan.warm_up, "signs": plan.signs, "all_data_sets": list(plan.tower)}
    settings = {"rate": rate, "seed": seed, "shares": vlm_tower.SHARES, "stages": stages}
    if commands is None:
        commands = commands_of(TOWER, {"rate": rate, "seed": seed}, data, start_from=start_from)
    steps_in_all = plan.warm_up + plan.signs + sum(plan.tower)
    provenance = Provenance(data, steps_in_all, settings, commands, start_from=start_from)
    folder = weights.FOLDER if out is None else out
    torch.manual_seed(seed)
    model = vlm_tower.TowerWithHeads()
    splits = open_data(data, "train")
    if start_from is not None:
        tensors, _ = weights.load(cards.BASE, start_from)
        own = {key.removeprefix(_TOWER_PREFIX): value for key, value in tensors.items() if _TOWER_PREFIX in key}
        model.tower.load_state_dict({key: value.to(model.tower.state_dict()[key].dtype) for key, value in own.items()})
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
            for task, split in open_data(data, "test").items()
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
    provenance.stages_s = seconds
    return weights.save(TOWER, model.state_dict(), provenance.card() | {"figures": figures}, folder)


def start(out: Path | None, seed: int, start_from: Path | None = None) -> tuple[VisionLanguageModel, dict[str, Any]]:
    """Build the small model around the frozen tower ``vlm-tower`` in `out`; return it and the tower's card.

    Args:
        out: Folder of the tower.
        seed: Of projector and text model.
        start_from: Folder of a ``vlm-base`` to take projector and text model from.
    """
    torch.manual_seed(seed)
    tensors, card = weights.load(TOWER, out)
    if start_from is None:
        model = models.build(models.small_blueprint())
    else:
        model, _ = models.load_base(folder=start_from)
    own = {key.removeprefix("tower."): value for key, value in tensors.items() if key.startswith("tower.")}
    model.network.model.vision_tower.timm_model.load_state_dict(own)
    model.network.model.vision_tower.requires_grad_(False)
    return model, card


def train_base(
    data: Path,
    out: Path | None = None,
    *,
    start_from: Path | None = None,
    plan: StageSteps | None = None,
    rate: float = 1e-3,
    rounds: float = 1.0,
    seed: int = 2,
    shared: Shared | None = None,
    commands: Sequence[str] | None = None,
) -> Path:
    """Train projector and text model on the frozen tower ``vlm-tower`` in `out` and write ``vlm-base``.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where the tower is read and the base written; None for the shipped weights' folder.
        start_from: Folder of a ``vlm-base`` to start from.
        plan: Steps; None takes `plan_for`.
        rate: Peak learning rate.
        rounds: Factor of `testbed.training.nets.vlm_tokens.ROUNDS`.
        seed: Of everything.
        shared: Result of `load_features`, when adapters are trained in the same process.
        commands: How it is made, where that is not this training alone.
    """
    torch.set_num_threads(1)
    plan = plan_for(start_from) if plan is None else plan
    settings = {"rate": rate, "rounds": rounds, "seed": seed}
    model, tower_card = start(out, seed, start_from)
    if commands is None:
        options = {"rate": rate, "seed": seed}
        commands = commands_of(cards.BASE, options, data, start_from=start_from, beside=tower_card)
    provenance = Provenance(data, plan.base, settings, commands, start_from=start_from)
    train, held_out = load_features(model, data, rounds, seed) if shared is None else shared
    if start_from is None:
        whiten_projector(model, train)
    reader = Reader(model)

    def check() -> dict[str, object]:
        return {"+".join(tasks): quick_figures(model, reader, held_out, tasks) for tasks in LAYOUTS}

    layouts = dict(zip(LAYOUTS, PER_LAYOUT, strict=True))
    fit_answers(model, train, layouts, steps=plan.base, peak=rate, seed=seed, check=check)
    learnt = tower_card["hyper_parameters"]["stages"]
    stages = " + ".join(str(steps) for steps in (learnt["warm_up"], learnt["signs"], *learnt["all_data_sets"]) if steps)
    origin = "" if start_from is None else ", all from earlier weights"
    card = provenance.card() | {
        "tower": {key: tower_card[key] for key in ("sha256", "trained", "hyper_parameters", "figures")},
        "quick_figures": check(),
        "summary": f"tower {stages} steps, text model {plan.base} steps on simulated pictures of three maps{origin}",
    }
    return models.save_base(model, card, out)


def train_adapter(
    kind: str,
    data: Path,
    out: Path | None = None,
    *,
    steps: int | None = None,
    rate: float = 1e-3,
    rounds: float = 1.0,
    seed: int = 3,
    shared: Shared | None = None,
    commands: Sequence[str] | None = None,
) -> Path:
    """Train the adapter of one solo task or of tandem and write it with its held-out figures.

    Args:
        kind: ``tsr``, ``alc``, ``vd`` or ``tandem``.
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where the base is read and the adapter written; None for the shipped weights' folder.
        steps: How long; None takes those of `FROM_RANDOM`.
        rate: Peak learning rate.
        rounds: Factor of `testbed.training.nets.vlm_tokens.ROUNDS`.
        seed: Of everything.
        shared: Result of `load_features`, when several adapters are trained in a row.
        commands: How it is made, where that is not this training alone.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tandem = kind == "tandem"
    if steps is None:
        steps = FROM_RANDOM.tandem if tandem else FROM_RANDOM.solo
    tasks = TASKS if tandem else (kind,)
    model, base_card = models.load_base(folder=out)
    name = cards.ADAPTERS[kind]
    if commands is None:
        commands = commands_of(name, {"rate": rate, "seed": seed}, data, tasks=tasks, beside=base_card)
    provenance = Provenance(data, steps, {"rate": rate, "rounds": rounds, "seed": seed}, commands, tasks)
    train, held_out = load_features(model, data, rounds, seed, tasks) if shared is None else shared
    models.add_adapter(model)
    layouts: dict[tuple[str, ...], int] = {TASKS: 16, ("alc", "vd"): 8} if tandem else {(kind,): 48}
    reader = Reader(model)

    def check() -> dict[str, object]:
        return {"+".join(layout): quick_figures(model, reader, held_out, layout) for layout in layouts}

    fit_answers(model, train, layouts, steps=steps, peak=rate, seed=seed, check=check)
    card = provenance.card() | {"summary": f"{name}: LoRA {steps} steps"}
    path = models.save_adapter(model, name, card, base_card["sha256"], out)
    model, base_card = models.load_base(folder=out)
    models.load_adapter(model, base_card, name, out)
    found = evaluate(model, data, "tandem" if tandem else "solo", tasks)
    log.info("%s: %s", name, found)
    weights.amend(name, out, **found)
    return path


def train_all(
    data: Path,
    out: Path | None = None,
    *,
    start_from: Path | None = None,
    plan: StageSteps | None = None,
    seed: int = 1,
) -> Path:
    """Train tower, base and all adapters, and return the path of the base.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where to write; None for the shipped weights' folder.
        start_from: Folder of a ``vlm-base`` to start from; not `out`, whose base is overwritten.
        plan: Steps; None takes `plan_for`.
        seed: Of the tower; base and adapters take the next two.
    """
    plan = plan_for(start_from) if plan is None else plan
    log.info("steps: %s", asdict(plan))
    commands = commands_of("vlm", {"seed": seed}, data, start_from=start_from)
    train_tower(data, out, start_from=start_from, plan=plan, seed=seed, commands=commands)
    model, _ = start(out, seed + 1, start_from)
    shared = load_features(model, data, 1.0, seed + 1)
    base = train_base(data, out, start_from=start_from, plan=plan, seed=seed + 1, shared=shared, commands=commands)
    for kind in cards.ADAPTERS:
        steps = plan.tandem if kind == "tandem" else plan.solo
        train_adapter(kind, data, out, steps=steps, seed=seed + 2, shared=shared, commands=commands)
    for agent in ("solo", "tandem"):
        record_latency(agent, out)
    return base
