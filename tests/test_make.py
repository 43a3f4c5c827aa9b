"""`make` takes a Python that the carla client has wheels for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def plan(folder: Path, **fits: bool) -> str:
    """Return the first step of an installation on a machine with these interpreters, each fit or not."""
    for name, fit in fits.items():
        interpreter = folder / name.replace("_", ".")
        interpreter.write_text(f"#!/bin/sh\nexit {0 if fit else 1}\n")
        interpreter.chmod(0o755)
    command = [str(MAKE), "--dry-run", "--file", str(ROOT / "Makefile"), "VENV=venv", "install"]
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    done = subprocess.run(command, cwd=folder, env={"PATH": str(folder)}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def test_the_usual_python_is_taken_where_it_fits(tmp_path: Path) -> None:
    assert plan(tmp_path, python3=True, python3_12=True).endswith("|| python3 -m venv venv")


def test_an_older_one_beside_it_is_taken_where_it_is_too_new(tmp_path: Path) -> None:
    assert plan(tmp_path, python3=False, python3_11=True).endswith("|| python3.11 -m venv venv")


def test_without_any_uv_is_asked_for_one_and_what_is_missing_is_said(tmp_path: Path) -> None:
    step = plan(tmp_path, python3=False)
    assert "uv venv" in step and "Python 3.11 or 3.12 is needed" in step
