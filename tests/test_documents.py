"""What the documents show works: YAML is valid, links lead somewhere, commands do what they are shown for.

Every ``sh``, ``console`` and ``python`` block of README and docs is executed, block after block, in one empty folder
per document that holds the shipped scenarios. A comment right above a block changes that::

    <!-- test: slow -->            executed with -m slow only
    <!-- test: skip REASON -->     not executed, only understood
    <!-- test: file NAME -->       a YAML block that is saved as NAME for the blocks below it
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.cli import VERBS, build_parser
from testbed.cli.validate import check_file
from testbed.core.errors import UsageError
from testbed.core.explain import check
from testbed.core.yaml_reader import parse_yaml
from testbed.scenario.schema import Scenario
from testbed.sweep.grid import Sweep

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
EXECUTED = ("sh", "console", "python")

_BLOCK = re.compile(
    r"(?:^<!-- test: (?P<mark>slow|skip|file)(?: (?P<rest>[^\n]*?))? -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a document and what its comment says about it."""

    document: str
    language: str
    text: str
    mark: str
    rest: str

    def commands(self) -> list[str]:
        """Return its shell commands without prompts and comments."""
        lines = [line.strip().removeprefix("$ ").split("  #")[0].strip() for line in self.text.splitlines()]
        return [line for line in lines if line and not line.startswith("#")]


def blocks_of(path: Path) -> list[Block]:
    """Return the fenced blocks of a document in order."""
    return [
        Block(path.name, found["language"], found["text"], found["mark"] or "", found["rest"] or "")
        for found in _BLOCK.finditer(path.read_text(encoding="utf-8"))
    ]


BLOCKS = [block for path in DOCUMENTS for block in blocks_of(path)]


def calls() -> list[tuple[str, str]]:
    """Every line of every document that calls the testbed, in a block or not."""
    found = []
    for path in DOCUMENTS:
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.strip().removeprefix("$ ").split("  #")[0].strip()
            if re.match(r"(python -m testbed|\.venv/bin/(python -m )?testbed|testbed) ", text) and "…" not in text:
                found.append((path.name, text))
    return found


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda b: b.document)
def test_yaml_blocks_are_accepted(block: Block) -> None:
    document = parse_yaml(block.text.encode(), block.document)
    if isinstance(document.data, dict) and "question" in document.data:
        _, problems = check(Sweep if "scenarios" in document.data else Scenario, document)
        assert not problems, problems


@pytest.mark.parametrize(("name", "command"), calls())
def test_commands_are_understood(name: str, command: str) -> None:
    words = shlex.split(command.split("&&")[0].split(" & ")[0].rstrip("& "))
    arguments = words[words.index(next(word for word in words if word.rsplit("/", 1)[-1] == "testbed")) + 1 :]
    if arguments[0] == "serve":
        from testbed.server.__main__ import build_parser as server_parser

        server_parser().parse_args(arguments[1:])
        return
    assert arguments[0] in VERBS or arguments[0].startswith("-"), command
    if arguments[0] in VERBS:
        try:
            build_parser(arguments[0]).parse_args(arguments)
        except UsageError as error:
            pytest.fail(f"{name}: {command}: {error}")


def test_commands_stand_in_blocks_that_are_executed_or_say_why_not() -> None:
    for block in BLOCKS:
        if block.language not in EXECUTED:
            assert not any(re.match(r"(python|testbed|make) ", c) for c in block.commands()), (
                block.document,
                block.text,
            )
        assert block.mark != "skip" or block.rest, f"{block.document}: a skipped block says why"
        assert block.mark != "file" or (block.language == "yaml" and block.rest), block.document


def carry_out(path: Path, folder: Path, *, slow: bool) -> int:
    """Execute the blocks of a document in a folder; return how many were executed."""
    (folder / "scenarios").symlink_to(ROOT / "scenarios")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    done = 0
    for block in blocks_of(path):
        if block.mark == "file":
            (folder / block.rest).write_text(block.text, encoding="utf-8")
        if block.language not in EXECUTED or block.mark == "skip" or (block.mark == "slow" and not slow):
            continue
        if block.language == "python":
            command = [sys.executable, "-c", block.text]
        else:
            command = ["bash", "-euo", "pipefail", "-c", "\n".join(block.commands())]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{path.name}:\n{block.text}\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
        done += 1
    return done


def executed(path: Path, *, slow: bool) -> bool:
    """Tell whether a document has anything to execute."""
    marks = {block.mark for block in blocks_of(path) if block.language in EXECUTED} - {"skip"}
    return "slow" in marks if slow else bool(marks - {"slow"})


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if executed(p, slow=False)], ids=lambda p: p.name)
def test_quick_blocks_run(path: Path, tmp_path: Path) -> None:
    assert carry_out(path, tmp_path, slow=False) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", [p for p in DOCUMENTS if executed(p, slow=True)], ids=lambda p: p.name)
def test_all_blocks_run(path: Path, tmp_path: Path) -> None:
    assert carry_out(path, tmp_path, slow=True) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_make_run_in_a_clean_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    result = subprocess.run(["make", "run"], cwd=clone, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    assert re.search(r"reports/\S+/index\.html", result.stdout), result.stdout[-2000:]
    assert list((clone / "reports").glob("*/index.html"))


def test_shipped_files_named_in_documents_exist() -> None:
    for name, command in calls():
        for word in shlex.split(command):
            if word.startswith("scenarios/"):
                assert (ROOT / word).is_file(), f"{name}: {command}"


def test_links_lead_somewhere() -> None:
    broken = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert not broken


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").rglob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_files_are_accepted_whole(path: Path) -> None:
    problems, _ = check_file(str(path), look_up=False)
    assert not problems
