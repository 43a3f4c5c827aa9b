"""One request as it is sent, and as it is hashed: pictures by their pixels, nothing of server, key or time.

Pictures are hashed before they are encoded, so that another version of an encoder finds the same record.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from PIL import Image as PilImage

from testbed.core.types import Image

VERSION = 1
"""Layout of what is hashed."""


@dataclass(frozen=True)
class Picture:
    """One picture of a request.

    Attributes:
        image: (h, w, 3) RGB uint8, in the size in which it is sent.
        encoding: ``png``, or ``jpeg`` with its quality.
        jpeg_quality: 1-95; meaningless for PNG.
    """

    image: Image
    encoding: Literal["png", "jpeg"] = "png"
    jpeg_quality: int = 90

    def identity(self) -> dict[str, Any]:
        """Return what stands for it in a hash."""
        pixels = np.ascontiguousarray(self.image)
        digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode() + pixels.tobytes()).hexdigest()
        quality = {"jpeg_quality": self.jpeg_quality} if self.encoding == "jpeg" else {}
        return {"type": "picture", "sha256": digest, "encoding": self.encoding, **quality}

    def part(self) -> dict[str, Any]:
        """Return it as a part of a message: a data URL."""
        stored = io.BytesIO()
        options = {"quality": self.jpeg_quality} if self.encoding == "jpeg" else {}
        PilImage.fromarray(np.ascontiguousarray(self.image)).save(stored, self.encoding.upper(), **options)
        data = base64.b64encode(stored.getvalue()).decode("ascii")
        return {"type": "image_url", "image_url": {"url": f"data:image/{self.encoding};base64,{data}"}}


@dataclass(frozen=True)
class ChatRequest:
    """One user message of pictures and texts, and how it is to be answered.

    Attributes:
        model: As the server calls it.
        content: Pictures and texts in order.
        parameters: Further fields: ``temperature``, ``max_tokens`` and so on.
    """

    model: str
    content: Sequence[Picture | str]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the JSON object that is sent."""
        parts = [{"type": "text", "text": p} if isinstance(p, str) else p.part() for p in self.content]
        return {"model": self.model, "messages": [{"role": "user", "content": parts}], **self.parameters}

    def canonical(self) -> str:
        """Return what is hashed and recorded: canonical JSON without keys, addresses and pictures."""
        parts = [{"type": "text", "text": p} if isinstance(p, str) else p.identity() for p in self.content]
        said = {
            "version": VERSION,
            "model": self.model,
            "messages": [{"role": "user", "content": parts}],
            "parameters": dict(self.parameters),
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def request_hash(canonical: str) -> str:
    """Return the sha256 (hex) under which the reply to a request is recorded."""
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
