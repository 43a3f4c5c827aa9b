"""The testbed from Python: drive, judge again, compare, and read runs as tables.

::

    import testbed

    run = testbed.run("drp_highway", agents=["dnn", "tandem"], seeds=3)
    run.episodes().groupby(["agent", "condition"])["valid"].mean()
    testbed.load("reports/mine").events().head()

Tables are pandas' (extra ``[notebook]``), one row per drive, event, claim or step; their columns stand in
docs/runs.md. Nothing is printed, and errors are those of `testbed.core.errors`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.core import extras
from testbed.core.errors import UsageError
from testbed.core.records import EpisodeRecord
from testbed.report import RunView, build, judge_again, judge_claims, read_run
from testbed.report.compare import Comparison
from testbed.report.compare import compare as _compare
from testbed.report.page import rate_charts
from testbed.report.safety_case import take_case
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.store import RunFolder, TraceReader
from testbed.store.episode_table import rows_of
from testbed.sweep.catalogue import Installed
from testbed.sweep.grid import expand_sweep, load_sweep
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out, check_agents
from testbed.sweep.schedule import EpisodeProgress
from testbed.sweep.worker import RunnerSpec

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of a report, which notebooks show by themselves.

    Attributes:
        title: What it shows.
        svg: The picture.
    """

    title: str
    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


class Run:
    """A run folder, read when it is asked.

    Args:
        path: Run folder.

    Raises:
        StoreError: It is none.
    """

    def __init__(self, path: Path | str) -> None:
        """Open it."""
        self.folder = RunFolder.open(Path(path))
        self.path = self.folder.path

    def __repr__(self) -> str:
        """Return the path."""
        return f"Run({str(self.path)!r})"

    @functools.cached_property
    def view(self) -> RunView:
        """What a report is made of: episodes with their twins and validity, groups, what was lost."""
        return read_run(self.path, drives=False)

    def records(self) -> tuple[EpisodeRecord, ...]:
        """Return the records of all stored drives, failed ones among them."""
        return tuple(self.folder.records())

    def episodes(self) -> pd.DataFrame:
        """Return a row per drive that ended: identity, whether it counts, events, scores (``score.NAME``)."""
        known = {episode.plan.key: episode for episode in self.view.episodes}
        rows = rows_of(episode.record for episode in known.values())
        told = [
            {"valid": known[row["key"]].valid, "reason": known[row["key"]].reason, "world": known[row["key"]].world}
            for row in rows
        ]
        return _frame([row | more for row, more in zip(rows, told, strict=True)], ("key", "agent", "condition", "seed"))

    def events(self) -> pd.DataFrame:
        """Return a row per event of drives that ended: whose it was, and what the judge said of it."""
        rows = []
        for episode in self.view.episodes:
            plan = episode.plan
            whose = {"scenario": plan.scenario, "agent": plan.agent, "condition": plan.condition, "seed": plan.seed}
            for event in episode.record.events:
                said = event.model_dump(exclude={"detail", "location_xyz_m"})
                place = dict(zip(("x_m", "y_m", "z_m"), event.location_xyz_m, strict=True))
                detail = {f"detail.{name}": value for name, value in event.detail.items()}
                rows.append({"key": plan.key, **whose, "valid": episode.valid, **said, **place, **detail})
        return _frame(rows, ("key", "scenario", "agent", "condition", "seed", "valid", "kind", "t_s", "cause"))

    def claims(self) -> pd.DataFrame:
        """Return a row per claim and agent: bound, outcome, what was seen."""
        rows = [dataclasses.asdict(claim) for claim in judge_claims(self.view)]
        return _frame(rows, ("id", "agent", "metric", "bound", "status", "observed"))

    def steps(self, key: str) -> pd.DataFrame:
        """Return a row per step of a drive, from its trace: ``ego.speed_mps``, ``lane.lateral_offset_m`` and so on.

        Args:
            key: Of the drive, or its first characters.

        Raises:
            KeyError: There is no such drive, or it has no trace.
            StoreError: The trace is damaged.
        """
        found = [one for one in self.folder.keys() if one.startswith(key)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} drives of {self.path} have keys that begin with {key!r}")
        record = self.folder.read_episode(found[0])
        trace = self.folder.file_of(found[0], record.trace) if record.trace else None
        if trace is None:
            raise KeyError(f"drive {found[0][:12]} has no trace")
        return _pandas().DataFrame(TraceReader(trace).columns())

    def arrow(self) -> pa.Table:
        """Return ``episodes.parquet`` as an Arrow table; the report is built first if it is not there."""
        import pyarrow.parquet as pq

        path = self.path / "episodes.parquet"
        if not path.is_file():
            self.report()
        return pq.read_table(path)

    def charts(self) -> list[Chart]:
        """Return the charts of rates, one per scenario and safety event."""
        return [Chart(title, svg) for part in self.view.parts() for title, svg in rate_charts(part)]

    def to_csv(self, folder: Path | str) -> list[Path]:
        """Write ``episodes.csv``, ``events.csv`` and ``claims.csv`` and return their paths."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for name, table in (("episodes", self.episodes()), ("events", self.events()), ("claims", self.claims())):
            written.append(target / f"{name}.csv")
            table.to_csv(written[-1], index=False)
        return written

    def report(self, *, case: Path | str | None = None) -> Path:
        """Build the report and return the path of its page.

        Args:
            case: The user's part of the safety case, which the run keeps from now on (docs/safety-case.md).
        """
        if case is not None:
            take_case(self.path, Path(case))
        return build(self.path)

    def judge(
        self,
        out: Path | str | None = None,
        *,
        limits: Mapping[str, float | None] | None = None,
        judges: Sequence[str] = (),
    ) -> Run:
        """Judge the drives again and return the new run, by default ``RUN-judged`` beside this one.

        See `testbed.report.judge_again.carry_out`.
        """
        target = Path(out) if out is not None else self.path.with_name(f"{self.path.name}-judged")
        judge_again.carry_out(self.path, target, limits=limits, judges=judges)
        return Run(target)

    def compare(self, other: Run | Path | str) -> Comparison:
        """Compare this run with another, drive by drive; see `testbed.report.compare`."""
        return _compare(self.view, (other if isinstance(other, Run) else Run(other)).view)


def load(path: Path | str) -> Run:
    """Return a stored run.

    Raises:
        StoreError: There is none at the path.
    """
    return Run(path)


def run(
    name: str,
    *,
    agents: Sequence[str] | None = None,
    seeds: int | Iterable[int] | None = None,
    conditions: Sequence[str] | None = None,
    latency: Sequence[str] | None = None,
    out: Path | str | None = None,
    jobs: int = 1,
    ray: str | None = None,
    carla: str | None = None,
    device: str = "auto",
    progress: Callable[[EpisodeProgress], None] | None = None,
) -> Run:
    """Drive what is missing of a scenario, and return the run.

    Args:
        name: Scenario file, or the name of a shipped one.
        agents: Instead of the scenario's: names or paths of agent files.
        seeds: Instead of the scenario's: how many, from its first, or which.
        conditions: Only these, and the benign twins. Default all.
        latency: Instead of the scenario's.
        out: Run folder (default reports/NAME-ID, the same for the same question).
        jobs: Workers at once.
        ray: ``auto`` or the address of a cluster; None for local processes.
        carla: ``HOST:PORT`` of a CARLA server; None starts the embedded one.
        device: Where renderer and models run.
        progress: Told after every drive.

    Raises:
        TestbedError: As ``testbed run`` would end with.
    """
    loaded = load_scenario(name)
    content = loaded.content
    plans = expand(
        loaded,
        catalogue=Installed(),
        agents=_agents(agents),
        seeds=_seeds(seeds, content.seeds.expand()[0]),
        conditions=conditions,
        latency=latency,
        real_server=carla is not None,
    )
    request = RunRequest(content.name, content.question, (content,), tuple(plans))
    return _carried_out(request, out, ExecutionSettings(jobs, ray, RunnerSpec(carla=carla, device=device)), progress)


def sweep(
    name: str,
    *,
    agents: Sequence[str] | None = None,
    seeds: int | Iterable[int] | None = None,
    out: Path | str | None = None,
    jobs: int = 1,
    ray: str | None = None,
    device: str = "auto",
    progress: Callable[[EpisodeProgress], None] | None = None,
) -> Run:
    """Drive what is missing of a sweep, and return the run; arguments and errors as of `run`."""
    from testbed.scenario.schema import Seeds

    loaded = load_sweep(name)
    content = loaded.content
    first = (content.seeds or Seeds()).expand()[0]
    plans, scenarios = expand_sweep(loaded, catalogue=Installed(), agents=_agents(agents), seeds=_seeds(seeds, first))
    request = RunRequest(content.name, content.question, tuple(one.content for one in scenarios), tuple(plans))
    return _carried_out(request, out, ExecutionSettings(jobs, ray, RunnerSpec(device=device)), progress)


def judge(path: Path | str, out: Path | str, **options: Any) -> Run:
    """Judge a stored run again, see `Run.judge`."""
    return load(path).judge(out, **options)


def compare(first: Path | str, second: Path | str) -> Comparison:
    """Compare two stored runs, see `Run.compare`."""
    return load(first).compare(load(second))


def _seeds(asked: int | Iterable[int] | None, first: int) -> list[int] | None:
    if asked is None:
        return None
    seeds = list(range(first, first + asked) if isinstance(asked, int) else asked)
    if not seeds or not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        raise UsageError(f"seeds are {asked!r}", hint="give how many, at least 1, or a list of whole numbers from 0")
    return seeds


def _agents(asked: Sequence[str] | str | None) -> Sequence[str] | None:
    if asked is not None and not asked:
        raise UsageError("no agent is named", hint="leave agents out for those of the scenario")
    return [asked] if isinstance(asked, str) else asked


def _carried_out(
    request: RunRequest,
    out: Path | str | None,
    settings: ExecutionSettings,
    progress: Callable[[EpisodeProgress], None] | None,
) -> Run:
    if settings.ray in (None, "auto"):
        check_agents(request.plans, settings.runner)
    folder = Path(out) if out is not None else request.folder
    summary = carry_out(request, folder, settings, report=progress)
    summary.check()
    return Run(folder)


def _pandas() -> Any:
    with extras.explained("a table"):
        import pandas

        return pandas


def _frame(rows: Sequence[Mapping[str, Any]], first: Sequence[str]) -> pd.DataFrame:
    """Return a table, with columns also where there is no row."""
    return _pandas().DataFrame(rows, columns=None if rows else list(first))
