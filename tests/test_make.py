"""`make` takes a Python that fits, installs what its target needs, and lints as commits do."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

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


def commands(target: str) -> list[str]:
    """Return what a target runs where everything is installed."""
    stamps = ["--assume-old", "venv/.installed", "--assume-old", "venv/.installed-dev"]
    done = subprocess.run(
        [str(MAKE), "--dry-run", *stamps, "VENV=venv", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [line.removeprefix("venv/bin/") for line in done.stdout.splitlines() if line.startswith("venv/bin/")][-4:]


def test_pre_commit_runs_what_make_lint_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    hooks = [hook["entry"].removeprefix(".venv/bin/") for hook in repository["hooks"]]
    assert hooks == [command.removesuffix(" .") for command in commands("lint")]


def test_users_get_what_they_may_need_and_developers_everything(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for target, extras in (("run", "all"), ("test", "all,dev,docs"), ("lint", "all,dev,docs")):
        command = [str(MAKE), "--dry-run", "--file", str(ROOT / "Makefile"), "VENV=venv", target]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert f"--editable '.[{extras}]'" in done.stdout


def test_every_extra_has_exact_versions() -> None:
    from importlib import metadata

    from packaging.requirements import Requirement

    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()[1:]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [*project["dependencies"], *(one for many in project["optional-dependencies"].values() for one in many)]
    seen: set[str] = set()
    while todo:
        requirement = Requirement(todo.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        if name != project["name"]:
            todo += metadata.distribution(name).requires or ()
    assert not seen - pinned - {project["name"]}
