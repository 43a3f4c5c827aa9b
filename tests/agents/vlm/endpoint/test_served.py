"""A real server of OpenAI's protocol, transformers' own, with a real model: reading, driving, driving again without."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from testbed.agents.vlm.endpoint import ReplyRecord
from testbed.agents.vlm.endpoint.questions import chat_request
from testbed.agents.vlm.endpoint.reader import EndpointReader
from testbed.core.errors import EndpointError, UsageError
from testbed.core.records import EpisodeRecord
from testbed.episode import EpisodeRunner
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario, shipped_folder
from testbed.store import TraceReader
from testbed.sweep.catalogue import Installed

from . import tiny_checkpoint
from .conftest import questions, settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SAYS = {("tsr",): "Speed limit 30", ("alc",): "Straight", ("vd",): "No car"}
IN_ONE = {
    ("alc", "vd"): "1. Straight\n2. No car",
    # the second line cannot be read: it names two directions
    ("tsr", "alc", "vd"): "1. Speed limit 30\n2. Left or right\n3. No car",
}


@dataclass
class Served:
    """A checkpoint behind `transformers serve`."""

    url: str
    name: str
    process: subprocess.Popen[bytes]


def asked(*tasks: str) -> list[str]:
    """The texts of the request that asks some questions."""
    about = questions(*tasks)
    request = chat_request(about, [question.image for question in about], settings())
    return [part for part in request.content if isinstance(part, str)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served") / "tiny"
    loss = tiny_checkpoint.make(folder, [(asked(*tasks), words) for tasks, words in (SAYS | IN_ONE).items()])
    assert loss < 0.05
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder), "--device", "cpu"]
    log = (folder.parent / "log").open("wb")
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log, cwd=folder.parent,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(folder.parent / "cache")},
    )  # fmt: skip
    try:
        _wait(process, f"http://127.0.0.1:{port}/health", folder.parent / "log")
        yield Served(f"http://127.0.0.1:{port}/v1", str(folder), process)
    finally:
        process.kill()
        process.wait()
        log.close()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(log.read_text())


@pytest.mark.parametrize("tasks", [*SAYS, *IN_ONE], ids="+".join)
def test_a_real_model_behind_a_real_server_is_read(served: Served, tasks) -> None:
    reader = EndpointReader(settings(served.url, name=served.name, timeout_s=60.0))
    wanted = {"tsr": ("answered", 1), "alc": ("answered", 1), "vd": ("answered", 0)}
    if len(tasks) == 3:
        wanted["alc"] = ("unparsable", None)
    readings = reader.read(questions(*tasks, seed=5))
    assert [(r.task, r.status, r.choice) for r in readings] == [(task, *wanted[task]) for task in tasks], readings


def test_it_gives_no_probabilities_and_is_told_to_say_so(served: Served) -> None:
    with pytest.raises(UsageError, match="gives no log-probabilities"):
        EndpointReader(settings(served.url, name=served.name, logprobs=True)).read(questions("alc"))


def test_another_model_than_it_serves_is_refused_in_its_words(served: Served) -> None:
    with pytest.raises(UsageError, match="HTTP 400: .*Server is pinned to"):
        EndpointReader(settings(served.url, name="other")).read(questions("alc"))


def drive(
    runner: EpisodeRunner,
    folder: Path,
    deployment: str,
    url: str,
    name: str,
    record: Path,
    replay: str,
    seconds: float = 2.0,
) -> EpisodeRecord:
    """Drive past a sign with an agent file and return what happened; the trace lies in the folder."""
    folder.mkdir()
    text = (shipped_folder() / "shadow_speed_limit.yaml").read_text()
    short = re.sub(r"duration_s: [0-9.]+", f"duration_s: {seconds}", text[: text.index("adversaries:")])
    (folder / "short.yaml").write_text(short)
    (folder / "mine.yaml").write_text(
        f"agent: {deployment}\n"
        f"model:\n"
        f"    {{kind: endpoint, url: '{url}', name: '{name}', latency_ms: [50, 80], logprobs: false, tries: 2,\n"
        f"     record: '{record}', replay: {replay}}}\n"
    )
    (plan,) = expand(
        load_scenario(folder / "short.yaml"), catalogue=Installed(), agents=[str(folder / "mine.yaml")], seeds=[1]
    )
    return runner.run(plan, folder)


@pytest.mark.parametrize("deployment", ["solo", "tandem"])
def test_a_recorded_drive_needs_no_server(
    served: Served, runner: EpisodeRunner, tmp_path: Path, deployment: str
) -> None:
    record = tmp_path / "record"
    first = drive(runner, tmp_path / "first", deployment, served.url, served.name, record, "prefer")
    nowhere = "http://127.0.0.1:9/v1"
    again = drive(runner, tmp_path / "again", deployment, nowhere, served.name, record, "only")
    assert (tmp_path / "first" / "trace.mcap").read_bytes() == (tmp_path / "again" / "trace.mcap").read_bytes()
    assert again.scores == first.scores and again.trace_sha256 == first.trace_sha256
    steps = TraceReader(tmp_path / "again" / "trace.mcap").steps()
    heard = {step.decision.frame: step.decision.perception for step in steps if step.decision is not None}
    assert len(heard) >= 15 and any(said.sign is not None for said in heard.values())
    assert ReplyRecord(record).latency_ms() is not None
    unread = sum("alc" in said.unparsable for said in heard.values())
    if deployment == "solo":
        assert first.scores["tsr.accuracy"] == 1.0 and "alc.unparsable" not in first.scores and unread == 0
        assert all(said.raw["alc"] == "Straight" for said in heard.values())
    else:
        assert 0 < first.scores["alc.unparsable"] == unread and first.scores["alc.abstained"] == 0
        assert {said.raw["alc"] for said in heard.values() if "alc" in said.unparsable} == {"Left or right"}
        assert all(said.steering.steering is None for said in heard.values() if "alc" in said.unparsable)
    # what is missing in a record is no reason to guess
    with pytest.raises(UsageError, match="holds no reply"):
        drive(runner, tmp_path / "longer", deployment, nowhere, served.name, record, "only", seconds=2.5)
    shutil.rmtree(record)
    with pytest.raises(EndpointError, match="gave no usable reply in 2 tries"):
        drive(runner, tmp_path / "away", deployment, nowhere, served.name, record, "prefer")


def test_pictures_matter_to_the_server(served: Served) -> None:
    # the text is by heart, so the picture shows in how the request is refused: a picture that is none
    broken = questions("alc")
    reader = EndpointReader(settings(served.url, name=served.name, tries=1))
    assert reader.read(broken)[0].status == "answered"
    request = chat_request(broken, [np.zeros((64, 64, 3), np.uint8)], reader.settings)
    body = request.body()
    body["messages"][0]["content"][0]["image_url"]["url"] = "data:image/png;base64,AAAA"
    outcome = reader._client._try(body)
    assert "HTTP 500" in outcome.reason or "HTTP 4" in outcome.reason
