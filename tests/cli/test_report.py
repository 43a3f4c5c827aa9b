"""The verb `report`: what it could not read, and what is not there, is told and never left out in silence."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from testbed.cli import main
from testbed.report import read_run


@pytest.fixture
def run(tmp_path: Path, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    synthetic.write_run(tmp_path / "mine", agents=("dnn",), seeds=range(101, 103), duration_s=2.0, images=False)
    monkeypatch.chdir(tmp_path)
    for record in (e.record for e in read_run(tmp_path / "mine").episodes):
        assert record.trace
    return Path("mine")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("name", ["record.json", "trace.mcap"])
@pytest.mark.parametrize("lost", [True, False], ids=["lost", "damaged"])
def test_an_episode_that_cannot_be_read_is_told(
    run: Path, capsys: pytest.CaptureFixture[str], name: str, lost: bool
) -> None:
    stored = next((run / "episodes").rglob(name))
    if lost:
        stored.unlink()
    else:
        stored.write_bytes(stored.read_bytes()[:-5])
    status, out, err = said(capsys, "report", "mine")
    assert status == 3 and out == "report: mine/index.html\n"
    assert err.startswith("damaged: ") and sum(line.startswith("damaged: ") for line in err.splitlines()) == 1
    assert "does only the damaged episodes again" in err


def test_planned_drives_that_are_not_there_are_counted(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def missing() -> str:
        status, out, err = said(capsys, "report", "mine")
        assert (status, out) == (0, "report: mine/index.html\n")
        return err

    planned = len(read_run(run, drives=False).manifest.planned)
    assert missing() == f"note: 1 of {planned} planned drives are not there\n"
    shutil.rmtree(next((run / "episodes").iterdir()))
    assert missing() == f"note: 2 of {planned} planned drives are not there\n"
