"""The one grammar of latency: ``card``, ``measured``, a profile such as ``nvila_a100``, or milliseconds.

Scenario files, sweeps, the command line and episode plans all say in these words how inference time is charged to the
simulation clock::

    card                 the agent's own figures, drawn log-normally through p50 and p95
    measured             what this machine needed
    nvila_a100           a profile: the published figure of a model on its hardware, see `PROFILES`
    fixed:80             milliseconds
    my_board:80          the same under a name of your own, which the report shows
    my_board:80/140      p50 and p95, drawn log-normally

A plan holds what a profile stands for (``nvila_a100:80``), so that its key follows the figure and not the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from testbed.core.errors import UsageError, suggest

MOST_MS = 60000.0
"""A minute or more is no latency of a driver."""

_NAME = r"[a-z][a-z0-9_]{0,47}"
_MS = r"[0-9]+(\.[0-9]+)?"

OWN_PATTERN = rf"^{_NAME}:{_MS}(/{_MS})?$"
"""Milliseconds under a name, in the syntax that Python, pydantic and JSON schemas share."""

_SHAPE = re.compile(rf"(?P<name>{_NAME})(:(?P<p50>{_MS})(/(?P<p95>{_MS}))?)?\Z")


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """What somebody measured of a model on a machine.

    Attributes:
        ms: Milliseconds of one decision.
        model: Model and number format.
        source: Where the figure stands.
    """

    ms: float
    model: str
    source: str


_PAPER = "V²LM paper, section V, one NVIDIA A100 40 GB"

PROFILES: dict[str, LatencyProfile] = {
    "nvila_a100": LatencyProfile(80.0, "NVILA-8B", _PAPER),
    "llava7b_a100": LatencyProfile(851.0, "LLaVA-7B", _PAPER),
    "llava7b_int8": LatencyProfile(2158.0, "LLaVA-7B, 8 bits (bitsandbytes)", _PAPER),
    "llava7b_int4": LatencyProfile(11657.0, "LLaVA-7B, 4 bits (bitsandbytes)", _PAPER),
}
"""Name to figure; `testbed list latencies` shows them."""

PLAIN_WORDS = ("card", "measured", *PROFILES)
"""Everything that stands without a number."""

LATENCY_WORDS = f"{', '.join(PLAIN_WORDS)}, fixed:80 (milliseconds) or my_board:80/140 (name, p50, p95)"
"""The grammar for people."""


@dataclass(frozen=True, slots=True)
class LatencySpec:
    """How inference time is charged.

    Attributes:
        name: ``card``, ``measured``, ``fixed``, or the name of a profile.
        p50_ms: Median in milliseconds; 0 where the card or the clock says it.
        p95_ms: 95th percentile; the median where it does not vary.
        text: As a plan holds it.
    """

    name: str
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    text: str = ""

    @property
    def stated(self) -> bool:
        """Whether it is known without an agent and a clock."""
        return self.name not in ("card", "measured")

    @classmethod
    def parse(cls, text: str) -> LatencySpec:
        """Read a latency.

        Raises:
            UsageError: If the text is none, names no profile, or says a minute or more; one sentence with the advice.
        """
        found, shown = _SHAPE.match(text), repr(text[:60])
        if found is None:
            raise UsageError(f"{shown} is no latency", hint=f"use {LATENCY_WORDS}")
        name, p50, p95 = found["name"], found["p50"], found["p95"]
        if p50 is None:
            return cls._plain(name)
        p50_ms = float(p50)
        p95_ms = p50_ms if p95 is None else float(p95)
        profile = PROFILES.get(name)
        if name in ("card", "measured"):
            raise UsageError(f"{shown} is no latency", hint=f"{name} takes no number")
        if profile is not None and (p50_ms, p95_ms) != (profile.ms, profile.ms):
            raise UsageError(
                f"{shown} contradicts the profile {name!r}, which is {profile.ms:g} ms",
                hint="give a figure of your own a name of your own",
            )
        if p95 is not None and (name == "fixed" or not 0.0 < p50_ms <= p95_ms):
            why = "what is fixed does not vary" if name == "fixed" else "p95 is at least p50, and p50 more than 0"
            raise UsageError(f"{shown} is no latency", hint=why)
        if p95_ms >= MOST_MS:
            raise UsageError(f"{shown} is too long for a latency", hint=f"it stays below {MOST_MS:g} ms")
        return cls(name, p50_ms, p95_ms, text)

    @classmethod
    def _plain(cls, name: str) -> LatencySpec:
        if name in ("card", "measured"):
            return cls(name, text=name)
        profile = PROFILES.get(name)
        if profile is None:
            raise UsageError(f"unknown latency {name!r}", hint=f"{suggest(name, PLAIN_WORDS)}use {LATENCY_WORDS}")
        return cls(name, profile.ms, profile.ms, f"{name}:{profile.ms:g}")
