"""The commands and examples in README and docs are run as they stand.

A fenced block is run unless a comment above it says ``<!-- test: slow -->`` (then it runs with ``-m slow``) or
``<!-- test: skip REASON -->``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.scenario.loader import load_scenario

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(
    r"(?:<!-- test: (?P<mark>slow|skip)[^\n]*-->\n)?```(?P<language>sh|python|yaml)\n(?P<text>.*?)```", re.DOTALL
)


@dataclass(frozen=True)
class Example:
    document: str
    number: int
    language: str
    mark: str
    text: str


def examples() -> list[Example]:
    found = []
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]):
        for number, match in enumerate(FENCE.finditer(path.read_text(encoding="utf-8")), start=1):
            found.append(Example(path.name, number, match["language"], match["mark"] or "", match["text"]))
    return found


def parameters() -> list[object]:
    made = []
    for example in examples():
        marks = [pytest.mark.slow, pytest.mark.timeout(900)] if example.mark == "slow" else []
        if example.mark == "skip":
            marks = [pytest.mark.skip(reason="the document says so")]
        made.append(pytest.param(example, marks=marks, id=f"{example.document}-{example.number}-{example.language}"))
    return made


@pytest.mark.parametrize("example", parameters())
def test_example_runs(example: Example, tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if example.language == "yaml":
        if "question:" not in example.text:
            pytest.skip("a part of a file")
        path = tmp_path / "example.yaml"
        path.write_text(example.text, encoding="utf-8")
        assert load_scenario(path).content.question
        return
    shell = ["bash", "-euo", "pipefail", "-c"] if example.language == "sh" else [sys.executable, "-c"]
    command = [*shell, example.text]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_documents_have_examples_and_their_links_exist() -> None:
    assert len([example for example in examples() if example.mark != "skip"]) >= 5
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which does not exist"
