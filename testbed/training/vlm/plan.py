"""How a model is fine-tuned, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbed.agents.vlm import checkpoint_folder, families, smollm
from testbed.agents.vlm.how_asked import Fractions
from testbed.agents.vlm.images import ROAD
from testbed.core.errors import UsageError
from testbed.training.data.format import TASKS
from testbed.training.vlm import methods
from testbed.training.vlm.batches import NUMBER_WEIGHT, Teaches
from testbed.training.vlm.examples import AS_PUBLISHED, NONSENSE
from testbed.training.vlm.methods import Method

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
        start_from: Folder of an adapter of the same model to go on from; None for a new one.
        tower: Folder of weights whose tower a family with the testbed's own tower starts with; None for a random one.
        tandem_share: Share of conversations that ask about several pictures at once; None for the usual one.
        published: Share of questions that are a task's published one, each of its answers equally often.
        nonsense: Share of questions in words without meaning.
        number_weight: How much a right number of a box counts beside a right word.
        distil: Steps in which a family's fresh tower first learns what the testbed's own tower sees.
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
    start_from: Path | None = None
    tower: Path | None = None
    tandem_share: float | None = None
    published: float = AS_PUBLISHED
    nonsense: float = NONSENSE
    number_weight: float = NUMBER_WEIGHT
    distil: int = 0

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
        """Check that there are such a model and such an adapter; raises `UsageError` or `WeightsError`."""
        if self.start_from is not None:
            if self.method == "full":
                raise UsageError(
                    "--method full changes all weights, so it goes on from no adapter", hint="leave out --from"
                )
            checkpoint_folder.inspect_adapter(str(self.start_from))
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
