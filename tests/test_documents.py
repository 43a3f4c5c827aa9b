"""What the documents show works: YAML blocks are valid files, commands are accepted, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from testbed.cli import VERBS, build_parser
from testbed.cli.validate import check_file
from testbed.core.errors import UsageError
from testbed.scenario.explain import check
from testbed.scenario.schema import Scenario
from testbed.scenario.yaml_reader import parse_yaml
from testbed.sweep.grid import Sweep

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(path.name, block) for path in DOCUMENTS for block in pattern.findall(path.read_text())]


def commands() -> list[tuple[str, str]]:
    """Every line of every document that calls the testbed."""
    found = []
    for path in DOCUMENTS:
        for line in path.read_text().splitlines():
            text = line.strip().removeprefix("$ ").split("  #")[0].strip()
            if re.match(r"(python -m testbed|\.venv/bin/(python -m )?testbed|testbed) ", text) and "…" not in text:
                found.append((path.name, text))
    return found


@pytest.mark.parametrize(("name", "block"), blocks("yaml"))
def test_yaml_blocks_are_accepted(name: str, block: str) -> None:
    document = parse_yaml(block.encode(), name)
    if isinstance(document.data, dict) and "question" in document.data:
        _, problems = check(Sweep if "scenarios" in document.data else Scenario, document)
        assert not problems, problems


@pytest.mark.parametrize(("name", "command"), commands())
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


def test_shipped_files_named_in_documents_exist() -> None:
    for name, command in commands():
        for word in shlex.split(command):
            if word.startswith("scenarios/"):
                assert (ROOT / word).is_file(), f"{name}: {command}"


def test_links_lead_somewhere() -> None:
    broken = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert not broken


@pytest.mark.parametrize("name", ["drp_highway", "smoke"])
def test_shipped_files_are_accepted_whole(name: str) -> None:
    problems, _ = check_file(name, look_up=False)
    assert not problems
