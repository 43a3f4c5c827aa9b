"""Each plan gets exactly one result, whatever dies on the way; workers are real processes with a fake simulator."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import fake_runner as fault
import pytest

from testbed.core.errors import InconclusiveError, TestbedError, UnsupportedError, UsageError, WeightsError
from testbed.core.records import EpisodePlan
from testbed.store import RunFolder, read_table, write_table
from testbed.sweep.ledger import FILE_NAME, Ledger
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out, locked
from testbed.sweep.schedule import SCRATCH, EpisodeProgress, RunSummary, deadline_s
from testbed.sweep.worker import RunnerSpec

Plans = Callable[[Sequence[int]], list[EpisodePlan]]


def ask(plans: Sequence[EpisodePlan]) -> RunRequest:
    return RunRequest("fake", "Does the scheduler hold?", (), tuple(plans))


def run(
    plans: Sequence[EpisodePlan],
    folder: Path,
    spec: RunnerSpec,
    jobs: int = 2,
    deadline_s: Callable[[EpisodePlan], float] = lambda plan: 60.0,
) -> tuple[RunSummary, list[EpisodeProgress]]:
    seen: list[EpisodeProgress] = []
    return carry_out(
        ask(plans), folder, ExecutionSettings(jobs, runner=spec), report=seen.append, deadline=deadline_s
    ), seen


def states(folder: Path) -> dict[int, str]:
    seeds = {planned.key: planned.seed for planned in RunFolder.open(folder).manifest().planned}
    with Ledger(folder / FILE_NAME) as ledger:
        return {seeds[entry.key]: entry.state for entry in ledger.entries()}


def test_everything_once_and_nothing_twice(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    plans = make_plans([1, 2, 3])
    summary, seen = run(plans, tmp_path / "run", fake)
    assert summary == RunSummary(planned=6, found=0, done=6, failed=0, lost=0)
    assert sorted(progress.finished for progress in seen) == [1, 2, 3, 4, 5, 6]
    again, unseen = run(plans, tmp_path / "run", fake)
    assert again == RunSummary(planned=6, found=6, done=0, failed=0, lost=0)
    assert not unseen
    assert all(len(path.read_text()) == 1 for path in (tmp_path / "counts").iterdir())
    assert not (tmp_path / "run" / SCRATCH).exists()


def test_widening_does_only_what_is_missing(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    run(make_plans([1]), tmp_path / "run", fake)
    summary, _ = run(make_plans([1, 2]), tmp_path / "run", fake)
    assert (summary.found, summary.done) == (2, 2)
    assert len(RunFolder.open(tmp_path / "run").manifest().planned) == 4


def test_faults_are_survived_and_named(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    seeds = [1, fault.CRASH_ONCE, fault.KILLED_ONCE, fault.AGENT, fault.DEFECT, fault.NOISY, *range(2, 20)]
    plans = [plan for plan in make_plans(seeds) if plan.condition == "benign"]
    summary, seen = run(plans, tmp_path / "run", fake)
    assert summary == RunSummary(planned=24, found=0, done=22, failed=2, lost=0)
    records = {record.plan.seed: record for record in RunFolder.open(tmp_path / "run").records()}
    assert records[fault.CRASH_ONCE].attempts == records[fault.KILLED_ONCE].attempts == 2
    assert (records[fault.AGENT].status, records[fault.AGENT].error_code) == ("failed", "TB400")
    assert records[fault.DEFECT].error == "ZeroDivisionError: division by zero"
    assert "killed by signal 9" in next(item.reason for item in seen if item.plan.seed == fault.KILLED_ONCE)
    assert states(tmp_path / "run")[fault.AGENT] == "failed"


def test_an_endpoint_that_stays_away_is_infrastructure(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    plans = [plan for plan in make_plans([fault.AWAY, 1, 2]) if plan.condition == "benign"]
    summary, _ = run(plans, tmp_path / "run", fake)
    assert summary == RunSummary(planned=3, found=0, done=2, failed=1, lost=1)
    (record,) = [record for record in RunFolder.open(tmp_path / "run").records() if record.status == "failed"]
    assert (record.error_code, record.attempts) == ("TB410", 3)


def test_a_simulator_that_keeps_dying_is_quarantined(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    plans = [plan for plan in make_plans([fault.CRASH, 1, 2]) if plan.condition == "benign"]
    summary, seen = run(plans, tmp_path / "run", fake)
    assert summary == RunSummary(planned=3, found=0, done=2, failed=1, lost=1)
    record = next(record for record in RunFolder.open(tmp_path / "run").records() if record.status == "failed")
    assert (record.error_code, record.attempts) == ("SIM_CRASH", 3)
    with pytest.raises(InconclusiveError, match="1 of 3 episodes were lost"):
        summary.check()


def test_a_hung_worker_and_its_children_are_killed(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    plans = [make_plans([fault.CHILD])[0], make_plans([1])[0]]
    summary, _ = run(plans, tmp_path / "run", fake, deadline_s=lambda plan: 4.0 if plan.seed == fault.CHILD else 60.0)
    assert summary.lost == 1
    record = next(record for record in RunFolder.open(tmp_path / "run").records() if record.status == "failed")
    assert record.error_code == "SIM_HANG"
    child = int((tmp_path / "counts" / "child").read_text())
    assert gone(child)


def test_a_run_in_which_nothing_works_gives_up_early(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    plans = make_plans(range(fault.CRASH, fault.CRASH + 20))
    with pytest.raises(InconclusiveError, match="the first 3 episodes were all lost; the last one: the simulator died"):
        run(plans, tmp_path / "run", fake)


@pytest.mark.parametrize(
    ("seed", "error"),
    [(fault.WEIGHTS, WeightsError("weights are missing")), (fault.UNABLE, UnsupportedError("a decal"))],
)
def test_an_error_that_would_come_again_ends_the_run(
    tmp_path: Path, fake: RunnerSpec, make_plans: Plans, seed: int, error: TestbedError
) -> None:
    plans = make_plans([1, seed, 2])
    with pytest.raises(type(error), match=str(error)):
        run(plans, tmp_path / "run", fake, jobs=1)
    assert states(tmp_path / "run")[1] == "done"
    assert states(tmp_path / "run")[seed] == "planned"


def test_what_is_as_it_was_stored_is_not_read_again(
    tmp_path: Path, fake: RunnerSpec, make_plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = make_plans([1, 2])
    run(plans, tmp_path / "run", fake)
    read: list[str] = []
    whole = RunFolder.is_done
    monkeypatch.setattr(RunFolder, "is_done", lambda self, key: read.append(key) or whole(self, key))
    assert run(plans, tmp_path / "run", fake)[0].found == 4
    assert read == []
    os.utime(tmp_path / "run" / "episodes" / plans[0].key / "record.json")
    for _ in range(2):
        assert run(plans, tmp_path / "run", fake)[0].found == 4
    assert read == [plans[0].key], "once: the ledger then knows the new time"


def test_two_agent_files_of_one_name_are_refused(make_plans: Plans) -> None:
    (plan, *_) = make_plans([1])
    plans = [plan.model_copy(update={"agent": "ag.yaml", "agent_file": path}) for path in ("a/ag.yaml", "b/ag.yaml")]
    with pytest.raises(UsageError, match=r"two agent files are called ag\.yaml: .*/a/ag\.yaml and .*/b/ag\.yaml"):
        ask(plans)
    ask([plans[0], plans[0].model_copy(update={"agent_file": "./a/../a/ag.yaml", "seed": 2})])


def test_two_processes_cannot_work_on_one_run(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    with locked(tmp_path / "run"), pytest.raises(UsageError, match="another process is working on this run"):
        run(make_plans([1]), tmp_path / "run", fake)


def test_damage_is_named_and_only_the_damaged_is_done_again(
    tmp_path: Path, fake: RunnerSpec, make_plans: Plans
) -> None:
    plans = make_plans([1, 2])
    folder = tmp_path / "run"
    run(plans, folder, fake)
    trace = folder / "episodes" / plans[2].key / "trace.mcap"
    content = bytearray(trace.read_bytes())
    content[3] ^= 1
    trace.write_bytes(content)
    ledger = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(ledger[:4096] + b"\x00" * (len(ledger) - 4096))
    (folder / "manifest.json").write_text("{")
    summary, seen = run(plans, folder, fake)
    assert (summary.found, summary.done) == (3, 1)
    assert [progress.plan.key for progress in seen] == [plans[2].key]
    assert "ledger.sqlite: damaged" in summary.note and "manifest.json" in summary.note
    assert RunFolder.open(folder).verify() == []


def test_a_failed_episode_is_tried_again_by_the_next_call(tmp_path: Path, fake: RunnerSpec, make_plans: Plans) -> None:
    plans = make_plans([1, fault.AGENT])
    folder = tmp_path / "run"
    first, _ = run(plans, folder, fake)
    assert (first.done, first.failed) == (2, 2)
    second, seen = run(plans, folder, fake)
    assert second == RunSummary(planned=4, found=2, done=0, failed=2, lost=0)
    assert {progress.plan.seed for progress in seen} == {fault.AGENT}


def test_what_the_ledger_says_is_corrected_by_what_is_stored(
    tmp_path: Path, fake: RunnerSpec, make_plans: Plans
) -> None:
    plans = make_plans([1, 2])
    folder = tmp_path / "run"
    run(plans, folder, fake)
    with Ledger(folder / FILE_NAME) as ledger:
        ledger.begin(plans[0].key)  # a crash between storing the record and noting it
    shutil.rmtree(folder / "episodes" / plans[1].key)  # a record that someone removed
    summary, seen = run(plans, folder, fake)
    assert (summary.found, summary.done) == (3, 1)
    assert [progress.plan.key for progress in seen] == [plans[1].key]
    with Ledger(folder / FILE_NAME) as ledger:
        assert {entry.state for entry in ledger.entries()} == {"done"}


def test_the_manifest_keeps_its_beginning_and_what_was_planned_before(
    tmp_path: Path, fake: RunnerSpec, make_plans: Plans
) -> None:
    folder = tmp_path / "run"
    run(make_plans([1]), folder, fake)
    before = RunFolder.open(folder).manifest()
    run(make_plans([2]), folder, fake)
    after = RunFolder.open(folder).manifest()
    assert after.created_utc == before.created_utc
    assert [one.seed for one in after.planned] == [1, 1, 2, 2]
    assert after.versions["testbed"] and after.versions["numpy"] and after.notes == "Does the scheduler hold?"


@pytest.mark.parametrize(("lost", "verdict"), [(0, False), (1, False), (2, True), (10, True)])
def test_a_run_that_lost_more_than_a_tenth_answers_nothing(lost: int, verdict: bool) -> None:
    summary = RunSummary(planned=10, found=0, done=10 - lost, failed=lost, lost=lost)
    if verdict:
        with pytest.raises(InconclusiveError, match=f"{lost} of 10 episodes were lost"):
            summary.check()
    else:
        summary.check()


def test_longer_episodes_get_longer(make_plans: Plans) -> None:
    (plan, _) = make_plans([1])
    longer = plan.model_copy(update={"scene": {"duration_s": 11.0}})
    assert deadline_s(longer) - deadline_s(plan) == 300.0
    assert deadline_s(plan.model_copy(update={"scene": {}})) > deadline_s(longer)


def test_tables_are_equal_whatever_died_and_however_many_worked(
    tmp_path: Path, fake: RunnerSpec, make_plans: Plans
) -> None:
    plans = make_plans([3, 1, fault.CRASH_ONCE, fault.KILLED_ONCE + 1, 2])
    tables = []
    for name, jobs in (("one", 1), ("two", 3)):
        folder = tmp_path / name
        run(plans, folder, fake, jobs=jobs)
        write_table(folder / "episodes.parquet", RunFolder.open(folder).records())
        tables.append((folder / "episodes.parquet").read_bytes())
        assert [row["seed"] for row in read_table(folder / "episodes.parquet")][:3] == [1, 2, 3]
    assert tables[0] == tables[1]


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as stream:
                if stream.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False
