"""Plans without a scenario and workers with a fake runner."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import yaml

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
            EpisodePlan(scenario="fake", scene=scene, agent="constant", condition=condition, seed=seed)
            for seed in seeds
            for condition in ("benign", "drp")
        ]

    return make


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """Checkpoints with random weights: tests/agents/vlm/tiny_checkpoints.py."""
    path = Path(__file__).parents[1] / "agents" / "vlm" / "tiny_checkpoints.py"
    spec = importlib.util.spec_from_file_location("testbed_tests_tiny_checkpoints", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_agent(tiny: ModuleType, tmp_path: Path) -> Callable[..., str]:
    """Write an agent file beside a checkpoint with random weights, and return its path."""

    def make(family: str = "llava", agent: str = "tandem", answer: str = "choose", **model: object) -> str:
        folder = tmp_path / "mine"
        if not (folder / family).is_dir():
            tiny.write(family, folder / family)
        settings = {"kind": "local", "path": family, "dtype": "fp32", "latency_ms": [100, 120]} | model
        file = folder / f"{agent}_{family}.yaml"
        file.write_text(yaml.safe_dump({"agent": agent, "model": settings, "answer": answer}), encoding="utf-8")
        return str(file)

    return make
