"""Two raylets: what a second node answers that has neither the user's folder nor his working directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from testbed.core.errors import UsageError, WeightsError
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario, shipped_folder
from testbed.store import RunFolder
from testbed.sweep import ray_cluster, travelling
from testbed.sweep.catalogue import Installed
from testbed.sweep.ledger import FILE_NAME, Ledger
from testbed.sweep.run import ExecutionSettings, RunRequest, carry_out, open_run
from testbed.sweep.schedule import Schedule
from testbed.sweep.worker import RunnerSpec

pytestmark = pytest.mark.slow

PROBABILITY_TOLERANCE = 1e-4
ASKING = RunnerSpec(factory="asking_runner:AskingRunner")
Make = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the nodes' working directories and caches, and what their workers tell."""
    folder = tmp_path_factory.mktemp("nodes")
    for name in ("first", "second", "told"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Any]:
    """A cluster of two nodes, each with a working directory and a cache of its own; the second claims to have a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", ray_cluster._TOKEN)
        patch.setenv("RAY_NUM_REDIS_GET_RETRIES", "90")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("TOLD", str(home / "told"))
        import ray
        from ray.cluster_utils import Cluster

        nodes = Cluster()
        try:
            for name, gpus in (("first", 0), ("second", 1)):
                patch.chdir(home / name)
                patch.setenv("TESTBED_CACHE", str(home / name / "cache"))
                nodes.add_node(num_cpus=2, num_gpus=gpus, include_dashboard=False)
            patch.delenv("TESTBED_CACHE")
            patch.chdir(home)
            yield nodes
        finally:
            ray.shutdown()
            nodes.shutdown()


def carry_out_without_the_folder(request: RunRequest, run: Path, settings: ExecutionSettings, folder: Path) -> None:
    """Carry out a request; once everything was sent, the user's folder is gone."""
    opened, _ = open_run(request, run)
    pool = settings.pool(run / ".work", request.plans)
    folder.rename(folder.with_name("gone"))
    try:
        with Ledger(run / FILE_NAME) as ledger:
            ledger.add(request.plans)
            summary = Schedule(request.plans, request.plans, opened, ledger, pool).carry_out()
    finally:
        folder.with_name("gone").rename(folder)
    assert (summary.done, summary.failed) == (len(request.plans), 0)


def records(run: Path) -> dict[str, EpisodeRecord]:
    return {record.plan.key: record for record in RunFolder.open(run).records()}


def check_same(one: dict[str, EpisodeRecord], other: dict[str, EpisodeRecord]) -> None:
    """Compare records but for what depends on the clock; answers of a batch are equal within the tolerance."""
    assert one.keys() == other.keys()
    for key, record in one.items():
        same = other[key]
        assert (record.plan, record.status, record.injection) == (same.plan, same.status, same.injection)
        assert [event.kind for event in record.events] == [event.kind for event in same.events]
        assert record.scores.keys() == same.scores.keys()
        for name, value in record.scores.items():
            expected = pytest.approx(value, abs=PROBABILITY_TOLERANCE) if isinstance(value, float) else value
            assert same.scores[name] == expected, name


def test_files_travel_by_content_to_a_node_that_does_not_have_them(
    cluster: Any, home: Path, make_agent: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    plans = []
    for agent in (
        make_agent(serve="worker", device="cpu"),
        make_agent("qwen2_vl", "solo", serve="actor", device="cpu"),
    ):
        plans += [
            EpisodePlan(scenario="asked", scene={"duration_s": 1.0}, agent=agent, seed=seed) for seed in (1, 2, 3)
        ]
    request = RunRequest("asked", "Do they answer alike?", (), tuple(plans))
    settings = ExecutionSettings(2, ray=cluster.address, runner=ASKING)
    carry_out_without_the_folder(request, tmp_path / "far", settings, folder)
    places = {Path(told.read_text()).name for told in (home / "told").iterdir()}
    assert places == {"first", "second"}, "both nodes took part"
    for name in ("first", "second"):
        assert list((home / name / "cache").rglob("*.yaml"))
    carry_out(request, tmp_path / "near", ExecutionSettings(1, runner=ASKING))
    check_same(records(tmp_path / "near"), records(tmp_path / "far"))


def test_what_is_too_large_to_travel_is_asked_for_in_one_sentence(
    cluster: Any, make_agent: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(travelling, "TRAVELS_BYTES", 10_000)
    # no other test sends this family, so no node has it in its cache
    agent = make_agent("fast_vlm", serve="actor", device="cpu")
    request = RunRequest(
        "asked", "Where is it?", (), (EpisodePlan(scenario="asked", scene={"duration_s": 1.0}, agent=agent),)
    )
    settings = ExecutionSettings(1, ray=cluster.address, runner=ASKING)
    checkpoint = tmp_path / "mine" / "fast_vlm" / "model.safetensors"
    content = checkpoint.read_bytes()
    bundle = travelling.collect(request.plans)
    checkpoint.write_bytes(content[:-1] + b"\x55")
    monkeypatch.setattr("testbed.sweep.ray_pool.collect", lambda plans: bundle)
    with pytest.raises(WeightsError, match=r"node .* has no .*fast_vlm with the content that the run asks for"):
        carry_out(request, tmp_path / "run", settings)


def test_a_sweep_over_two_nodes_with_a_model_actor_gives_the_records_of_local_processes(
    cluster: Any, make_agent: Make, tmp_path: Path
) -> None:
    """Real simulators, a checkpoint with random weights, an artefact of the user's own."""
    folder = tmp_path / "mine"
    agent = make_agent(serve="actor", device="cpu")
    text = (shipped_folder() / "drp_highway.yaml").read_text(encoding="utf-8")
    short = re.sub(r"duration_s: [0-9.]+", "duration_s: 1", text).replace("name: drp_highway\n", "name: short\n")
    mine = "adversaries:\n  - {id: mine, kind: road_patch, artefact: mine.png, at: {ahead_m: 20}}\n"
    (folder / "short.yaml").write_text(short.replace("adversaries:\n", mine), encoding="utf-8")
    Image.fromarray(np.full((40, 20, 3), 200, np.uint8)).save(folder / "mine.png")
    scenario = load_scenario(folder / "short.yaml")
    plans = expand(scenario, catalogue=Installed(), agents=[agent], seeds=[1, 2], conditions=["mine"])
    request = RunRequest("short", scenario.content.question, (scenario.content,), tuple(plans))
    carry_out_without_the_folder(request, tmp_path / "far", ExecutionSettings(2, ray=cluster.address), folder)
    carry_out(request, tmp_path / "near", ExecutionSettings(1))
    check_same(records(tmp_path / "near"), records(tmp_path / "far"))
    assert RunFolder.open(tmp_path / "far").verify() == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU that a node claims to have is really there")
def test_a_node_whose_gpu_torch_does_not_see_ends_the_run_before_its_first_episode(
    cluster: Any, make_agent: Make, tmp_path: Path
) -> None:
    """The model goes to the GPU because there is one, although it is small and its file leaves the place open."""
    plans = (EpisodePlan(scenario="asked", scene={"duration_s": 1.0}, agent=make_agent(num_gpus=0.5)),)
    told: list[object] = []
    settings = ExecutionSettings(1, ray=cluster.address, runner=ASKING)
    with pytest.raises(UsageError, match="device cuda:0 was asked for, but torch sees no GPU here"):
        carry_out(RunRequest("asked", "Where?", (), plans), tmp_path / "run", settings, report=told.append)
    assert told == []
