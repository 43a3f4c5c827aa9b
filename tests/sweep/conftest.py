"""Plans without a scenario and workers with a fake runner."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from testbed.core.records import EpisodePlan
from testbed.sweep.worker import RunnerSpec

sys.path.insert(0, str(Path(__file__).parent))

FAKE = RunnerSpec(factory="fake_runner:FakeRunner")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunnerSpec:
    counts = tmp_path / "counts"
    counts.mkdir()
    monkeypatch.setenv("FAKE_COUNTS", str(counts))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return FAKE


@pytest.fixture
def make_plans() -> Callable[[Sequence[int]], list[EpisodePlan]]:
    def make(seeds: Sequence[int]) -> list[EpisodePlan]:
        scene = {"duration_s": 1.0}
        return [
            EpisodePlan(scenario="fake", scene=scene, agent="fake", condition=condition, seed=seed)
            for seed in seeds
            for condition in ("benign", "drp")
        ]

    return make
