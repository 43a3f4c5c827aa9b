"""``python -m testbed report RUN``: everything that is derived, made again from the stored episodes alone."""

from __future__ import annotations

from pathlib import Path

from testbed.judge.metrics import score_types
from testbed.report.addresses import DRIVES
from testbed.report.claims import judge_claims
from testbed.report.drive_list import drive_list
from testbed.report.drive_page import write_drive_pages
from testbed.report.exports import junit, summary
from testbed.report.latency_curve import latency_csv, latency_points
from testbed.report.leaderboard_file import FOLDER, leaderboard_files
from testbed.report.made_from import PAGE
from testbed.report.page import render
from testbed.report.run_view import RunView, read_run
from testbed.report.safety_case import safety_cases, write_safety_cases
from testbed.store import write_table


def build(run_dir: Path, *, videos: bool = True, traces: bool = True) -> Path:
    """Write the report of a run and return the path of its page.

    Neither simulator nor agents are needed; the same episodes give the same files.

    Args:
        run_dir: Run folder.
        videos: Whether to embed videos and pictures; without them the page is small and quickly made.
        traces: Whether to read traces; without them the report says what records alone say, and links to no trace.

    Raises:
        ScenarioError: The user's part of its safety case is not accepted.
        StoreError: It is no run folder, its manifest is damaged, or nothing can be written.
    """
    return rebuilt(run_dir, videos=videos, traces=traces)[0]


def rebuilt(run_dir: Path, *, videos: bool = True, traces: bool = True) -> tuple[Path, RunView]:
    """Write the report of a run and return its page and what it was made of; see `build`."""
    view = read_run(Path(run_dir), drives=traces)
    claims = judge_claims(view)
    found = safety_cases(view, claims)
    folder = view.folder
    write_table(folder.path / "episodes.parquet", (episode.record for episode in view.episodes), score_types())
    write_safety_cases(view, found)
    folder.write_text("junit.xml", junit(view, claims))
    _write_leaderboard(view)
    points = [point for part in view.parts() for point in latency_points(part)]
    if points:
        folder.write_text("latency.csv", latency_csv(points))
    folder.write_text("summary.md", summary(view, claims))
    write_drive_pages(view, pictures=videos and traces)
    folder.write_text(DRIVES, drive_list(view))
    # the page comes last: where it is current, everything else is
    return folder.write_text(PAGE, render(view, claims, found, videos=videos and traces)), view


def _write_leaderboard(view: RunView) -> None:
    folder = view.folder
    # the one file of earlier versions, agents that are not there any more, and what was merged of them
    for stale in (folder.path / "results.json", *folder.path.glob(f"{FOLDER}/*/*/*.json")):
        stale.unlink(missing_ok=True)
    for path, text in leaderboard_files(view).items():
        *below, name = path.split("/")
        folder.write_text(name, text, below=below)
