"""Fine-tune a V²LM: ``python -m testbed train vlm --model llava-tiny --task all --minutes 2``.

A checkpoint, a Hub name or a family's size (``llava-tiny``) learns to answer questions about the testbed's pictures,
or the user's own conversations, by transformers' Trainer and peft. What comes out is a folder that an agent file names:
a checkpoint (``full``, or a family built here) or a peft adapter with its processor, and ``testbed.json``, which says
how it is asked and how it was made. The same command goes on where it was stopped.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import logging as transformers_logging

from testbed.agents.vlm import checkpoint, families, how_asked, tower
from testbed.agents.vlm.checkpoint import Checkpoint, make_room
from testbed.agents.vlm.form import FormTokens
from testbed.agents.vlm.how_asked import PROJECTOR, RANDOM, HowAsked
from testbed.agents.vlm.model_settings import Dtype
from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES
from testbed.core.errors import DatasetError
from testbed.core.hashing import sha256_of
from testbed.core.perception_tasks import PROMPTS
from testbed.training.data.questions import KINDS, rewording
from testbed.training.data.unseen import refuse_attacked
from testbed.training.nets.commands import data_sha256
from testbed.training.vlm import methods
from testbed.training.vlm.batches import FormBatcher, ReplyBatcher
from testbed.training.vlm.distil import distil
from testbed.training.vlm.examples import AskedPictures, Conversations, ExampleSource
from testbed.training.vlm.methods import Method
from testbed.training.vlm.plan import Plan
from testbed.training.vlm.projector import whiten
from testbed.training.vlm.tower_memory import remember
from testbed.training.vlm.trainer import fit, spent_s

log = logging.getLogger(__name__)

HOW_TO_STATE = "if none does, say so: train vlm … --unattacked"
DISTILLED = "distilled"
"""Where the card of a family's fresh checkpoint tells how its tower was taught: steps, seconds, and the share of our
tower's variance that it does not explain."""


def tune(plan: Plan, data: Path, out: Path, *, stated: bool = False) -> Path:
    """Fine-tune a model and write it with its card.

    Args:
        plan: How.
        data: Folder with data sets, or a JSON file of conversations.
        out: Folder of the result; a training that was stopped there goes on.
        stated: Whether the user states that no picture of conversations of their own shows an attack.

    Raises:
        UsageError: If the plan does not fit the model.
        WeightsError: If the checkpoint cannot be used.
        DatasetError: If the data are missing or malformed.
    """
    # oneDNN keeps what it compiled for every shape that a layer ever had, gigabytes of it; few of them come again
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    transformers.set_seed(plan.seed)
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    source = _source(plan, data, stated)
    out.mkdir(parents=True, exist_ok=True)
    folder = out / "model"
    told = _plan_and_data(plan, data)
    if _is_made(folder, told):
        log.info("made before: %s", folder)
        return folder
    ready, fresh = _model(plan, out)
    if ready.network.device.type == "cpu":
        # a quarter less time: the backward pass of the fused one is slow for short conversations
        ready.network.set_attn_implementation("eager")
    batcher, learnt = _batcher(plan, ready)
    blank_tower = _prepare_sight(plan, ready, fresh, batcher, source, out)
    method: Method = "full" if fresh else plan.method
    trained = methods.prepare(
        ready.network,
        method,
        rank=plan.rank,
        alpha=plan.alpha,
        tokens=learnt,
        start_from=plan.start_from,
        with_tower=blank_tower,
    )
    steps = fit(plan, trained, batcher, source, out / "trainer")
    if batcher.tower is not None:
        batcher.tower.leave()
    trained.save_pretrained(folder)
    ready.processor.save_pretrained(folder)
    card = told | {
        "method": method,
        **{key: value for key, value in ready.asked.card.items() if key == DISTILLED},
        "steps": steps,
        "seconds": round(spent_s(out / "trainer"), 1),
        "hardware": f"{ready.network.device.type} {platform.machine()}, {torch.get_num_threads()} thread(s)",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "artefacts": [],
    }
    HowAsked(windows=dict(plan.windows), card=card).write(folder)
    log.info("%d steps in %.0f s: %s", steps, card["seconds"], folder)
    return folder


def _source(plan: Plan, data: Path, stated: bool) -> ExampleSource:
    """Open what is learnt from, if nothing in it shows an attack."""
    if data.suffix == ".json" and not data.is_file():
        raise DatasetError(f"there is no file {data}")
    if data.is_file():
        conversations = Conversations(data)
        refuse_attacked(data.parent, stated=stated, named_as=data, how_to_state=HOW_TO_STATE)
        return conversations
    for task in plan.tasks:
        refuse_attacked(data / task)
    return AskedPictures(
        data,
        "train",
        plan.tasks,
        plan.windows,
        published=plan.published,
        nonsense=plan.nonsense,
        tandem_share=plan.tandem_share,
    )


def _prepare_sight(
    plan: Plan, ready: Checkpoint, fresh: bool, batcher: FormBatcher | ReplyBatcher, source: ExampleSource, out: Path
) -> bool:
    """Distil a fresh tower, remember what a frozen one sees, whiten a random projector.

    Returns:
        Whether the tower was taught nothing, so that it has to learn with the words.
    """
    is_random = fresh or ready.asked.card.get(PROJECTOR) == RANDOM
    if fresh and plan.distil > ready.asked.card.get(DISTILLED, {}).get("steps", 0):
        done = distil(ready, source, plan.distil, seed=plan.seed, folder=out)
        taught = {"steps": plan.distil, "seconds": round(done.seconds, 1), "unexplained": round(done.unexplained, 4)}
        ready.asked = ready.asked.model_copy(update={"card": {DISTILLED: taught}})
        ready.network.save_pretrained(out / "base")
        HowAsked(card=ready.asked.card).write(out / "base")
    blank_tower = fresh and plan.tower is None and not plan.distil
    if not blank_tower:
        batcher.tower = remember(ready.network)
    if is_random and plan.start_from is None and not plan.distil:
        whiten(ready.network, batcher, source, plan.seed)
    return blank_tower


def _plan_and_data(plan: Plan, data: Path) -> dict[str, Any]:
    """Return the part of a card that says what is made: equal ones make equal weights."""
    named = {"start_from": plan.start_from, "tower": plan.tower}
    paths = {name: None if path is None else str(path) for name, path in named.items()}
    if data.is_file():
        return {"plan": asdict(plan) | paths, "data": {data.name: sha256_of(data)}}
    return {"plan": asdict(plan) | paths, "data": {task: data_sha256(data / task) for task in plan.tasks}}


def _is_made(folder: Path, told: Mapping[str, Any]) -> bool:
    """Return whether a training with an end of its own has come to it before."""
    if told["plan"]["minutes"] is not None or not (folder / how_asked.FILE_NAME).is_file():
        return False
    card = how_asked.read(folder).card
    return all(card.get(name) == json.loads(json.dumps(value)) for name, value in told.items())


def _model(plan: Plan, out: Path) -> tuple[Checkpoint, bool]:
    """Load what is fine-tuned; return it and whether it was built here with random weights."""
    family, dash, size = plan.model.rpartition("-")
    if dash and family in families.names():
        base = out / "base"
        if not (base / "config.json").is_file():
            families.build(family, size, base, corpus(), seed=plan.seed)
        ready = checkpoint.load(str(base), dtype="fp32", device=plan.device)
        if plan.tower is not None:
            tower.restore(ready.network.model.vision_tower, plan.tower)
        return ready, True
    # weights that are not trained need no more digits than they are computed with
    dtype: Dtype = "fp32" if plan.method == "full" else "auto"
    return checkpoint.load(plan.checkpoint(), dtype=dtype, device=plan.device), False


def corpus() -> list[str]:
    """Return all questions and answers: what the tokenizer of a family's tiny size is trained on."""
    words = [*PROMPTS.values(), CANNOT_TELL, *rewording.words(), "user\nassistant\n0 1 2 3 4 5 6 7 8 9. "]
    for kind in KINDS.values():
        words += [*kind.training, *kind.answers]
    return [*words, *(answer for choices in CHOICES.values() for answer in choices)]


def _batcher(plan: Plan, ready: Checkpoint) -> tuple[FormBatcher | ReplyBatcher, tuple[int, ...]]:
    """Return what makes batches, and the ids of the words that were added for it: those that it had are learnt."""
    ready.asked = HowAsked(windows=dict(plan.windows), card=ready.asked.card)
    if plan.taught == "text":
        return ReplyBatcher(ready), ()
    answers = {CANNOT_TELL, *(answer for choices in CHOICES.values() for answer in choices)}
    answers |= {answer for kind in KINDS.values() for answer in kind.answers}
    known = set(ready.tokenizer.get_vocab().values())
    tokens = FormTokens.add(ready.tokenizer, sorted(answers))
    make_room(ready.network, len(ready.tokenizer))
    learnt = tuple(one for one in (*tokens.fields, *tokens.numbers) if one not in known)
    return FormBatcher(ready, tokens, plan.number_weight), learnt
