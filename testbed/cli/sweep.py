"""``testbed sweep SWEEP``: answer a grid of questions. A second call does only what is missing."""

from __future__ import annotations

import argparse

from testbed.cli.options import add_scenario, add_work_options, check_machine
from testbed.cli.work import work
from testbed.core.errors import UsageError
from testbed.core.records import EpisodeRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    add_scenario(parser, sweep=True)
    add_work_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Load, expand, carry out, report."""
    from testbed.scenario.loader import shipped_names
    from testbed.scenario.schema import Seeds
    from testbed.sweep.catalogue import Installed
    from testbed.sweep.grid import expand_sweep, load_sweep
    from testbed.sweep.run import RunRequest

    if options.sweep in shipped_names():
        raise UsageError(f"{options.sweep} is a scenario", hint=f"testbed run {options.sweep}")
    sweep = load_sweep(options.sweep)
    content = sweep.content
    first = (content.seeds or Seeds()).expand()[0]
    plans, scenarios = expand_sweep(
        sweep,
        catalogue=Installed(),
        agents=options.agents,
        seeds=options.seeds.expand(first) if options.seeds else None,
        latency=options.latency,
        deadline=options.deadline,
        real_server=options.carla is not None,
    )
    question = RunRequest(content.name, content.question, tuple(one.content for one in scenarios), tuple(plans))
    check_machine(plans, options)
    return work(question, options, cell)


def cell(record: EpisodeRecord) -> tuple[str, ...]:
    """Return agent, condition and world of a record: scenario, weather preset, latency and deadline."""
    from testbed.core.deadline import Deadline

    plan = record.plan
    world = [plan.scenario, plan.scene["weather"]["preset"], plan.latency]
    if "deadline" in plan.scene:
        world.append(str(Deadline.model_validate(plan.scene["deadline"])))
    return plan.agent, plan.condition, " ".join(world)
