"""The one option grammar that ``run`` and ``sweep`` share."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.core.deadline import Deadline
    from testbed.core.records import EpisodePlan

from testbed.core.device import DEVICE_WORDS, check_word
from testbed.core.errors import UsageError
from testbed.core.latency_spec import LatencySpec

MOST_SEEDS = 100_000

_HOST_PORT = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})\Z")


@dataclass(frozen=True, slots=True)
class SeedChoice:
    """Seeds as the user asked for them.

    Attributes:
        count: So many, beginning with the scenario's first seed.
        values: Exactly these.
    """

    count: int | None = None
    values: tuple[int, ...] = ()

    def expand(self, first: int) -> tuple[int, ...]:
        """Return the seeds; ``first`` is where a mere count begins."""
        return self.values if self.count is None else tuple(range(first, first + self.count))


def names(text: str) -> tuple[str, ...]:
    """Read ``a,b``."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected names like a,b, got {text!r}")
    return found


def seeds(text: str) -> SeedChoice:
    """Read ``10`` (so many), ``101-110`` (from, to), or ``3,7`` (exactly these); lists may hold ranges."""
    wrong = argparse.ArgumentTypeError(f"expected 10, 101-110 or 3,7, got {text!r}")
    if re.fullmatch(r"[0-9]{1,9}", text):
        count = int(text)
        if not 1 <= count <= MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"a count of seeds lies between 1 and {MOST_SEEDS}, got {text}")
        return SeedChoice(count=count)
    chosen: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip())
        if match is None:
            raise wrong
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= MOST_SEEDS:
            raise wrong
        chosen.extend(range(first, last + 1))
    return SeedChoice(values=tuple(dict.fromkeys(chosen)))


def host_port(text: str) -> str:
    """Read ``HOST:PORT``."""
    match = _HOST_PORT.match(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, for instance localhost:2000, got {text!r}")
    return text


def latency(text: str) -> str:
    """Read ``card``, ``measured``, a profile or milliseconds, see `testbed.core.latency_spec`."""
    try:
        LatencySpec.parse(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def deadline(text: str) -> Deadline:
    """Read ``keep``, ``drop`` or ``drop:150``."""
    from testbed.core.deadline import Deadline

    try:
        return Deadline.parse(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def jobs(text: str) -> int:
    """Read a number of workers."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of workers, at least 1, got {text!r}")
    return int(text)


def device(text: str) -> str:
    """Read ``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    try:
        return check_word(text)
    except UsageError:
        raise argparse.ArgumentTypeError(f"expected {DEVICE_WORDS}, got {text!r}") from None


def fail_on(text: str) -> tuple[str, ...]:
    """Read ``refuted,undeveloped,event``, or some of them."""
    from testbed.report.gate import CONDITIONS

    found = names(text)
    if set(found) - set(CONDITIONS):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(CONDITIONS)}, got {text!r}")
    return found


def add_gate_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--fail-on``."""
    parser.add_argument(
        "--fail-on",
        type=fail_on,
        default=(),
        metavar="refuted,undeveloped,event",
        help="exit with 5 when a claim is refuted (or nothing could check it), is undecided, or a valid drive had a "
        "safety event",
    )


def add_case_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--case``."""
    parser.add_argument(
        "--case",
        type=Path,
        metavar="FILE",
        help="YAML file with hazards, requirements, ratings and assumptions of yours for the safety case; the run "
        "keeps a copy",
    )


def add_device_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare ``--device``; `what` runs there."""
    parser.add_argument(
        "--device", type=device, default="auto", metavar="auto|cpu|cuda[:N]", help=f"where {what} (default auto)"
    )


def add_scenario(parser: argparse.ArgumentParser, *, sweep: bool = False) -> None:
    """Declare the positional argument that names a scenario or sweep; shells complete the shipped ones."""
    kind = "sweep" if sweep else "scenario"
    found = parser.add_argument(kind, metavar=kind.upper(), help=f"{kind} file, or the name of a shipped one")
    found.completer = _shipped_sweeps if sweep else _shipped_scenarios  # type: ignore[attr-defined]  # argcomplete's


def _shipped_scenarios(**_: object) -> tuple[str, ...]:
    from testbed.scenario.loader import shipped_names

    return shipped_names()


def _shipped_sweeps(**_: object) -> tuple[str, ...]:
    from testbed.scenario.loader import shipped_names

    return shipped_names("sweeps")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of words: a line per change, the last one the result"
    )


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``run`` and ``sweep`` share."""
    parser.add_argument("--agents", type=names, metavar="a,b", help="these agents instead of the file's")
    parser.add_argument(
        "--seeds", type=seeds, metavar="N|A-B|a,b", help="10 (so many), 101-110 (from, to) or 3,7 (exactly these)"
    )
    parser.add_argument(
        "--jobs", type=jobs, metavar="N", help=f"workers at once (default {default_jobs()}, one per core)"
    )
    parser.add_argument(
        "--ray", metavar="auto|ADDRESS", help="run on Ray: auto starts one here, ADDRESS joins a cluster"
    )
    parser.add_argument(
        "--carla", type=host_port, metavar="HOST:PORT", help="a CARLA server instead of the embedded one"
    )
    parser.add_argument(
        "--latency",
        type=latency,
        metavar="card|measured|PROFILE|fixed:MS",
        help="what inference costs on the simulation clock (testbed list latencies)",
    )
    add_gate_option(parser)
    parser.add_argument(
        "--deadline",
        type=deadline,
        metavar="keep|drop[:MS]",
        help="count answers later than this (default 100 ms), and keep or drop them",
    )
    add_device_option(
        parser, "renderer and models run; auto: checkpoints of your own on a GPU if there is one, the rest on the CPU"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default reports/<name>-<id>)")
    add_case_option(parser)
    add_json_option(parser)


def check_machine(plans: Iterable[EpisodePlan], options: argparse.Namespace) -> None:
    """Check, before a simulator is started, that the agents of plans can be loaded here, where they are to run.

    Args:
        plans: Plans of a run.
        options: Options of `add_work_options`; with ``--ray ADDRESS`` nothing is checked, what a cluster has is not
            known here.

    Raises:
        MissingExtraError: An agent needs an extra that is not installed.
        UsageError: A GPU is asked for that is not there.
    """
    from testbed.sweep.run import check_agents
    from testbed.sweep.worker import RunnerSpec

    if options.ray in (None, "auto"):
        check_agents(plans, RunnerSpec(carla=options.carla, device=options.device))


def default_jobs() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def column_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a plain table with aligned columns."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
