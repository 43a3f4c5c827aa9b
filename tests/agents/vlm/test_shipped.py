"""Shipped V²LMs: a base in one file, adapters that are merged into it, and what does not fit is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from testbed.agents import weights
from testbed.agents.vlm import cards, checkpoint, shipped, tower
from testbed.agents.vlm.form import FormReader
from testbed.agents.vlm.readings import ConversationReader
from testbed.core.errors import WeightsError
from testbed.training.vlm.methods import PROJECTIONS


@pytest.fixture(scope="module")
def stored(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the base and an adapter for tandem that answers otherwise than the base."""
    folder = tmp_path_factory.mktemp("stored")
    shipped.store_base(small, {"summary": "test"}, folder)
    ready = checkpoint.load(str(small), dtype="fp32", device="cpu")
    adapted = get_peft_model(ready.network, LoraConfig(r=4, target_modules=PROJECTIONS, task_type="CAUSAL_LM"))
    torch.manual_seed(3)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, 0.0, 0.1)
    adapted.save_pretrained(folder / "made")
    shutil.copy(small / "testbed.json", folder / "made")
    base = str(weights.card(cards.BASE, folder)["sha256"])
    shipped.store_adapter("vlm-tandem", folder / "made", base, [], {}, folder)
    return folder


def probabilities(reader: ConversationReader, conversation) -> np.ndarray:
    return np.concatenate([answer.probabilities for answer in reader.read(conversation)])


def test_a_stored_base_answers_like_the_checkpoint(stored, reader, conversation) -> None:
    base, made_of = shipped.small_base(stored)
    assert made_of == weights.card(cards.BASE, stored)["sha256"]
    assert 3e6 < base.parameters < 9e6
    base.asked = reader.checkpoint.asked
    np.testing.assert_allclose(
        probabilities(FormReader(base), conversation), probabilities(reader, conversation), atol=5e-3
    )


def test_an_adapter_is_merged(stored, reader, conversation) -> None:
    ready = shipped.load("small", "tandem", stored)
    assert ready.asked.windows == {"alc": (0.1, 0.4, 0.9, 1.0)}
    assert not any("lora" in name for name, _ in ready.network.named_parameters())
    change = probabilities(FormReader(ready), conversation) - probabilities(reader, conversation)
    assert np.abs(change).max() > 1e-2


def test_the_tower_comes_out_as_it_went_in(stored, ready) -> None:
    other, _ = shipped.small_base(stored)
    for parameter in other.network.model.vision_tower.parameters():
        torch.nn.init.zeros_(parameter)
    tower.restore(other.network.model.vision_tower, stored)
    mine, its = (one.network.model.vision_tower.state_dict() for one in (ready, other))
    for name, value in mine.items():
        torch.testing.assert_close(its[name].float(), value.float(), atol=1e-3, rtol=1e-3)
    assert tower.stored_in(stored) == cards.BASE and tower.digest(stored) == tower.digest(stored) != tower.digest()


def test_an_adapter_of_another_base_is_refused(stored, tmp_path) -> None:
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    weights.amend("vlm-tandem", tmp_path, base="0" * 64)
    with pytest.raises(WeightsError, match="another base"):
        shipped.load("small", "tandem", tmp_path)


def test_altered_or_foreign_weights_are_refused(stored, tmp_path) -> None:
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "vlm-base.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="sha256"):
        shipped.small_base(tmp_path)
    with pytest.raises(WeightsError, match="missing"):
        shipped.small_base(tmp_path / "nowhere")
    tensors, card = weights.load(cards.BASE, stored)
    tensors.pop("model.multi_modal_projector.linear_1.bias")
    weights.save(cards.BASE, tensors, card, tmp_path)
    with pytest.raises(WeightsError, match="architecture"):
        shipped.small_base(tmp_path)
    weights.save(cards.BASE, {"weight": torch.zeros(2)}, {}, tmp_path)
    with pytest.raises(WeightsError, match="hold no V²LM"):
        shipped.small_base(tmp_path)
