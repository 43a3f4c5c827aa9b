"""What an import comes to: a scenario, and what of the file it does not say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from testbed.scenario.schema import Scenario
from testbed.world.maps import RoadNetwork

Check = Callable[[Scenario, RoadNetwork], None]
"""Looks up where a scenario puts things on its map; raises UsageError where it cannot."""

SHOWN = 100
"""Lines of a written file about what was left out; all of it is printed."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of a file that no scenario says.

    Attributes:
        element: Way to the element, for instance ``routes/route[3]/scenarios``.
        line: Where it begins; the first line is 1.
        reason: Why.
    """

    element: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A scenario that was imported.

    Attributes:
        content: What its file says: only keys that differ from the defaults.
        source: File name it came from.
        network: The roads of its map.
        left_out: What it does not say.
    """

    content: Mapping[str, Any]
    source: str
    network: RoadNetwork
    left_out: Sequence[LeftOut] = ()

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.content["name"])

    def scenario(self) -> Scenario:
        """Return it, validated.

        Raises:
            ValidationError: A value is out of its bounds.
        """
        return Scenario.model_validate(self.content)

    def text(self) -> str:
        """Return its file."""
        lines = [f"# Imported from {one_line(self.source)}"]
        if self.left_out:
            lines.append("# Left out (line, element, reason):")
            lines += [f"#   {one.line}  {one.element}: {one.reason}" for one in self.left_out[:SHOWN]]
            if len(self.left_out) > SHOWN:
                lines.append(f"#   and {len(self.left_out) - SHOWN} more")
        body = yaml.safe_dump(dict(self.content), sort_keys=False, default_flow_style=None, width=118)
        return "\n".join(lines) + "\n" + body


def one_line(text: str) -> str:
    """Return text on one line, without characters that a terminal would obey or a YAML comment may not have."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def first_mistake(error: ValidationError) -> str:
    """Return what is wrong with a scenario in a few words."""
    found = error.errors()[0]
    value = one_line(f"{'.'.join(map(str, found['loc']))}={str(found['input'])[:40]}")
    limits = found.get("ctx", {})
    for key, what in (("ge", "below"), ("gt", "not above"), ("le", "above"), ("lt", "not below")):
        if key in limits:
            return f"{value} is {what} {limits[key]:g}"
    return f"{value}: {one_line(found['msg'])}"


def identifier(text: str, otherwise: str) -> str:
    """Return a name as scenario files have it: small letters, digits and underscores, a letter first.

    Args:
        text: The name elsewhere.
        otherwise: What it is called where nothing is left of it, and what is put before a digit.
    """
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in text.lower())
    word = "_".join(part for part in kept.split("_") if part)
    if not word or not word[0].isalpha():
        word = f"{otherwise}_{word}" if word else otherwise
    return word[:48].rstrip("_")
