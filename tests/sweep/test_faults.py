"""Kills and interrupts from outside: nothing is lost, nothing is done twice, nobody is left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from testbed.core.errors import StoreError
from testbed.core.records import EpisodePlan
from testbed.store import RunFolder, write_table
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out
from testbed.sweep.worker import RunnerSpec

DRIVE = Path(__file__).with_name("fake_drive.py")
SLOW = 100  # seeds 100-199 take 0.3 s


def start(folder: Path, seeds: range, jobs: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, str(DRIVE), str(folder), str(jobs), *map(str, seeds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for_result(driver: subprocess.Popen[str]) -> None:
    assert driver.stdout is not None
    assert driver.stdout.readline().startswith("done")


def family(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(driver.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process], within_s: float = 10.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def finish(folder: Path, seeds: range) -> bytes:
    driver = start(folder, seeds, jobs=3)
    assert driver.wait(60) == 0
    write_table(folder / "episodes.parquet", RunFolder.open(folder).records())
    return (folder / "episodes.parquet").read_bytes()


def counts(tmp_path: Path) -> list[int]:
    return [len(path.read_text()) for path in (tmp_path / "counts").iterdir()]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_at_once_and_the_same_command_resumes(
    tmp_path: Path, fake: RunnerSpec, number: signal.Signals, status: int
) -> None:
    seeds = range(SLOW, SLOW + 6)
    driver = start(tmp_path / "run", seeds)
    wait_for_result(driver)
    workers = family(driver)
    assert workers
    begin = time.monotonic()
    driver.send_signal(number)
    assert driver.wait(10) == status
    assert time.monotonic() - begin < 3.0
    assert all_gone(workers)
    before = len(RunFolder.open(tmp_path / "run").done_keys())
    assert 1 <= before < 6
    finish(tmp_path / "run", seeds)
    assert len(RunFolder.open(tmp_path / "run").done_keys()) == 6
    assert sum(counts(tmp_path)) <= 6 + 2


def test_a_killed_driver_leaves_no_worker_and_no_lock(tmp_path: Path, fake: RunnerSpec) -> None:
    seeds = range(SLOW, SLOW + 6)
    driver = start(tmp_path / "run", seeds)
    wait_for_result(driver)
    workers = family(driver)
    driver.kill()
    driver.wait(10)
    assert all_gone(workers)
    finish(tmp_path / "run", seeds)
    assert sum(counts(tmp_path)) <= 6 + 2


@pytest.mark.fault
@pytest.mark.parametrize("chance", range(5))
def test_workers_killed_at_random_cost_at_most_their_episode(tmp_path: Path, fake: RunnerSpec, chance: int) -> None:
    seeds = range(SLOW, SLOW + 30)
    undisturbed = finish(tmp_path / "calm", seeds)
    for path in (tmp_path / "counts").iterdir():
        path.unlink()
    rng = random.Random(chance)
    driver = start(tmp_path / "run", seeds, jobs=3)
    wait_for_result(driver)
    kills = 0
    while driver.poll() is None and kills < 6:
        time.sleep(rng.uniform(0.2, 0.8))
        workers = [process for process in family(driver) if "testbed.sweep.worker" in " ".join(process.cmdline())]
        if workers:
            os.kill(rng.choice(workers).pid, signal.SIGKILL)
            kills += 1
    assert driver.wait(60) == 0
    assert finish(tmp_path / "run", seeds) == undisturbed
    assert sum(counts(tmp_path)) <= 30 + kills


@pytest.mark.fault
def test_a_stopped_worker_is_given_up_within_seconds(tmp_path: Path, fake: RunnerSpec) -> None:
    seeds = range(SLOW, SLOW + 12)
    driver = start(tmp_path / "run", seeds, jobs=1)
    wait_for_result(driver)
    (worker,) = (process for process in family(driver) if "testbed.sweep.worker" in " ".join(process.cmdline()))
    worker.suspend()
    begin = time.monotonic()
    assert driver.stdout is not None
    assert any(line.startswith("retry") for line in driver.stdout)
    assert time.monotonic() - begin < 8.0
    assert driver.wait(60) == 0
    assert all_gone([worker])
    assert sum(counts(tmp_path)) <= 12 + 1


@pytest.mark.fault
def test_a_driver_killed_again_and_again_gets_there(tmp_path: Path, fake: RunnerSpec) -> None:
    seeds = range(SLOW, SLOW + 20)
    undisturbed = finish(tmp_path / "calm", seeds)
    rng = random.Random(1)
    for _ in range(8):
        driver = start(tmp_path / "run", seeds)
        time.sleep(rng.uniform(0.3, 1.5))
        driver.kill()
        driver.wait(10)
    assert finish(tmp_path / "run", seeds) == undisturbed


@pytest.mark.fault
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, fake: RunnerSpec) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    plans = tuple(
        EpisodePlan(scenario="fake", scene={"duration_s": 1.0}, agent="fake", seed=seed) for seed in range(90)
    )
    question = RunRequest("fake", "Is there room?", (), plans)
    try:
        with pytest.raises(StoreError) as caught:
            carry_out(question, disk / "run", ExecutionSettings(2, runner=fake))
        assert caught.value.exit_code == 3 and "intact" in str(caught.value)
        run = RunFolder.open(disk / "run")
        before = len(run.done_keys())
        assert 0 < before < 90 and run.verify() == []
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        summary = carry_out(question, disk / "run", ExecutionSettings(2, runner=fake))
        assert (summary.found, summary.done) == (before, 90 - before)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
