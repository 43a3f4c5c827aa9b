"""Train the V²LMs that come with the testbed: a base, and on it the adapters of solo and tandem.

::

    python -m testbed train vlm-tower --data DATA --out DIR          # the tower alone, see testbed.training.nets.vlm
    python -m testbed train vlm --data DATA --out DIR [--from DIR]   # the small model; with --from around that tower
    python -m testbed train smollm --data DATA --out DIR             # adapters for SmolLM2-135M

All stages are `testbed.training.vlm.fine_tuning.tune`, so that the same command goes on where it was stopped; their
folders lie below ``DIR/stages``. Every stage has a fixed number of steps, so that equal data, seed and libraries give
equal weights however fast the machine is.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from testbed.agents import weights
from testbed.agents.vlm import cards, how_asked, shipped, smollm, tower
from testbed.agents.vlm.agent import VlmAgent
from testbed.agents.vlm.form import FormReader
from testbed.agents.vlm.how_asked import HowAsked
from testbed.agents.vlm.model_settings import ShippedName
from testbed.training.data.format import TASKS
from testbed.training.nets import vlm as towers
from testbed.training.nets.commands import training_commands
from testbed.training.nets.stored import FORMS
from testbed.training.vlm.fine_tuning import tune
from testbed.training.vlm.held_out import language_figures
from testbed.training.vlm.plan import Plan
from testbed.training.vlm.task_figures import task_figures

log = logging.getLogger(__name__)

KEYS = (*TASKS, "tandem")
BASE_PLAN = Plan("fastvlm-tiny", method="full", steps=3000, batch=48, rate=1.5e-3, tandem_share=0.2)
"""Projector and text model of the small model, around a frozen tower."""
SOLO_PLAN = Plan("vlm-base", steps=500, batch=48, nonsense=0.15)
TANDEM_PLAN = Plan("vlm-base", steps=1000, batch=24, tandem_share=0.6, published=0.6, nonsense=0.1)
SMOLLM_JOINT_PLAN = Plan("smollm", steps=1100, tandem_share=0.2)
"""Adapter of all conversations, from which those of solo go on; tandem goes on from that of vehicles."""
SMOLLM_SOLO_PLAN = Plan("smollm", steps=150, rate=3e-4)
SMOLLM_BOX_PLAN = Plan("smollm", steps=700, rate=6e-4, published=0.7, number_weight=2.0)
"""Of vehicles: few joint conversations have a box, so that where a vehicle is takes longer to learn than whether."""
SMOLLM_TANDEM_PLAN = Plan("smollm", steps=200, rate=6e-4, tandem_share=0.6, published=0.7, number_weight=2.0)
HELD_OUT: dict[ShippedName, int | None] = {"small": None, "smollm": 1000}
"""Held-out pictures per task that are asked about; None for all."""
QUICK = 500
"""Held-out pictures per task that the base is asked about."""
LANGUAGE: dict[ShippedName, int] = {"small": 200, "smollm": 100}
"""Pictures per task of the language test."""


def train_small(data: Path, out: Path | None = None, *, start_from: Path | None = None, seed: int = 1) -> Path:
    """Train the small model and write its base and adapters with their cards.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where to write; None for the shipped weights' folder.
        start_from: Folder of a ``vlm-tower`` or ``vlm-base`` whose tower is taken as it is; None trains one first.
        seed: Of everything.
    """
    run = _Run("small", data, weights.FOLDER if out is None else out, _stages(out), seed)
    start = None if start_from is None else weights.card(tower.stored_in(start_from), start_from)
    commands = training_commands("vlm", {"seed": seed}, run.sets, start=start)
    if start is None:
        towers.train_tower(data, run.folder, seed=seed, commands=commands)
    plan = replace(BASE_PLAN, tower=start_from or run.folder, seed=seed)
    made = tune(plan, data, run.stages / cards.BASE)
    tower_card = start or weights.card(tower.TOWER, run.folder)
    card = _told(commands, made) | {
        "tower": _tower_part(tower_card),
        "summary": f"text model {plan.steps} steps around a frozen tower, on simulated pictures of three maps",
        **({} if start is None else {"start": {str(start["name"]): str(start["sha256"])}}),
    }
    base = shipped.store_base(made, card, run.folder)
    run.measure_base(plan)
    for key in KEYS:
        run.adapter(key)
    return base


def train_smollm(data: Path, out: Path | None = None, *, seed: int = 1) -> Path:
    """Train the adapters around SmolLM2-135M and write them with their cards.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where to write; None for the shipped weights' folder. Where it holds a ``vlm-base``, its tower is taken.
        seed: Of everything.
    """
    run = _Run("smollm", data, weights.FOLDER if out is None else out, _stages(out), seed)
    plan = replace(SMOLLM_JOINT_PLAN, model=str(smollm.assemble(run.folder)), seed=seed)
    joint = tune(plan, data, run.stages / "smollm-joint")
    for key in KEYS:
        path = run.adapter(key, start_from=run.made("vd") if key == "tandem" else joint)
    return path


@dataclass(frozen=True)
class _Run:
    """One training of all adapters of a model.

    Attributes:
        model: Whose.
        data: Folder of the data sets.
        folder: Of the weights.
        stages: Folder of what comes before them.
        seed: Of everything.
    """

    model: ShippedName
    data: Path
    folder: Path
    stages: Path
    seed: int

    @property
    def sets(self) -> list[Path]:
        """Folders of the data sets."""
        return [self.data / task for task in TASKS]

    def made(self, key: str) -> Path:
        """Return the folder of an adapter that `adapter` has trained."""
        return self.stages / cards.adapter(self.model, key) / "model"

    def adapter(self, key: str, start_from: Path | None = None) -> Path:
        """Train the adapter of a task or of tandem, store it and measure it."""
        name = cards.adapter(self.model, key)
        plan, base, commands = self._plan(key)
        plan = replace(plan, task="all" if key == "tandem" else key, seed=self.seed, start_from=start_from)
        made = tune(plan, self.data, self.stages / name)
        card = _told(commands, made) | {"summary": f"{name}: LoRA {plan.steps} steps"}
        words = _added_words(Path(plan.model), made)
        form = FORMS.get(name, "float16")
        path = shipped.store_adapter(name, made, base, words, card, self.folder, stored_as=form)
        self._measure(name, key)
        return path

    def _plan(self, key: str) -> tuple[Plan, str, list[str]]:
        """Return how an adapter is trained, what its base is called by, and the commands that make it."""
        tandem = key == "tandem"
        if self.model == "small":
            base_card = weights.card(cards.BASE, self.folder)
            plan = TANDEM_PLAN if tandem else SOLO_PLAN
            plan = replace(plan, model=str(self.stages / cards.BASE / "model"))
            return plan, str(base_card["sha256"]), list(base_card["commands"])
        base = smollm.assemble(self.folder)
        beside = weights.card(cards.BASE, self.folder if smollm.has_tower(self.folder) else None)
        plan = {"vd": SMOLLM_BOX_PLAN, "tandem": SMOLLM_TANDEM_PLAN}.get(key, SMOLLM_SOLO_PLAN)
        commands = training_commands("smollm", {"seed": self.seed}, self.sets, beside=beside)
        return replace(plan, model=str(base)), base.name, commands

    def measure_base(self, plan: Plan) -> None:
        """Write figures of a few held-out pictures into the card of the small model's base."""
        ready, _ = shipped.small_base(self.folder)
        ready.asked = HowAsked(windows=dict(plan.windows))
        found = task_figures(FormReader(ready), self.data, TASKS, together=False, limit=QUICK)
        weights.amend(cards.BASE, self.folder, quick_figures=found["figures"])

    def _measure(self, name: str, key: str) -> None:
        """Write held-out figures, the language test and, where the deployment is complete, its latency into a card."""
        tasks = TASKS if key == "tandem" else (key,)
        ready = shipped.load(self.model, key, self.folder)
        reader = FormReader(ready)
        found = task_figures(reader, self.data, tasks, together=key == "tandem", limit=HELD_OUT[self.model])
        language = language_figures(reader, self.data, tasks, LANGUAGE[self.model])
        for conditions in language.values():
            for condition in conditions.values():
                condition.pop("confidences")
        weights.amend(name, self.folder, parameters_in_all=ready.parameters, language=language, **found)
        log.info("%s: %s", name, found["figures"])
        if key in ("vd", "tandem"):
            record_latency(self.model, "tandem" if key == "tandem" else "solo", self.folder)


def _told(commands: list[str], made: Path) -> dict[str, Any]:
    """Return the part of a card that is common to all, from what `tune` wrote beside the weights."""
    own = how_asked.read(made).card
    told = own["plan"] | {"method": own.get("method", own["plan"]["method"])}
    kept = (
        *("method", "steps", "batch", "rate", "rank", "alpha", "seed", "task"),
        *("tandem_share", "published", "nonsense", "number_weight"),
    )
    return {
        "command": commands[-1],
        "commands": commands,
        "data": own["data"],
        "artefacts": own["artefacts"],
        "hyper_parameters": {name: told[name] for name in kept if told[name] is not None},
        "trained": {name: own[name] for name in ("steps", "seconds", "hardware", "torch", "transformers")},
    }


def _added_words(base: Path, made: Path) -> list[str]:
    """Return the words that a fine-tuned tokenizer has and its base has not, in the order in which they were added."""
    known, now = (
        json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"] for folder in (base, made)
    )
    before = {token["content"] for token in known}
    return [token["content"] for token in sorted(now, key=lambda one: int(one["id"])) if token["content"] not in before]


def _stages(out: Path | None) -> Path:
    """Return where stages are kept: not beside the shipped weights."""
    return (Path("work") if out is None else out) / "stages"


def _tower_part(card: dict[str, Any]) -> dict[str, Any]:
    told = card.get("tower", card)
    return {key: told[key] for key in ("sha256", "trained", "hyper_parameters", "figures") if key in told}


def record_latency(
    model: ShippedName, deployment: cards.Deployment, out: Path | None = None, repeats: int = 40
) -> tuple[float, float]:
    """Measure one decision with three questions and write (p50, p95) in ms into the card of the agent's last adapter.

    CPU time of one thread is taken, not wall time: the same on a quiet machine, and untouched by its other work.

    Args:
        model: Which.
        deployment: ``solo`` or ``tandem``.
        out: Folder of the weights; None for the shipped ones.
        repeats: Decisions measured, after a quarter as many unmeasured ones.
    """
    torch.set_num_threads(1)
    agent = VlmAgent(deployment, {"kind": "shipped", "name": model, "folder": out, "device": "cpu"})
    p50, p95 = (round(value, 1) for value in agent.timed_ms(repeats, repeats // 4, time.process_time))
    key = "vd" if deployment == "solo" else "tandem"
    weights.amend(cards.adapter(model, key), out, latency_ms={deployment: [p50, p95]})
    return p50, p95
