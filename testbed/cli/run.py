"""``testbed run SCENARIO``: answer one question. The same command resumes what is unfinished."""

from __future__ import annotations

import argparse

from testbed.cli.options import add_work_options, check_machine
from testbed.cli.work import work
from testbed.core.records import EpisodeRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("scenario", metavar="SCENARIO", help="scenario file, or the name of a shipped one")
    add_work_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Load, expand, carry out, report."""
    from testbed.scenario.expand import expand
    from testbed.scenario.loader import load_scenario
    from testbed.sweep.catalogue import Installed
    from testbed.sweep.run import RunRequest

    scenario = load_scenario(options.scenario)
    content = scenario.content
    plans = expand(
        scenario,
        catalogue=Installed(),
        agents=options.agents,
        seeds=options.seeds.expand(content.seeds.expand()[0]) if options.seeds else None,
        latency=options.latency,
        deadline=[options.deadline] if options.deadline else None,
        real_server=options.carla is not None,
    )
    check_machine(plans, options)
    return work(RunRequest(content.name, content.question, (content,), tuple(plans)), options, cell)


def cell(record: EpisodeRecord) -> tuple[str, ...]:
    """Return agent and condition of a record."""
    return record.plan.agent, record.plan.condition
