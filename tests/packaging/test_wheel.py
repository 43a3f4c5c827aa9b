"""The wheel holds what the checkout tracks, and works where there is neither a checkout nor torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.core import extras

pytestmark = pytest.mark.timeout(400)

Call = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[2]
SHIPPED = ("scenarios/", "agents/", "adversaries/")

SCENARIO = """\
name: short
question: Does an installed testbed drive?
map: town
duration_s: 1.5
ego: {spawn: {road: 1, lane: -1, s_m: 20}, speed_mps: 8}
agents: [scripted]
seeds: {count: 1}
"""

EPISODE = """\
import gymnasium, testbed
env = gymnasium.make("testbed:testbed/DrpHighway-v1")
seen, _ = env.reset(seed=1)
for _ in range(3):
    seen, *_ = env.step(env.action_space.sample())
print(testbed.__file__, seen["camera"].shape)
env.close()
"""

CLIENT = """\
import sys, carla
client = carla.Client("127.0.0.1", int(sys.argv[1]))
client.set_timeout(20.0)
print(client.get_server_version(), client.get_world().get_map().name)
"""


def tracked() -> dict[str, str]:
    """Return what the checkout tracks of code and data, and where a wheel keeps it."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    places = {}
    for name in filter(None, listed.split("\0")):
        if not (ROOT / name).is_file():
            continue
        if name.startswith("testbed/"):
            places[name] = name
        elif name.startswith(SHIPPED):
            places[name] = f"testbed/shipped/{name}"
        elif re.fullmatch(r"docs/\w+\.schema\.json", name):
            places[name] = f"testbed/shipped/schemas/{Path(name).name}"
    return places


def test_it_holds_every_tracked_file_as_it_is(wheel: Path) -> None:
    places = tracked()
    for part in ("testbed/report/page.html", "testbed/world/maps/data/town.xodr", "scenarios/sweeps/smoke.yaml"):
        assert part in places
    for pattern in ("agents/*.yaml", "agents/weights/*.safetensors", "adversaries/*/*.png", "docs/*.schema.json"):
        assert any(Path(name).match(pattern) for name in places), pattern
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.file_size for item in archive.infolist()}
        missing = [name for name, place in places.items() if sizes.get(place) != (ROOT / name).stat().st_size]
    assert not missing


def test_it_installs_no_other_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"testbed"}


def test_the_base_environment_has_no_module_of_an_extra(call: Call, site: Path) -> None:
    modules = [module for names in extras.MODULES.values() for module in names]
    code = f"import importlib.util as u; print([m for m in {modules} if u.find_spec(m)])"
    assert call("python", "-c", code).stdout == "[]\n"


def test_it_lists_and_validates(call: Call) -> None:
    listed = call("testbed", "list")
    assert listed.returncode == 0, listed.stderr
    lines = {line.split()[0]: line for line in listed.stdout.splitlines() if line.startswith("  ")}
    assert {"drp_highway", "smoke", "scripted", "town", "rauca_model3", "dnn_jpeg"} <= set(lines)
    assert "needs [agents]" in lines["dnn"] and "needs" not in lines["scripted"]
    checked = call("testbed", "validate", "drp_highway", "smoke")
    assert checked.returncode == 0 and "scenario of" in checked.stdout, checked.stderr


def test_it_drives_and_reports(call: Call, tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SCENARIO)
    done = call("testbed", "run", "short.yaml", "--jobs", "1", "--out", "mine")
    assert done.returncode == 0 and done.stdout.endswith("report: mine/index.html\n"), done.stdout + done.stderr
    assert (tmp_path / "mine" / "index.html").stat().st_size > 10_000
    again = call("testbed", "report", "mine")
    assert again.returncode == 0, again.stderr


def test_its_environments_are_registered(call: Call, site: Path) -> None:
    done = call("python", "-c", EPISODE)
    assert done.returncode == 0, done.stderr
    place, shape = done.stdout.split(maxsplit=1)
    assert Path(place) == site / "testbed" / "__init__.py" and shape.endswith(", 3)\n")


def test_what_is_registered_can_be_held_to_its_contract(call: Call, contracts_site: Path) -> None:
    chosen = "TestConstant or TestDnn or (TestRoadPatch and not camera)"
    arguments = ("-m", "pytest", "--pyargs", "testbed.contracts", "-q", "-rs", "-k", chosen)
    done = call("python", *arguments, path=str(contracts_site))
    assert done.returncode == 0 and "10 passed, 5 skipped" in done.stdout, done.stdout + done.stderr
    assert "agent 'dnn' needs torch" in " ".join(done.stdout.split())


def test_it_serves_a_carla_client(call: Call, site: Path, tmp_path: Path) -> None:
    command = [str(site.parents[2] / "bin" / "testbed"), "serve", "--port", "0", "--map", "town"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()
            found = re.fullmatch(r"serving CARLA (\S+) on 127.0.0.1:(\d+), map town\n", ready)
            assert found, ready
            answer = call("python", "-c", CLIENT, found[2])
            assert answer.stdout.split()[0] == found[1] and "town" in answer.stdout.lower(), answer.stderr
        finally:
            server.terminate()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "drp_highway"], "agent 'dnn' needs torch, which is not installed: pip install 'v2lm-testbed[agents]'"),
        (
            ["run", "drp_highway", "--agents", "scripted", "--ray", "auto"],
            "--ray needs ray, which is not installed: pip install 'v2lm-testbed[ray]'",
        ),
        (["train", "dnn-lane"], "this command needs torch, which is not installed: pip install 'v2lm-testbed[agents]'"),
        (
            ["attack", "road_patch", "drp_highway"],
            "this command needs torch, which is not installed: pip install 'v2lm-testbed[agents]'",
        ),
        (
            ["evaluate", "--quick"],
            "this command needs torch, which is not installed: pip install 'v2lm-testbed[agents]'",
        ),
    ],
)
def test_what_needs_an_extra_says_so(call: Call, arguments: list[str], sentence: str) -> None:
    done = call("testbed", *arguments)
    assert (done.returncode, done.stderr) == (2, f"error[TB160]: {sentence}\n")
