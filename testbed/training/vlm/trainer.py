"""transformers' Trainer as fine-tuning uses it: batches by number, an end by the clock, a training that goes on."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from peft import PeftModel
from torch.utils.data import IterableDataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from testbed.agents.precision import has_bfloat16
from testbed.core.errors import WeightsError
from testbed.training.vlm import methods
from testbed.training.vlm.batches import FormBatcher, ReplyBatcher
from testbed.training.vlm.examples import Example, ExampleSource
from testbed.training.vlm.plan import Plan

log = logging.getLogger(__name__)

SAVED_EVERY = 100
SPENT = "seconds.json"
_CHECKPOINTING = (
    "activation_checkpointing"
    if "activation_checkpointing" in {one.name for one in fields(TrainingArguments)}
    else "gradient_checkpointing"
)
"""What transformers calls computing activations twice to save memory."""


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


class _Clock(TrainerCallback):  # type: ignore[misc]
    """Write down how long a training has taken so far, stopped ones included."""

    def __init__(self, folder: Path) -> None:
        self._path, self._before_s, self._begun_s = folder / SPENT, spent_s(folder), time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write."""
        self._path.write_text(json.dumps(self._before_s + time.monotonic() - self._begun_s), encoding="utf-8")

    on_train_end = on_save


def spent_s(folder: Path) -> float:
    """Return how long the training in a folder has taken so far."""
    path = folder / SPENT
    return float(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else 0.0


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
        state = saved.state_dict()
        if self._batcher.tower is None:
            network.load_state_dict(state)
            return
        # a tower that remembers is not trained, and was saved under other names
        kept = {key: value for key, value in state.items() if not methods.in_tower(key)}
        lacking = [key for key in network.load_state_dict(kept, strict=False).missing_keys if not methods.in_tower(key)]
        if lacking:
            raise WeightsError(f"{resume_from_checkpoint} lacks {lacking[0]}")


def fit(plan: Plan, network: Any, batcher: FormBatcher | ReplyBatcher, source: ExampleSource, folder: Path) -> int:
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
    folder.mkdir(parents=True, exist_ok=True)
    callbacks = [_Log(), _Clock(folder), *([] if plan.minutes is None else [_Deadline(plan.minutes)])]
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
