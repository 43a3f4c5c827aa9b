"""The third-party package of docs/extending.md, written to disk, registered by entry points, held to the contract."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(?:python|toml)\n# ([\w./]+)\n(.*?)^```$", DOCUMENT, flags=re.DOTALL | re.MULTILINE))
SCENARIO = re.search(r"^```yaml\n(.*?)^```$", DOCUMENT, flags=re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as an installer would leave it: the package, and a dist-info with its entry points."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in BLOCKS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "thirdparty" / "__init__.py").touch()
    project = tomllib.loads(BLOCKS["pyproject.toml"])["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(points)
    (folder / "bars.json").write_text(json.dumps({"count": 6, "added": 0.5}), encoding="utf-8")
    (folder / "stripes.yaml").write_text(SCENARIO, encoding="utf-8")
    return folder


def call(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the package's folder with the package on its path."""
    environment = {**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=package, env=environment, capture_output=True, text=True, timeout=900
    )


def test_each_is_complete_in_less_than_sixty_lines() -> None:
    for name in ("thirdparty/edge.py", "thirdparty/stripes.py", "thirdparty/tailgating.py"):
        assert 20 < len([line for line in BLOCKS[name].splitlines() if line.strip()]) < 60, name


def test_the_command_line_knows_them(package: Path) -> None:
    checked = call(package, "-m", "testbed", "validate", "stripes.yaml")
    assert checked.returncode == 0 and "6 episodes" in checked.stdout, checked.stderr
    made = call(package, "-m", "testbed", "attack", "stripes", "drp_highway", "--count", "9", "--out", "made")
    assert made.returncode == 0, made.stderr
    assert json.loads((package / "made" / "stripes_drp_highway.json").read_text())["count"] == 9
    listed = call(package, "-m", "testbed", "list", "judges", "--json")
    mine = {row["name"]: row for row in json.loads(listed.stdout)["judges"]}["tailgating"]
    assert (mine["every_episode"], mine["events"]) == (False, ["tailgating"])
    (package / "strange.yaml").write_text(SCENARIO.replace("[tailgating]", "[tailgater]"))
    strange = call(package, "-m", "testbed", "validate", "strange.yaml")
    assert strange.returncode == 2 and "did you mean 'tailgating'" in strange.stderr, strange.stderr
    (package / "bars2.json").write_text("{}")
    (package / "bad.yaml").write_text(SCENARIO.replace("bars.json", "bars2.json"))
    bad = call(package, "-m", "testbed", "validate", "bad.yaml")
    assert bad.returncode == 2 and "bars2.json: no stripes can be read" in bad.stderr


DIGESTS = """
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.sweep.catalogue import Installed
import json
plans = expand(load_scenario("stripes.yaml"), catalogue=Installed())
print(json.dumps([sorted({plan.key for plan in plans}), {k: v for plan in plans for k, v in plan.digests.items()}]))
"""


def test_changed_code_of_a_package_is_another_episode(package: Path) -> None:
    def digests() -> tuple[list[str], dict[str, str]]:
        done = call(package, "-c", DIGESTS)
        assert done.returncode == 0, done.stderr
        keys, found = json.loads(done.stdout)
        return keys, found

    keys, before = digests()
    assert digests() == (keys, before)
    code = package / "thirdparty" / "edge.py"
    written = code.read_text(encoding="utf-8")
    code.write_text(written + "\n# drives otherwise\n", encoding="utf-8")
    changed_keys, after = digests()
    code.write_text(written, encoding="utf-8")
    assert not set(keys) & set(changed_keys)
    project = tomllib.loads(BLOCKS["pyproject.toml"])["project"]
    named = f"package:{project['name']} {project['version']}"
    assert named in before and before[named] != after[named]
    # its adversary and its judge come from the same package
    assert {name for name in before if before[name] != after[name]} == {named, "artefact:bars.json", "judge:tailgating"}


def test_a_family_is_short_and_its_checkpoint_answers(package: Path) -> None:
    assert len([line for line in BLOCKS["thirdparty/nibble.py"].splitlines() if line.strip()]) < 40
    program = """
from pathlib import Path
import numpy as np
from testbed.agents.vlm import families
families.build("nibble", "tiny", Path("nibble"), ["Which way? Left, Right"])
Path("nibble.yaml").write_text("agent: solo\\nmodel: {kind: local, path: nibble, latency_ms: [1, 2], device: cpu}\\n")
from testbed import agents
from testbed.core.types import Observation
said = agents.load("nibble.yaml").perceive(Observation(0, 0.0, np.zeros((160, 320, 3), np.uint8), 20.0))
print(said.raw["alc"])
"""
    answered = call(package, "-c", program)
    assert answered.returncode == 0 and answered.stdout.strip() in ("Left", "Straight", "Right"), answered.stderr


@pytest.mark.slow
def test_they_pass_the_contract_suite(package: Path) -> None:
    done = call(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_thirdparty.py")
    assert done.returncode == 0 and "18 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_they_drive(package: Path) -> None:
    done = call(package, "-m", "testbed", "run", "stripes.yaml", "--seeds", "1", "--jobs", "1", "--out", "report")
    assert done.returncode == 0, done.stdout + done.stderr
    records = [
        json.loads(path.read_text()) for path in (package / "report").rglob("*.json") if '"plan"' in path.read_text()
    ]
    modes = {record["plan"]["condition"]: record["injection"] for record in records if "injection" in record}
    assert modes == {"benign": {}, "bars": {"bars": "world"}}
    for record in records:
        if "plan" in record:
            assert record["versions"]["judge tailgating"] == "1" and "judge:tailgating" in record["plan"]["digests"]
            assert record["scores"]["tailgating.count"] == 0 and record["plan"]["scene"]["judges"] == ["tailgating"]
