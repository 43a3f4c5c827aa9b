"""The versioned pattern that every agent's safety case is made from: ``pattern.yaml`` beside this module."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from testbed.core.explain import require
from testbed.core.yaml_reader import parse_yaml

FILE = "pattern.yaml"
VERY_LOW = "very low"

Group = Literal["claim", "hazard", "requirement", "trigger", "threat", "assumption"]
"""What a pattern makes one element of for each member."""


class PatternPart(BaseModel):
    """Base of all parts: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PatternElement(PatternPart):
    """An element, or one for each member of a group.

    Attributes:
        module: Part of the case that it belongs to.
        text: What it says; words in braces are filled in.
        each: Group of whose members it is made.
        supported_by: Elements below it.
        contexts: Elements beside it.
        evidence: What the testbed judges itself: the claim it is, or whether the drives count.
        stated: Name under which a user's file may state documents for it.
    """

    module: str
    text: str
    each: Group | None = None
    supported_by: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    evidence: Literal["claim", "drives"] | None = None
    stated: str | None = None


class Pattern(PatternPart):
    """The whole pattern.

    Attributes:
        version: Rises whenever the case of a run would say something else.
        name: Of the pattern.
        modules: Parts of the case and their titles; the first holds the top, each begins with its first element.
        elements: By id, in order.
        attack_potential: Points of each factor of an attack's effort.
        feasibility_up_to: Highest sum of points of a feasibility; above the last it is very low.
        risk: Risk value by impact and feasibility.
    """

    version: Annotated[int, Field(ge=1)]
    name: str
    modules: dict[str, str]
    elements: dict[str, PatternElement]
    attack_potential: dict[str, dict[str, int]]
    feasibility_up_to: dict[str, int]
    risk: dict[str, dict[str, int]]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, element in self.elements.items():
            unknown = [link for link in (*element.supported_by, *element.contexts) if link not in self.elements]
            if unknown:
                raise ValueError(f"{name} names unknown elements: {', '.join(unknown)}")
            if element.module not in self.modules:
                raise ValueError(f"{name} is part of an unknown module {element.module!r}")
        return self

    def __str__(self) -> str:
        """Return name and version."""
        return f"{self.name}, version {self.version}"

    @property
    def open_goals(self) -> list[str]:
        """Names under which a user's file may state documents."""
        return [element.stated for element in self.elements.values() if element.stated is not None]

    @property
    def top(self) -> str:
        """Id of the top goal."""
        return next(iter(self.elements))

    def root(self, module: str) -> str:
        """Return the id of a module's first element."""
        return next(name for name, element in self.elements.items() if element.module == module)

    def feasibility(self, points: int) -> str:
        """Return the feasibility of an attack whose factors sum to ``points``."""
        return next((name for name, most in self.feasibility_up_to.items() if points <= most), VERY_LOW)


@functools.cache
def pattern() -> Pattern:
    """Return the pattern that this version of the testbed makes cases from."""
    content = resources.files("testbed.report.safety_case").joinpath(FILE).read_bytes()
    return require(Pattern, parse_yaml(content, FILE), strict=False, see_all="")
