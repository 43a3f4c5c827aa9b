"""All defences by kind, ours and those found by entry point, and how an agent file's list becomes objects."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from testbed.agents.defences.base import QUESTIONS, Cropping, Defence
from testbed.core.errors import AgentError, UsageError, suggest
from testbed.core.geometry import Box
from testbed.core.types import Image

ENTRY_POINTS = "testbed.defences"

KINDS: dict[str, str] = {
    "autoencoder": "testbed.agents.defences.autoencoder:Autoencoder",
    "bit_depth": "testbed.agents.defences.inputs:BitDepth",
    "equalise": "testbed.agents.defences.inputs:Equalise",
    "jpeg": "testbed.agents.defences.inputs:Jpeg",
    "median": "testbed.agents.defences.inputs:Median",
    "noise": "testbed.agents.defences.inputs:GaussianNoise",
    "random_crop": "testbed.agents.defences.inputs:RandomCrop",
    "selective": "testbed.agents.defences.selective:Selective",
}
"""Kind to ``module:class``."""


def _places() -> dict[str, str]:
    found = {point.name: point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    return found | KINDS


def kinds() -> tuple[str, ...]:
    """Return the kinds of defence, sorted."""
    return tuple(sorted(_places()))


def build(settings: Mapping[str, object]) -> Defence:
    """Make one defence.

    Args:
        settings: ``kind``, optional ``questions``, and the settings of that kind, as they stand in an agent file.

    Raises:
        UsageError: When there is no such kind, it does not take such settings, or it would change nothing.
        AgentError: When a third-party class is no `Defence`.
    """
    if not isinstance(settings, Mapping) or not isinstance(settings.get("kind"), str):
        raise UsageError(f"a defence is a mapping with a kind, not {settings!r}", hint=f"kinds: {', '.join(kinds())}")
    kind = str(settings["kind"])
    places = _places()
    if kind not in places:
        raise UsageError(f"unknown defence {kind!r}", hint=f"{suggest(kind, places)}known: {', '.join(sorted(places))}")
    module, _, name = places[kind].partition(":")
    made = getattr(importlib.import_module(module), name)
    if not (isinstance(made, type) and issubclass(made, Defence) and dataclasses.is_dataclass(made)):
        raise AgentError(
            f"defence {kind!r}: {places[kind]} is no dataclass that derives from testbed.agents.defences.Defence"
        )
    known = {field.name for field in dataclasses.fields(made)}
    options: dict[str, Any] = {str(key): value for key, value in settings.items() if key != "kind"}
    for key in options:
        if key not in known:
            raise UsageError(f"defence {kind!r} has no setting {key!r}", hint=f"it has {', '.join(sorted(known))}")
    if "questions" in options:
        options["questions"] = _questions(kind, options["questions"])
    return made(**options)


def build_all(entries: object) -> tuple[Defence, ...]:
    """Make the defences of an agent file, in their order.

    Raises:
        UsageError: When it is no list of defences.
    """
    if isinstance(entries, str | Mapping) or not isinstance(entries, Sequence):
        raise UsageError(f"defences is a list like [{{kind: jpeg, quality: 50}}], not {entries!r}")
    return tuple(build(entry) for entry in entries)


def _questions(kind: str, asked: object) -> tuple[str, ...]:
    if isinstance(asked, str) or not isinstance(asked, Sequence) or not asked or set(asked) - set(QUESTIONS):
        raise UsageError(f"defence {kind!r}: questions {asked!r} must be some of [{', '.join(QUESTIONS)}]")
    return tuple(question for question in QUESTIONS if question in asked)


def check_effect(defence: Defence) -> None:
    """Show a defence a picture with edges and noise, and refuse it when it neither alters that nor withholds an answer.

    Raises:
        UsageError: When it changes nothing.
        AgentError: When what it returns is no picture of the same size.
    """
    probe = probe_picture()
    before = probe.copy()
    seen = defence.alter(probe, np.random.default_rng(0))
    if not isinstance(seen, np.ndarray) or seen.shape != probe.shape or seen.dtype != np.uint8:
        raise AgentError(f"defence {defence.kind or type(defence).__name__} must return uint8 pictures of equal size")
    if not np.array_equal(probe, before):
        raise AgentError(f"defence {defence.kind or type(defence).__name__} writes into the picture it is shown")
    if np.array_equal(seen, probe) and type(defence).keeps is Defence.keeps:
        raise UsageError(f"defence {defence.kind or type(defence).__name__} with these settings changes nothing")


def probe_picture() -> Image:
    """Return a picture (24, 32, 3) with shades, edges and noise in it."""
    rng = np.random.default_rng(7)
    shades = np.linspace(30.0, 200.0, 32)[None, :, None] + np.zeros((24, 1, 3))
    shades[8:16, 8:20] = (200.0, 40.0, 60.0)
    return np.clip(shades + rng.normal(0.0, 6.0, shades.shape), 0, 255).astype(np.uint8)


def alter(defences: Sequence[Defence], images: Image, *, question: str = "tsr", seed: int = 0, first: int = 0) -> Image:
    """Send a batch of pictures through the defences that guard a question.

    Args:
        defences: The chain, in its order.
        images: (N, H, W, 3) uint8.
        question: ``tsr``, ``alc`` or ``vd``.
        seed: Seed of all chance.
        first: Number of the first picture: picture i draws from (seed, first + i), so batching changes nothing.

    Returns:
        (N, H, W, 3) uint8.
    """
    out = [shown(defences, image, question, seed, first + index)[0] for index, image in enumerate(images)]
    return np.stack(out) if out else images


def shown(defences: Sequence[Defence], image: Image, question: str, seed: int, number: int) -> tuple[Image, Box]:
    """Return what one picture looks like behind the defences of a question, and which part of it that shows.

    Args:
        defences: The chain.
        image: (h, w, 3) uint8.
        question: ``tsr``, ``alc`` or ``vd``.
        seed: Seed of all chance.
        number: Number of the picture within the episode or data set.

    Returns:
        The picture of equal size, and the part of the original (x_min, y_min, x_max, y_max in px) that it shows.
    """
    height_px, width_px = image.shape[:2]
    x_min, y_min, x_max, y_max = 0.0, 0.0, float(width_px), float(height_px)
    for index, defence in enumerate(defences):
        if question not in defence.questions:
            continue
        key = [seed % 2**63, number, index]
        if isinstance(defence, Cropping):
            part = defence.window(width_px, height_px, np.random.default_rng(key))
            x_scale, y_scale = (x_max - x_min) / width_px, (y_max - y_min) / height_px
            x_min, x_max = x_min + part[0] * x_scale, x_min + part[2] * x_scale
            y_min, y_max = y_min + part[1] * y_scale, y_min + part[3] * y_scale
        image = defence.alter(image, np.random.default_rng(key))
    return image, (x_min, y_min, x_max, y_max)
