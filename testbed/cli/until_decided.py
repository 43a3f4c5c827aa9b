"""``testbed run SCENARIO --until decided``: drive batch after batch until the claims are decided or a budget ends."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.core.records import EpisodePlan
    from testbed.scenario.loader import LoadedFile
    from testbed.scenario.schema import Scenario
    from testbed.sweep.run import RunRequest

BATCH = 10
"""Seeds that an agent with an undecided claim drives between two looks."""
BUDGET = 1000
"""Drives in all where none is given."""


def until_decided(loaded: LoadedFile[Scenario], options: argparse.Namespace) -> tuple[RunRequest, Path]:
    """Drive what is needed.

    A look at the claims costs nothing but drives: each is decided by `testbed.sequential`, which stays right however
    often one looks. An agent whose claims about rates are decided drives no more. Claims about means are judged at the
    end, and do not keep a run going.

    Args:
        loaded: The scenario.
        options: Of ``testbed run``.

    Returns:
        What was asked in the end, and its run folder.

    Raises:
        UsageError: The scenario has no claim about a rate of these agents, or the budget does not suffice for a seed.
        TestbedError: See `testbed.sweep.run.carry_out`.
    """
    from testbed.cli.progress import ProgressConsole
    from testbed.cli.work import execution_settings
    from testbed.core.agent_names import agent_name
    from testbed.core.errors import UsageError
    from testbed.report.claims import DECIDED
    from testbed.sweep.run import RunRequest, carry_out

    content = loaded.content
    agents = tuple(options.agents or content.agents)
    about = {agent for claim in content.claims if claim.metric.endswith(".rate") for agent in (claim.agent, *agents)}
    if not {agent_name(agent) for agent in agents} & {agent_name(agent) for agent in about if agent}:
        raise UsageError(f"{content.name} states no claim about a rate of {', '.join(agents)}: nothing to decide")
    budget = options.budget or BUDGET
    first = content.seeds.expand()[0]
    counts = dict.fromkeys(agents, 0)
    open_agents = list(agents)
    request, folder = None, options.out
    while open_agents:
        wanted = _next(counts, open_agents, budget, lambda counts: len(_plans(loaded, options, counts, first)))
        if wanted == counts:
            break
        counts = wanted
        plans = tuple(_plans(loaded, options, counts, first))
        request = RunRequest(content.name, content.question, (content,), plans, stopping=DECIDED)
        folder = folder or request.folder
        with ProgressConsole(len(plans), as_json=options.json) as console:
            console.begin(request, folder)
            summary = carry_out(
                request, folder, execution_settings(options), report=console.show, command=options.command
            )
        summary.check()
        undecided = _undecided(folder)
        open_agents = [agent for agent in open_agents if agent_name(agent) in undecided]
    if request is None or folder is None:
        raise UsageError(f"--budget {budget} does not suffice for one seed of {', '.join(agents)}")
    told = "all claims about rates are decided"
    if open_agents:
        told = f"undecided for {', '.join(open_agents)} within {budget} drives"
    if options.json:
        print(json.dumps({"event": "decided", "seeds": counts, "undecided": open_agents}, sort_keys=True))
    else:
        spent = (f"{count} {'seed' if count == 1 else 'seeds'} of {agent}" for agent, count in counts.items())
        print(f"{told} after {', '.join(spent)}")
    return request, folder


def _next(
    counts: Mapping[str, int], open_agents: Sequence[str], budget: int, drives: Callable[[Mapping[str, int]], int]
) -> dict[str, int]:
    """Return the seeds of each agent after the next batch: the largest that the budget allows, the same if none."""
    for more in range(BATCH, 0, -1):
        wanted = {agent: count + (more if agent in open_agents else 0) for agent, count in counts.items()}
        if drives(wanted) <= budget:
            return wanted
    return dict(counts)


def _plans(
    loaded: LoadedFile[Scenario], options: argparse.Namespace, counts: Mapping[str, int], first: int
) -> list[EpisodePlan]:
    from testbed.scenario.expand import expand
    from testbed.sweep.catalogue import Installed

    found: list[EpisodePlan] = []
    for agent, count in counts.items():
        if count:
            found += expand(
                loaded,
                catalogue=Installed(),
                agents=[agent],
                seeds=range(first, first + count),
                latency=options.latency,
                deadline=[options.deadline] if options.deadline else None,
                real_server=options.carla is not None,
            )
    return found


def _undecided(folder: Path) -> set[str]:
    from testbed.report import judge_claims, read_run

    claims = judge_claims(read_run(folder, drives=False))
    return {claim.agent for claim in claims if claim.metric.endswith(".rate") and claim.status == "undeveloped"}
