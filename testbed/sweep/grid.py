"""A sweep file: one YAML that multiplies scenarios with agents, conditions, weather, latency, deadlines and seeds.

What a sweep does not say, each scenario says itself. Expansion goes through `testbed.scenario.expand`, so an episode
of a sweep has the same key as the same episode of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from testbed.core.agent_names import is_file
from testbed.core.deadline import Deadline
from testbed.core.errors import ScenarioError, suggest
from testbed.core.explain import require
from testbed.core.records import EpisodePlan
from testbed.core.yaml_reader import read_yaml
from testbed.scenario.expand import BENIGN, Installation, expand
from testbed.scenario.loader import LoadedFile, find, load_scenario
from testbed.scenario.schema import Identifier, Latency, Model, Scenario, Seeds, Weather


class Sweep(Model):
    """A grid over scenarios."""

    name: Identifier
    question: str = Field(min_length=5, max_length=400)
    scenarios: list[str] = Field(min_length=1, description="Shipped names, or paths relative to this file.")
    agents: list[str] | None = Field(None, min_length=1, description="Default: each scenario's.")
    conditions: list[Identifier] | None = Field(
        None, min_length=1, description="Conditions of the scenarios; benign twins are always run. Default: all."
    )
    weather: list[Weather] | None = Field(None, min_length=1, description="Default: each scenario's.")
    latency: list[Latency] | None = Field(None, min_length=1, description="Default: each scenario's.")
    deadline: list[Deadline] | None = Field(None, min_length=1, description="Default: each scenario's.")
    seeds: Seeds | None = Field(None, description="Default: each scenario's.")


def load_sweep(name: str | Path) -> LoadedFile[Sweep]:
    """Load a sweep by shipped name or path.

    Raises:
        ScenarioError: There is no such file or it is not accepted.
    """
    path = find(name, folder="sweeps")
    document = read_yaml(path)
    return LoadedFile(require(Sweep, document), document, path)


def load_scenarios(sweep: LoadedFile[Sweep]) -> list[LoadedFile[Scenario]]:
    """Load the scenarios of a sweep.

    Raises:
        ScenarioError: One is missing, not accepted, or named twice.
    """
    found: dict[str, LoadedFile[Scenario]] = {}
    for position, name in enumerate(sweep.content.scenarios):
        place = ("scenarios", position)
        try:
            path = find(name, beside=sweep.path.parent)
        except ScenarioError as error:
            raise sweep.error(str(error), place) from None
        scenario = load_scenario(path)
        if scenario.content.name in found:
            raise sweep.error(f"scenario {scenario.content.name!r} is named twice", place)
        found[scenario.content.name] = scenario
    return list(found.values())


def expand_sweep(
    sweep: LoadedFile[Sweep],
    *,
    catalogue: Installation,
    agents: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    latency: str | None = None,
    deadline: Deadline | None = None,
    real_server: bool = False,
) -> tuple[list[EpisodePlan], list[LoadedFile[Scenario]]]:
    """Return the plans of a sweep and its scenarios.

    Args:
        sweep: The sweep.
        catalogue: What exists here.
        agents: Instead of the sweep's.
        seeds: Instead of the sweep's.
        latency: Instead of the sweep's.
        deadline: Instead of the sweep's.
        real_server: A CARLA server will be asked, so maps need not be embedded.

    Raises:
        ScenarioError: Something that the sweep or a scenario names does not exist.
        UsageError: Something that the caller names does not exist.
    """
    content = sweep.content
    scenarios = load_scenarios(sweep)
    known = tuple(dict.fromkeys([BENIGN, *(name for one in scenarios for name in one.content.injections())]))
    for position, condition in enumerate(content.conditions or ()):
        if condition not in known:
            message = (
                f"no scenario has a condition {condition!r}; {suggest(condition, known)}there are {', '.join(known)}"
            )
            raise sweep.error(message, ("conditions", position))
    if agents is None and content.agents is not None:
        installed = tuple(catalogue.agents())
        for position, agent in enumerate(content.agents):
            if agent not in installed and not is_file(agent):
                message = f"unknown agent {agent!r}; {suggest(agent, installed)}there are {', '.join(installed)}"
                raise sweep.error(message, ("agents", position))
    if seeds is None and content.seeds is not None:
        seeds = content.seeds.expand()
    plans: list[EpisodePlan] = []
    for scenario in scenarios:
        own = (BENIGN, *scenario.content.injections())
        chosen = None if content.conditions is None else [name for name in content.conditions if name in own]
        plans += expand(
            scenario,
            catalogue=catalogue,
            agents=agents if agents is not None else content.agents,
            seeds=seeds,
            conditions=chosen,
            latency=latency or content.latency,
            weather=content.weather,
            deadline=(deadline,) if deadline is not None else content.deadline,
            real_server=real_server,
        )
    return plans, scenarios
