"""A stored drive shown again: found by the first digits of its key, told in words and JSON, the same in Rerun."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from testbed.cli import main
from testbed.core.errors import UsageError
from testbed.core.surroundings import BodyBox, CameraMount, LaneEdges, RoadUser, SignBox, Surroundings, Whereabouts
from testbed.judge import JudgePanel
from testbed.replay import find_drive
from testbed.store import RunFolder, TraceReader, TraceWriter

AROUND = Surroundings(
    camera=CameraMount(320, 160, 75.0, 0.6, 1.45, -2.0),
    ego=BodyBox((0.0, 0.0, 0.75), (4.9, 2.1, 1.5)),
    route_m=((0.0, 0.0, 0.0), (200.0, 0.0, 0.0)),
    lanes=(LaneEdges(((0.0, -1.8, 0.0), (200.0, -1.8, 0.0)), ((0.0, 1.8, 0.0), (200.0, 1.8, 0.0))),),
    road_users=(RoadUser(2, "the lead", "vehicle.tesla.model3", BodyBox((0.0, 0.0, 0.7), (4.8, 2.2, 1.5))),),
    signs=(SignBox("limit_1", 7, (95.0, 4.0, 2.2, 0.0, 0.0, 0.0), (0.1, 0.6, 0.6)),),
)


@pytest.fixture(scope="module")
def run(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Four drives of two agents, one that failed, one that did not begin; an attacked one shows its surroundings."""
    s, path = synthetic, tmp_path_factory.mktemp("replay") / "run"
    folder = s.write_run(path, agents=("dnn", "solo"), conditions=("benign",), seeds=range(101, 103), duration_s=1.0)
    plan = s.plan("dnn", "patch", 101)
    with folder.scratch(plan.key) as scratch:
        record = s.record_of(plan, scratch, duration_s=2.5)
        writer, panel = TraceWriter(scratch / "whole.mcap"), JudgePanel()
        writer.begin(AROUND, {"episode": {"scenario": "drp_highway", "agent": "dnn"}})
        for step in s.drive(s.CHARACTERS["dnn"], "patch", 101, 2.5):
            ego = step.truth.ego
            there = Whereabouts((ego.x_m, ego.y_m, 0.0, 0.0, ego.yaw_deg, 0.0), ((40.0, 0.0, 0.0, 0.0, 0.0, 0.0),))
            writer.step(step, s.picture(step.truth), panel.step(step), there)
        digest = writer.close()
        folder.write_episode(record.model_copy(update={"trace_sha256": digest}), scratch / "whole.mcap")
    return folder


@pytest.fixture
def attacked(run: RunFolder) -> str:
    return next(record.plan.key for record in run.records() if record.plan.condition == "patch" and record.trace)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["replay", *words])
    found = capsys.readouterr()
    return status, found.out, found.err


# ---------------------------------------------------------------- which drive
def test_a_drive_is_found_by_the_first_digits_of_its_key(run: RunFolder, attacked: str) -> None:
    for digits in (attacked, attacked[:10], attacked[:10].upper()):
        drive = find_drive(run.path, digits)
        assert drive.record.plan.key == attacked
        assert drive.title == "drp_highway, dnn, patch, seed 101"


def test_no_drive_or_several_are_one_sentence_with_the_keys_to_choose_from(run: RunFolder) -> None:
    with pytest.raises(UsageError, match=r"has 6 drives \(choose one by the first digits of its key: ") as caught:
        find_drive(run.path, "")
    assert all(key[:8] in str(caught.value) for key in run.keys())
    with pytest.raises(UsageError, match="no drive whose key begins with 'xyz'"):
        find_drive(run.path, "xyz")


def test_a_drive_that_failed_has_nothing_to_show(run: RunFolder) -> None:
    failed = next(record.plan.key for record in run.records() if record.status == "failed")
    with pytest.raises(UsageError, match="has no trace: it failed, the simulator died at tick 57"):
        find_drive(run.path, failed)


def test_a_planned_drive_without_a_folder_is_told_as_such(
    run: RunFolder, synthetic: ModuleType, tmp_path: Path
) -> None:
    missing = synthetic.plan("tandem", "patch", 901).key
    with pytest.raises(UsageError, match=r"tandem, patch, seed 901 \(\w{8}\) is planned, but not stored \(the command"):
        find_drive(run.path, missing[:12])
    bare = RunFolder.create(tmp_path / "bare", run.manifest())
    with pytest.raises(UsageError, match="6 drives are planned, but not stored"):
        find_drive(bare.path, "")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_manifest_is_the_same_error_as_in_a_report(
    run: RunFolder, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run.path, tmp_path / "copy")
    (copy / "manifest.json").write_text(content)
    status, out, err = said(capsys, str(copy))
    assert (main(["report", str(copy)]), capsys.readouterr().err) == (status, err)
    assert (status, out, err.count("\n")) == (3, "", 1) and "manifest.json" in err


# ---------------------------------------------------------------- in words
def test_words_say_where_the_trace_is_and_what_it_holds(
    run: RunFolder, attacked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = said(capsys, str(run.path), attacked[:12])
    assert status == 0
    assert out.startswith("drp_highway, dnn, patch, seed 101: 2.45 s\n")
    assert f"episodes/{attacked}/trace.mcap" in out and "version 2" in out
    assert "/scene/moving" in out and "foxglove.SceneUpdate" in out and "Foxglove" in out
    assert "  1.00 s  lane departure, cause: wrong steering class\n" in out


def test_json_says_the_same(run: RunFolder, attacked: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, str(run.path), attacked[:12], "--json")
    told = json.loads(out)
    assert status == 0 and told["key"] == attacked and told["trace_version"] == 2
    assert told["duration_s"] == 2.45 and told["bytes"] == Path(told["trace"]).stat().st_size
    assert told["topics"]["/ego"] == {"schema": "testbed.Ego", "messages": 50}
    assert told["topics"]["/camera"]["messages"] == 25
    assert told["events"][0]["kind"] == "lane_departure"
    assert told["metadata"]["episode"]["agent"] == "dnn"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--out", "a.rrd"], "add --rerun"), (["--rerun", "--out", "a.mcap"], "its name must end in .rrd"),
     (["--out"], "expected one argument")],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(
    run: RunFolder, attacked: str, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = said(capsys, str(run.path), attacked, *words)
    assert status == 2 and sentence in err and err.count("\n") == 1


def test_without_rerun_one_sentence_says_what_to_type(
    run: RunFolder, attacked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    monkeypatch.delitem(sys.modules, "testbed.replay.rerun_log", raising=False)
    status, _, err = said(capsys, str(run.path), attacked, "--rerun", "--out", str(tmp_path / "a.rrd"))
    assert status == 2 and err.count("\n") == 1
    assert "replay --rerun needs rerun, which is not installed: pip install 'v2lm-testbed[rerun]'" in err
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- in Rerun
@pytest.fixture
def rows(run: RunFolder, attacked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, Any]]:
    """What Rerun's own reader finds in the recording: entity to its chunks."""
    rerun = pytest.importorskip("rerun")
    target = tmp_path / "drive.rrd"
    status, out, err = said(capsys, str(run.path), attacked, "--rerun", "--out", str(target))
    assert (status, out) == (0, f"recording: {target}\n"), err
    assert [path.name for path in tmp_path.iterdir()] == ["drive.rrd"]
    found: dict[str, Any] = {}
    for chunk in rerun.chunk.RrdReader(target).stream():
        found.setdefault(str(chunk.entity_path), []).append(chunk)
    yield found


def count(chunks: list[Any]) -> int:
    return sum(chunk.num_rows for chunk in chunks)


def test_rerun_shows_what_the_trace_holds(rows: dict[str, Any], run: RunFolder, attacked: str) -> None:
    reader = TraceReader(run.episodes_path / attacked / "trace.mcap")
    counts = {topic: messages for topic, (_, messages) in reader.topics().items()}
    assert count(rows["/world/ego"]) == counts["/tf"] == 50
    assert count(rows["/world/ego/camera/image"]) == counts["/camera"] == 25
    assert count(rows["/world/ego/camera/image/boxes"]) == counts["/camera/annotations"]
    assert count(rows["/location"]) == counts["/location"]
    assert count(rows["/events"]) == counts["/log"] > 0
    assert count(rows["/plots/offset_m"]) == 50
    assert r"/world/moving/the\ lead/box" in rows and count(rows[r"/world/moving/the\ lead/box"]) == 25
    for path in (r"lanes/lines", r"route/lines", r"sign\ limit_1/box", r"sign\ limit_1/label"):
        (chunk,) = rows[f"/world/standing/{path}"]
        assert chunk.is_static
    assert rows["/world/ego/body/box"][0].is_static and rows["/world/ego/camera"][0].is_static


def test_rerun_knows_simulated_time_alone(rows: dict[str, Any]) -> None:
    names = {str(name) for chunks in rows.values() for chunk in chunks for name in chunk.timeline_names}
    assert names == {"simulated time"}


def test_old_traces_are_shown_as_far_as_they_go(synthetic: ModuleType, tmp_path: Path) -> None:
    rerun = pytest.importorskip("rerun")
    from testbed.replay import StoredDrive, rerun_log

    old = Path(__file__).parents[1] / "store" / "data" / "trace-v1.mcap"
    record = synthetic.plan("dnn", "patch", 101)
    from testbed.core.records import EpisodeRecord

    rerun_log.write(StoredDrive(EpisodeRecord(plan=record), old), tmp_path / "old.rrd")
    paths = {str(chunk.entity_path) for chunk in rerun.chunk.RrdReader(tmp_path / "old.rrd").stream()}
    assert {"/world/ego", "/world/ego/camera/image", "/plots/offset_m"} <= paths


def test_a_reader_in_another_language_finds_no_fault(run: RunFolder, attacked: str) -> None:
    """Rerun's reader of MCAP is written in Rust."""
    pytest.importorskip("rerun")
    trace = run.episodes_path / attacked / "trace.mcap"
    program = Path(sys.executable).with_name("rerun")
    done = subprocess.run([program, "mcap", "check", trace], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = {line.split()[0] for line in done.stdout.splitlines() if " /" in line}
    assert verdicts == {"ok"}, done.stdout


def test_without_the_viewers_program_one_sentence_says_so(
    run: RunFolder, attacked: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rerun")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    status, _, err = said(capsys, str(run.path), attacked, "--rerun")
    assert status == 2 and err.count("\n") == 1
    assert "which is Rerun's viewer, is not there (pip install rerun-sdk brings it; --out FILE.rrd needs none)" in err
