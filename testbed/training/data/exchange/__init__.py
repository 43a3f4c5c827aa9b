"""Data sets in other people's layouts: ours written in theirs, and the user's own GTSRB, TuSimple and COCO read."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import testbed
from testbed.core.errors import DatasetError, UsageError
from testbed.training.data.exchange.files import origin_maps, write_origin
from testbed.training.data.format import load_card, write_card, write_split
from testbed.training.data.unseen import export_card, exported_artefacts

__all__ = ["EXPORTS", "LOADS", "export", "load"]

EXPORTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "llava": (("tsr", "alc", "vd"), "conversations:export_llava"),
    "qwen": (("tsr", "alc", "vd"), "conversations:export_qwen"),
    "gtsrb": (("tsr",), "gtsrb:export"),
    "tusimple": (("alc",), "tusimple:export"),
    "culane": (("alc",), "tusimple:export_culane"),
    "coco": (("vd",), "coco:export"),
    "yolo": (("vd",), "coco:export_yolo"),
}
"""Layout to the tasks it can hold and ``module:function`` that writes it."""

LOADS: Mapping[str, str] = {"gtsrb": "gtsrb:load", "tusimple": "tusimple:load", "coco": "coco:load"}
"""Layout to ``module:function`` that reads it."""

EXACT_GROUPS = frozenset({"tusimple", "coco"})
"""Layouts in which our own pictures keep their group numbers, and with them their maps."""


def export(folder: Path, layout: str, out: Path, *, count: int | None = None) -> int:
    """Write one of our data sets in another layout, with a card.

    Args:
        folder: Data set folder of ours.
        layout: Key of `EXPORTS`.
        out: Folder to write to, which must be empty or missing.
        count: Number of pictures over both splits; None for all.

    Returns:
        The number of pictures.

    Raises:
        UsageError: When there is no such layout, it does not hold this task, or the folder is not empty.
        DatasetError: When the data set cannot be read.
    """
    if layout not in EXPORTS:
        raise UsageError(f"unknown layout {layout!r} for an export", hint=f"known: {', '.join(EXPORTS)}")
    tasks, place = EXPORTS[layout]
    task = str(load_card(folder)["task"])
    if task not in tasks:
        fitting = ", ".join(name for name, (holds, _) in EXPORTS.items() if task in holds)
        raise UsageError(f"the layout {layout} holds {', '.join(tasks)}, not {task}", hint=f"for {task}: {fitting}")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty", hint="choose another folder, so that no stale picture stays in it")
    out.mkdir(parents=True, exist_ok=True)
    written = int(_function(place)(folder, out, count))
    write_origin(out, folder, layout, written)
    return written


def load(source: Path, layout: str, out: Path, *, count: int | None = None, unattacked: bool = False) -> Path:
    """Turn a folder in another layout into one of our data sets, to train and evaluate on.

    Args:
        source: The user's folder.
        layout: Key of `LOADS`.
        out: Data set folder to write.
        count: Number of pictures over both splits, evenly picked; None for all.
        unattacked: Whether the user states that no picture shows an attack, without which nothing is trained on them;
            what we exported says so itself.

    Returns:
        The data set folder.

    Raises:
        UsageError: When there is no such layout.
        DatasetError: When the folder is not laid out as expected; says which file, what was expected, what to do.
    """
    if layout not in LOADS:
        raise UsageError(f"unknown layout {layout!r} to load", hint=f"known: {', '.join(LOADS)}")
    if not source.is_dir():
        raise DatasetError(f"{source} is no folder", hint=f"give the folder of {layout}")
    task, found = _function(LOADS[layout])(source, count)
    out.mkdir(parents=True, exist_ok=True)
    (out / "dataset.json").unlink(missing_ok=True)
    counts: dict[str, Any] = {}
    for name, (pictures, labels) in found.items():
        if not pictures:
            raise DatasetError(f"{source}: the {name} split has no picture that can be used")
        write_split(out, task, name, pictures, labels)
        counts[name] = {"images": len(pictures)}
    maps = origin_maps(source, layout) if layout in EXACT_GROUPS else [layout]
    told = f"loaded from a folder in the {layout} layout"
    card = {"task": task, "testbed": testbed.__version__, "maps": maps, "counts": counts, "origin": told}
    write_card(out, card | {"artefacts": _artefacts(source, unattacked)})
    return out


def _artefacts(source: Path, unattacked: bool) -> list[str] | None:
    """Return which artefacts the pictures of a folder show: by its card if it has one, else by the user's word."""
    card = export_card(source)
    named = None if card is None else exported_artefacts(card)
    if named is not None:
        return list(named)
    return [] if unattacked else None


def _function(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(f"testbed.training.data.exchange.{module}"), name)
    return function
