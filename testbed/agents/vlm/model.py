"""Building, storing and adapting a V²LM from configuration: nothing here knows a model family by name.

A `Blueprint` is the whole description: transformers' own configuration (``model_type`` decides the family), image
size and tokens per image. The default small model is FastVLM's architecture with our tower and a three-layer Qwen2.
Weights are one safetensors file per base model (2-D tensors in half precision; blueprint and tokenizer inside it, so
that the card's hash covers them) and one small file per LoRA adapter.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.modeling_outputs import BaseModelOutputWithPooling

from testbed.agents import weights
from testbed.agents.vlm import language, tower
from testbed.agents.vlm.cards import BASE
from testbed.agents.vlm.images import IMAGE_SIZE
from testbed.core.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

LORA = {
    "r": 16,
    "lora_alpha": 32,
    "target_modules": (
        r".*(language_model|text_model).*layers\.\d+\.(self_attn|mlp)\."
        r"(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    ),
}
_BLUEPRINT_KEY, _TOKENIZER_KEY = "blueprint.json", "tokenizer.json"


@dataclass(frozen=True)
class Blueprint:
    """What a base model is made of.

    Attributes:
        model: transformers configuration as a dictionary with ``model_type``; token ids are filled in by `build`.
        image_size: (height_px, width_px) of every image.
        image_tokens: Tokens an image takes in the text.
    """

    model: dict[str, Any]
    image_size: tuple[int, int]
    image_tokens: int


def small_blueprint(
    image_size: tuple[int, int] = IMAGE_SIZE, *, width: int = 256, layers: int = 3, heads: int = 4
) -> Blueprint:
    """Return the default small model: our CNN tower, FastVLM's projector, a small Qwen2.

    Args:
        image_size: (height_px, width_px), multiples of 32.
        width: Hidden size of the text model.
        layers: Its layers.
        heads: Its attention heads; key and value heads are half as many.
    """
    tokens = (image_size[0] // tower.STRIDE) * (image_size[1] // tower.STRIDE)
    text = {
        "model_type": "qwen2",
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
        "use_cache": False,
    }
    model = {
        "model_type": "fast_vlm",
        "vision_config": tower.configuration(image_size),
        "text_config": text,
        "image_seq_length": tokens,
    }
    return Blueprint(model, image_size, tokens)


@dataclass
class VisionLanguageModel:
    """A built model with its tokenizer.

    Attributes:
        network: transformers model.
        tokenizer: transformers tokenizer.
        blueprint: What it was built from.
    """

    network: Any
    tokenizer: Any
    blueprint: Blueprint

    @property
    def parameters(self) -> int:
        """Number of parameters, tied ones counted once."""
        return sum(parameter.numel() for parameter in self.network.parameters())


def build(blueprint: Blueprint, tokenizer: Tokenizer | None = None) -> VisionLanguageModel:
    """Build a model with random weights.

    Args:
        blueprint: What to build.
        tokenizer: Its tokenizer; a fresh one is trained when None.
    """
    wrapped = language.wrap(language.train_tokenizer() if tokenizer is None else tokenizer)
    ids = {"pad_token_id": wrapped.pad_token_id, "bos_token_id": None, "eos_token_id": wrapped.eos_token_id}
    text = {**blueprint.model["text_config"], "vocab_size": len(wrapped), **ids}
    config = AutoConfig.for_model(**{**blueprint.model, "text_config": text, "image_token_id": wrapped.image_token_id})
    network = AutoModelForImageTextToText.from_config(config)
    return VisionLanguageModel(network.eval(), wrapped, blueprint)


def save_base(
    model: VisionLanguageModel, card: Mapping[str, Any], folder: Path | None = None, name: str = BASE
) -> Path:
    """Write a base model; matrices in half precision, vectors (norms, statistics) as they are."""
    tensors = {}
    for key, value in model.network.state_dict().items():
        if key == "lm_head.weight" and model.network.config.tie_word_embeddings:
            continue
        tensors[key] = value.half() if value.dim() > 1 and value.dtype == torch.float32 else value.clone()
    tensors[_BLUEPRINT_KEY] = _pack(json.dumps(asdict(model.blueprint)))
    tensors[_TOKENIZER_KEY] = _pack(model.tokenizer.backend_tokenizer.to_str())
    full = {**card, "parameters": model.parameters, "blueprint": asdict(model.blueprint)}
    return weights.save(name, tensors, full, folder)


def load_base(name: str = BASE, folder: Path | None = None) -> tuple[VisionLanguageModel, dict[str, Any]]:
    """Load a base model and its card.

    Raises:
        WeightsError: When files are missing, altered, or do not fit the architecture.
    """
    tensors, card = weights.load(name, folder)
    try:
        stored = json.loads(_unpack(tensors.pop(_BLUEPRINT_KEY)))
        tokenizer = Tokenizer.from_str(_unpack(tensors.pop(_TOKENIZER_KEY)))
    except (KeyError, ValueError) as error:
        raise WeightsError(f"weights {name!r} hold no V²LM: {error}") from error
    blueprint = Blueprint(stored["model"], tuple(stored["image_size"]), stored["image_tokens"])
    model = build(blueprint, tokenizer)
    wanted = model.network.state_dict()
    if model.network.config.tie_word_embeddings:
        wanted.pop("lm_head.weight", None)
    if set(wanted) != set(tensors):
        odd = sorted(set(wanted) ^ set(tensors))[:3]
        raise WeightsError(f"weights {name!r} do not fit the architecture, for instance {odd}")
    model.network.load_state_dict({key: value.to(wanted[key].dtype) for key, value in tensors.items()}, strict=False)
    model.network.tie_weights()
    return model, card


def load(adapter: str, folder: Path | None = None, device: torch.device | str = "cpu") -> VisionLanguageModel:
    """Load the base with one adapter merged; raises `WeightsError` as `load_base` and `load_adapter` do."""
    model, card = load_base(folder=folder)
    load_adapter(model, card, adapter, folder)
    model.network = model.network.to(device)
    return model


def add_adapter(model: VisionLanguageModel, lora: Mapping[str, Any] | None = None) -> Any:
    """Wrap the network for LoRA training in place; return peft's model."""
    config = LoraConfig(**(LORA if lora is None else lora), lora_dropout=0.0, task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        # peft still asks transformers by a name that transformers has deprecated.
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
        model.network = get_peft_model(model.network, config)
    return model.network


def save_adapter(
    model: VisionLanguageModel, name: str, card: Mapping[str, Any], base_sha256: str, folder: Path | None = None
) -> Path:
    """Write the adapter of a model that `add_adapter` wrapped; its card names the base it belongs to."""
    state = get_peft_model_state_dict(model.network)
    tensors = {key: value.half() for key, value in state.items()}
    own = sum(value.numel() for value in tensors.values())
    return weights.save(name, tensors, {**card, "lora": LORA, "base": base_sha256, "parameters": own}, folder)


def load_adapter(
    model: VisionLanguageModel, base_card: Mapping[str, Any], name: str, folder: Path | None = None
) -> dict[str, Any]:
    """Merge an adapter into a freshly loaded base, so that it costs nothing at run time; return the adapter's card.

    Raises:
        WeightsError: When files are missing or altered, or the adapter belongs to another base.
    """
    tensors, card = weights.load(name, folder)
    if card.get("base") != base_card["sha256"]:
        raise WeightsError(
            f"adapter {name!r} belongs to another base model than {base_card.get('name')!r}",
            hint="train it again on this base",
        )
    adapted = add_adapter(model, card["lora"])
    found = set_peft_model_state_dict(adapted, {key: value.float() for key, value in tensors.items()})
    if found.unexpected_keys:
        raise WeightsError(f"adapter {name!r} does not fit the model, for instance {found.unexpected_keys[:2]}")
    model.network = adapted.merge_and_unload().eval()
    return card


def encoded(projected: Tensor) -> Any:
    """Wrap projected image tokens (images, tokens, width) the way ``mm_encoder_outputs`` wants them."""
    return BaseModelOutputWithPooling(pooler_output=projected)


def _pack(text: str) -> Tensor:
    return torch.from_numpy(np.frombuffer(text.encode("utf-8"), np.uint8).copy())


def _unpack(tensor: Tensor) -> str:
    return tensor.numpy().tobytes().decode("utf-8")
