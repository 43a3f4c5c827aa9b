"""The watchdog ends what a driver leaves behind, however the driver ends, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

DRIVER = """\
import subprocess, sys, time
from testbed.sweep.process_watchdog import ProcessWatchdog
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
watchdog = ProcessWatchdog()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def ended(pid: int, within_s: float = 15.0) -> bool:
    try:
        process = psutil.Process(pid)
        return not psutil.wait_procs([process], timeout=within_s)[1] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def driven(script: str) -> dict[str, int | None]:
    """Run a script as a driver of its own, with no other children than those it starts, and return what it says."""
    begin = "import json, subprocess, sys\nfrom testbed.sweep.process_watchdog import ProcessWatchdog\n"
    command = [sys.executable, "-c", f"{begin}sleep = {SLEEP!r}\n{script}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    said: dict[str, int | None] = json.loads(done.stdout)
    return said


def test_closing_it_ends_what_is_left() -> None:
    said = driven(
        "child = subprocess.Popen(sleep)\nwatchdog = ProcessWatchdog()\nbefore = child.poll()\nwatchdog.close()\n"
        "print(json.dumps({'before': before, 'after': child.wait(10)}))"
    )
    assert said == {"before": None, "after": -signal.SIGKILL}


def test_what_was_started_later_is_none_of_its_business() -> None:
    said = driven(
        "watchdog = ProcessWatchdog()\nlater = subprocess.Popen(sleep)\nwatchdog.close()\n"
        "print(json.dumps({'after': later.poll()}))\nlater.kill()"
    )
    assert said == {"after": None}


def test_a_killed_driver_leaves_nothing_behind(tmp_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    child = int(driver.stdout.readline())
    assert not ended(child, within_s=0.1)
    driver.kill()
    driver.wait(10)
    assert ended(child)


def test_a_process_that_has_taken_over_an_id_is_spared(sleeper: subprocess.Popen[bytes]) -> None:
    born = psutil.Process(sleeper.pid).create_time()
    watched = json.dumps([[sleeper.pid, born - 100.0], [2**22 + 1, born]])
    command = [sys.executable, "-m", "testbed.sweep.process_watchdog"]
    assert subprocess.run(command, input=watched + "\n", text=True, timeout=60).returncode == 0
    assert sleeper.poll() is None
    assert os.getpgid(sleeper.pid)
