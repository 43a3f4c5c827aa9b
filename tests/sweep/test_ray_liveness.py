"""Nodes, workers and heads that are gone or stand still: noticed within seconds, told in a sentence, nothing lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from testbed.core.errors import UnreachableError
from testbed.core.records import EpisodePlan
from testbed.store import RunFolder
from testbed.sweep import ray_cluster, ray_liveness, ray_pool
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out
from testbed.sweep.schedule import EpisodeProgress
from testbed.sweep.worker import RunnerSpec

pytestmark = [pytest.mark.slow, pytest.mark.fault]

Plans = Callable[[Sequence[int]], list[EpisodePlan]]
SLOW = range(100, 140)
"""Seeds of 0.3 s each, twice."""
NOTICED_S = 8.0


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", ray_cluster._TOKEN)
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "90")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster()
    try:
        yield nodes
    finally:
        ray.shutdown()
        for node in filter(None, [*nodes.worker_nodes, nodes.head_node]):
            for process in family(node):
                process.resume()
        nodes.shutdown()


def family(node: Any) -> list[psutil.Process]:
    """Return the processes of a node, its workers among them, that are still there."""
    found = []
    for started in (one.process.pid for several in node.all_processes.values() for one in several):
        if psutil.pid_exists(started):
            process = psutil.Process(started)
            found += [process, *process.children(recursive=True)]
    return found


class Trouble:
    """Send a signal to all processes of a node once some episodes have ended, and note when a retry is told."""

    AFTER = 24
    """Episodes in which the lookouts get time to start."""

    def __init__(self, node: Any, number: signal.Signals) -> None:
        self.node, self.number = node, number
        self.done, self.hit_s, self.retries = 0, 0.0, list[tuple[float, str]]()

    def __call__(self, progress: EpisodeProgress) -> None:
        self.done += progress.kind == "done"
        if progress.kind == "retry":
            self.retries.append((time.monotonic(), progress.reason))
        if self.done == self.AFTER and not self.hit_s:
            self.hit_s = time.monotonic()
            for process in family(self.node):
                process.send_signal(self.number)


def test_a_node_that_falls_silent_costs_its_episodes_and_seconds(
    cluster: Any, tmp_path: Path, fake: RunnerSpec, make_plans: Plans
) -> None:
    cluster.add_node(num_cpus=2, include_dashboard=False)
    trouble = Trouble(cluster.add_node(num_cpus=2), signal.SIGSTOP)
    request = RunRequest("fake", "Who is left?", (), tuple(make_plans(SLOW)))
    summary = carry_out(request, tmp_path / "run", ExecutionSettings(2, cluster.address, fake), report=trouble)
    assert (summary.done, summary.lost) == (80, 0)
    when, why = trouble.retries[0]
    assert why.startswith("the node of the worker")
    assert when - trouble.hit_s < NOTICED_S


def test_a_cluster_without_a_node_left_ends_the_run_in_one_sentence(
    cluster: Any, tmp_path: Path, fake: RunnerSpec, make_plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_liveness, "NO_NODE_S", 5.0)
    cluster.add_node(num_cpus=0, include_dashboard=False)
    trouble = Trouble(cluster.add_node(num_cpus=2), signal.SIGKILL)
    plans = tuple(make_plans(SLOW))
    request = RunRequest("fake", "Who is left?", (), plans)
    with pytest.raises(UnreachableError, match="no node of the Ray cluster has had room") as caught:
        carry_out(request, tmp_path / "run", ExecutionSettings(2, cluster.address, fake), report=trouble)
    assert caught.value.exit_code == 3
    summary = carry_out(request, tmp_path / "run", ExecutionSettings(2, None, fake))
    assert summary.found >= Trouble.AFTER
    assert summary.found + summary.done == len(plans)


def test_a_worker_that_is_stopped_is_given_up(
    cluster: Any, tmp_path: Path, fake: RunnerSpec, make_plans: Plans
) -> None:
    node = cluster.add_node(num_cpus=2, include_dashboard=False)
    trouble = Trouble(node, signal.SIGSTOP)

    def stop_a_worker(progress: EpisodeProgress) -> None:
        if trouble.done == Trouble.AFTER - 1 and progress.kind == "done":
            workers = [one for one in family(node) if one.name().startswith("ray::_Actor")]
            trouble.hit_s = time.monotonic()
            workers[0].suspend()
        trouble(progress)

    request = RunRequest("fake", "Who stands still?", (), tuple(make_plans(SLOW)))
    summary = carry_out(request, tmp_path / "run", ExecutionSettings(2, cluster.address, fake), report=stop_a_worker)
    assert (summary.done, summary.lost) == (80, 0)
    when, why = trouble.retries[0]
    assert why == "the worker was stopped and did not go on"
    assert when - trouble.hit_s < NOTICED_S


def test_a_plan_that_waits_for_room_goes_to_a_worker_that_is_free(
    cluster: Any, tmp_path: Path, fake: RunnerSpec, make_plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for one worker of two."""
    monkeypatch.setattr(ray_pool, "ACTOR_CPUS", 0.6)
    cluster.add_node(num_cpus=1, include_dashboard=False)
    request = RunRequest("fake", "Is there room?", (), tuple(make_plans(SLOW[:3])))
    told: list[EpisodeProgress] = []
    summary = carry_out(request, tmp_path / "run", ExecutionSettings(2, cluster.address, fake), report=told.append)
    assert (summary.done, summary.lost) == (6, 0)
    assert {progress.kind for progress in told} == {"done"}
    assert {record.attempts for record in RunFolder.open(tmp_path / "run").records()} == {1}


def driver(folder: Path, seeds: Sequence[int]) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("fake_drive.py")
    command = [sys.executable, str(script), str(folder), "2", *map(str, seeds), "--ray"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_head_that_is_gone_is_one_sentence(tmp_path: Path, fake: RunnerSpec) -> None:
    run = driver(tmp_path / "run", range(100, 199))
    assert run.stdout is not None and run.stdout.readline().startswith("done")
    for process in psutil.Process(run.pid).children(recursive=True):
        if process.name() == "gcs_server":
            process.kill()
    begin = time.monotonic()
    _, said = run.communicate(timeout=60)
    assert time.monotonic() - begin < 20.0, "of which Ray takes 8 to end"
    assert run.returncode == 3
    assert "the head of the Ray cluster" in said and "is gone" in said
    assert "rpc_client" not in said


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("after_s", [1.0, 2.5, 4.0])
def test_a_signal_while_ray_starts_ends_the_run_as_at_any_other_time(
    tmp_path: Path, fake: RunnerSpec, number: signal.Signals, status: int, after_s: float
) -> None:
    run = driver(tmp_path / "run", SLOW)
    time.sleep(after_s)
    started = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(number)
    said = run.communicate(timeout=60)
    assert run.returncode == status, said
    _, left = psutil.wait_procs(started, timeout=10)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def test_a_head_is_lost_only_when_it_has_not_answered_for_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(ray_liveness, "SILENT_S", 1.5)
    monkeypatch.setattr(ray_liveness, "LOOK_EVERY_S", 0.2)
    listener = socket.create_server(("127.0.0.1", 0))
    probe = ray_liveness.HeadProbe(*listener.getsockname())
    try:
        threading.Event().wait(2.0)
        probe.check()
        listener.close()
        probe.check()
        threading.Event().wait(2.5)
        with pytest.raises(UnreachableError, match="once Ray is there again, the same command goes on"):
            probe.check()
    finally:
        probe.close()
