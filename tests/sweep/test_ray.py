"""Ray gives the same rows as local processes; a killed actor costs its episode only."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import fake_runner as fault
import psutil
import pytest

from testbed.core.errors import UnreachableError, UsageError
from testbed.core.records import EpisodePlan
from testbed.store import RunFolder, write_table
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out
from testbed.sweep.worker import RunnerSpec

Plans = Callable[[Sequence[int]], list[EpisodePlan]]


@pytest.fixture(autouse=True)
def _own_token(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield


@pytest.mark.slow
def test_the_same_rows_as_local_processes_with_a_killed_and_a_hung_actor(
    tmp_path: Path, fake: RunnerSpec, make_plans: Plans
) -> None:
    plans = [*make_plans([1, 2, 3, fault.KILLED_ONCE]), *make_plans([fault.HANG])[:1]]
    question = RunRequest("fake", "Does Ray hold?", (), tuple(plans))
    tables = []
    for name, ray in (("local", None), ("ray", "auto")):
        folder = tmp_path / name
        settings = ExecutionSettings(2, ray=ray, runner=fake)
        for path in (tmp_path / "counts").iterdir():
            path.unlink()
        summary = carry_out(question, folder, settings, deadline=lambda plan: 4.0 if plan.seed == fault.HANG else 60.0)
        assert (summary.done, summary.lost) == (8, 1)
        write_table(folder / "episodes.parquet", RunFolder.open(folder).records())
        tables.append((folder / "episodes.parquet").read_bytes())
        again = carry_out(question, folder, settings, deadline=lambda plan: 1.0)
        assert again.found == 8
    assert tables[0] == tables[1]


@pytest.mark.fault
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_nothing_of_ray_is_left_when_the_driver_ends(
    tmp_path: Path, fake: RunnerSpec, number: signal.Signals, status: int
) -> None:
    drive = Path(__file__).with_name("fake_drive.py")
    command = [sys.executable, str(drive), str(tmp_path / "run"), "2", *map(str, range(100, 140)), "--ray"]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None and driver.stdout.readline().startswith("done")
    family = psutil.Process(driver.pid).children(recursive=True)
    assert any("raylet" in process.name() for process in family)
    driver.send_signal(number)
    assert driver.wait(20) == status
    _, left = psutil.wait_procs(family, timeout=10)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def test_an_address_without_a_cluster_is_one_clear_error(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    question = RunRequest("fake", "Is there a cluster?", (), tuple(make_plans([1])))
    with pytest.raises(UnreachableError, match="no Ray cluster at 127.0.0.1:1"):
        carry_out(question, tmp_path / "run", ExecutionSettings(1, ray="127.0.0.1:1", runner=fake))
    with pytest.raises(UsageError, match="--ray 'here' is not understood"):
        carry_out(question, tmp_path / "run", ExecutionSettings(1, ray="here", runner=fake))
