"""Fine-tune a V²LM: ``python -m testbed train vlm --model llava-tiny --task all --minutes 2``.

A checkpoint, a Hub name or a family's size (``llava-tiny``) learns to answer questions about the testbed's pictures,
or the user's own conversations, by transformers' Trainer and peft. What comes out is a folder that an agent file names:
a checkpoint (``full``, or a family built here) or a peft adapter with its processor, and ``testbed.json``, which says
how it is asked and how it was made. The same command goes on where it was stopped.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from peft import PeftModel
from torch.utils.data import IterableDataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as transformers_logging

from testbed.agents.precision import has_bfloat16
from testbed.agents.vlm import checkpoint, checkpoint_folder, families, smollm
from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.form import FormTokens
from testbed.agents.vlm.how_asked import Fractions, HowAsked
from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES
from testbed.core.errors import DatasetError, UsageError
from testbed.core.hashing import sha256_of
from testbed.core.perception_tasks import PROMPTS
from testbed.training.data.format import TASKS
from testbed.training.data.questions import KINDS
from testbed.training.data.unseen import refuse_attacked
from testbed.training.nets.commands import data_sha256
from testbed.training.vlm import methods
from testbed.training.vlm.batches import FormBatcher, ReplyBatcher, Teaches
from testbed.training.vlm.examples import AskedPictures, Conversations, Example, ExampleSource
from testbed.training.vlm.methods import Method
from testbed.training.vlm.tower_memory import remember

log = logging.getLogger(__name__)

ROAD: Fractions = (0.1, 0.4, 0.9, 1.0)
"""Part of the driver's view that the steering question looks at: lane geometry is a matter of single pixels."""
SAVED_EVERY = 200
HOW_TO_STATE = "if none does, say so: train vlm … --unattacked"
_CHECKPOINTING = (
    "activation_checkpointing"
    if "activation_checkpointing" in {one.name for one in fields(TrainingArguments)}
    else "gradient_checkpointing"
)
"""What transformers calls computing activations twice to save memory."""
LEARN_NO_WORDS: tuple[Method, ...] = ("prompt", "prefix", "adapter")


@dataclass(frozen=True)
class Plan:
    """How a model is fine-tuned.

    Attributes:
        model: Folder, Hub name, family and size (``llava-tiny``), or ``smollm``.
        task: ``tsr``, ``alc``, ``vd``, or ``all`` for one model of all tasks.
        method: Which weights are trained.
        teaches: ``form`` or ``text``; None for a form where the method can learn one.
        steps: Optimiser steps; None where `epochs` or `minutes` decides.
        epochs: Pictures seen, in sizes of the data; None where `steps` or `minutes` decides.
        minutes: How long at most, on the clock of this machine; None for as long as it takes.
        batch: Conversations per step.
        accumulate: Batches per optimiser step.
        rate: Peak learning rate.
        warmup: Share of the steps in which it rises.
        decay: Weight decay.
        rank: Of ``lora``; learnt tokens of ``prompt`` and ``prefix``.
        alpha: Scale of ``lora``.
        seed: Of all chance.
        device: ``auto``, ``cpu`` or ``cuda:N``.
        windows: Task to the part of its pictures that is shown.
    """

    model: str
    task: str = "all"
    method: Method = "lora"
    teaches: Teaches | None = None
    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch: int = 16
    accumulate: int = 1
    rate: float = 1e-3
    warmup: float = 0.03
    decay: float = 0.01
    rank: int = 16
    alpha: int = 32
    seed: int = 0
    device: str = "auto"
    windows: Mapping[str, Fractions] = field(default_factory=lambda: {"alc": ROAD})

    def __post_init__(self) -> None:
        """Check what can be checked without loading anything; raises `UsageError`."""
        if self.task not in (*TASKS, "all"):
            raise UsageError(f"--task {self.task!r} is none of tsr, alc, vd and all")
        if self.method not in methods.METHODS:
            raise UsageError(f"--method {self.method!r} is none of {', '.join(methods.METHODS)}")
        if self.steps is None and self.epochs is None and self.minutes is None:
            raise UsageError("a training needs an end", hint="give --steps N, --epochs N or --minutes M")
        if self.teaches == "form" and self.method in LEARN_NO_WORDS:
            raise UsageError(
                f"--method {self.method} learns no words, so it cannot teach the fields of a form",
                hint="use --teaches text",
            )
        for name in ("steps", "epochs", "minutes", "batch", "accumulate", "rate", "rank", "alpha"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"--{name} is {value}, which is not above 0")

    @property
    def taught(self) -> Teaches:
        """What is learnt."""
        return self.teaches or ("text" if self.method in LEARN_NO_WORDS else "form")

    def check_model(self) -> None:
        """Check that there is such a family's size or checkpoint; raises `UsageError` or `WeightsError`."""
        family, dash, size = self.model.rpartition("-")
        if dash and family in families.names():
            families.check_size(family, size)
        elif self.model != "smollm":
            checkpoint_folder.inspect(self.model)

    def checkpoint(self) -> str:
        """Return the folder or Hub name that is fine-tuned; ``smollm`` is put together where it is not there yet."""
        return str(smollm.assemble()) if self.model == "smollm" else self.model

    def steps_of(self, size: int) -> int | None:
        """Return the optimiser steps for data of a size; None where the clock alone decides."""
        if self.steps is not None or self.epochs is None:
            return self.steps
        return max(1, round(self.epochs * size / (self.batch * self.accumulate)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Whose pictures are learnt from."""
        return TASKS if self.task == "all" else (self.task,)


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
    transformers.set_seed(plan.seed)
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    source: ExampleSource
    if data.suffix == ".json" and not data.is_file():
        raise DatasetError(f"there is no file {data}")
    if data.is_file():
        source = Conversations(data)
        refuse_attacked(data.parent, stated=stated, named_as=data, how_to_state=HOW_TO_STATE)
    else:
        for task in plan.tasks:
            refuse_attacked(data / task)
        source = AskedPictures(data, "train", plan.tasks, plan.windows)
    out.mkdir(parents=True, exist_ok=True)
    ready, fresh = _model(plan, out)
    batcher, learnt = _batcher(plan, ready)
    method = "full" if fresh else plan.method
    if method != "full":
        batcher.tower = remember(ready.network)
    trained = methods.prepare(ready.network, method, rank=plan.rank, alpha=plan.alpha, tokens=learnt)
    started_s, steps = time.monotonic(), _fit(plan, trained, batcher, source, out / "trainer")
    if batcher.tower is not None:
        ready.network.model.vision_tower = batcher.tower.tower
    folder = out / "model"
    trained.save_pretrained(folder)
    ready.processor.save_pretrained(folder)
    card = {
        "plan": asdict(plan) | {"method": method},
        "steps": steps,
        "seconds": round(time.monotonic() - started_s, 1),
        "hardware": f"{ready.network.device.type} {platform.machine()}, {torch.get_num_threads()} thread(s)",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "data": _data_hashes(plan, data),
        "artefacts": [],
    }
    HowAsked(windows=dict(plan.windows), card=card).write(folder)
    log.info("%d steps in %.0f s: %s", steps, card["seconds"], folder)
    return folder


def _data_hashes(plan: Plan, data: Path) -> dict[str, str]:
    if data.is_file():
        return {data.name: sha256_of(data)}
    return {task: data_sha256(data / task) for task in plan.tasks}


def _model(plan: Plan, out: Path) -> tuple[Checkpoint, bool]:
    """Load what is fine-tuned; return it and whether it was built here with random weights."""
    family, dash, size = plan.model.rpartition("-")
    if dash and family in families.names():
        base = out / "base"
        if not (base / "config.json").is_file():
            families.build(family, size, base, corpus(), seed=plan.seed)
        return checkpoint.load(str(base), dtype="fp32", device=plan.device), True
    return checkpoint.load(plan.checkpoint(), dtype="fp32", device=plan.device), False


def corpus() -> list[str]:
    """Return all questions and answers: what the tokenizer of a family's tiny size is trained on."""
    words = [*PROMPTS.values(), CANNOT_TELL, "user\nassistant\n0 1 2 3 4 5 6 7 8 9. "]
    for kind in KINDS.values():
        words += [*kind.training, *kind.answers]
    return [*words, *(answer for choices in CHOICES.values() for answer in choices)]


def _batcher(plan: Plan, ready: Checkpoint) -> tuple[FormBatcher | ReplyBatcher, tuple[int, ...]]:
    """Return what makes batches, and the ids of the words that were added for it."""
    ready.asked = HowAsked(windows=dict(plan.windows))
    if plan.taught == "text":
        return ReplyBatcher(ready), ()
    answers = {CANNOT_TELL, *(answer for choices in CHOICES.values() for answer in choices)}
    answers |= {answer for kind in KINDS.values() for answer in kind.answers}
    tokens = FormTokens.add(ready.tokenizer, sorted(answers))
    embeddings = ready.network.get_input_embeddings().weight.shape[0]
    if len(ready.tokenizer) > embeddings:
        ready.network.resize_token_embeddings(len(ready.tokenizer), mean_resizing=False)
    return FormBatcher(ready, tokens), (*tokens.fields, *tokens.numbers)


class _Batches(IterableDataset):  # type: ignore[type-arg]
    """Batches drawn one after the other, each from its own number, so that a training goes on with the same ones."""

    def __init__(self, source: ExampleSource, batch: int, seed: int, first: int) -> None:
        super().__init__()
        self._source, self._batch, self._seed, self._first = source, batch, seed, first

    def __iter__(self) -> Iterator[list[Example]]:
        """Yield batches for ever."""
        number = self._first
        while True:
            yield self._source.draw(self._batch, np.random.default_rng([self._seed, number]))
            number += 1


class _Deadline(TrainerCallback):  # type: ignore[misc]
    """Stop after some minutes, with everything saved so that the same command goes on."""

    def __init__(self, minutes: float) -> None:
        self._end_s = time.monotonic() + 60.0 * minutes

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Ask for the end when it is time."""
        if time.monotonic() > self._end_s:
            control.should_training_stop = control.should_save = True
        return control


class _Log(TrainerCallback):  # type: ignore[misc]
    """Say now and then how far it is."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Log step and loss."""
        if logs and "loss" in logs:
            log.info(
                "step %d: loss %.3f, rate %.2g",
                state.global_step,
                float(logs["loss"]),
                state.log_history[-1]["learning_rate"],
            )


class _VlmTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with the batcher's loss."""

    def __init__(self, batcher: FormBatcher | ReplyBatcher, **settings: Any) -> None:
        super().__init__(**settings)
        self._batcher = batcher

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        """Return the loss of a batch."""
        loss = self._batcher.loss(model, inputs)
        return (loss, {}) if return_outputs else loss

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load saved weights by the names that the family saves them under, which Trainer's own way overlooks."""
        network = self.model if model is None else model
        if isinstance(network, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        saved = type(network).from_pretrained(resume_from_checkpoint, local_files_only=True, dtype=network.dtype)
        network.load_state_dict(saved.state_dict())


def _fit(plan: Plan, network: Any, batcher: FormBatcher | ReplyBatcher, source: ExampleSource, folder: Path) -> int:
    """Train, going on from the last step that was saved, and return the number of steps."""
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    done = json.loads((Path(last) / "trainer_state.json").read_text(encoding="utf-8"))["global_step"] if last else 0
    steps = plan.steps_of(len(source))
    on_gpu = next(network.parameters()).is_cuda
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps or 1_000_000,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=plan.accumulate,
        learning_rate=plan.rate,
        lr_scheduler_type="cosine" if steps else "constant_with_warmup",
        warmup_steps=int(plan.warmup * (steps or 1000)),
        weight_decay=plan.decay,
        max_grad_norm=1.0,
        bf16=has_bfloat16("cuda" if on_gpu else "cpu"),
        use_cpu=not on_gpu,
        save_steps=SAVED_EVERY,
        save_total_limit=1,
        logging_steps=20,
        report_to=_reporters(),
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        seed=plan.seed,
        ignore_data_skip=True,
        **({_CHECKPOINTING: True} if on_gpu else {}),
        # pictures and conversations are not equally many, so no batch may be cut by its first dimension
        accelerator_config={"dispatch_batches": False, "split_batches": False},
    )
    callbacks = [_Log(), *([] if plan.minutes is None else [_Deadline(plan.minutes)])]
    collate: Callable[[list[list[Example]]], dict[str, Any]] = lambda batches: batcher(batches[0])  # noqa: E731
    trainer = _VlmTrainer(
        batcher,
        model=network,
        args=arguments,
        train_dataset=_Batches(source, plan.batch, plan.seed, done * plan.accumulate),
        data_collator=collate,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=last)
    network.eval()
    return int(trainer.state.global_step)


def _reporters() -> list[str]:
    """Return ``tensorboard`` where it is installed."""
    import importlib.util

    return ["tensorboard"] if importlib.util.find_spec("tensorboard") is not None else []
