"""What the documents show works: YAML is valid, links lead somewhere, names exist, commands do what they are shown for.

Every ``sh``, ``console`` and ``python`` block of README and docs is executed, block after block, in one empty folder
per document that holds the shipped scenarios. A comment right above a block changes that::

    <!-- test: slow -->            executed with -m slow only
    <!-- test: skip REASON -->     not executed, only understood
    <!-- test: file NAME -->       a YAML block that is saved as NAME for the blocks below it
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from testbed.cli import VERBS, build_parser
from testbed.cli.validate import check_file
from testbed.core.errors import UsageError
from testbed.core.explain import check
from testbed.core.yaml_reader import parse_yaml
from testbed.scenario.schema import Scenario
from testbed.store.trace_schemas import SCHEMAS
from testbed.sweep.grid import Sweep

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] + [*ROOT.glob("[a-z]*/README.md")])
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


def name_of(path: Path) -> str:
    """Return a document's path in the repository."""
    return path.relative_to(ROOT).as_posix()


def blocks_of(path: Path) -> list[Block]:
    """Return the fenced blocks of a document in order."""
    return [
        Block(name_of(path), found["language"], found["text"], found["mark"] or "", found["rest"] or "")
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
                found.append((name_of(path), text))
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
        told = f"{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
        assert result.returncode == 0, f"{name_of(path)}:\n{block.text}\n{told}"
        done += 1
    return done


def executed(path: Path, *, slow: bool) -> bool:
    """Tell whether a document has anything to execute."""
    marks = {block.mark for block in blocks_of(path) if block.language in EXECUTED} - {"skip"}
    return "slow" in marks if slow else bool(marks - {"slow"})


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if executed(p, slow=False)], ids=name_of)
def test_quick_blocks_run(path: Path, tmp_path: Path) -> None:
    assert carry_out(path, tmp_path, slow=False) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", [p for p in DOCUMENTS if executed(p, slow=True)], ids=name_of)
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
                broken.append(f"{name_of(path)}: {target}")
    assert not broken


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").rglob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_files_are_accepted_whole(path: Path) -> None:
    problems, _ = check_file(str(path), look_up=False)
    assert not problems


# ---------------------------------------------------------------- names in prose
HISTORY = ("CHANGELOG.md", "docs/adr/")
"""Documents that may name what is no longer there."""

GROUPS = {"testbed.agents", "testbed.adversaries", "testbed.defences", "testbed.judges", "testbed.vlm_families"}
"""Entry point groups: names that are not modules, or not only."""

_DOTTED = re.compile(r"(?<![\w/.-])(?:testbed|benchmarks)(?:\.[A-Za-z_]\w*)+(?![\w/]|\()")
_FOLDERS = "testbed|agents|adversaries|scenarios|tests|examples|benchmarks|docs"
_PATH = re.compile(rf"(?<![\w/.<>:-])(?:{_FOLDERS})/[\w./*-]*[\w*]")


def prose() -> Iterator[tuple[str, str]]:
    """Yield name and text of every document about what there is now."""
    for path in DOCUMENTS:
        if not name_of(path).startswith(HISTORY):
            yield name_of(path), path.read_text(encoding="utf-8")


def exists(dotted: str) -> bool:
    """Tell whether a dotted name is a module, or something reached from one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.util.find_spec(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        if found is None:
            continue
        if count == len(parts):
            return True
        reached: object = importlib.import_module(".".join(parts[:count]))
        for part in parts[count:]:
            if not hasattr(reached, part):
                return False
            reached = getattr(reached, part)
        return True
    return False


def test_names_in_documents_exist() -> None:
    known = GROUPS | set(SCHEMAS) | {"testbed.json"}
    found = {(name, dotted) for name, text in prose() for dotted in _DOTTED.findall(text)}
    assert len(found) > 20
    assert not sorted((name, dotted) for name, dotted in found if dotted not in known and not exists(dotted))


def test_paths_in_documents_exist() -> None:
    found = {(name, path) for name, text in prose() for path in _PATH.findall(text)}
    found = {(name, path) for name, path in found if not re.search(r"-v\d+$", path)}  # ids of environments look alike
    assert len(found) > 50
    assert not sorted((name, path) for name, path in found if not any(ROOT.glob(path.removesuffix(".")))), "stale"


# ---------------------------------------------------------------- the page about the design
def layers_of_the_contract() -> list[str]:
    """Return the layers that lint-imports checks, from the top down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    return next(c["layers"] for c in contracts if c["type"] == "layers" and c["containers"] == ["testbed"])


def test_the_picture_of_the_layers_is_the_contract() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    drawn = re.search(r"^## Layers$.*?^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert drawn is not None
    assert [re.split(r"\s{2,}", line)[0] for line in drawn[1].splitlines()] == layers_of_the_contract()


def test_the_page_about_the_design_names_every_room() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = text[text.index("## Rooms") : text.index("## Where do I look")]
    for room in sorted((ROOT / "testbed").iterdir()):
        if (room / "__init__.py").is_file() or (room.suffix == ".py" and room.name != "__init__.py"):
            assert f"`testbed/{room.name}`" in table, f"docs/design.md does not say what {room.name} is for"


# ---------------------------------------------------------------- the site
def pages_in_nav(entry: object) -> Iterator[str]:
    """Yield the pages of a navigation, in order."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for below in entry.values():
            yield from pages_in_nav(below)
    elif isinstance(entry, list):
        for below in entry:
            yield from pages_in_nav(below)


def site_documents() -> dict[str, str]:
    """Return every page of the site: its name there to its text, with the links that it has there."""
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    assert spec is not None and spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    sources = {name_of(path).removeprefix("docs/"): name_of(path) for path in (ROOT / "docs").rglob("*.md")}
    sources |= {page: source for source, page in hook.PAGES.items()}
    return {
        page: hook.turned((ROOT / source).read_text(encoding="utf-8"), source, page) for page, source in sources.items()
    }


def test_every_page_is_in_the_navigation_and_reached_from_the_index() -> None:
    pages = site_documents()
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(pages_in_nav(nav)) == sorted(pages)
    linked = set()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", pages["index.md"]):
        linked.add(target)
    below = {f"api/{target}" for target in re.findall(r"\]\(([\w-]+\.md)\)", pages["api/index.md"])}
    assert set(pages) - linked - below == {"index.md"}


@pytest.mark.timeout(600)
def test_the_site_is_built_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(site_documents())
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"?(?:https?:)?//[^\s\">]+", text)
        for tag in re.findall(r"<link\b[^>]*>", text):
            if not re.search(r"\brel=\"?canonical", tag):
                fetched += re.findall(r"href=\"?(?:https?:)?//[^\s\">]+", tag)
        assert not fetched, f"{page.name} is fetched from elsewhere: {fetched}"
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet
