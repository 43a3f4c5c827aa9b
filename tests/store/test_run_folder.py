"""Run folders: whole episodes or none, damage named, nothing outside touched."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow
import pyarrow.dataset
import pytest

from testbed.core.errors import StoreError
from testbed.core.records import EpisodeRecord
from testbed.store import RunFolder, RunManifest, dump_record, load_record, read_table, writable, write_table
from testbed.store import run_folder as folder_module

SHIPPED_RECORD = Path(__file__).parent / "data" / "record-v1.json"


@pytest.fixture
def run(tmp_path: Path, synthetic: ModuleType) -> RunFolder:
    plans = [synthetic.plan("dnn", "benign", seed) for seed in (1, 2)]
    return RunFolder.create(tmp_path / "run", RunManifest.of("run", plans, command="x"))


def stored(run: RunFolder, synthetic: ModuleType, seed: int = 1, **fields: Any) -> tuple[EpisodeRecord, Path]:
    record = EpisodeRecord(plan=synthetic.plan("dnn", "benign", seed), scores={"a": 1.5}, **fields)
    with run.scratch(record.plan.key) as scratch:
        (scratch / "t.mcap").write_bytes(b"trace")
        return record, run.write_episode(record, scratch / "t.mcap")


def test_episode_round_trip(run: RunFolder, synthetic: ModuleType) -> None:
    record, path = stored(run, synthetic)
    key = record.plan.key
    assert run.keys() == run.done_keys() == [key]
    back = run.read_episode(key)
    assert back.scores == {"a": 1.5} and back.trace == "trace.mcap" and len(back.trace_sha256) == 64
    assert run.file_of(key, "trace.mcap") == path / "trace.mcap"
    assert run.file_of(key, "video.webm") is None
    assert [r.plan.key for r in run.records()] == [key]
    assert run.verify() == []
    assert sorted(os.listdir(run.episodes_path)) == [key]
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=path, capture_output=True, check=False).returncode == 0
    assert RunFolder.open(run.path).manifest().planned[0].agent == "dnn"


def test_a_finished_episode_is_never_replaced_but_a_failed_one_is(run: RunFolder, synthetic: ModuleType) -> None:
    failed, _ = stored(run, synthetic, status="failed", error_code="TB304")
    assert run.done_keys() == []
    done, _ = stored(run, synthetic)
    assert run.read_episode(done.plan.key).status == "done"
    stored(run, synthetic, status="failed")
    assert run.read_episode(done.plan.key).status == "done"
    assert sorted(os.listdir(run.episodes_path)) == [failed.plan.key]


@pytest.mark.parametrize("name", ["record.json", "trace.mcap", "SHA256SUMS"])
@pytest.mark.parametrize("how", ["flip", "cut", "gone", "link"])
def test_damage_is_named_and_only_that_episode_runs_again(
    run: RunFolder, synthetic: ModuleType, name: str, how: str
) -> None:
    record, path = stored(run, synthetic)
    other, _ = stored(run, synthetic, seed=2)
    target = path / name
    content = target.read_bytes()
    target.unlink()
    if how == "flip":
        target.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif how == "cut":
        target.write_bytes(content[: len(content) // 2])
    elif how == "link":
        target.symlink_to("/etc/hostname")
    damage = run.verify()
    assert damage and all(item.path.parent == path for item in damage)
    assert run.done_keys() == [other.plan.key]
    stored(run, synthetic)
    assert run.verify() == []
    assert run.read_episode(record.plan.key).scores == {"a": 1.5}


def test_a_record_of_another_plan_is_refused(run: RunFolder, synthetic: ModuleType) -> None:
    _, path = stored(run, synthetic)
    other = "0" * 64
    path.rename(path.with_name(other))
    with pytest.raises(StoreError, match="another plan"):
        run.read_episode(other)


@pytest.mark.parametrize("key", ["../../etc", "abc", "/" + "a" * 63, "A" * 64, "a" * 64 + "\n"])
def test_keys_cannot_lead_out(run: RunFolder, key: str) -> None:
    with pytest.raises(StoreError, match="no episode key"):
        run.read_episode(key)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "a\0b"])
def test_file_names_cannot_lead_out(run: RunFolder, name: str) -> None:
    with pytest.raises(StoreError):
        run.write_text(name, "x")


def test_a_linked_episode_folder_is_refused(run: RunFolder, synthetic: ModuleType, tmp_path: Path) -> None:
    record, path = stored(run, synthetic)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        run.read_episode(record.plan.key)
    assert run.verify()


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(
    run: RunFolder, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = stored(run, synthetic)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder_module, "sync_file", full)
    with pytest.raises(StoreError, match=r"No space left on device \(the disk is full") as caught:
        stored(run, synthetic, seed=2)
    assert caught.value.exit_code == 3
    monkeypatch.undo()
    assert run.keys() == [first.plan.key] and run.verify() == []
    assert sorted(os.listdir(run.episodes_path)) == [first.plan.key]


def test_dying_before_the_rename_leaves_nothing_a_reader_sees(
    run: RunFolder, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(run, "_publish", die)
    monkeypatch.setattr(folder_module.shutil, "rmtree", lambda *a, **k: None)
    with pytest.raises(Killed):
        stored(run, synthetic)
    monkeypatch.undo()
    assert run.keys() == [] and run.verify() == []
    assert os.listdir(run.episodes_path)
    run.clean()
    assert os.listdir(run.episodes_path) == []


def test_losing_a_raceis_done_the_winner(
    run: RunFolder, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = stored(run, synthetic)
    answers = iter([False, True])
    monkeypatch.setattr(run, "is_done", lambda key: next(answers))
    stored(run, synthetic)
    assert run.read_episode(record.plan.key).status == "done"


def test_a_wrong_trace_is_refused(run: RunFolder, synthetic: ModuleType) -> None:
    with pytest.raises(StoreError, match="not the trace"):
        stored(run, synthetic, trace_sha256="0" * 64)


def test_opening_and_creating_in_wrong_places(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run folder"):
        RunFolder.open(tmp_path / "nothing")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.md").write_text("mine")
    with pytest.raises(StoreError, match="is no run folder"):
        RunFolder.create(tmp_path / "thesis", run.manifest())
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        writable(tmp_path / "file" / "run")
    writable(tmp_path / "fine")


def test_records_of_released_versions_still_load(synthetic: ModuleType) -> None:
    record = load_record(SHIPPED_RECORD.read_bytes(), "record-v1.json")
    assert record.plan.agent == "dnn" and record.events[0].kind == "lane_departure"
    then, now = json.loads(SHIPPED_RECORD.read_bytes()), json.loads(dump_record(record))
    # later versions may add fields with a default; what was said then is said still
    assert {name: now[name] for name in then} == then


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no valid JSON"),
        ("[]", "no JSON object"),
        ("{}", "states no version"),
        ('{"version": 99}', "newer testbed"),
        ('{"version": true}', "states no version"),
        ('{"version": 1, "scores": {"a": NaN}}', "no JSON number"),
        ('{"version": 1, "plan": 3}', "no episode record: plan"),
        ("[" * 100000, "no valid JSON"),
    ],
)
def test_unreadable_records_are_named(text: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        load_record(text, "x.json")


def test_a_score_that_is_not_finite_is_refused(run: RunFolder, synthetic: ModuleType) -> None:
    record = EpisodeRecord(plan=synthetic.plan("dnn", "benign", 1), scores={"a": float("nan")})
    with pytest.raises(StoreError, match="not finite"):
        run.write_episode(record)
    assert run.keys() == []


def test_table_is_flat_ordered_and_deterministic(tmp_path: Path, synthetic: ModuleType) -> None:
    one = EpisodeRecord(plan=synthetic.plan("tandem", "patch", 2), scores={"x": 1, "y": None}, wall_s=1.0)
    two = EpisodeRecord(plan=synthetic.plan("dnn", "benign", 1), scores={"x": 0.5, "word": "Perfect"}, wall_s=9.0)
    write_table(tmp_path / "a.parquet", [one, two])
    write_table(tmp_path / "b.parquet", [two.model_copy(update={"wall_s": 3.0}), one])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    rows = read_table(tmp_path / "a.parquet")
    assert [row["agent"] for row in rows] == ["dnn", "tandem"]
    assert rows[1]["score.x"] == 1.0 and rows[0]["score.word"] == "Perfect" and rows[1]["score.y"] is None
    (tmp_path / "c.parquet").write_bytes(b"junk")
    with pytest.raises(StoreError):
        read_table(tmp_path / "c.parquet")


def test_tables_of_several_runs_are_one_data_set(tmp_path: Path, synthetic: ModuleType) -> None:
    plan = synthetic.plan("dnn", "benign", 1)
    scores: list[dict[str, float | bool | str | None]] = [
        {"lane.max_offset_m": 0, "window.success": True, "status": "Perfect"},
        {"lane.max_offset_m": 0.5, "window.success": None, "status": None},
        {},
    ]
    promised = {"lane.max_offset_m": float, "window.success": bool, "status": str}
    for number, one in enumerate(scores):
        write_table(tmp_path / f"{number}.parquet", [EpisodeRecord(plan=plan, scores=one)], promised)
    found = pyarrow.dataset.dataset([str(path) for path in sorted(tmp_path.glob("*.parquet"))]).to_table()
    assert found["score.lane.max_offset_m"].to_pylist() == [0.0, 0.5, None]
    assert found["score.window.success"].to_pylist() == [True, None, None]
    assert found["score.status"].to_pylist() == ["Perfect", None, None]
    assert found["valid_attack"].type == pyarrow.bool_() and found["seed"].type == pyarrow.int64()
    with pytest.raises(StoreError, match="'score.status' is not of the type bool"):
        write_table(tmp_path / "odd.parquet", [EpisodeRecord(plan=plan, scores=scores[0])], {"status": bool})


def test_manifest_round_trip_and_damage(run: RunFolder) -> None:
    assert run.manifest().run_id == "run"
    path = run.path / "manifest.json"
    path.write_text(json.dumps({"version": 1}))
    with pytest.raises(StoreError, match="no run manifest: run_id"):
        run.manifest()
    assert run.verify()[0].path == path
