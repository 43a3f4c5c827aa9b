"""Settings and questions that the tests of the endpoint share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from testbed.agents.vlm.endpoint import EndpointSettings
from testbed.agents.vlm.readings import ImagePrompt

from .fake_server import Answer, Asked, FakeServer

Serve = Callable[[Callable[[Asked, int], Answer]], FakeServer]


def settings(url: str = "http://127.0.0.1:9/v1", **changes: Any) -> EndpointSettings:
    """Return settings that lose no time."""
    quick = {"timeout_s": 5.0, "retry_budget_s": 20.0, "logprobs": False}
    return EndpointSettings.read(
        {"kind": "endpoint", "url": url, "name": "tiny", "latency_ms": [50, 80]} | quick | changes
    )


def questions(*tasks: str, seed: int = 0) -> list[ImagePrompt]:
    """Return questions about pictures of noise."""
    chance = np.random.default_rng(seed)
    view = chance.integers(0, 256, (160, 320, 3), dtype=np.uint8)
    crop = chance.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    return [ImagePrompt(task, crop if task == "tsr" else view) for task in tasks or ("alc",)]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that answer as told and end with the test."""
    running = []

    def start(answer: Callable[[Asked, int], Answer]) -> FakeServer:
        context = FakeServer(answer).running()
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a hundredth of what is waited between tries; the waits themselves are tested with numbers."""
    monkeypatch.setattr("testbed.agents.vlm.endpoint.retry.FIRST_WAIT_S", 0.005)
