"""The pages in a headless Chromium: what their scripts make of them, an empty console, and axe's rules where it is had.

Chromium prints the document once its scripts have run; nothing drives it. Where there is none, nothing is tested here:
`apt-get install chromium` and `uv pip install axe-core-python` bring both.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest

from testbed.report import build, read_run

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
AXE = importlib.util.find_spec("axe_core_python")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")

Opened = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    path = tmp_path_factory.mktemp("runs") / "demo"
    synthetic.write_run(path, agents=("dnn", "tandem"), seeds=range(101, 104), duration_s=3.0, images=True)
    build(path)
    return path


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Return a function that opens a page and returns the document after its scripts, which must not complain."""

    def open_page(page: Path, place: str = "", *more: str) -> str:
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
            + ["--enable-logging=stderr", "--virtual-time-budget=4000", *more, "--dump-dom", page.as_uri() + place],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert not said, said
        return done.stdout

    return open_page


def rows(document: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*?)</tbody>", document, re.DOTALL)
    assert body is not None
    found = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in found]


def test_the_list_shows_what_the_address_asks_for(run: Path, opened: Opened) -> None:
    every = rows(opened(run / "drives.html"))
    assert len(every) == len(read_run(run).manifest.planned)
    asked = rows(opened(run / "drives.html", "#agent=dnn&condition=patch&event=lane_departure"))
    assert asked and all(row[:2] == ["dnn", "patch"] and "lane departure" in row[3] for row in asked)
    assert len(asked) == sum(row[:2] == ["dnn", "patch"] and "lane departure" in row[3] for row in every)
    assert {row[2] for row in rows(opened(run / "drives.html", "#seed=101,103"))} == {"101", "103"}


def test_a_drives_page_shows_the_moment_that_the_address_asks_for(run: Path, opened: Opened) -> None:
    episode = next(e for e in read_run(run).episodes if e.record.events)
    document = opened(run / "drives" / f"{episode.plan.key}.html", "#t=1.5")
    assert 'src="data:image/jpeg;base64,' in document and re.search(r"data-time[^>]*>1\.50 s, frame \d+<", document)
    steering = re.search(r'data-row="steering"[^>]*>(.*?)</tr>', document, re.DOTALL)
    assert steering is not None and re.search(r"(Left|Right|Straight) \(\d+ %\)", steering[1])
    first = opened(run / "drives" / f"{episode.plan.key}.html")
    assert re.search(rf"data-time[^>]*>{episode.record.events[0].t_s:.2f} s", first)


def test_the_report_opens_without_a_word_on_the_console(run: Path, opened: Opened) -> None:
    assert 'class="playhead on"' in opened(run / "index.html")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", "drives.html", "drive"])
def test_axe_finds_no_violation(run: Path, opened: Opened, tmp_path: Path, page: str, theme: str) -> None:
    if AXE is None or AXE.origin is None:
        pytest.skip("no axe-core-python here")
    path = next((run / "drives").glob("*.html")) if page == "drive" else run / page
    text = path.read_text("utf-8")
    # the page allows no script but its own; axe is put into a copy that allows all
    copy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    if theme == "dark":
        copy = copy.replace("@media(prefers-color-scheme:dark)", "@media all")
    axe = (Path(AXE.origin).parent / "axe.min.js").read_text("utf-8")
    told = (
        "addEventListener('load', () => axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then("
        "found => { "
        "const told = document.createElement('pre'); told.id = 'axe'; told.textContent = JSON.stringify("
        "found.violations.map(one => [one.id, one.nodes.length, one.nodes[0].html])); document.body.append(told); }));"
    )
    target = tmp_path / "page.html"
    target.write_text(copy.replace("</body>", f"<script>{axe}</script><script>{told}</script></body>"), "utf-8")
    document = opened(target, "", "--virtual-time-budget=20000")
    found = re.search(r'<pre id="axe">(.*?)</pre>', document, re.DOTALL)
    assert found is not None, "axe did not come to an end"
    assert json.loads(unescape(found[1])) == []
