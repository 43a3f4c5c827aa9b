"""All agents by name: files with options, our packages, and third-party packages' (entry point ``testbed.agents``).

A package that offers an agent has two functions: ``build(**options) -> Agent`` loads it, ``card() -> AgentCard`` tells
about it without loading a model; where ``card`` takes options by name, it is given those of the file. ``NEEDS``, or
``needs(**options)``, names the modules without which it cannot be loaded. A package whose
agents are made of other agents has ``parts(**options) -> dict[str, str]`` too, role to name or file. An entry point
names the package. Where ``build`` takes ``device``, it is told where its models are to run (`testbed.core.device`), and
where it takes ``load_part``, it is given what loads the agents that it is made of.

A YAML file names an agent, its options, and the defences it stands behind, see `testbed.agents.defences`::

    agent: dnn
    options: {tsr: vit_small}
    defences: [{kind: jpeg, quality: 50}]

A V²LM's file also names whose weights answer and how (``model``, ``answer``).

The files of the folder ``agents`` are agents by name: ``dnn_jpeg`` is ``agents/dnn_jpeg.yaml``. A name means the file
of that name if there is one, then the package; ``agent`` in a file always means a package, so ``agents/dnn.yaml`` can
say ``agent: dnn``. A file that only names an agent is that agent.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from testbed.agents import agent_file
from testbed.core import extras, shipped
from testbed.core.agent_names import is_file
from testbed.core.answer_check import check_card
from testbed.core.device import check_word, is_gpu
from testbed.core.errors import AgentError, UsageError, suggest
from testbed.core.serving import Serving
from testbed.core.types import Agent, AgentCard

ENTRY_POINTS = "testbed.agents"


@dataclass(frozen=True, slots=True)
class AgentPackage:
    """Where an agent is found.

    Attributes:
        module: Module with ``build`` and ``card``.
        preset: Options that make the package this agent; an agent file cannot set them.
    """

    module: str
    preset: Mapping[str, Any] = field(default_factory=dict)


PACKAGES: dict[str, AgentPackage] = {
    "constant": AgentPackage("testbed.agents.scripted.constant"),
    "dnn": AgentPackage("testbed.agents.dnn"),
    "parallel": AgentPackage("testbed.agents.parallel"),
    "scripted": AgentPackage("testbed.agents.scripted.oracle"),
    "solo": AgentPackage("testbed.agents.vlm", {"deployment": "solo"}),
    "tandem": AgentPackage("testbed.agents.vlm", {"deployment": "tandem"}),
}
"""Our agents by name."""


def _packages() -> dict[str, AgentPackage]:
    points = importlib.metadata.entry_points(group=ENTRY_POINTS)
    return {point.name: AgentPackage(point.value) for point in points} | PACKAGES


CONFIGURED = shipped.folder("agents")
"""Folder of the shipped agent files."""


@dataclass(frozen=True, slots=True)
class AgentChoice:
    """What a name or an agent file asks for.

    Attributes:
        agent: Registered name.
        options: What its ``build`` is given.
        defences: Entries of the file's list of defences.
        file: Agent file that was read; None where a registered name was given that has none.
    """

    agent: str
    options: Mapping[str, Any] = field(default_factory=dict)
    defences: tuple[dict[str, Any], ...] = ()
    file: Path | None = None

    @property
    def is_registered(self) -> bool:
        """Whether this is a registered agent as it is: the name, or a file that says no more than the name."""
        return not self.options and not self.defences


def names() -> tuple[str, ...]:
    """Return the names of the registered agents, sorted; agent files are named by `configured`."""
    return tuple(sorted(_packages()))


def configured() -> tuple[str, ...]:
    """Return the names of the shipped agent files, sorted."""
    return tuple(sorted(path.stem for path in CONFIGURED.glob("*.yaml")))


def file_of(name_or_path: str) -> Path | None:
    """Return the agent file that a name or path stands for; None for a registered name without one."""
    if is_file(name_or_path):
        return Path(name_or_path)
    return CONFIGURED / f"{name_or_path}.yaml" if name_or_path in configured() else None


def _package(choice: AgentChoice) -> AgentPackage:
    name, packages = choice.agent, _packages()
    if name not in packages and choice.file is not None:
        raise UsageError(
            f"agent file {choice.file} asks for {name!r}, which is no registered agent",
            hint=f"{suggest(name, packages)}known: {', '.join(sorted(packages))}",
        )
    if name not in packages:
        known = sorted({*packages, *configured()})
        raise UsageError(
            f"unknown agent {name!r}",
            hint=f"{suggest(name, known)}known: {', '.join(sorted(packages))}, and those of `testbed list`",
        )
    return packages[name]


def _options(choice: AgentChoice, package: AgentPackage) -> dict[str, Any]:
    """Return the options of an agent file together with what its package is preset to."""
    for name in sorted(package.preset.keys() & choice.options.keys()):
        raise UsageError(f"agent {choice.agent!r} has {name} {package.preset[name]!r}; a file cannot set it")
    return {**package.preset, **choice.options}


@contextmanager
def _located(choice: AgentChoice) -> Iterator[None]:
    """Say of what a package refuses where it stands in the agent's file."""
    try:
        yield
    except UsageError as error:
        if choice.file is None or not error.at:
            raise
        raise agent_file.located(choice.file, error) from None


def _module(choice: AgentChoice, package: AgentPackage) -> ModuleType:
    with extras.explained(f"agent {choice.agent!r}"):
        return importlib.import_module(package.module)


def _told(choice: AgentChoice, tell: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """Return what a package tells about an agent, given those options that the function takes."""
    known = inspect.signature(tell).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values()):
        options = {key: value for key, value in options.items() if key in known}
    try:
        with _located(choice):
            return tell(**options)
    except TypeError as error:
        raise UsageError(f"agent {choice.agent!r} does not take these options: {error}") from error


def parts(name_or_path: str) -> dict[str, str]:
    """Return the agents that an agent is made of, role to name or file; none for most.

    Raises:
        UsageError: If there is no such agent or file, or it does not take such options.
    """
    choice = resolve(name_or_path)
    package = _package(choice)
    tell = getattr(_module(choice, package), "parts", None)
    return {} if tell is None else cast(dict[str, str], _told(choice, tell, _options(choice, package)))


def check_extras(name_or_path: str) -> None:
    """Check that the modules that an agent says it needs (``needs`` or ``NEEDS``) are installed; load nothing.

    An agent that is made of others needs what they need.

    Raises:
        UsageError: If there is no such agent or file.
        MissingExtraError: If it could not be loaded for want of an extra.
    """
    choice = resolve(name_or_path)
    package = _package(choice)
    module = _module(choice, package)
    told = getattr(module, "needs", None)
    needs = getattr(module, "NEEDS", ()) if told is None else _told(choice, told, _options(choice, package))
    extras.require(f"agent {name_or_path!r}", needs)
    for part in parts(name_or_path).values():
        check_extras(part)


def card(name_or_path: str) -> AgentCard:
    """Return an agent's card without loading its models; options and defences of an agent file show on it.

    Raises:
        UsageError: If there is no such agent or file, or it asks for something that does not exist.
        WeightsError: If the card of its weights is missing.
    """
    choice = resolve(name_or_path)
    package = _package(choice)
    options = _options(choice, package)
    told = cast(AgentCard, _told(choice, _module(choice, package).card, options))
    check_card(told, choice.agent)
    if choice.defences:
        from testbed.agents.defences import build_all, defended_card

        told = defended_card(told, build_all(choice.defences))
    return told


def check_device(name_or_path: str, device: str = "auto") -> None:
    """Check that the GPU which an agent's models ask for is here; load nothing.

    Raises:
        UsageError: If there is no such agent or file, or no such GPU.
    """
    for part in parts(name_or_path).values():
        check_device(part, device)
    choice = resolve(name_or_path)
    word = device_of(name_or_path, device)
    if is_gpu(word) and _takes("device", _module(choice, _package(choice))):
        from testbed.agents.placement import placed

        placed(word, auto="cpu")


def device_of(name_or_path: str, device: str = "auto") -> str:
    """Return the word for where an agent's models run: what its file says, else `device`.

    Raises:
        UsageError: If there is no such agent or file, or it is no word for a device.
    """
    choice = resolve(name_or_path)
    said = [options["device"] for options in (choice.options, _model(choice.options)) if "device" in options]
    return next((check_word(str(word)) for word in said if word != "auto"), check_word(device))


def _takes(option: str, module: ModuleType) -> bool:
    return option in inspect.signature(module.build).parameters


def _model(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an agent file says about its model."""
    model = options.get("model")
    return model if isinstance(model, Mapping) else {}


def serving(name_or_path: str, device: str = "auto") -> Serving | None:
    """Return how an agent's models want to be served (its package's ``serving``); None: loaded beside every simulator.

    Raises:
        UsageError: If there is no such agent or file.
        WeightsError: If its checkpoint is missing or cannot be used.
    """
    choice = resolve(name_or_path)
    package = _package(choice)
    tell = getattr(_module(choice, package), "serving", None)
    if tell is None:
        return None
    options = {**_options(choice, package), "device": device_of(name_or_path, device)}
    return cast(Serving | None, _told(choice, tell, options))


def load_to_serve(name_or_path: str, device: str) -> Any:
    """Load an agent whose models are to be served: without its defences, on `device` whatever its file says.

    Raises:
        TestbedError: As of `load`.
    """
    choice = resolve(name_or_path)
    package = _package(choice)
    options = {**_options(choice, package), "device": device}
    if _model(options):
        options["model"] = {**_model(options), "device": device}
    with _located(choice), extras.explained(f"agent {name_or_path!r}"):
        return _module(choice, package).build(**options)


def load(name_or_path: str, *, device: str = "auto", served: Mapping[str, object] | None = None) -> Agent:
    """Load an agent.

    Args:
        name_or_path: Registered name, name of a shipped agent file, or path of an agent file.
        device: Where models run whose file does not say it, a word of `testbed.core.device`; agents whose ``build``
            takes no ``device`` run where they always do.
        served: By the names of agents whose models run elsewhere, what their ``build`` takes instead of its own.

    Raises:
        UsageError: If there is no such agent or file, it does not take such options, or a defence changes nothing.
        MissingExtraError: If an extra that it needs is not installed.
        WeightsError: If its weights are missing or altered.
        AgentError: If what was built does not follow the agent protocol.
    """
    choice = resolve(name_or_path)
    package = _package(choice)
    options = _options(choice, package)
    module = _module(choice, package)
    if _takes("load_part", module):
        options["load_part"] = functools.partial(load, device=device, served=served)
    if _takes("device", module):
        options["device"] = device_of(name_or_path, device)
    if served and name_or_path in served:
        options["served"] = served[name_or_path]
    try:
        with _located(choice), extras.explained(f"agent {name_or_path!r}"):
            agent: Agent = module.build(**options)
    except TypeError as error:
        raise UsageError(f"agent {choice.agent!r} does not take these options: {error}") from error
    if not isinstance(agent, Agent):
        raise AgentError(f"agent {choice.agent!r} has no card, reset and perceive", hint="see testbed.core.types.Agent")
    check_card(agent.card, choice.agent)
    if choice.defences:
        from testbed.agents.defences import DefendedAgent, build_all

        with extras.explained(f"agent {name_or_path!r}"):
            agent = DefendedAgent(agent, build_all(choice.defences))
    return agent


def resolve(name_or_path: str) -> AgentChoice:
    """Read what a name or an agent file asks for.

    Raises:
        UsageError: If the file cannot be read or has other keys than `testbed.agents.agent_file.AgentFile`.
    """
    path = file_of(name_or_path)
    if path is None:
        return AgentChoice(name_or_path)
    content = agent_file.read(path)
    defences = tuple(entry.model_dump() for entry in content.defences)
    return AgentChoice(content.agent, content.build_options(path), defences, path)
