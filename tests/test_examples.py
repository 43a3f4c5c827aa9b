"""Every example runs, from an empty folder, as its head says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

LEAVES: dict[str, str] = {
    "01_drive_with_the_real_client.py": "driver_view.png",
    "02_own_agent.py": "own_agent/index.html",
    "03_own_patch.py": "own_patch/run/index.html",
    "04_read_results.py": "read_results/run/episodes.parquet",
    "05_train_a_policy.py": "trained_policy/index.html",
    "06_first_look.ipynb": "first_look/parted.png",
}
"""Example to what it writes into reports/examples."""


def execute(name: str, arguments: list[str], folder: Path) -> str:
    """Run Python in a folder; return what it printed."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{name}:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    assert (folder / "reports" / "examples" / LEAVES[name]).is_file(), result.stdout
    return result.stdout


def code_of(notebook: Path) -> list[str]:
    """Return the code cells of a notebook."""
    document: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    for cell in document["cells"]:
        assert cell["cell_type"] in {"markdown", "code"} and cell["id"]
        assert not cell.get("outputs"), f"{notebook.name}: cell {cell['id']} is stored with outputs"
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs(path: Path, tmp_path: Path) -> None:
    assert execute(path.name, [str(path)], tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    cells = code_of(path)
    assert len(cells) > 2
    text = execute(path.name, ["-c", "\n\n".join(cells)], tmp_path)
    assert "lane_departure, cause: wrong steering class" in text


def test_every_example_is_listed_and_checked() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    names = [path.name for path in [*SCRIPTS, *NOTEBOOKS]]
    assert names == sorted(LEAVES)
    assert all(f"]({name})" in listed for name in names)
