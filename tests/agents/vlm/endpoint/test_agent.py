"""The agent around an endpoint keeps every agent's contract, loads no network, and withholds what cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testbed import agents
from testbed.contracts import AgentContract
from testbed.core.types import Steering

from .conftest import questions
from .fake_server import Answer, Asked, said

WORDS = {"tsr": "keep right", "alc": "left", "vd": "A car at (0.5, 0.5), H 0.2, W 0.1"}


def answer(asked: Asked, number: int) -> Answer:
    """Say what the questions ask for, one line each."""
    texts = [part["text"] for part in asked.body["messages"][0]["content"] if part["type"] == "text"]
    tasks = ["tsr" if "sign" in text else "alc" if "wheel" in text else "vd" for text in texts if "own" not in text]
    if len(tasks) == 1:
        return said(WORDS[tasks[0]])
    return said("\n".join(f"{line}. {WORDS[task]}" for line, task in enumerate(tasks, start=1)))


def agent_file(folder: Path, deployment: str, url: str) -> str:
    path = folder / f"{deployment}.yaml"
    model = f"{{kind: endpoint, url: '{url}', name: m, latency_ms: [50, 80], logprobs: false}}"
    path.write_text(f"agent: {deployment}\noptions: {{model: {model}}}\n")
    return str(path)


@pytest.mark.parametrize("deployment", ["solo", "tandem"])
def test_it_keeps_the_contract(serve, tmp_path, deployment) -> None:
    name = agent_file(tmp_path, deployment, serve(answer).url)
    contract = type("One", (AgentContract,), {"name": name})()
    for test in [test for test in dir(AgentContract) if test.startswith("test_")]:
        getattr(contract, test)()


@pytest.mark.parametrize(("deployment", "requests"), [("solo", 3), ("tandem", 1)])
def test_solo_asks_one_by_one_and_tandem_at_once(serve, tmp_path, deployment, requests) -> None:
    server = serve(answer)
    agent = agents.load(agent_file(tmp_path, deployment, server.url))
    tsr, alc = questions("tsr", "alc")
    seen = type("One", (AgentContract,), {"name": ""})
    seen._loaded = {"": agent}
    perception = agent.perceive(seen().observation(0, alc.image, tsr.image))
    assert len(server.asked) == requests and perception.unparsable == frozenset()
    assert perception.steering.steering is Steering.LEFT and perception.sign.class_id == 38
    assert perception.vehicle.box_px == pytest.approx((144.0, 64.0, 176.0, 96.0))
    assert perception.raw == WORDS


def test_what_cannot_be_read_is_withheld_and_what_declines_abstains(serve, tmp_path) -> None:
    server = serve(lambda asked, number: said("1. I cannot tell\n2. left or right\n3. A car at (160, 80), H 9, W 9"))
    agent = agents.load(agent_file(tmp_path, "tandem", server.url))
    tsr, alc = questions("tsr", "alc")
    seen = type("One", (AgentContract,), {"name": ""})
    seen._loaded = {"": agent}
    perception = agent.perceive(seen().observation(0, alc.image, tsr.image))
    assert perception.unparsable == {"alc", "vd"}
    assert (perception.sign.class_id, perception.steering.steering, perception.vehicle.present) == (None, None, None)
    assert perception.sign.confidence == perception.steering.confidence == perception.vehicle.confidence == 0.0
    assert perception.raw["alc"] == "left or right"


def test_it_loads_no_network(tmp_path) -> None:
    name = agent_file(tmp_path, "tandem", "http://127.0.0.1:9/v1")
    code = f"import sys; from testbed import agents; agents.load({name!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"
