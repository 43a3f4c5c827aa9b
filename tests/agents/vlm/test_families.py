"""Checkpoints of eleven families with random weights: scored exactly, they answer and drive as solo and as tandem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import LogitsProcessor

from testbed import agents
from testbed.agents.vlm import checkpoint, prompted
from testbed.agents.vlm.agent import VlmAgent
from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.choose import ClosedSetReader
from testbed.agents.vlm.generate import FreeTextReader
from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES, ImagePrompt
from testbed.core.records import EpisodePlan
from testbed.episode import EpisodeRunner
from testbed.scenario.schema import Scenario

from . import tiny_checkpoints
from .conftest import picture

FAMILIES = sorted(tiny_checkpoints.FAMILIES)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: tiny_checkpoints.write(name, root / name) for name in FAMILIES}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, Checkpoint]:
    return {name: checkpoint.load(str(folder), dtype="fp32", device="cpu") for name, folder in folders.items()}


def asked(seed: int) -> list[ImagePrompt]:
    return [
        ImagePrompt("tsr", picture(seed, 24, 24)),
        ImagePrompt("alc", picture(seed + 1)),
        ImagePrompt("vd", picture(seed + 2)),
    ]


class Said(LogitsProcessor):
    """Make a model say given tokens."""

    def __init__(self, ids: tuple[int, ...], start: int) -> None:
        self.ids, self.start = ids, start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        forced = torch.full_like(scores, float("-inf"))
        forced[:, self.ids[input_ids.shape[1] - self.start]] = 0.0
        return forced


def read_afresh(model: Checkpoint, questions: list[ImagePrompt], ids: tuple[int, ...]) -> float:
    """Return a sequence's log-probability from a conversation read for it alone: no batch, no copied cache."""
    inputs = model.encode([questions])
    length = inputs["input_ids"].shape[1]
    made = model.network.generate(
        **inputs,
        max_new_tokens=len(ids),
        min_new_tokens=len(ids),
        do_sample=False,
        logits_processor=[Said(ids, length)],
        output_logits=True,
        return_dict_in_generate=True,
        pad_token_id=model.tokenizer.pad_token_id,
    )
    return sum(float(logits[0].log_softmax(-1)[token]) for logits, token in zip(made.logits, ids, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_conversation_read_afresh(loaded: dict[str, Checkpoint], family: str) -> None:
    model = loaded[family]
    words = ("stop", "speed limit 20", "no entry")
    candidates = [tuple(model.tokenizer(word, add_special_tokens=False)["input_ids"]) for word in words]
    assert any(len(ids) > 1 for ids in candidates)
    conversations = [asked(1), asked(7)]
    read = prompted.read(model, model.encode(conversations))
    for questions, one in zip(conversations, read, strict=True):
        expected = [read_afresh(model, questions, ids) for ids in candidates]
        np.testing.assert_allclose(one.score(candidates).numpy(), expected, atol=1e-4)
    # what was said before counts, and the other conversation does not
    longer = [read_afresh(model, conversations[0], candidates[0] + ids) for ids in candidates]
    first = read_afresh(model, conversations[0], candidates[0])
    after = read[0].say(candidates[0]).score(candidates)
    np.testing.assert_allclose(after.numpy(), np.array(longer) - first, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_closed_set_is_answered_whole_and_in_a_batch_as_alone(loaded: dict[str, Checkpoint], family: str) -> None:
    reader = ClosedSetReader(loaded[family])
    batch = reader.read_batch([asked(1), asked(9)])
    for conversation, together in zip((asked(1), asked(9)), batch, strict=True):
        alone = reader.read(conversation)
        assert [one.task for one in alone] == ["tsr", "alc", "vd"]
        for one, same in zip(alone, together, strict=True):
            assert one.status in ("answered", "cannot_tell") and one.probabilities is not None
            assert len(one.probabilities) == len(CHOICES[one.task])
            assert one.text.startswith(CANNOT_TELL if one.choice is None else CHOICES[one.task][one.choice])
            assert float(one.probabilities.sum()) <= 1.0 + 1e-9
            np.testing.assert_allclose(one.probabilities, same.probabilities, atol=1e-4)
            assert (one.choice, one.text) == (same.choice, same.text)
            if one.task == "vd" and one.choice == 1:
                assert one.box is not None and all(0.0 <= value < 1.0 for value in one.box)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_no_answer_is_never_guessed(loaded: dict[str, Checkpoint], family: str) -> None:
    """Random weights write nonsense: it is kept word for word, counted as unparsable and never answered."""
    readings = FreeTextReader(loaded[family], max_new_tokens=6).read(asked(3))
    assert [one.task for one in readings] == ["tsr", "alc", "vd"]
    for one in readings:
        assert (one.status, one.choice, one.confidence) == ("unparsable", None, 0.0)


@pytest.mark.parametrize("deployment", ["solo", "tandem"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_drives(
    folders: dict[str, Path], runner: EpisodeRunner, tmp_path: Path, family: str, deployment: str
) -> None:
    """An agent file names a folder that transformers wrote, nothing else is told about it."""
    file = tmp_path / f"{family}.yaml"
    model = {"kind": "local", "path": str(folders[family]), "dtype": "fp32", "device": "cpu", "latency_ms": [50, 60]}
    file.write_text(yaml.safe_dump({"agent": deployment, "model": model}), encoding="utf-8")
    scene = Scenario.model_validate(
        {
            "name": "short",
            "question": "Does it drive?",
            "map": "highway",
            "duration_s": 0.5,
            "weather": {"preset": "ClearNoon", "vary": False},
            "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60.0}, "speed_mps": 20.0},
        }
    )
    plan = EpisodePlan(scenario="short", scene=scene.dump(), agent=str(file), latency="card")
    record = runner.run(plan, tmp_path)
    assert record.trace_sha256 and record.scores["decision.count"]
    card = agents.card(str(file))
    assert (card.name, card.kind) == (deployment, deployment) and "model.safetensors" in card.weights
    agent = runner._agents[str(file)]
    assert isinstance(agent, VlmAgent)
    assert {type(reader) for reader in agent.readers.values()} == {ClosedSetReader}
