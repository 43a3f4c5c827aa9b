"""A wheel as a user would get it, and an environment that holds what its base requirements bring and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable, Iterator, Sequence
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    _hatchling("sdist", folder, ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        content.extractall(folder / "unpacked", filter="data")
    (top,) = (folder / "unpacked").iterdir()
    return top


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution with the tools that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    _hatchling("wheel", folder, sdist)
    (built,) = folder.glob("*.whl")
    return built


def _hatchling(target: str, out: Path, source: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)


@pytest.fixture(scope="session")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and links to the packages that its base requirements bring, no more."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    # --ignore-installed: the checkout that runs the tests is none of this environment's business
    options = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--ignore-installed"]
    subprocess.run([*pip, *options, str(wheel)], check=True)
    (packages,) = (folder / "lib").glob("python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    link(headers.get_all("Requires-Dist") or (), packages)
    return packages


@pytest.fixture(scope="session")
def contracts_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pytest and what it requires, as the extra [contracts] brings them."""
    folder = tmp_path_factory.mktemp("contracts")
    link(["pytest"], folder)
    return folder


def link(requirements: Sequence[str], folder: Path) -> None:
    """Link into a folder what requirements bring, from the environment that runs the tests."""
    for distribution in required(requirements):
        for file in distribution.files or ():
            top = file.parts[0]
            if top in ("..", "__pycache__") or top.endswith(".pth") or (folder / top).exists():
                continue
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))))


def required(requirements: Sequence[str]) -> Iterator[metadata.Distribution]:
    """Yield the installed distributions that requirements bring, each once; none of their extras."""
    todo, seen = list(requirements), set()
    while todo:
        requirement = Requirement(todo.pop())
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        distribution = metadata.distribution(requirement.name)
        yield distribution
        todo += distribution.requires or ()


@pytest.fixture
def call(site: Path, tmp_path: Path) -> Call:
    """Run a program of the environment in an empty folder: ``call("testbed", "list")``."""

    def run(program: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(site.parents[2] / "bin" / program), *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PYTHONPATH": path} if path else {}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150.0, check=False
        )

    return run
