"""``testbed plan SCENARIO``: how many drives the claims of a scenario need, before any is driven."""

from __future__ import annotations

import argparse

from testbed.cli.options import add_scenario, column_table, names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    add_scenario(parser)
    parser.add_argument("--agents", type=names, metavar="a,b", help="these agents instead of the file's")


def execute(options: argparse.Namespace) -> int:
    """Print a table."""
    from testbed.report.drive_planning import POWER, needs
    from testbed.scenario.expand import expand
    from testbed.scenario.loader import load_scenario
    from testbed.sweep.catalogue import Installed

    chance = f"chance {100 * POWER:.0f} %"
    loaded = load_scenario(options.scenario)
    scenario = loaded.content
    # what a run would refuse is refused here
    expand(loaded, catalogue=Installed(), agents=options.agents, seeds=scenario.seeds.expand()[:1])
    found = needs(scenario, options.agents)
    if not found:
        print(f"{scenario.name} states no claim about these agents")
        return 0
    header = ["claim", "bound", "drives of each agent under", "none against it", chance, "until decided"]
    rows = [
        [one.claim, one.bound, ", ".join(one.conditions), *(_told(n) for n in (one.clean, one.likely, one.sequential))]
        for one in found
    ]
    print(column_table(header, rows))
    seeds = max((one.seeds for one in found if one.seeds is not None), default=None)
    if seeds is not None:
        per_seed = len(scenario.injections()) + 1
        agents = options.agents or scenario.agents
        drives = seeds * per_seed * len(agents)
        print(f"\nleast for all of them: --seeds {seeds}, {drives} drives of {', '.join(agents)}")
    print(
        "\nnone against it: the claim is supported if no drive speaks against it (Clopper-Pearson, 95 %)\n"
        f"{chance}: it is supported with this chance if the true rate is half as bad as the bound\n"
        "until decided: run --until decided stops then if no drive speaks against it (confidence sequence, 95 %)\n"
        "means need 5 drives and more; how many depends on their spread"
    )
    return 0


def _told(number: int | None) -> str:
    return "-" if number is None else str(number)
