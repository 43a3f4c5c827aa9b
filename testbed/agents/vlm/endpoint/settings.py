"""What an agent file says about a model behind an endpoint: ``model: {kind: endpoint, …}``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from testbed.agents.vlm.free_text import Notation
from testbed.agents.vlm.refusals import refusal
from testbed.core.errors import UsageError

Task = Literal["tsr", "alc", "vd"]
Replay = Literal["only", "prefer", "off"]

RESERVED = frozenset({"model", "messages", "stream", "n", "temperature", "max_tokens", "seed", "logprobs"})
"""Parameters of a request that have a setting of their own or none."""


class EndpointSettings(BaseModel):
    """A model behind an OpenAI-compatible endpoint.

    Attributes:
        kind: ``endpoint``.
        url: Base address up to and with the version, for instance ``http://localhost:8000/v1``.
        name: Model as the server calls it.
        latency_ms: (p50, p95) of one decision, all its requests together: what ``latency: card`` charges.
        api_key_env: Environment variable that holds the key; None for a server that asks for none.
        timeout_s: Longest wait for one reply.
        retry_budget_s: Longest time for one request with all its tries and waits.
        tries: Most tries of one request.
        requests_per_s: Most requests begun per second, by all processes of this user on this machine; None: no limit.
        concurrency: Most requests under way at a time, counted the same way; None: no limit.
        record: Folder that keeps every reply; None keeps none. Relative paths are relative to where the run starts.
        replay: ``prefer`` answers from the record what it holds and asks the server otherwise; ``only`` never asks;
            ``off`` asks every time, and the newest reply is the one that is recorded.
        logprobs: Whether the server gives log-probabilities of tokens. Without them no confidence is known and 1 is
            written for every answer.
        temperature: Of sampling; 0 is greedy.
        seed: Passed on; None leaves it out.
        max_tokens: Longest reply; None leaves it out.
        parameters: Further fields of the request, passed on as they are.
        picture: Encoding of pictures in the request.
        jpeg_quality: 1-95, for ``jpeg``.
        image_size_px: (width, height) to which pictures of the driver's view are scaled; None sends them as they are.
        least_side_px: Pictures with a side below this are enlarged; far signs are a few pixels, which servers refuse.
        boxes: How the model writes boxes, see `testbed.agents.vlm.free_text.boxes`.
        prompts: Questions by task; what is not named is asked as published, with the form of the answer behind it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["endpoint"]
    url: str
    name: str = Field(min_length=1)
    latency_ms: tuple[float, float]
    api_key_env: str | None = None
    timeout_s: float = Field(default=30.0, gt=0.0, le=3600.0)
    retry_budget_s: float = Field(default=120.0, ge=0.0, le=86400.0)
    tries: int = Field(default=6, ge=1, le=100)
    requests_per_s: float | None = Field(default=None, gt=0.0)
    concurrency: int | None = Field(default=None, ge=1, le=1024)
    record: Path | None = None
    replay: Replay = "prefer"
    logprobs: bool = True
    temperature: float = Field(default=0.0, ge=0.0)
    seed: int | None = None
    max_tokens: int | None = Field(default=128, ge=1)
    parameters: dict[str, Any] = {}
    picture: Literal["png", "jpeg"] = "png"
    jpeg_quality: int = Field(default=90, ge=1, le=95)
    image_size_px: tuple[int, int] | None = None
    least_side_px: int = Field(default=64, ge=1, le=1024)
    boxes: Notation = "auto"
    prompts: dict[Task, str] = {}

    @field_validator("latency_ms", "image_size_px", "record", mode="before")
    @classmethod
    def _from_yaml(cls, value: object, info: Any) -> object:
        """Take YAML's lists for tuples and its words for paths, which strict models would not."""
        if info.field_name == "record":
            return Path(value) if isinstance(value, str) and value else value
        return tuple(value) if isinstance(value, list) else value

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        """Refuse what is no address, and one that holds a secret."""
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must be a plain address; keys come from the environment (api_key_env)")
        return value.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _variable_of_a_key(cls, value: str | None) -> str | None:
        """Refuse other variables: a stranger's agent file must not send whatever the environment holds."""
        if value is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", value):
            raise ValueError("must name an environment variable such as MY_API_KEY; others are not sent anywhere")
        return value

    @field_validator("latency_ms")
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 < value[0] <= value[1]:
            raise ValueError("must be [p50, p95] in milliseconds, 0 < p50 <= p95")
        return value

    @field_validator("image_size_px")
    @classmethod
    def _picture_size(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not all(8 <= side <= 4096 for side in value):
            raise ValueError("must be [width, height], each from 8 to 4096 px")
        return value

    @field_validator("parameters")
    @classmethod
    def _not_reserved(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(RESERVED & value.keys())
        if taken:
            raise ValueError(f"cannot set {taken[0]!r}, which has a setting of its own or none")
        return value

    @model_validator(mode="after")
    def _whole(self) -> EndpointSettings:
        if self.replay == "only" and self.record is None:
            raise ValueError("replay: only needs a record")
        return self

    @classmethod
    def read(cls, options: object) -> EndpointSettings:
        """Read the key ``model`` of an agent file.

        Raises:
            UsageError: A key is unknown or missing, or a value is not accepted.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            raise refusal(error, cls.model_fields, see="docs/endpoint.md") from None

    def key(self) -> str | None:
        """Return the API key from the environment; None where none is asked for.

        Raises:
            UsageError: The variable is not set, or holds something that cannot stand in a header.
        """
        if self.api_key_env is None:
            return None
        value = os.environ.get(self.api_key_env, "")
        if not value:
            raise UsageError(f"the environment variable {self.api_key_env} holds no API key", hint="export it")
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise UsageError(f"the environment variable {self.api_key_env} holds no API key: blanks or odd characters")
        return value
