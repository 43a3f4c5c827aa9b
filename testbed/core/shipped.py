"""Where the files lie that come with the testbed: scenarios, agent files and weights, artefacts, schemas.

A checkout keeps them in folders at its top, beside the package, where users touch them; a wheel carries the same
folders as ``testbed/shipped``. Nothing else in the testbed knows which of the two it is installed from.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

_PLACES = {"scenarios": "scenarios", "agents": "agents", "adversaries": "adversaries", "schemas": "docs"}
"""Kind of file to its folder in a checkout; in a wheel each kind has a folder of its own name."""


@cache
def folder(kind: str) -> Path:
    """Return the folder of a kind of shipped file: ``scenarios``, ``agents``, ``adversaries`` or ``schemas``.

    Raises:
        KeyError: There is no such kind.
        FileNotFoundError: The installation is incomplete.
    """
    candidates = (PACKAGE / "shipped" / kind, PACKAGE.parent / _PLACES[kind])
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"the testbed's {kind} are neither in {candidates[0]} nor in {candidates[1]}: install it again"
    )
