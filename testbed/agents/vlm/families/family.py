"""What a family is: its published name and, for each size, how configuration and processor are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Made = tuple[Any, Any]
"""transformers configuration and processor."""


@dataclass(frozen=True)
class Family:
    """One V²LM family.

    Attributes:
        published: Name in the publications' tables.
        parts: Tower, projector and text model in words.
        sizes: Name of a size to what makes it of the corpus that its tokenizer is trained on.
    """

    published: str
    parts: str
    sizes: Mapping[str, Callable[[Sequence[str]], Made]]
