"""A model actor answers many simulators together as it would each alone, without a cluster around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from testbed.agents.vlm.readings import ImagePrompt, Reading
from testbed.core.errors import AgentError, WeightsError
from testbed.sweep.batching import BatchLimits
from testbed.sweep.model_actor import ModelActor, out_of_memory
from testbed.sweep.outcome import from_wire

PROBABILITY_TOLERANCE = 1e-4
"""In single precision; what docs/cluster.md states."""
Make = Callable[..., str]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An actor sets variables of its process, which is this one."""
    monkeypatch.setattr("testbed.sweep.model_actor.environment", lambda base: {})


def questions(seed: int, crop_px: int = 30) -> list[ImagePrompt]:
    pictures = np.random.default_rng(seed)
    view = pictures.integers(0, 256, (20, 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    crop = pictures.integers(0, 256, (crop_px, crop_px, 3), dtype=np.uint8)
    return [ImagePrompt("tsr", crop), ImagePrompt("alc", view), ImagePrompt("vd", view)]


def read(actor: ModelActor, asked: Sequence[ImagePrompt], reader: str = "tandem") -> list[Reading]:
    answer = actor.read(reader, asked)
    if "error" in answer:
        raise from_wire(answer["error"])
    readings: list[Reading] = answer["readings"]
    return readings


def together(actor: ModelActor, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
    with ThreadPoolExecutor(len(conversations)) as simulators:
        return list(simulators.map(lambda asked: read(actor, asked), conversations))


def check_equal(one: Reading, same: Reading) -> None:
    assert (one.task, one.status, one.choice, one.text) == (same.task, same.status, same.choice, same.text)
    assert one.confidence == pytest.approx(same.confidence, abs=PROBABILITY_TOLERANCE)
    if one.probabilities is None or same.probabilities is None:
        assert one.probabilities is same.probabilities
    else:
        np.testing.assert_allclose(one.probabilities, same.probabilities, atol=PROBABILITY_TOLERANCE)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "idefics3"])
@pytest.mark.parametrize("answer", ["choose", "generate"])
def test_a_batch_answers_as_each_would_be_answered_alone(make_agent: Make, family: str, answer: str) -> None:
    """Sign crops grow as a car comes near, so the conversations of a batch are not equally long."""
    name = make_agent(family, answer=answer, max_new_tokens=8)
    conversations = [questions(seed, crop_px) for seed, crop_px in enumerate((18, 30, 64, 90))]
    limits = BatchLimits(wait_s=30.0, most=4)
    actor = ModelActor(name, "cpu", limits)
    batched = together(actor, conversations)
    assert actor.batches() == {4: 1}
    single = ModelActor(name, "cpu", BatchLimits(wait_s=0.0, most=1))
    for asked, answers in zip(conversations, batched, strict=True):
        for one, same in zip(read(single, asked), answers, strict=True):
            check_equal(one, same)


def test_it_tells_its_card_and_readers_and_its_device_goes_before_the_files(make_agent: Make) -> None:
    actor = ModelActor(make_agent("llava", "solo", device="cuda:7"), "cpu", BatchLimits())
    opened = actor.open()
    assert opened["readers"] == ["alc", "tsr", "vd"]
    assert opened["card"].latency_ms == (100, 120) and opened["card"].kind == "solo"
    (answer,) = read(actor, questions(1)[1:2], "alc")
    assert answer.task == "alc"


def test_what_cannot_be_loaded_is_answered_every_time(make_agent: Make) -> None:
    actor = ModelActor(make_agent(path="nowhere"), "cpu", BatchLimits())
    for answer in (actor.open(), actor.read("tandem", questions(1))):
        error = from_wire(answer["error"])
        assert isinstance(error, WeightsError) and "there is no folder" in str(error)


class Limited:
    """A reader whose memory suffices for so many conversations at once, and which refuses black pictures."""

    def __init__(self, inner: Any, most: int, error: Exception) -> None:
        self.inner, self.most, self.error = inner, most, error
        self.sizes: list[int] = []

    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        self.sizes.append(len(conversations))
        if len(conversations) > self.most:
            raise self.error
        if any(not question.image.any() for questions in conversations for question in questions):
            raise AgentError("the picture is black")
        found: list[list[Reading]] = self.inner.read_batch(conversations)
        return found


def limited(name: str, most: int, error: Exception, wait_s: float = 30.0) -> tuple[ModelActor, Limited]:
    actor = ModelActor(name, "cpu", BatchLimits(wait_s=wait_s, most=4))
    service = actor._loaded()
    reader = Limited(service.readers["tandem"], most, error)
    service.readers = {"tandem": reader}  # type: ignore[dict-item]
    return actor, reader


OUT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def test_a_batch_that_does_not_fit_into_memory_is_divided(make_agent: Make) -> None:
    actor, reader = limited(make_agent(), 1, OUT)
    answers = together(actor, [questions(seed) for seed in range(4)])
    assert sorted(reader.sizes) == [1, 1, 1, 1, 2, 2, 4]
    assert all(len(one) == 3 for one in answers)


def test_one_conversation_that_does_not_fit_is_one_clear_sentence(make_agent: Make) -> None:
    actor, _ = limited(make_agent(), 0, OUT, wait_s=0.0)
    with pytest.raises(WeightsError, match="ran out of memory on cpu with a single conversation"):
        read(actor, questions(1))


def test_one_refused_picture_refuses_nobody_else(make_agent: Make) -> None:
    actor, _ = limited(make_agent(), 4, OUT)
    black = [ImagePrompt(question.task, np.zeros_like(question.image)) for question in questions(1)]
    with ThreadPoolExecutor(4) as simulators:
        asked = [questions(1), black, questions(2), questions(3)]
        outcomes = list(simulators.map(lambda one: actor.read("tandem", one), asked))
    assert ["error" in outcome for outcome in outcomes] == [False, True, False, False]
    error = from_wire(outcomes[1]["error"])
    assert isinstance(error, AgentError) and "black" in str(error)


def test_a_defect_is_told_to_everybody(make_agent: Make) -> None:
    actor, _ = limited(make_agent(), 0, ZeroDivisionError("division by zero"), wait_s=0.0)
    assert actor.read("tandem", questions(1))["error"]["message"] == "ZeroDivisionError: division by zero"


def test_which_errors_mean_that_there_is_no_memory() -> None:
    torch_says = "[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried to"
    assert all(out_of_memory(error) for error in (OUT, MemoryError(), RuntimeError(torch_says)))
    assert not any(out_of_memory(error) for error in (RuntimeError("shapes differ"), ValueError("memory")))
