"""A user's files reach another node by content, with everything that is read with them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from testbed import adversaries, agents
from testbed.core.errors import StoreError, UsageError, WeightsError
from testbed.core.records import EpisodePlan
from testbed.core.user_cache import user_cache
from testbed.sweep import travelling
from testbed.sweep.companions import companions
from testbed.sweep.node_files import NodeFiles
from testbed.sweep.travelling import FileBundle, collect

Make = Callable[..., str]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "node"))
    yield tmp_path / "node"


def contents(bundle: FileBundle) -> Mapping[str, bytes]:
    return {sha256: Path(file.source).read_bytes() for sha256, file in bundle.files().items()}


def arrived(bundle: FileBundle) -> NodeFiles:
    return NodeFiles(bundle, contents(bundle), lambda content: content)


def plan(agent: str = "constant", **scene: object) -> EpisodePlan:
    return EpisodePlan(scenario="mine", scene=scene, agent=agent)


def picture(path: Path, value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), value, np.uint8)).save(path)
    return path


def test_what_ships_with_the_testbed_stays(cache: Path) -> None:
    bundle = collect([plan("dnn", map="highway", adversaries=[{"artefact": "drp_highway_left"}])])
    assert bundle == FileBundle()
    same = plan("dnn", map="highway")
    assert arrived(bundle).plan(same) == same
    assert not cache.exists()


def test_a_scenes_files_are_read_from_the_cache_once_the_user_is_gone(tmp_path: Path, cache: Path) -> None:
    mine = tmp_path / "mine"
    patch = picture(mine / "patch.png")
    (mine / "road.xodr").write_text("<OpenDRIVE/>", encoding="utf-8")
    asked = plan(
        map=str(mine / "road.xodr"), adversaries=[{"artefact": [str(patch), "drp_highway_left"]}], name=str(mine)
    )
    files = arrived(collect([asked, asked]))
    shutil.rmtree(mine)
    here = files.plan(asked)
    assert Path(here.scene["map"]).read_text(encoding="utf-8") == "<OpenDRIVE/>"
    one, other = here.scene["adversaries"][0]["artefact"]
    assert Path(one).name == "patch.png" and Path(one).is_relative_to(cache) and other == "drp_highway_left"
    assert here.scene["name"] == str(mine), "what only looks like a path is left alone"
    assert asked.scene["map"] == str(mine / "road.xodr")


def test_an_artefacts_folder_travels_whole_and_is_the_same_artefact(tmp_path: Path, cache: Path) -> None:
    folder = shutil.copytree(agents.registry.CONFIGURED.parent / "adversaries" / "drp_highway_left", tmp_path / "patch")
    before = adversaries.read("road_patch", str(folder), None)
    for named in (folder, folder / "manifest.json"):
        files = arrived(collect([plan(adversaries=[{"artefact": str(named)}])]))
        moved = folder.rename(tmp_path / "gone")
        here = files.path(str(named))
        assert here.name == named.name
        assert adversaries.read("road_patch", str(here), None).digest == before.digest
        folder = moved.rename(folder)


def test_a_mesh_travels_with_what_it_refers_to(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    texture = picture(mine / "textures" / "paint.png")
    (mine / "car.mtl").write_text("newmtl body\nmap_Kd textures/paint.png  # the paint\n", encoding="utf-8")
    (mine / "car.obj").write_text("mtllib car.mtl\nv 0 0 0\n", encoding="utf-8")
    (mine / "car.bin").write_bytes(b"123")
    document = {"buffers": [{"uri": "car.bin"}, {"uri": "data:,x"}], "images": [{"uri": "textures/paint.png"}, {}]}
    (mine / "car.gltf").write_text(json.dumps(document), encoding="utf-8")
    (mine / "diary.txt").write_text("private", encoding="utf-8")
    assert companions(mine / "car.obj") == (mine / "car.mtl", mine / "car.obj", texture)
    assert companions(mine / "car.gltf") == (mine / "car.bin", mine / "car.gltf", texture)
    artefact = mine / "camouflage"
    artefact.mkdir()
    (artefact / "manifest.json").write_text(json.dumps({"mesh": {"file": "../car.obj"}}), encoding="utf-8")
    item = collect([plan(adversaries=[{"artefact": str(artefact)}])]).items[str(artefact)]
    assert item.entry == "camouflage"
    assert [file.name for file in item.files] == [
        "camouflage/manifest.json", "car.mtl", "car.obj", "textures/paint.png",
    ]  # fmt: skip


def test_an_agent_file_finds_its_checkpoint_on_the_node(make_agent: Make, tmp_path: Path, cache: Path) -> None:
    name = make_agent()
    (tmp_path / "mine" / "llava" / "pytorch_model.bin").write_bytes(b"pickled")
    before = agents.card(name)
    files = arrived(collect([plan(name)]))
    (tmp_path / "mine").rename(tmp_path / "elsewhere")
    here = files.plan(plan(name))
    assert Path(here.agent_here).name == Path(name).name and Path(here.agent_here).is_relative_to(cache)
    after = agents.card(here.agent_here)
    assert (after.weights, after.parameters, after.latency_ms) == (before.weights, before.parameters, before.latency_ms)
    assert not list(cache.rglob("pytorch_model.bin"))


def test_a_simulator_whose_models_are_served_gets_no_checkpoint(make_agent: Make, cache: Path) -> None:
    name = make_agent()
    files = arrived(collect([plan(name)]))
    here = files.plan(plan(name), served=[name])
    assert yaml.safe_load(Path(here.agent_here).read_text(encoding="utf-8"))["model"]["path"] == "llava"
    assert not (cache / "files").exists()


def test_paths_in_options_and_defences_travel_and_words_do_not(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "net.json").write_text("{}", encoding="utf-8")
    (tmp_path / "vit_small").mkdir()  # called like a network
    monkeypatch.chdir(tmp_path)
    content = {
        "agent": "dnn",
        "options": {"tsr": "vit_small", "folder": "weights"},
        "defences": [{"kind": "autoencoder", "folder": str(weights)}],
    }
    Path("mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    files = arrived(collect([plan("mine.yaml")]))
    monkeypatch.chdir("/")
    found = yaml.safe_load(Path(files.agent("mine.yaml")).read_text(encoding="utf-8"))
    assert found["options"]["tsr"] == "vit_small"
    for folder in (found["options"]["folder"], found["defences"][0]["folder"]):
        assert Path(folder).is_relative_to(cache) and (Path(folder) / "net.json").is_file()


def test_what_is_too_large_must_be_there_already(
    make_agent: Make, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(travelling, "TRAVELS_BYTES", 10_000)
    name = make_agent()
    checkpoint = tmp_path / "mine" / "llava"
    bundle = collect([plan(name)])
    assert not bundle.files()
    assert arrived(bundle).path(str(checkpoint)) == checkpoint
    shutil.copytree(checkpoint, tmp_path / "again", copy_function=shutil.copyfile)  # other times of change
    shutil.rmtree(checkpoint)
    (tmp_path / "again").rename(checkpoint)
    assert arrived(bundle).path(str(checkpoint)) == checkpoint
    with (checkpoint / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x55")
    with pytest.raises(WeightsError, match=f"node .* has no {checkpoint} with the content .* too much to send"):
        arrived(bundle).agent(name)
    assert arrived(bundle).agent(name, served=[name])


def test_a_large_checkpoint_of_the_hub_is_found_in_the_nodes_downloads(
    make_agent: Make, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(travelling, "TRAVELS_BYTES", 10_000)
    name = make_agent()
    checkpoint = tmp_path / "mine" / "llava"
    for hub in ("driver", "far"):
        refs = tmp_path / hub / "models--some--llava" / "refs"
        refs.mkdir(parents=True)
        (refs / "main").write_text("abc", encoding="utf-8")
        shutil.copytree(checkpoint, refs.parent / "snapshots" / "abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "driver"))
    content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    content["model"]["path"] = "some/llava"
    Path(name).write_text(yaml.safe_dump(content), encoding="utf-8")
    bundle = collect([plan(name)])
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "far"))
    found = yaml.safe_load(Path(arrived(bundle).agent(name)).read_text(encoding="utf-8"))["model"]["path"]
    assert found == str(tmp_path / "far" / "models--some--llava" / "snapshots" / "abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nothing"))
    with pytest.raises(WeightsError, match="has no some/llava"):
        arrived(bundle).agent(name)


def test_an_altered_cache_is_written_anew_and_a_changed_file_is_told(tmp_path: Path, cache: Path) -> None:
    patch = picture(tmp_path / "mine" / "patch.png")
    bundle = collect([plan(adversaries=[{"artefact": str(patch)}])])
    sent = contents(bundle)
    here = NodeFiles(bundle, sent, lambda content: content).path(str(patch))
    whole = here.read_bytes()
    here.write_bytes(b"flipped")
    assert NodeFiles(bundle, sent, lambda content: content).path(str(patch)).read_bytes() == whole
    shutil.rmtree(cache)
    with pytest.raises(StoreError, match="patch.png changed after the run began"):
        NodeFiles(bundle, sent, lambda content: content + b"!").path(str(patch))
    assert not list(cache.rglob("*.png"))


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = picture(tmp_path / "mine" / "patch.png")
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="node .*Not a directory.*TESTBED_CACHE names another folder"):
        arrived(collect([plan(adversaries=[{"artefact": str(patch)}])])).path(str(patch))
    monkeypatch.delenv("TESTBED_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache() == tmp_path / "xdg" / "v2lm-testbed"


def test_what_is_missing_is_told_by_the_driver(make_agent: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="agent file .*nobody.yaml"):
        collect([plan(str(tmp_path / "nobody.yaml"))])
    with pytest.raises(WeightsError, match="there is no folder"):
        collect([plan(make_agent(path="nowhere"))])


def test_a_parallel_agent_takes_its_parts_along(
    make_agent: Make, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Path(make_agent())
    monkeypatch.chdir(slow.parent)
    content = {"agent": "parallel", "options": {"fast": "constant", "slow": slow.name}}
    Path("both.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    before = agents.card("both.yaml")
    bundle = collect([plan("both.yaml")])
    files = arrived(bundle)
    monkeypatch.chdir("/")
    (tmp_path / "mine").rename(tmp_path / "elsewhere")
    here = files.agent("both.yaml")
    assert agents.card(here).weights == before.weights
    served = files.agent("both.yaml", served=[str(slow)])
    assert agents.parts(served)["slow"] == files.agent(str(slow), served=[str(slow)]) != agents.parts(here)["slow"]


def test_recorded_replies_travel(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("replies").mkdir()
    Path("replies/one.json").write_text("{}", encoding="utf-8")
    model = {"kind": "endpoint", "url": "http://localhost:1/v1", "name": "m", "latency_ms": [80, 90]}
    content = {"agent": "tandem", "model": model | {"record": "replies", "replay": "only"}}
    Path("mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    files = arrived(collect([plan("mine.yaml")]))
    monkeypatch.chdir("/")
    found = yaml.safe_load(Path(files.agent("mine.yaml")).read_text(encoding="utf-8"))["model"]["record"]
    assert (Path(found) / "one.json").is_file() and Path(found).is_relative_to(cache)
