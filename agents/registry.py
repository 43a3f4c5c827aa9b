"""All agents by name: ours, third-party packages' (entry point group ``testbed.agents``), and YAML files with options.

A package that offers an agent has two functions: ``build(**options) -> Agent`` loads it, ``card() -> AgentCard`` tells
about it without loading a model. An entry point names the package; a YAML file names an agent and its options::

    agent: solo
    options: {abstain_below: 0.6}
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
from pathlib import Path
from types import ModuleType
from typing import cast

import yaml

from testbed.core.errors import AgentError, UsageError
from testbed.core.types import Agent, AgentCard

ENTRY_POINTS = "testbed.agents"

PACKAGES: dict[str, str] = {
    "constant": "agents.scripted.constant",
    "dnn": "agents.dnn",
    "scripted": "agents.scripted.oracle",
    "solo": "agents.solo",
    "tandem": "agents.tandem",
}
"""Agent name to the module with ``build`` and ``card``."""


def _packages() -> dict[str, str]:
    found = {point.name: point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    return found | PACKAGES


def names() -> tuple[str, ...]:
    """Return the names of all agents, sorted."""
    return tuple(sorted(_packages()))


def _module(name: str) -> ModuleType:
    packages = _packages()
    if name not in packages:
        near = difflib.get_close_matches(name, packages, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"unknown agent {name!r}", hint=f"{meant}known: {', '.join(sorted(packages))}")
    return importlib.import_module(packages[name])


def card(name_or_path: str) -> AgentCard:
    """Return an agent's card without loading its models.

    Raises:
        UsageError: If there is no such agent.
        WeightsError: If the card of its weights is missing.
    """
    name, _ = _resolve(name_or_path)
    return cast(AgentCard, _module(name).card())


def load(name_or_path: str) -> Agent:
    """Load an agent.

    Args:
        name_or_path: Registered name, or path of a YAML file that names one and its options.

    Raises:
        UsageError: If there is no such agent or file, or it does not take such options.
        WeightsError: If its weights are missing or altered.
        AgentError: If what was built does not follow the agent protocol.
    """
    name, options = _resolve(name_or_path)
    try:
        agent = _module(name).build(**options)
    except TypeError as error:
        raise UsageError(f"agent {name!r} does not take these options: {error}") from error
    if not isinstance(agent, Agent):
        raise AgentError(f"agent {name!r} has no card, reset and perceive", hint="see testbed.core.types.Agent")
    return agent


def _resolve(name_or_path: str) -> tuple[str, dict[str, object]]:
    if not name_or_path.endswith((".yaml", ".yml")):
        return name_or_path, {}
    try:
        content = yaml.safe_load(Path(name_or_path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"agent file {name_or_path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"agent file {name_or_path} is no YAML: {error}") from error
    known = isinstance(content, dict) and not set(content) - {"agent", "options"}
    if not known or not isinstance(content.get("agent"), str):
        raise UsageError(f"agent file {name_or_path} must have the keys agent and (optional) options")
    options = content.get("options") or {}
    if not isinstance(options, dict):
        raise UsageError(f"agent file {name_or_path}: options must map names to values, not {options!r}")
    return content["agent"], options
