"""Who is served, by how many actors, on how much of a GPU; what cannot be is one sentence before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from testbed import agents
from testbed.core.errors import UsageError, WeightsError
from testbed.sweep import serving
from testbed.sweep.serving import ServedAgent, served_agents

Make = Callable[..., str]


def test_small_models_and_agents_without_any_stay_beside_the_simulator(make_agent: Make) -> None:
    names = ["constant", "scripted", "dnn", "solo", "tandem", make_agent()]
    assert served_agents(names, "auto", 0.0, 4) == ()
    assert served_agents(names[:-1], "auto", 8.0, 4) == ()


def test_a_large_checkpoint_is_served_and_so_is_every_one_on_a_gpu(
    make_agent: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make_agent()
    assert served_agents([name], "auto", 1.0, 4) == (ServedAgent(name, 1, 1.0),)
    assert served_agents([name], "cpu", 1.0, 4) == ()
    wanted = agents.serving(name)
    assert wanted is not None
    monkeypatch.setattr(serving, "LARGE_BYTES", wanted.weight_bytes - 1)
    assert served_agents([name, name], "cpu", 1.0, 4) == (ServedAgent(name, 1, 0.0),)
    monkeypatch.setattr(serving, "LARGE_BYTES", wanted.weight_bytes)
    assert served_agents([name], "cpu", 1.0, 4) == ()


def test_the_agent_file_decides_if_it_wants_to(make_agent: Make) -> None:
    beside, apart = make_agent(serve="worker"), make_agent("qwen2_vl", serve="actor", num_gpus=0.5)
    assert served_agents([beside, apart], "auto", 0.0, 4) == (ServedAgent(apart, 1, 0.0),)
    assert served_agents([beside, apart], "auto", 1.0, 4) == (ServedAgent(apart, 2, 0.5),)
    assert [one.device for one in served_agents([apart], "auto", 1.0, 4)] == ["cuda:0"]
    assert [one.device for one in served_agents([apart], "cpu", 1.0, 4)] == ["cpu"]
    assert served_agents([make_agent("llava", "solo", serve="actor", device="cpu")], "cuda", 2.0, 4)[0].num_gpus == 0.0


def test_gpus_are_shared_out_and_there_are_never_more_actors_than_simulators(make_agent: Make) -> None:
    one, two = make_agent("llava"), make_agent("qwen2_vl")
    assert [served.actors for served in served_agents([one], "auto", 8.0, 64)] == [8]
    assert [served.actors for served in served_agents([one], "auto", 8.0, 3)] == [3]
    assert [served.actors for served in served_agents([one, two], "cuda", 5.0, 64)] == [2, 2]


def test_what_the_cluster_does_not_have_is_one_sentence(make_agent: Make) -> None:
    one, two = make_agent("llava"), make_agent("qwen2_vl", device="cuda")
    with pytest.raises(UsageError, match=r"qwen2_vl.yaml' is to run on cuda, but the cluster has no GPU"):
        served_agents([one, two], "auto", 0.0, 4)
    with pytest.raises(UsageError, match=r"ask for 2 GPUs together, but the cluster has 1 \(give them shares"):
        served_agents([one, two], "auto", 1.0, 4)
    with pytest.raises(UsageError, match="unknown agent 'nobody'"):
        served_agents(["nobody"], "auto", 1.0, 4)
    with pytest.raises(WeightsError, match="there is no folder"):
        served_agents([make_agent("llava", path="nowhere")], "auto", 1.0, 4)


@pytest.mark.parametrize("wrong", [{"serve": "somewhere"}, {"num_gpus": 0}, {"num_gpus": 1.5}])
def test_settings_that_mean_nothing_are_refused(make_agent: Make, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"model.local.{next(iter(wrong))}|model.{next(iter(wrong))}"):
        agents.serving(make_agent(**wrong))


def test_what_a_parallel_agent_is_made_of_is_served_for_it(make_agent: Make, tmp_path: Path) -> None:
    slow = make_agent(serve="actor")
    both = tmp_path / "both.yaml"
    both.write_text(yaml.safe_dump({"agent": "parallel", "options": {"slow": slow}}), encoding="utf-8")
    assert served_agents([str(both)], "auto", 0.0, 4) == (ServedAgent(slow, 1, 0.0),)


def test_a_model_behind_an_endpoint_is_served_already(tmp_path: Path) -> None:
    model = {"kind": "endpoint", "url": "http://localhost:1/v1", "name": "m", "latency_ms": [80, 90]}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"agent": "tandem", "model": model}), encoding="utf-8")
    assert served_agents([str(file)], "auto", 1.0, 4) == ()
