"""How an agent is named: by its name, or by the path of the file that describes it."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".yaml", ".yml")


def is_file(agent: str) -> bool:
    """Tell whether an agent is named by the path of its file."""
    return agent.endswith(SUFFIXES)


def agent_name(agent: str) -> str:
    """Return what an agent is called in plans and reports: its name, or its file's without the folders."""
    return Path(agent).name if is_file(agent) else agent
