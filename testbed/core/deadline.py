"""Until when an answer is wanted, and what becomes of one that comes later."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from testbed.core.errors import UsageError
from testbed.core.latency_spec import MOST_MS

BUDGET_MS = 100.0
"""The paper's budget for one decision (section V)."""

DEADLINE_WORDS = "keep, drop, or either with milliseconds such as drop:150"
"""The grammar of the command line for people."""


class Deadline(BaseModel):
    """A deadline for decisions: those that miss it are counted, and kept or dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    budget_ms: float = Field(BUDGET_MS, gt=0, lt=MOST_MS, description="From the picture to its answer.")
    policy: Literal["keep", "drop"] = Field(
        "keep",
        description="keep: a late answer takes effect when it comes; drop: it never does, the driver goes on with the "
        "last one that came in time. The agent is busy with it either way.",
    )

    @classmethod
    def parse(cls, text: str) -> Deadline:
        """Read ``drop`` or ``drop:150`` (milliseconds).

        Raises:
            UsageError: If the text is neither.
        """
        found = re.fullmatch(r"(keep|drop)(?::([0-9]+(?:\.[0-9]+)?))?", text)
        budget_ms = BUDGET_MS if found is None or found[2] is None else float(found[2])
        if found is None or not 0.0 < budget_ms < MOST_MS:
            raise UsageError(f"{text!r} is no deadline", hint=f"use {DEADLINE_WORDS}")
        return cls(budget_ms=budget_ms, policy="drop" if found[1] == "drop" else "keep")

    def __str__(self) -> str:
        """Return it as on the command line."""
        return f"{self.policy}:{self.budget_ms:g}"
