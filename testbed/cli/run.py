"""``testbed run SCENARIO``: answer one question. The same command resumes what is unfinished."""

from __future__ import annotations

import argparse
import re

from testbed.cli.options import add_scenario, add_work_options, check_machine
from testbed.cli.until_decided import until_decided
from testbed.cli.work import check_safety_case, work
from testbed.core.errors import UsageError
from testbed.core.records import EpisodeRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    add_scenario(parser)
    add_work_options(parser)
    parser.add_argument(
        "--until",
        choices=("decided",),
        help="drive further seeds until every claim about a rate is decided, by a test that stays right however often "
        "it is looked at",
    )
    parser.add_argument("--budget", type=budget, metavar="N", help="with --until: drives in all (default 1000)")


def execute(options: argparse.Namespace) -> int:
    """Load, expand, carry out, report."""
    from testbed.scenario.expand import expand
    from testbed.scenario.loader import load_scenario, shipped_names
    from testbed.sweep.catalogue import Installed
    from testbed.sweep.run import RunRequest

    if options.scenario in shipped_names("sweeps"):
        raise UsageError(f"{options.scenario} is a sweep", hint=f"testbed sweep {options.scenario}")
    scenario = load_scenario(options.scenario)
    content = scenario.content
    check_safety_case(options.case, [content], options.out)
    if options.until is not None:
        if options.seeds is not None:
            raise UsageError("--until decides how many seeds there are", hint="leave --seeds out, or --until")
        check_machine(expand(scenario, catalogue=Installed(), agents=options.agents, seeds=[1]), options)
        question, options.out = until_decided(scenario, options)
        return work(question, options, cell)
    if options.budget is not None:
        raise UsageError("--budget goes with --until decided")
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


def budget(text: str) -> int:
    """Read a number of drives."""
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of drives, at least 1, got {text!r}")
    return int(text)


def cell(record: EpisodeRecord) -> tuple[str, ...]:
    """Return agent and condition of a record."""
    return record.plan.agent, record.plan.condition
