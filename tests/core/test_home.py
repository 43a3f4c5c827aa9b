"""A home that can be written to, whatever the environment says."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.core.home import usable_home


def test_a_home_that_works_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert usable_home() == tmp_path and os.environ["HOME"] == str(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "made"))
    assert usable_home() == tmp_path / "made" and (tmp_path / "made").is_dir()


@pytest.mark.parametrize("told", [None, "", "/proc", "/dev/null/home"])
def test_another_takes_the_place_of_one_that_does_not(
    told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("HOME", raising=False)
    if told is not None:
        monkeypatch.setenv("HOME", told)
    made = usable_home()
    assert made.parent == tmp_path and os.environ["HOME"] == str(made)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700, "nobody else reads what is kept there"
    assert usable_home() == made


@pytest.mark.parametrize("what", ["file", "dangling", "link"])
def test_what_others_put_in_its_place_is_not_used(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("HOME", raising=False)
    planted, elsewhere = tmp_path / f"v2lm-testbed-home-{os.getuid()}", tmp_path / "elsewhere"
    if what == "file":
        planted.touch()
    else:
        planted.symlink_to(elsewhere)
        if what == "link":
            elsewhere.mkdir()
    made = usable_home()
    assert made != planted and made.resolve() != elsewhere and made.is_dir()


def test_a_drive_needs_no_home(tmp_path: Path) -> None:
    program = """
import gymnasium
env = gymnasium.make("testbed:testbed/DrpHighway-v1")
env.reset(seed=1)
env.step(env.action_space.sample())
env.close()
"""
    environment = {name: value for name, value in os.environ.items() if name != "HOME"} | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-400:]
    assert any(path.name.startswith("v2lm-testbed-home-") for path in tmp_path.iterdir())
