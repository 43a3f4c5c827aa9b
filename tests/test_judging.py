"""Stored drives judged again: the same byte by byte with the same limits, otherwise with others."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from testbed.core.errors import ScenarioError, StoreError, UsageError
from testbed.episode import EpisodeRunner
from testbed.judge import JudgeLimits
from testbed.judging import judged_again
from testbed.report import judge_again, read_run
from testbed.report.compare import compare
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.store import RunFolder, RunManifest
from testbed.sweep.catalogue import Installed


@pytest.fixture(scope="module")
def driven(runner: EpisodeRunner, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Two real drives, one attacked."""
    folder = tmp_path_factory.mktemp("driven")
    loaded = load_scenario("drp_highway")
    scenario = loaded.content.model_copy(update={"duration_s": 4.0})
    short = dataclasses.replace(loaded, content=scenario)
    plans = expand(short, catalogue=Installed(), agents=["scripted"], seeds=[1], conditions=["drp"])
    run = RunFolder.create(folder / "a", RunManifest.of("a", plans, scenarios={scenario.name: scenario.dump()}))
    for plan in plans:
        scratch = folder / plan.condition
        scratch.mkdir()
        record = runner.run(plan, scratch)
        run.write_episode(record, scratch / record.trace)
    return run


def files(run: RunFolder) -> dict[str, bytes]:
    return {path.relative_to(run.path).as_posix(): path.read_bytes() for path in run.episodes_path.rglob("*.*")}


def test_with_its_own_limits_a_drive_is_the_same_byte_by_byte(driven: RunFolder, tmp_path: Path) -> None:
    found = judge_again.carry_out(driven.path, tmp_path / "b")
    assert (found.episodes, found.otherwise, found.without) == (2, 0, 0)
    again = RunFolder.open(tmp_path / "b")
    assert files(again) == files(driven)
    assert again.manifest().planned == driven.manifest().planned
    assert again.manifest().scenarios == driven.manifest().scenarios
    nothing = compare(read_run(driven.path), read_run(again.path))
    assert (nothing.paired, nothing.drives, nothing.regressions("any"), nothing.differences) == (2, (), [], ())


def test_other_limits_find_other_things_in_the_same_drive(driven: RunFolder, tmp_path: Path) -> None:
    limits = {"vehicle_width_m": 3.7, "visible_frames": 10_000}
    judge_again.carry_out(driven.path, tmp_path / "b", limits=limits)
    again = {record.plan.condition: record for record in RunFolder.open(tmp_path / "b").records()}
    before = {record.plan.condition: record for record in driven.records()}
    assert {record.plan.key for record in again.values()} == {record.plan.key for record in before.values()}
    assert "lane_departure" in [event.kind for event in again["benign"].events]
    assert before["drp"].valid_attack is True
    assert again["drp"].valid_attack is False and "10000 are needed" in again["drp"].invalid_reason
    assert again["benign"].limits == before["benign"].limits | limits
    assert again["drp"].injection == before["drp"].injection
    found = compare(read_run(driven.path), read_run(tmp_path / "b"))
    assert ("limit: visible_frames", "5", "10000") in found.differences
    assert any("benign, seed 1: clean, now left lane" in told for told in found.regressions("any"))
    assert found.regressions("evidence") == [], "one drive is no evidence"


def test_an_artefact_over_its_budget_stays_so(driven: RunFolder, tmp_path: Path) -> None:
    (record,) = (one for one in driven.records() if one.plan.condition == "drp")
    trace = driven.file_of(record.plan.key, record.trace)
    assert trace is not None
    refused = record.model_copy(update={"valid_attack": False, "invalid_reason": "its budget allows 1"})
    again = judged_again(refused, trace, tmp_path / "trace.mcap")
    assert (again.valid_attack, again.invalid_reason) == (False, "its budget allows 1")
    (record,) = (one for one in driven.records() if one.plan.condition == "benign")
    assert record.valid_attack is None


def test_a_record_of_an_earlier_version_is_judged_with_the_limits_of_its_scenario(
    driven: RunFolder, tmp_path: Path
) -> None:
    record = next(driven.records())
    trace = driven.file_of(record.plan.key, record.trace)
    assert trace is not None
    again = judged_again(record.model_copy(update={"limits": {}}), trace, tmp_path / "trace.mcap")
    ours = {"vehicle_width_m", "vehicle_length_m"}
    assert {name: value for name, value in again.limits.items() if name not in ours} == {
        name: value for name, value in record.limits.items() if name not in ours
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("brake_mpss: 2\n", r"strict\.yaml:1:13: unknown judge constant 'brake_mpss' .did you mean 'brake_mps2'"),
        ("visible_px: 3\nbrake_mps2: -1\n", r"strict\.yaml:2:13: judge constant brake_mps2 must not be negative"),
        ("brake_mps2: hard\n", r"strict\.yaml:1:13: judge constant brake_mps2 must be a finite number, not 'hard'"),
        ("brake_mps2:\n", r"judge constant brake_mps2 must be a finite number, not None"),
        ("e2e_frames: 2.5\n", r"judge constant e2e_frames must be a whole number, at least 1, not 2\.5"),
        ("iou_match: 7\n", r"judge constant iou_match is a share and must not be above 1, not 7"),
        ("comfort_window_s: 0\n", r"judge constant comfort_window_s must be above 0"),
        ("- 1\n", r"strict\.yaml:1:1: must hold names and numbers"),
    ],
)
def test_a_file_of_limits_is_refused_by_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "strict.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=told):
        judge_again.read_limits(tmp_path / "strict.yaml")


def test_nothing_is_written_over(driven: RunFolder, tmp_path: Path) -> None:
    for target in (driven.path, driven.path / "sub"):
        with pytest.raises(UsageError, match="lies inside the run that is judged"):
            judge_again.carry_out(driven.path, target)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        judge_again.carry_out(driven.path, tmp_path / "there")


def test_what_was_not_judged_to_its_end_is_not_there(driven: RunFolder, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(driven.path, copy)
    run = RunFolder.open(copy)
    first, last = run.keys()
    (run.episodes_path / last / "trace.mcap").write_bytes(b"torn")
    with pytest.raises(StoreError, match="the command that began the run drives this episode alone again"):
        judge_again.carry_out(copy, tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]
    shutil.rmtree(run.episodes_path / last)
    assert judge_again.carry_out(copy, tmp_path / "again").missing == 1
    shutil.rmtree(run.episodes_path / first)
    with pytest.raises(StoreError, match="holds no drive"):
        judge_again.carry_out(copy, tmp_path / "none")


def test_a_signal_ends_judging_and_leaves_nothing(driven: RunFolder, tmp_path: Path) -> None:
    copy = tmp_path / "many"
    shutil.copytree(driven.path, copy)
    command = [sys.executable, "-m", "testbed", "judge", str(copy), "--jobs", "2", "--out", str(tmp_path / "again")]
    judging = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60.0
    while not list(tmp_path.glob(".tmp-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    started = psutil.Process(judging.pid).children(recursive=True)
    judging.send_signal(signal.SIGTERM)
    _, said = judging.communicate(timeout=60)
    assert judging.returncode == 143 and "interrupted" in said
    _, left = psutil.wait_procs(started, timeout=10)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
    assert [path.name for path in tmp_path.iterdir()] == ["many"]


def test_a_scenario_may_set_any_limit(tmp_path: Path) -> None:
    from testbed.judging import limits_for
    from testbed.scenario.concrete import concretise

    text = Path(load_scenario("drp_highway").path).read_text(encoding="utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(text + "limits: {brake_mps2: 3.5, blocked_after_s: 60}\n", encoding="utf-8")
    plan = expand(load_scenario(path), catalogue=Installed(), agents=["scripted"], seeds=[1])[0]
    limits = limits_for(concretise(plan))
    assert (limits.brake_mps2, limits.blocked_after_s) == (3.5, 60.0)
    path.write_text(text + "limits: {brake_mpss: 3.5}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"own\.yaml:\d+:\d+: unknown judge constant 'brake_mpss'"):
        expand(load_scenario(path), catalogue=Installed(), agents=["scripted"], seeds=[1])


def test_every_limit_is_documented() -> None:
    told = JudgeLimits.told()
    assert list(told) == list(JudgeLimits.__dataclass_fields__)
    assert told["speed_grace_s"].startswith("Excess must last longer")
    assert "closing speed off its lower edge" in told["nearness_share"], "definitions of several lines"
