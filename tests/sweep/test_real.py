"""The real loop under the scheduler: same bytes from one worker or two, and through killed simulators."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario, shipped_folder
from testbed.store import RunFolder, write_table
from testbed.sweep.catalogue import Installed
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out
from testbed.sweep.schedule import EpisodeProgress

pytestmark = pytest.mark.slow

NOTICED_S = 6.0
"""The client alone notices after 20 s."""


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> RunRequest:
    text = (shipped_folder() / "drp_highway.yaml").read_text()
    path = tmp_path_factory.mktemp("scenario") / "short.yaml"
    short = re.sub(r"duration_s: [0-9.]+", "duration_s: 2", text[: text.index("adversaries:")])
    path.write_text(short.replace("name: drp_highway", "name: short"))
    scenario = load_scenario(path)
    plans = expand(scenario, catalogue=Installed(), agents=["scripted", "constant"], seeds=[1, 2])
    return RunRequest("short", scenario.content.question, (scenario.content,), tuple(plans))


def table(
    question: RunRequest, folder: Path, jobs: int, told: Callable[[EpisodeProgress], None] | None = None
) -> bytes:
    summary = carry_out(question, folder, ExecutionSettings(jobs), report=told)
    assert summary.done + summary.found == len(question.plans)
    run = RunFolder.open(folder)
    assert run.verify() == []
    write_table(folder / "episodes.parquet", run.records())
    return (folder / "episodes.parquet").read_bytes()


@pytest.fixture(scope="module")
def calm(question: RunRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return table(question, tmp_path_factory.mktemp("calm") / "run", jobs=1)


def test_one_worker_or_two_give_the_same_bytes(question: RunRequest, calm: bytes, tmp_path: Path) -> None:
    assert table(question, tmp_path / "run", jobs=2) == calm


@pytest.mark.fault
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGSTOP])
def test_a_simulator_that_dies_or_is_stopped_is_noticed_and_changes_nothing(
    question: RunRequest, calm: bytes, tmp_path: Path, number: signal.Signals
) -> None:
    retried: list[float] = []

    def note(progress: EpisodeProgress) -> None:
        if progress.kind == "retry":
            retried.append(time.monotonic())

    hit: list[tuple[float, int]] = []

    def sabotage() -> None:
        deadline = time.monotonic() + 60.0
        while not hit and time.monotonic() < deadline:
            for process in psutil.Process().children(recursive=True):
                try:
                    is_server = "testbed.server" in " ".join(process.cmdline())
                    if is_server and time.time() - process.create_time() > 4.0:
                        os.kill(process.pid, number)
                        hit.append((time.monotonic(), process.pid))
                        return
                except psutil.Error:
                    continue
            time.sleep(0.05)

    thread = threading.Thread(target=sabotage)
    thread.start()
    try:
        assert table(question, tmp_path / "run", 1, note) == calm
    finally:
        thread.join()
    ((when, pid),) = hit
    assert retried[0] - when < NOTICED_S
    assert not psutil.pid_exists(pid)
