"""Which adversary packages there are, looked up by name and imported only when one is asked for.

Each package has a function ``optimise(scenario, *, out, seed, **options) -> list[Path]`` that makes artefacts for a
scenario and returns their folders.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from testbed.core.errors import UsageError
from testbed.scenario.schema import Scenario

OPTIMISERS: dict[str, str] = {"road_patch": "adversaries.road_patch:optimise"}
"""Adversary kind to ``module:function`` of its optimiser."""


def kinds() -> tuple[str, ...]:
    """Return the kinds of adversary, sorted."""
    return tuple(sorted(OPTIMISERS))


def optimise(kind: str, scenario: Scenario, *, out: Path | None = None, seed: int = 0, **options: Any) -> list[Path]:
    """Make the artefacts of a scenario.

    Args:
        kind: One of ``kinds()``.
        scenario: Scenario whose map, weather, camera and placement the artefact is made for.
        out: Folder that receives one folder per artefact; None leaves the choice to the package.
        seed: Seed of all chance in the optimiser.
        options: What the optimiser of that kind takes besides (``adversaries.road_patch.optimise`` for one).

    Returns:
        Folders of the artefacts.

    Raises:
        UsageError: If there is no such kind.
    """
    if kind not in OPTIMISERS:
        raise UsageError(f"unknown adversary kind {kind!r}", hint=f"known: {', '.join(kinds())}")
    module, _, function = OPTIMISERS[kind].partition(":")
    run = cast("Callable[..., list[Path]]", getattr(importlib.import_module(module), function))
    return run(scenario, out=out, seed=seed, **options)
