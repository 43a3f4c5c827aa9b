"""Judge a whole run again from its stored traces: a new run folder with the same plans, which can be compared."""

from __future__ import annotations

import datetime
import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.core.errors import StoreError, UsageError
from testbed.core.processes import processes
from testbed.core.yaml_reader import read_yaml
from testbed.judge import JudgeLimits
from testbed.judge.registry import create
from testbed.judging import judged_again
from testbed.report.safety_case.case_file import CASE_FILE, keep_case
from testbed.store import RunFolder
from testbed.store.atomic import store_errors, temporary_name

BATCH = 16
"""Episodes that a process is given at once."""


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """What came of it.

    Attributes:
        episodes: How many were judged.
        otherwise: How many of them have other events, scores or validity than before.
        without: How many have no trace, because they failed, and stand as they were.
        missing: How many were planned and are not stored.
    """

    episodes: int
    otherwise: int
    without: int
    missing: int


def read_limits(path: Path) -> dict[str, float | None]:
    """Read constants of the judges from a YAML file.

    Raises:
        ScenarioError: It cannot be read.
        UsageError: It is no mapping, or holds a constant that does not exist or cannot have the value; names the line.
    """
    document = read_yaml(path)
    if not isinstance(document.data, Mapping):
        raise document.error("must hold names and numbers, for instance brake_mps2: 3.5", ())
    values: dict[str, float | None] = dict(document.data)
    try:
        JudgeLimits().overridden(values)
    except UsageError as error:
        raise document.error(error.args[0], error.at, hint=error.hint) from error
    return values


def carry_out(
    source: Path,
    target: Path,
    *,
    limits: Mapping[str, float | None] | None = None,
    judges: Sequence[str] = (),
    command: str = "",
    jobs: int = 1,
    report: Callable[[int, int], None] | None = None,
) -> JudgedAgain:
    """Judge every episode of a run again.

    Args:
        source: Run folder.
        target: New run folder.
        limits: Constants of the judges that are to have other values than each record says.
        judges: Judges of other packages besides those that the scenarios ask for.
        command: Command that repeats it.
        jobs: Processes at once.
        report: Told how many of how many episodes are done.

    Raises:
        UsageError: The new folder exists, or there is no such constant or judge.
        StoreError: A stored episode is damaged, or the new one cannot be written.
        JudgeError: A judge failed.
    """
    run = RunFolder.open(source)
    if target.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{target} lies inside the run that is judged", hint="choose another folder with --out")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists already", hint="choose another folder with --out")
    changed = dict(limits or {})
    JudgeLimits().overridden(changed)
    for name in judges:
        create(name)
    manifest = run.manifest()
    told = [f"judged again from {manifest.run_id}"]
    told += [f"{name} {value}" for name, value in sorted(changed.items())] + [f"judge {name}" for name in judges]
    scenarios = {
        name: {**one, "limits": {**one.get("limits", {}), **changed}} for name, one in manifest.scenarios.items()
    }
    if judges:
        for one in scenarios.values():
            one["judges"] = list(dict.fromkeys((*one.get("judges", ()), *judges)))
    update = {
        "run_id": target.resolve().name,
        "created_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "scenarios": scenarios if changed or judges else manifest.scenarios,
        "notes": f"{manifest.notes} ({'; '.join(told)})".strip(),
    }
    keys = run.keys()
    if not keys:
        raise StoreError(f"{source} holds no drive", hint="the command that began the run drives what is missing")
    counts = [0, 0, 0]
    # under its name only when it is whole: half a run looks like one
    with store_errors(target, "create"):
        aside = target.resolve().with_name(temporary_name(target.name))
        aside.mkdir(parents=True)
    try:
        RunFolder.create(aside, manifest.model_copy(update=update))
        if (source / CASE_FILE).is_file():
            keep_case(aside, source / CASE_FILE)
        _judge_all(source, aside, keys, changed, tuple(judges), jobs, counts, report)
        with store_errors(target, "create"):
            aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    missing = {planned.key for planned in manifest.planned} - set(keys)
    return JudgedAgain(counts[0], counts[1], counts[2], len(missing))


def _judge_all(
    source: Path,
    target: Path,
    keys: Sequence[str],
    changed: dict[str, float | None],
    judges: tuple[str, ...],
    jobs: int,
    counts: list[int],
    report: Callable[[int, int], None] | None,
) -> None:
    """Judge all drives in processes, and count."""
    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    work = functools.partial(_judge, source, target, changed, judges)
    with processes(max(1, min(jobs, len(batches)))) as pool:
        for found in pool.map(work, batches):
            counts[:] = [one + more for one, more in zip(counts, found, strict=True)]
            if report is not None:
                report(counts[0] + counts[2], len(keys))


def _judge(
    source: Path, target: Path, changed: dict[str, float | None], judges: tuple[str, ...], keys: Sequence[str]
) -> tuple[int, int, int]:
    """Judge some episodes; return the counts of `JudgedAgain`."""
    run, fresh = RunFolder.open(source), RunFolder.open(target)
    otherwise = without = 0
    for key in keys:
        record = run.read_episode(key)
        trace = run.file_of(key, record.trace) if record.trace else None
        video = run.file_of(key, record.video) if record.video else None
        if trace is None or record.status != "done":
            if record.status == "done":
                raise StoreError(f"{source}: episode {key[:12]} has no trace, so that nothing can be judged")
            without += 1
            fresh.write_episode(record)
            continue
        with tempfile.TemporaryDirectory(prefix="testbed-judge-") as scratch:
            rewritten = Path(scratch) / trace.name
            again = judged_again(record, trace, rewritten, changed=changed, judges=judges)
            fresh.write_episode(again, rewritten, video)
        found, before = ((one.events, one.scores, one.valid_attack) for one in (again, record))
        otherwise += found != before
    return len(keys) - without, otherwise, without
