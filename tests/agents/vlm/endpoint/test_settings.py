from __future__ import annotations

from pathlib import Path

import pytest

from testbed import agents
from testbed.agents.vlm.endpoint import EndpointSettings
from testbed.core.errors import UsageError

GOOD = {"kind": "endpoint", "url": "http://localhost:8000/v1/", "name": "m", "latency_ms": [50, 80.5]}


def test_what_a_file_says_is_read() -> None:
    found = EndpointSettings.read(
        GOOD | {"record": "records/one", "image_size_px": [336, 168], "prompts": {"tsr": "?"}}
    )
    assert (found.url, found.latency_ms, found.record) == (
        "http://localhost:8000/v1",
        (50.0, 80.5),
        Path("records/one"),
    )
    assert found.image_size_px == (336, 168) and found.replay == "prefer" and found.logprobs


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"urls": "x"}, "model.urls: unknown key; did you mean 'url'?"),
        ({"url": "localhost:8000"}, "model.url: must be an address"),
        ({"url": "http://me:secret@localhost/v1"}, "model.url: must be a plain address"),
        ({"url": "http://localhost/v1?key=secret"}, "model.url: must be a plain address"),
        ({"api_key_env": "AWS_SECRET_ACCESS_KEY"}, "model.api_key_env: must name"),
        ({"latency_ms": None}, "model.latency_ms"),
        ({"latency_ms": [80, 50]}, "p50 <= p95"),
        ({"latency_ms": 80}, "model.latency_ms"),
        ({"timeout_s": "5"}, "model.timeout_s"),
        ({"tries": 0}, "model.tries"),
        ({"replay": "only"}, "needs a record"),
        ({"replay": "always"}, "model.replay"),
        ({"parameters": {"stream": True}}, "cannot set 'stream'"),
        ({"boxes": "qwen"}, "model.boxes"),
        ({"prompts": {"sign": "?"}}, "model.prompts"),
        ({"image_size_px": [4, 9000]}, "model.image_size_px"),
        ({"name": ""}, "model.name"),
    ],
)
def test_what_is_not_accepted_is_told_without_the_value(change, words) -> None:
    with pytest.raises(UsageError) as caught:
        EndpointSettings.read(GOOD | change)
    assert words in str(caught.value) and "secret" not in str(caught.value)
    with pytest.raises(UsageError):
        EndpointSettings.read("http://localhost")
    with pytest.raises(UsageError, match="model.latency_ms: is missing"):
        EndpointSettings.read({"kind": "endpoint", "url": "http://localhost/v1", "name": "m"})


@pytest.mark.parametrize("deployment", ["solo", "tandem"])
def test_a_card_needs_no_server(tmp_path, deployment) -> None:
    path = tmp_path / "mine.yaml"
    model = "{kind: endpoint, url: 'http://127.0.0.1:9/v1', name: m, latency_ms: [50, 80], logprobs: false}"
    path.write_text(f"agent: {deployment}\nmodel: {model}\n")
    card = agents.card(str(path))
    assert card.latency_ms == (50.0, 80.0) and card.kind == deployment and "not known" in card.notes
    assert agents.load(str(path)).card == card
    path.write_text(f"agent: {deployment}\noptions: {{abstain_below: 0.5}}\nmodel: {model}\n")
    with pytest.raises(UsageError, match="abstain_below needs confidences"):
        agents.load(str(path))
