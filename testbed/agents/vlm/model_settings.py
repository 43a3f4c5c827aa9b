"""The key ``model`` of an agent file: which weights answer, where they lie, and where they run.

::

    agent: tandem
    model: {kind: local, path: checkpoints/qwen2-vl-2b, adapter: runs/alc/adapter, dtype: bf16, device: auto}
    answer: choose
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from testbed.agents.vlm.endpoint.settings import EndpointSettings
from testbed.agents.vlm.free_text import Notation
from testbed.agents.vlm.refusals import refusal
from testbed.core.device import DEVICE_PATTERN
from testbed.core.errors import UsageError
from testbed.core.serving import Where

Way = Literal["generate", "choose", "form"]
"""How a model is made to answer: free text, the closed set scored, or the fields of a form in one forward pass."""

Dtype = Literal["auto", "fp32", "bf16", "fp16"]

ShippedName = Literal["small", "smollm"]
"""The testbed's own models: 5 M parameters trained from nothing, and one around SmolLM2-135M's words."""

OneOrPerTask = str | dict[Literal["tsr", "alc", "vd"], str]


class _PlacedModel(BaseModel):
    """A model whose weights are loaded by us; `testbed.core.device` says what words for a device mean.

    Attributes:
        device: Where it runs.
        serve: On Ray ``worker``: beside every simulator, ``actor``: once for many of them; ``auto`` decides by size and
            device, see `testbed.sweep.serving`.
        num_gpus: Share of a GPU that an actor takes, where it runs on one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field(default="auto", pattern=DEVICE_PATTERN)
    serve: Where = "auto"
    num_gpus: float = Field(default=1.0, gt=0.0, le=1.0)

    def on(self, device: str) -> Self:
        """Return the settings with a device where they leave it open."""
        return self.model_copy(update={"device": device}) if self.device == "auto" else self


class ShippedModel(_PlacedModel):
    """One of the testbed's own models.

    Attributes:
        kind: ``shipped``.
        name: ``small``, or ``smollm``, which needs the extra of that name.
        folder: Where its weights lie; None for the shipped ones.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is the CPU.
    """

    kind: Literal["shipped"] = "shipped"
    name: ShippedName = "small"
    folder: Path | None = None


class LocalModel(_PlacedModel):
    """A checkpoint in the Hub's layout: any model that transformers builds as ``AutoModelForImageTextToText``.

    Attributes:
        kind: ``local``.
        path: Its folder, or its name on the Hub if it was downloaded before; for solo also one per task.
        adapter: Folder of a peft adapter; for solo also one per task.
        dtype: Of the weights; ``auto`` is bf16 where the device computes in it, else fp32.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is the first GPU where there is one.
        latency_ms: (p50, p95) of one decision as the card states it; None measures it when the model is loaded.
        prompt: ``{image}`` and ``{question}`` of one pair, for checkpoints without a chat template.
        max_new_tokens: Most tokens that ``generate`` writes per question.
        boxes: Notation of boxes in its free text; ``auto`` takes what cannot be misread.
    """

    kind: Literal["local"]
    path: OneOrPerTask
    adapter: OneOrPerTask | None = None
    dtype: Dtype = "auto"
    latency_ms: tuple[float, float] | None = None
    prompt: str = "{image}{question}\n"
    max_new_tokens: int = Field(default=96, ge=1, le=2048)
    boxes: Notation = "auto"

    @field_validator("latency_ms")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0.0 < value[0] <= value[1]:
            raise ValueError("latency_ms is [p50, p95] in ms, both above 0, p95 not below p50")
        return value

    def path_of(self, task: str) -> str:
        """Return the checkpoint that answers a task; raises `UsageError` for one that the file leaves out."""
        return _of(self.path, task, "path")

    def adapter_of(self, task: str) -> str | None:
        """Return the adapter that answers a task; None without adapters."""
        return None if self.adapter is None else _of(self.adapter, task, "adapter")


ModelSettings = ShippedModel | LocalModel | EndpointSettings
_ADAPTER: TypeAdapter[ShippedModel | LocalModel] = TypeAdapter(
    Annotated[ShippedModel | LocalModel, Field(discriminator="kind")]
)


KINDS = ("shipped", "local", "endpoint")
"""Kinds of model."""


def parse(value: Mapping[str, Any] | None, device: str = "auto") -> ModelSettings:
    """Read the key ``model``.

    Args:
        value: What an agent file says; None means the shipped model.
        device: Where it runs if that leaves it open.

    Raises:
        UsageError: If it is not accepted.
    """
    if value is None:
        return ShippedModel().on(device)
    if value.get("kind") == "endpoint":
        return EndpointSettings.read(value)
    if value.get("kind") not in KINDS:
        raise UsageError(
            f"model.kind is {value.get('kind')!r}", hint=f"known: {', '.join(KINDS)}", at=("model", "kind")
        )
    try:
        return _ADAPTER.validate_python(dict(value)).on(device)
    except ValidationError as error:
        known = (ShippedModel if value["kind"] == "shipped" else LocalModel).model_fields
        # pydantic's place begins with the kind that it took
        raise refusal(error, known, see="docs/vlm.md, the key model", skip=1) from None


def _of(value: str | dict[Any, str], task: str, key: str) -> str:
    if isinstance(value, str):
        return value
    if task not in value:
        raise UsageError(
            f"model.{key} names no {key} for the task {task!r}",
            hint="name tsr, alc and vd, or one for all",
            at=("model", key),
        )
    return value[task]
