"""What ``run`` and ``sweep`` have in common: carry out the episodes, show progress, build the report, print a table."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.cli.options import column_table, default_jobs
from testbed.cli.progress import ProgressConsole
from testbed.core.errors import UsageError
from testbed.core.records import EpisodeRecord
from testbed.judge.registry import event_catalogue

if TYPE_CHECKING:
    from testbed.report import RunView
    from testbed.scenario.schema import Scenario
    from testbed.sweep.run import ExecutionSettings, RunRequest

PULLED = ("pulled away", "window.success")
"""Column and score: whether the ego was pulled beyond (lane - vehicle)/2 within the attack window."""


def work(question: RunRequest, options: argparse.Namespace, cell: Callable[[EpisodeRecord], tuple[str, ...]]) -> int:
    """Carry out a question and report on it.

    Args:
        question: What to do.
        options: Options of `testbed.cli.options.add_work_options`.
        cell: Names the row of the final table that a record counts in.

    Returns:
        Exit status: 0, or 1 when episodes failed.

    Raises:
        TestbedError: See `testbed.sweep.run.carry_out`; InconclusiveError and GateError after the report was built.
    """
    from testbed.report import gate
    from testbed.report.made_from import current_page
    from testbed.report.safety_case import keep_case
    from testbed.sweep.run import carry_out

    folder: Path = options.out or question.folder
    check_safety_case(options.case, question.scenarios, folder)
    settings = execution_settings(options)
    with ProgressConsole(len(question.plans), as_json=options.json) as console:
        console.begin(question, folder)
        summary = carry_out(question, folder, settings, report=console.show, command=options.command)
    if summary.note:
        console.warn(summary.note)
    if options.case is not None:
        keep_case(folder, options.case)
    report = current_page(folder) or build_report(folder)
    if options.json:
        console.tell("result", **result(folder, report, question))
    else:
        done = summary.found + summary.done
        if summary.found == summary.planned:
            print(f"nothing to do: {done} of {summary.planned} episodes done")
        print()
        print(result_table(counted_episodes(folder, question), cell))
        print(f"\nreport: {report}")
    summary.check()
    if summary.failed:
        console.warn(f"{summary.failed} of {summary.planned} episodes failed; the report lists them with their reasons")
        return 1
    if options.fail_on:
        gate.check(folder, options.fail_on, {plan.key for plan in question.plans})
    return 0


def check_safety_case(case: Path | None, scenarios: Iterable[Scenario], folder: Path | None = None) -> None:
    """Check the user's part of a safety case before anything is driven.

    Args:
        case: The file; None for the one that the run folder keeps, if any.
        scenarios: What is asked.
        folder: Run folder; None where it is not known yet.

    Raises:
        ScenarioError: It is not accepted, or speaks of what is not asked.
    """
    from testbed.report.safety_case import check_case, kept_case, read_case

    asked = {scenario.name: scenario for scenario in scenarios}
    if case is not None:
        check_case(read_case(case), asked)
    elif folder is not None:
        kept_case(folder, asked)


def result(folder: Path, report: Path, question: RunRequest | None = None) -> dict[str, Any]:
    """Return what a run came to as JSON types.

    Args:
        folder: Run folder.
        report: Its page.
        question: Whose episodes are counted; None for all.
    """
    from testbed.report import judge_claims, read_run

    keys = None if question is None else {plan.key for plan in question.plans}
    view = read_run(folder, drives=False, keys=keys)
    groups = [
        {
            "agent": group.agent,
            "condition": group.condition,
            "valid": len(group.episodes),
            "invalid": len(group.invalid),
            "outcomes": {name: sum(name in had for had in found) for name in event_catalogue().outcomes()},
        }
        for group in view.groups
        if group.episodes or group.invalid
        for found in [[episode.outcomes() for episode in group.episodes]]
    ]
    claims = [dataclasses.asdict(claim) for claim in judge_claims(view)]
    lost = [{**one.planned.model_dump(), "code": one.code, "reason": one.reason} for one in view.lost]
    return {"run": str(folder), "report": str(report), "groups": groups, "claims": claims, "failed": lost}


def execution_settings(options: argparse.Namespace) -> ExecutionSettings:
    """Return what a run is carried out with; a CARLA server is reached once.

    Args:
        options: Options of `testbed.cli.options.add_work_options`.

    Raises:
        UsageError: Several workers are asked for with one CARLA server.
        UnreachableError: Nothing answers at its address.
        VersionMismatchError: It is another version than the client's.
    """
    from testbed.sweep.run import ExecutionSettings
    from testbed.sweep.worker import RunnerSpec

    jobs = options.jobs or default_jobs()
    if options.carla is not None:
        if options.jobs is not None and options.jobs > 1:
            raise UsageError("one CARLA server runs one episode at a time", hint="leave --jobs out with --carla")
        jobs = 1
        check_server(options.carla)
    runner = RunnerSpec(carla=options.carla, device=options.device)
    return ExecutionSettings(jobs=jobs, ray=options.ray, runner=runner)


def check_server(address: str) -> None:
    """Reach a CARLA server once before workers are started for it.

    Args:
        address: ``HOST:PORT``.

    Raises:
        UnreachableError: Nothing answers there.
        VersionMismatchError: It is another version than the client's.
    """
    from testbed.client import connect

    connect(address).close()


def build_report(folder: Path) -> Path:
    """Build the report of a run and return the path of its page."""
    return rebuild_report(folder)[0]


def rebuild_report(folder: Path) -> tuple[Path, RunView]:
    """Build the report of a run and return the path of its page and what it was made of."""
    from testbed.report.build import rebuilt

    return rebuilt(folder)


def counted_episodes(folder: Path, question: RunRequest) -> list[tuple[EpisodeRecord, bool]]:
    """Return what is stored of a question, each with whether the report counts it."""
    from testbed.report import read_run
    from testbed.store import RunFolder

    done = {episode.plan.key: episode for episode in read_run(folder, drives=False).episodes}
    run = RunFolder.open(folder)
    stored = set(run.keys())
    return [
        (done[key].record, done[key].valid) if key in done else (run.read_episode(key), False)
        for key in (plan.key for plan in question.plans)
        if key in stored
    ]


def result_table(
    episodes: Iterable[tuple[EpisodeRecord, bool]], cell: Callable[[EpisodeRecord], tuple[str, ...]]
) -> str:
    """Return in how many episodes each outcome of the catalogue of events was seen, as k/n per row.

    Attacks that were not delivered, or whose benign twin was not clean, and episodes that failed are counted apart,
    never in n.

    Args:
        episodes: All records, each with whether it counts.
        cell: Names the row of a record.
    """
    outcomes = event_catalogue().outcomes()
    rows: dict[tuple[str, ...], list[tuple[EpisodeRecord, bool]]] = {}
    for record, counts in episodes:
        rows.setdefault(cell(record), []).append((record, counts))
    header = ["agent", "condition", *(["world"] if any(len(row) > 2 for row in rows) else [])]
    lines = []
    for row, members in sorted(rows.items(), key=lambda item: item[0][2:] + item[0][:1]):
        done = [record for record, _ in members if record.status == "done"]
        counted = [record for record, counts in members if counts and record.status == "done"]
        pulls = [record.scores[PULLED[1]] for record in counted if record.scores.get(PULLED[1]) is not None]
        shown = [f"{sum(map(bool, pulls))}/{len(pulls)}" if pulls else "-"]
        for kinds in outcomes.values():
            hit = sum(any(event.kind in kinds for event in record.events) for record in counted)
            shown.append(f"{hit}/{len(counted)}")
        rest = (len(done) - len(counted), len(members) - len(done))
        lines.append([*row, *shown, *(str(number) if number else "-" for number in rest)])
    return column_table([*header, PULLED[0], *outcomes, "invalid", "failed"], lines)
