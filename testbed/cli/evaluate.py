"""``testbed evaluate``: the published tables on images, the gap to the road, and whether V²LMs read the question."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from testbed.cli.options import add_device_option, jobs, names
from testbed.core import extras

MOST_PICTURES = 100_000


def count(text: str) -> int:
    """Read a number of pictures."""
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 4 <= int(text) <= MOST_PICTURES:
        raise argparse.ArgumentTypeError(f"expected a number of pictures from 4 to {MOST_PICTURES}, got {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "--tables", type=names, default=(), metavar="I,II,III,IV,V,fig5", help="which tables (default all of them)"
    )
    parser.add_argument(
        "--agents",
        type=names,
        default=(),
        metavar="a,FILE",
        help="V²LMs that the tables ask (default the shipped ones)",
    )
    parser.add_argument(
        "--zero-shot", type=names, default=(), metavar="a,FILE", help="V²LMs as they were before fine-tuning: II, fig5"
    )
    parser.add_argument(
        "--language", action="store_true", help="whether V²LMs read the question: six conditions, instead of tables"
    )
    parser.add_argument(
        "--gap", type=Path, metavar="RUN", help="set the road outcomes of this run or sweep folder beside the images"
    )
    parser.add_argument("--out", type=Path, default=Path("reports/tables"), metavar="DIR", help="folder for results")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with data sets (default: pictures are made)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="few pictures, a look in minutes")
    size.add_argument("--count", type=count, metavar="N", help="pictures per task and condition")
    parser.add_argument("--adaptive", action="store_true", help="also search shadows by asking the V²LMs (slow)")
    parser.add_argument(
        "--strict", action="store_true", help="missing weights or artefacts are an error, not a row left out and named"
    )
    parser.add_argument(
        "--jobs", type=jobs, default=1, metavar="N", help="processes, 4 GB each (default 1); the answers are the same"
    )
    add_device_option(parser, "the agents that are asked run; auto: all that come with the testbed on the CPU")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance (default 0)")


def execute(options: argparse.Namespace) -> int:
    """Ask what is missing, write the tables, print where they are."""
    extras.require("this command", ("torch", "transformers"))
    if options.language:
        return _language(options)
    from testbed.evaluate.request import QUICK, Request, Sizes
    from testbed.evaluate.run import evaluate
    from testbed.evaluate.tables import TABLES

    sizes = QUICK if options.quick else Sizes() if options.count is None else Sizes.of(options.count)
    request = Request(
        tables=options.tables or tuple(TABLES),
        out=options.out,
        sizes=sizes,
        data=options.data,
        seed=options.seed,
        gap=options.gap,
        adaptive=options.adaptive,
        agents=options.agents,
        zero_shot=options.zero_shot,
        strict=options.strict,
        jobs=options.jobs,
        device=options.device,
        command=options.command,
    )
    result = evaluate(request, lambda line: print(line, flush=True))
    from testbed.evaluate.layout import lead

    print()
    for who, _, sentences in lead(result):
        print(f"{who}: {'; '.join(sentences)}.")
    print(f"\ntables: {result.page}")
    return 0


def _language(options: argparse.Namespace) -> int:
    from testbed.core.errors import UsageError
    from testbed.evaluate.language import PICTURES, language, table

    for name in ("tables", "zero_shot", "gap", "adaptive", "quick", "strict"):
        if getattr(options, name):
            raise UsageError(f"--language takes no --{name.replace('_', '-')}", hint="it makes no tables")
    lines = language(
        options.out,
        agents=options.agents,
        data=options.data,
        count=options.count or PICTURES,
        seed=options.seed,
        progress=lambda line: print(line, flush=True),
    )
    print(f"\n{table(lines)}\nlanguage: {options.out / 'language.md'}")
    return 0
