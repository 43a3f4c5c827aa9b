from __future__ import annotations

import json

import pytest
import torch

from testbed.agents import weights
from testbed.agents.vlm import cards
from testbed.agents.vlm import model as models
from testbed.agents.vlm.reader import Reader
from testbed.core.errors import WeightsError


@pytest.fixture
def fresh() -> models.VisionLanguageModel:
    torch.manual_seed(1)
    return models.build(models.small_blueprint((64, 96), width=64, layers=2))


def probabilities(model: models.VisionLanguageModel, conversation) -> torch.Tensor:
    return torch.cat([torch.from_numpy(answer.probabilities) for answer in Reader(model).read(conversation)])


def test_the_default_model_is_small() -> None:
    model = models.build(models.small_blueprint())
    assert 3e6 < model.parameters < 9e6
    assert type(model.network).__name__ == "FastVlmForConditionalGeneration"


def test_a_stored_model_answers_like_the_original(fresh, tmp_path, conversation) -> None:
    models.save_base(fresh, {"summary": "test"}, tmp_path)
    loaded, card = models.load_base(folder=tmp_path)
    assert loaded.parameters == card["parameters"] == fresh.parameters
    assert (tmp_path / "vlm-base.safetensors").stat().st_size < fresh.parameters * 2 * 1.2 + 200_000
    torch.testing.assert_close(
        probabilities(loaded, conversation), probabilities(fresh, conversation), atol=5e-3, rtol=0
    )


def test_an_adapter_changes_answers_and_comes_back(fresh, tmp_path, conversation) -> None:
    models.save_base(fresh, {}, tmp_path)
    model, base_card = models.load_base(folder=tmp_path)
    plain = probabilities(model, conversation)
    models.add_adapter(model)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.05)
    changed = probabilities(model, conversation)
    assert not torch.allclose(plain, changed, atol=1e-3)
    models.save_adapter(model, "vlm-tandem", {}, base_card["sha256"], tmp_path)
    again, base_card = models.load_base(folder=tmp_path)
    models.load_adapter(again, base_card, "vlm-tandem", tmp_path)
    torch.testing.assert_close(probabilities(again, conversation), changed, atol=2e-3, rtol=0)
    assert not any("lora" in name for name, _ in again.network.named_parameters())


def test_an_adapter_of_another_base_is_refused(fresh, tmp_path) -> None:
    models.save_base(fresh, {}, tmp_path)
    model, _ = models.load_base(folder=tmp_path)
    models.add_adapter(model)
    models.save_adapter(model, "vlm-tandem", {}, "0" * 64, tmp_path)
    again, base_card = models.load_base(folder=tmp_path)
    with pytest.raises(WeightsError, match="another base"):
        models.load_adapter(again, base_card, "vlm-tandem", tmp_path)


def test_altered_weights_are_refused(fresh, tmp_path) -> None:
    path = models.save_base(fresh, {}, tmp_path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="sha256"):
        models.load_base(folder=tmp_path)
    with pytest.raises(WeightsError, match="missing"):
        models.load_base(folder=tmp_path / "nowhere")


def test_weights_of_another_architecture_are_refused(fresh, tmp_path) -> None:
    path = models.save_base(fresh, {}, tmp_path)
    tensors, card = weights.load(cards.BASE, tmp_path)
    tensors.pop("model.multi_modal_projector.linear_1.bias")
    weights.save(cards.BASE, tensors, card, tmp_path)
    with pytest.raises(WeightsError, match="architecture"):
        models.load_base(folder=tmp_path)
    weights.save(cards.BASE, {"weight": torch.zeros(2)}, {}, tmp_path)
    with pytest.raises(WeightsError, match="hold no V²LM"):
        models.load_base(folder=tmp_path)
    assert json.loads(path.with_suffix(".json").read_text())["name"] == cards.BASE


@pytest.mark.parametrize("family", ["llava", "fast_vlm"])
def test_other_families_are_configuration(family, conversation) -> None:
    blueprint = models.small_blueprint((64, 64), width=64, layers=1)
    if family == "llava":
        vision = {
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "vision_use_head": False,
        }
        description = {
            **blueprint.model,
            "model_type": "llava",
            "vision_config": vision,
            "vision_feature_select_strategy": "full",
            "image_seq_length": 16,
        }
        blueprint = models.Blueprint(description, (64, 64), 16)
    model = models.build(blueprint)
    assert [answer.task for answer in Reader(model).read(conversation)] == ["tsr", "alc", "vd"]
