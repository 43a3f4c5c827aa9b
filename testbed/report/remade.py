"""The report of a run made anew in a folder of its own, from stored files alone: what bundles hold.

Of what lies in a run folder only the manifest, the user's part of the safety case and the episodes are stored; all else
is derived. Without traces the report says what records alone say, so that whoever has the records can make it again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from testbed.report.build import build
from testbed.report.run_view import read_run
from testbed.report.safety_case.case_file import CASE_FILE
from testbed.store import RunFolder
from testbed.store.atomic import store_errors
from testbed.store.run_folder import MANIFEST, RECORD, SUMS


def stored_names(run: RunFolder, *, traces: bool) -> Iterator[str]:
    """Yield the names of what is stored in a run, relative to its folder; records alone, or traces and videos too."""
    yield MANIFEST
    if (run.path / CASE_FILE).exists():
        yield CASE_FILE
    for key in run.keys():
        yield f"episodes/{key}/{SUMS}"
        for name in run.sums(key):
            if traces or name == RECORD:
                yield f"episodes/{key}/{name}"


def is_stored(name: str) -> bool:
    """Tell whether a file of a run is stored, by its name relative to its folder; all others are derived."""
    return name in (MANIFEST, CASE_FILE) or name.startswith("episodes/")


def link_stored(run: RunFolder, folder: Path, *, traces: bool) -> None:
    """Put what is stored in a run into an empty folder, without copying where the file system allows that."""
    for name in stored_names(run, traces=traces):
        target = folder / name
        with store_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(run.path / name, target)
            except OSError:  # another file system
                shutil.copyfile(run.path / name, target)
    (folder / "episodes").mkdir(exist_ok=True)


def remake(folder: Path) -> list[str]:
    """Make the report of what is stored in a folder, and return the names of all its files, sorted.

    Args:
        folder: Run folder that holds stored files only. Where it holds traces or videos they are read and shown.

    Raises:
        ScenarioError: The user's part of its safety case is not accepted.
        StoreError: Something stored is damaged.
    """
    traces = any(path.name not in (RECORD, SUMS) for path in (folder / "episodes").glob("*/*"))
    build(folder, videos=traces, traces=traces)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def unreadable_traces(run_dir: Path) -> list[str]:
    """Return the drives that a report counts as failed only because their trace cannot be read, in words.

    Records alone would count them.
    """
    alone = {one.planned.key for one in read_run(run_dir, drives=False).lost}
    lost = [one for one in read_run(run_dir).lost if one.planned.key not in alone]
    return [f"episodes/{one.planned.key}: {one.reason}" for one in lost]
