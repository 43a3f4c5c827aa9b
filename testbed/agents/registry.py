"""All agents by name: ours, third-party packages' (entry point group ``testbed.agents``), and YAML files with options.

A package that offers an agent has two functions: ``build(**options) -> Agent`` loads it, ``card() -> AgentCard`` tells
about it without loading a model; where ``card`` takes options by name, it is given those of the file. An entry point
names the package; a YAML file names an agent, its options, and the defences it stands behind, see
`testbed.agents.defences`::

    agent: dnn
    options: {tsr: vit_small}
    defences: [{kind: jpeg, quality: 50}]

The files of the folder ``agents`` are agents by name: ``dnn_jpeg`` is ``agents/dnn_jpeg.yaml``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import yaml

from testbed.core import extras, shipped
from testbed.core.errors import AgentError, UsageError, suggest
from testbed.core.types import Agent, AgentCard

ENTRY_POINTS = "testbed.agents"

PACKAGES: dict[str, str] = {
    "constant": "testbed.agents.scripted.constant",
    "dnn": "testbed.agents.dnn",
    "scripted": "testbed.agents.scripted.oracle",
    "solo": "testbed.agents.solo",
    "tandem": "testbed.agents.tandem",
}
"""Agent name to the module with ``build`` and ``card``."""


def _packages() -> dict[str, str]:
    found = {point.name: point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    return found | PACKAGES


CONFIGURED = shipped.folder("agents")
"""Folder of the shipped agent files."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a name or an agent file asks for.

    Attributes:
        agent: Registered name.
        options: What its ``build`` is given.
        defences: Entries of the file's list of defences.
    """

    agent: str
    options: dict[str, Any]
    defences: tuple[object, ...] = ()


def names() -> tuple[str, ...]:
    """Return the names of all agents, sorted; shipped agent files are named by `configured`."""
    return tuple(sorted(_packages()))


def configured() -> tuple[str, ...]:
    """Return the names of the shipped agent files, sorted."""
    return tuple(sorted(path.stem for path in CONFIGURED.glob("*.yaml")))


def file_of(name_or_path: str) -> Path | None:
    """Return the agent file that a name or path stands for; None for an agent that needs none."""
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    if name_or_path not in _packages() and name_or_path in configured():
        return CONFIGURED / f"{name_or_path}.yaml"
    return None


def _module(name: str) -> ModuleType:
    packages = _packages()
    if name not in packages:
        known = sorted({*packages, *configured()})
        raise UsageError(
            f"unknown agent {name!r}",
            hint=f"{suggest(name, known)}known: {', '.join(sorted(packages))}, and those of `testbed list`",
        )
    with extras.explained(f"agent {name!r}"):
        return importlib.import_module(packages[name])


def check_extras(name_or_path: str) -> None:
    """Check that what an agent's package says it needs (``NEEDS``, names of modules) is installed; load nothing.

    Raises:
        UsageError: If there is no such agent or file.
        MissingExtraError: If it could not be loaded for want of an extra.
    """
    extras.require(f"agent {name_or_path!r}", getattr(_module(resolve(name_or_path).agent), "NEEDS", ()))


def card(name_or_path: str) -> AgentCard:
    """Return an agent's card without loading its models; options and defences of an agent file show on it.

    Raises:
        UsageError: If there is no such agent or file, or it asks for something that does not exist.
        WeightsError: If the card of its weights is missing.
    """
    choice = resolve(name_or_path)
    tell = _module(choice.agent).card
    known = inspect.signature(tell).parameters
    told = cast(AgentCard, tell(**{key: value for key, value in choice.options.items() if key in known}))
    if choice.defences:
        from testbed.agents.defences import build_all, defended_card

        told = defended_card(told, build_all(choice.defences))
    return told


def load(name_or_path: str) -> Agent:
    """Load an agent.

    Args:
        name_or_path: Registered name, name of a shipped agent file, or path of an agent file.

    Raises:
        UsageError: If there is no such agent or file, it does not take such options, or a defence changes nothing.
        MissingExtraError: If an extra that it needs is not installed.
        WeightsError: If its weights are missing or altered.
        AgentError: If what was built does not follow the agent protocol.
    """
    choice = resolve(name_or_path)
    module = _module(choice.agent)
    try:
        with extras.explained(f"agent {name_or_path!r}"):
            agent: Agent = module.build(**choice.options)
    except TypeError as error:
        raise UsageError(f"agent {choice.agent!r} does not take these options: {error}") from error
    if not isinstance(agent, Agent):
        raise AgentError(f"agent {choice.agent!r} has no card, reset and perceive", hint="see testbed.core.types.Agent")
    if choice.defences:
        from testbed.agents.defences import DefendedAgent, build_all

        with extras.explained(f"agent {name_or_path!r}"):
            agent = DefendedAgent(agent, build_all(choice.defences))
    return agent


def resolve(name_or_path: str) -> Choice:
    """Read what a name or an agent file asks for.

    Raises:
        UsageError: If the file cannot be read or has other keys than agent, options and defences.
    """
    path = file_of(name_or_path)
    if path is None:
        return Choice(name_or_path, {})
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"agent file {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"agent file {path} is no YAML: {error}") from error
    known = isinstance(content, dict) and not set(content) - {"agent", "options", "defences"}
    if not known or not isinstance(content.get("agent"), str):
        raise UsageError(f"agent file {path} must have the key agent and may have options and defences")
    options, defences = content.get("options") or {}, content.get("defences") or []
    if not isinstance(options, dict):
        raise UsageError(f"agent file {path}: options must map names to values, not {options!r}")
    if not isinstance(defences, list):
        raise UsageError(f"agent file {path}: defences must be a list like [{{kind: jpeg, quality: 50}}]")
    return Choice(content["agent"], options, tuple(defences))
