"""Simulators on Ray share one model actor: the same answers as each with a model of its own, whatever dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest
import yaml

from testbed.core.errors import SimulatorCrashError, SimulatorHangError, UsageError, WeightsError
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.store import RunFolder
from testbed.sweep.outcome import worth_retrying
from testbed.sweep.ray_cluster import connect
from testbed.sweep.remote_readers import RemoteReader
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out
from testbed.sweep.worker import RunnerSpec

PROBABILITY_TOLERANCE = 1e-4
ASKING = RunnerSpec(factory="asking_runner:AskingRunner")
Make = Callable[..., str]


@pytest.fixture(autouse=True)
def _own_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    yield


def question(agent: str, seeds: Sequence[int], **scene: object) -> RunRequest:
    plans = [EpisodePlan(scenario="asked", scene={"duration_s": 1.0, **scene}, agent=agent, seed=one) for one in seeds]
    return RunRequest("asked", "Do they answer alike?", (), tuple(plans))


def records(folder: Path) -> Mapping[int, EpisodeRecord]:
    return {record.plan.seed: record for record in RunFolder.open(folder).records()}


def check_same(one: Mapping[int, EpisodeRecord], other: Mapping[int, EpisodeRecord]) -> None:
    assert one.keys() == other.keys()
    for seed, record in one.items():
        assert record.status == other[seed].status == "done"
        for name, value in record.scores.items():
            expected = pytest.approx(value, abs=PROBABILITY_TOLERANCE) if isinstance(value, float) else value
            assert other[seed].scores[name] == expected, (seed, name)


@pytest.mark.slow
def test_two_simulators_and_one_model_actor_answer_as_two_with_models_of_their_own(
    tmp_path: Path, make_agent: Make
) -> None:
    seeds = range(1, 7)
    alone, served = make_agent(serve="worker"), make_agent("llava", "solo", serve="actor")
    both = tmp_path / "both.yaml"
    both.write_text(yaml.safe_dump({"agent": "parallel", "options": {"slow": served}}), encoding="utf-8")
    for name, agent, ray in (
        ("local", alone, None),
        ("ray", alone, "auto"),
        ("local_solo", served, None),
        ("ray_solo", served, "auto"),
        ("local_parallel", str(both), None),
        ("ray_parallel", str(both), "auto"),
    ):
        carry_out(question(agent, seeds), tmp_path / name, ExecutionSettings(2, ray=ray, runner=ASKING))
    check_same(records(tmp_path / "local"), records(tmp_path / "ray"))
    check_same(records(tmp_path / "local_solo"), records(tmp_path / "ray_solo"))
    check_same(records(tmp_path / "local_parallel"), records(tmp_path / "ray_parallel"))


@pytest.mark.fault
def test_a_model_actor_that_is_killed_costs_an_attempt_and_no_episode(tmp_path: Path, make_agent: Make) -> None:
    agent = make_agent(serve="actor")
    killed: list[int] = []

    def sabotage() -> None:
        deadline = time.monotonic() + 120.0
        while not killed and time.monotonic() < deadline:
            for process in psutil.Process().children(recursive=True):
                try:
                    if "ModelActor.read" in " ".join(process.cmdline()):
                        os.kill(process.pid, signal.SIGKILL)
                        killed.append(process.pid)
                        return
                except psutil.Error:
                    continue
            time.sleep(0.01)

    thread = threading.Thread(target=sabotage)
    thread.start()
    told: list[str] = []
    try:
        summary = carry_out(
            question(agent, range(1, 5), slow=True),
            tmp_path / "run",
            ExecutionSettings(2, ray="auto", runner=ASKING),
            report=lambda progress: told.append(f"{progress.kind} {progress.reason}"),
        )
    finally:
        thread.join()
    assert killed
    assert (summary.done, summary.failed) == (4, 0)
    retries = [line for line in told if line.startswith("retry")]
    assert retries and all(f"the model actor of {agent!r} died" in line for line in retries)
    local = make_agent(serve="worker")
    carry_out(question(local, range(1, 5)), tmp_path / "local", ExecutionSettings(1, runner=ASKING))
    check_same(records(tmp_path / "local"), records(tmp_path / "run"))


@pytest.mark.slow
def test_what_cannot_be_served_ends_the_run_before_its_first_episode(tmp_path: Path, make_agent: Make) -> None:
    told: list[object] = []
    cases: list[tuple[dict[str, object], type[Exception], str]] = [
        ({"serve": "actor", "answer": "form"}, WeightsError, "has no form to fill in"),
        ({"device": "cuda"}, UsageError, "the cluster has no GPU"),
    ]
    for number, (model, kind, message) in enumerate(cases):
        agent = make_agent(**model)
        with pytest.raises(kind, match=message):
            carry_out(
                question(agent, [1, 2]),
                tmp_path / f"run-{number}",
                ExecutionSettings(2, ray="auto", runner=ASKING),
                report=told.append,
            )
    agent = make_agent("qwen2_vl", serve="actor")
    (Path(agent).parent / "qwen2_vl" / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(WeightsError, match="qwen2_vl"):
        carry_out(
            question(agent, [1]),
            tmp_path / "broken",
            ExecutionSettings(1, ray="auto", runner=ASKING),
            report=told.append,
        )
    assert told == []


@pytest.mark.fault
def test_a_model_actor_that_hangs_is_ended_and_started_anew(tmp_path: Path) -> None:
    from stuck_actor import StuckActor

    ray, _ = connect(2, "auto")
    try:
        actor = ray.remote(num_cpus=0.1, max_restarts=1)(StuckActor).remote(str(tmp_path / "hung"))
        ray.get(actor.__ray_ready__.remote())
        with pytest.raises(SimulatorHangError, match="the model actor of 'mine' gave no answer within 2 s") as caught:
            RemoteReader(actor, "tandem", "mine", timeout_s=2.0).read([])
        assert worth_retrying(caught.value)
        assert (tmp_path / "hung").exists()
        # what is asked while it is started anew fails as infrastructure, too, and is tried again
        answered = None
        while answered is None:
            try:
                answered = RemoteReader(actor, "tandem", "mine", timeout_s=60.0).read([])
            except SimulatorCrashError as error:
                assert worth_retrying(error)
                time.sleep(0.5)
        assert answered == ["tandem"]
    finally:
        ray.shutdown()
