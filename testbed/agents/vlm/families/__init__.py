"""Families of V²LMs by name: what they are made of, in their published sizes and as ``tiny``.

A family is one module with a ``FAMILY``; other packages add theirs by entry point in the group
``testbed.vlm_families``. A size is built with random weights as a folder in the Hub's layout, and from there on it is a
checkpoint like any other.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

from testbed.agents.vlm.families.family import Family, Made
from testbed.core.errors import UsageError, suggest

__all__ = ["Family", "Made", "build", "check_size", "get", "names"]

ENTRY_POINTS = "testbed.vlm_families"
OURS: tuple[str, ...] = (
    "fastvlm",
    "llava",
    "mobilevlm",
    "moe_llava",
    "nvila",
    "qwen2_5_vl",
    "qwen_vl",
    "smolvlm",
)


def names() -> tuple[str, ...]:
    """Return the names of all families, sorted."""
    return tuple(sorted({*OURS, *(point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS))}))


def get(name: str) -> Family:
    """Return a family.

    Raises:
        UsageError: If there is none of that name.
    """
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if point.name == name and name not in OURS:
            found: Family = point.load()
            return found
    if name not in OURS:
        raise UsageError(f"no V²LM family {name!r}", hint=f"{suggest(name, names())}known: {', '.join(names())}")
    ours: Family = importlib.import_module(f"testbed.agents.vlm.families.{name}").FAMILY
    return ours


def check_size(name: str, size: str) -> None:
    """Raise `UsageError` if there is no such family or size."""
    family = get(name)
    if size not in family.sizes:
        raise UsageError(f"family {name!r} has no size {size!r}", hint=f"known: {', '.join(family.sizes)}")


def build(name: str, size: str, folder: Path, corpus: Sequence[str], *, seed: int = 0) -> Path:
    """Write a size of a family with random weights as a checkpoint, and return its folder.

    Args:
        name: Of the family.
        size: One of its sizes, for instance ``tiny``.
        folder: Where; it is made.
        corpus: What its tokenizer is trained on.
        seed: Of the weights.

    Raises:
        UsageError: If there is no such family or size.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    check_size(name, size)
    family = get(name)
    config, processor = family.sizes[size](corpus)
    torch.manual_seed(seed)
    network = AutoModelForImageTextToText.from_config(config)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
