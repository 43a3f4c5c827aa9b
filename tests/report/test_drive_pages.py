"""A page for every drive, and the list that leads to them: what stands in them, and when they are made again."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from testbed.core.records import EpisodeRecord
from testbed.report import build, read_run
from testbed.report.drive_list import drive_list
from testbed.report.drive_page import write_drive_pages
from testbed.report.run_view import RunView
from testbed.store import RunFolder, TraceReader

from .test_report import Page

MakeView = Callable[..., RunView]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    path = tmp_path_factory.mktemp("runs") / "demo"
    synthetic.write_run(path, agents=("dnn", "tandem"), seeds=range(101, 103), duration_s=3.0, images=True)
    build(path)
    return path


def block(page: str, name: str) -> Any:
    """Return what a page's data block holds."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def page_of(run: Path, episode: Any) -> str:
    return (run / "drives" / f"{episode.plan.key}.html").read_text("utf-8")


def test_every_drive_has_a_whole_page_that_fetches_nothing(run: Path) -> None:
    view = read_run(run)
    assert {path.stem for path in (run / "drives").iterdir()} == {e.plan.key for e in view.episodes}
    for episode in view.episodes:
        page = Page(page_of(run, episode))
        assert page.open == [] and page.scripts == 1 and page.handlers == [] and page.styles == []
        assert page.fetched == []


def test_a_page_holds_every_picture_step_and_answer_of_its_trace(run: Path) -> None:
    view = read_run(run)
    episode = next(e for e in view.episodes if e.plan.condition != "benign")
    path = view.folder.file_of(episode.plan.key, episode.record.trace)
    assert path is not None and episode.drive is not None
    data, reader = block(page_of(run, episode), "drive"), TraceReader(path)
    frames = list(reader.frames())
    assert [base64.b64decode(jpeg) for _, jpeg in data["frames"]] == [frame.jpeg for frame in frames] and frames
    steps = reader.steps()
    assert [step["frame"] for step in data["steps"]] == [step.frame for step in steps]
    assert [step["acceleration_mps2"] for step in data["steps"]] == [
        round(step.command.acceleration_mps2, 3) for step in steps
    ]
    assert len(data["answers"]) == len(episode.drive.decisions)
    for answer, right in zip(data["answers"], episode.drive.rights, strict=True):
        assert answer["expert"] == right.steering and answer["vehicle_true"] == ("vehicle" if right.vehicle else "none")


def test_events_stand_with_their_causes_and_lead_to_their_pictures(run: Path) -> None:
    view = read_run(run)
    episode = next(e for e in view.episodes if e.record.events)
    page = page_of(run, episode)
    for event in episode.record.events:
        assert f'data-go="{event.t_s:.3f}"' in page
        assert f"frame {event.evidence_frame}</button>" in page
    assert f"drives/{episode.plan.key}.html#t={episode.record.events[0].t_s:.3f}" in (run / "index.html").read_text()


def test_twins_and_other_agents_of_the_same_seed_are_linked(run: Path) -> None:
    view = read_run(run)
    episode = next(e for e in view.episodes if e.twin is not None)
    page = page_of(run, episode)
    assert episode.twin is not None and f'<a href="{episode.twin.plan.key}.html">benign twin</a>' in page
    other = next(
        e
        for e in view.episodes
        if (e.plan.condition, e.plan.seed) == (episode.plan.condition, episode.plan.seed)
        and e.plan.agent != episode.plan.agent
    )
    assert f'href="{other.plan.key}.html"' in page
    far = next(e for e in view.episodes if e.plan.seed != episode.plan.seed)
    assert far.plan.key not in page


def test_a_page_is_made_again_only_where_something_changed(run: Path) -> None:
    view = read_run(run)
    assert write_drive_pages(view) == 0
    gone, stale = run / "drives" / f"{view.episodes[0].plan.key}.html", run / "drives" / f"{'0' * 64}.html"
    gone.unlink()
    stale.write_text("of a drive that is gone", "utf-8")
    assert write_drive_pages(view) == 1 and gone.is_file() and not stale.exists()
    view.episodes[0].reason, view.episodes[0].valid = "because", False
    assert write_drive_pages(view) == 1
    assert "Not counted: because." in gone.read_text("utf-8")
    assert write_drive_pages(read_run(run)) == 1


def test_pages_without_pictures_keep_the_charts(run: Path) -> None:
    view = read_run(run)
    assert write_drive_pages(view, pictures=False) == len(view.episodes)
    page = page_of(run, view.episodes[0])
    assert block(page, "drive")["frames"] == [] and "no pictures in the trace" in page
    for title in ("From the lane's centre", "Speed", "Demanded acceleration", "Demanded steering"):
        assert f"<h3>{title}</h3>" in page.replace("&#39;", "'")
    assert write_drive_pages(view) == len(view.episodes)


def test_a_drive_without_a_trace_has_a_page_that_says_so(make_view: MakeView) -> None:
    view = make_view({("dnn", "benign"): [[]], ("dnn", "paint"): [["collision_vehicle"]]})
    write_drive_pages(view)
    page = page_of(view.folder.path, view.episodes[1])
    assert "holds no trace" in page and "Collision vehicle" in page
    assert 'data-go="' not in page


def test_what_agents_say_stays_text(tmp_path: Path, synthetic: ModuleType) -> None:
    path = tmp_path / "run"
    synthetic.write_run(path, agents=("dnn",), seeds=range(101, 102), duration_s=2.0, images=False)
    folder = RunFolder.open(path)
    for record in [one for one in folder.records() if one.trace]:
        trace = folder.file_of(record.plan.key, record.trace)
        assert trace is not None
        copy = tmp_path / "trace.mcap"
        copy.write_bytes(trace.read_bytes())
        evil = record.model_copy(update={"versions": {"</script><script>x()": "<img src=x>"}})
        folder.write_episode(evil, copy)
    write_drive_pages(read_run(path))
    for page in (path / "drives").iterdir():
        text = page.read_text("utf-8")
        assert Page(text).scripts == 1 and "<img src=x>" not in text


def test_the_list_holds_every_planned_drive_with_its_kinds_of_event(make_view: MakeView) -> None:
    done = make_view({("dnn", "benign"): [[]]}).episodes[0].record
    failed = EpisodeRecord(
        plan=done.plan.model_copy(update={"seed": 8}), status="failed", error_code="TB400", error="it said no"
    )
    view = make_view(
        {("dnn", "benign"): [[]] * 2, ("dnn", "paint"): [["collision_vehicle"], []]},
        records=[failed],
        planned=[done.plan.model_copy(update={"seed": 9})],
    )
    data = block(drive_list(view), "drives")
    rows = data["drives"]
    assert len(rows) == 6 and not data["several_scenarios"] and not data["several_worlds"]
    hit = next(row for row in rows if row[6])
    assert {data["events"][place] for place in hit[6]} == {"collision", "collision_vehicle"}
    assert data["conditions"][hit[3]] == ["paint", "attack"]
    assert [row[7] for row in rows] == [0, 0, 0, 0, 2, 3]
    assert rows[4][8] == "TB400: it said no" and rows[4][12] == 0 and rows[0][12] == 1


def test_every_cell_of_the_tables_leads_to_its_drives(run: Path) -> None:
    page = (run / "index.html").read_text("utf-8")
    results = page[page.index('id="results"') : page.index('id="failures"')]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", results)
    numbers = [cell for cell in cells if "tagged" not in cell and cell[:1] == "<"]
    assert numbers and all(cell.startswith('<a class="all" href="drives.html#scenario=') for cell in numbers)
    assert "&amp;event=lane_departure" in results
    claims = page[page.index('id="claims"') : page.index('id="apart"')]
    assert 'href="drives.html#scenario=' in claims
