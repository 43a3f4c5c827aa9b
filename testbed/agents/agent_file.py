"""What an agent file says: which agent, with which options, behind which defences."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from testbed.core.errors import ScenarioError, UsageError
from testbed.core.explain import require
from testbed.core.yaml_reader import read_yaml


class DefenceEntry(BaseModel):
    """One defence of an agent file; what it takes besides is checked by its kind.

    Attributes:
        kind: Kind of defence, see `testbed.agents.defences`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str


class AgentFile(BaseModel):
    """An agent file.

    Attributes:
        agent: Registered name.
        options: What its ``build`` is given.
        model: Whose weights a V²LM answers with, see `testbed.agents.vlm.model_settings`; None for the shipped ones.
        answer: How a V²LM answers: ``generate``, ``choose`` or ``form``; None for what suits its model.
        defences: Defences that it stands behind, in the order in which they act.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: str
    options: dict[str, Any] = {}
    model: dict[str, Any] | None = None
    answer: Literal["generate", "choose", "form"] | None = None
    defences: list[DefenceEntry] = []

    @field_validator("options", mode="before")
    @classmethod
    def _no_options(cls, value: object) -> object:
        """Take a key with nothing behind it for no options: so stands a key whose values are all commented out."""
        return {} if value is None else value

    def build_options(self, path: Path) -> dict[str, Any]:
        """Return what the agent's ``build`` is given; paths in ``model`` are relative to the folder of the file."""
        if self.model is None:
            return self.options | ({} if self.answer is None else {"answer": self.answer})
        return self.options | {"model": self.model, "answer": self.answer, "base": path.parent}

    @field_validator("defences", mode="before")
    @classmethod
    def _no_defences(cls, value: object) -> object:
        """Take a key with nothing behind it for no defences."""
        return [] if value is None else value


def located(path: Path, error: UsageError) -> UsageError:
    """Return an error about what an agent file says, with the file, line and column of the value."""
    found = read_yaml(path).error(str(error.args[0]), error.at, hint=error.hint)
    return UsageError(f"agent file {found.args[0]}", hint=error.hint)


def read(path: Path) -> AgentFile:
    """Read an agent file.

    Raises:
        UsageError: If it cannot be read or is not accepted; names file, line and column.
    """
    try:
        return require(AgentFile, read_yaml(path), see_all="")
    except ScenarioError as error:
        raise UsageError(f"agent file {error.args[0]}", hint=error.hint) from None
