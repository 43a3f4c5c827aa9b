"""The V²LMs that come with the testbed: a base and, per task and for tandem, an adapter that is merged into it.

The small model's base is one safetensors file with its configuration and tokenizer inside, so that the card's hash
covers them. SmolLM2's base is put together from the user's own installation (`testbed.agents.vlm.smollm`). Adapters are
peft's, one file each. What comes out is a checkpoint like any other, with the fields of a form in its tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from testbed.agents import weights
from testbed.agents.vlm import cards, checkpoint, how_asked, smollm
from testbed.agents.vlm.cards import BASE
from testbed.agents.vlm.checkpoint import Checkpoint, make_room, quiet_peft
from testbed.agents.vlm.families.fastvlm import processor_around_our_tower
from testbed.agents.vlm.families.parts import wrapped
from testbed.agents.vlm.how_asked import HowAsked
from testbed.agents.vlm.model_settings import ShippedName
from testbed.core.errors import WeightsError

_CONFIG_KEY, _TOKENIZER_KEY = "config.json", "tokenizer.json"
_PEFT_SETTINGS = ("r", "lora_alpha", "target_modules", "modules_to_save", "trainable_token_indices")


def load(name: ShippedName, key: str, folder: Path | None = None, device: str = "cpu") -> Checkpoint:
    """Load a shipped model with one adapter merged, so that it costs nothing at run time.

    Args:
        name: Which model.
        key: ``tsr``, ``alc``, ``vd`` or ``tandem``.
        folder: Of the weights; None for the shipped ones.
        device: Where it runs.

    Raises:
        MissingExtraError: If what the model needs is not installed.
        WeightsError: If files are missing, altered, or do not fit each other.
    """
    ready, made_of = small_base(folder) if name == "small" else smollm_base(folder, device)
    adapter = cards.adapter(name, key)
    tensors, card = weights.load(adapter, folder)
    if card.get("base") != made_of:
        raise WeightsError(
            f"adapter {adapter!r} belongs to another base model than this {name}", hint="train it again on this base"
        )
    ready.tokenizer.add_tokens(card["words"], special_tokens=True)
    network = ready.network
    make_room(network, len(ready.tokenizer))
    config = LoraConfig(**card["peft"], lora_dropout=0.0, task_type="CAUSAL_LM")
    with quiet_peft():
        adapted = get_peft_model(network, config)
    found = set_peft_model_state_dict(adapted, tensors)
    if found.unexpected_keys:
        raise WeightsError(f"adapter {adapter!r} does not fit the model, for instance {found.unexpected_keys[:2]}")
    ready.network = adapted.merge_and_unload().to(device).eval()
    ready.asked = HowAsked(windows=card["windows"])
    return ready


def small_base(folder: Path | None = None) -> tuple[Checkpoint, str]:
    """Return the small model without an adapter, in single precision on the CPU, and the sha256 of its weights.

    Args:
        folder: Of the weights; None for the shipped ones.

    Raises:
        WeightsError: If files are missing, altered, or do not fit the architecture.
    """
    tensors, card = weights.load(BASE, folder)
    try:
        config = json.loads(_unpack(tensors.pop(_CONFIG_KEY)))
        words = wrapped(Tokenizer.from_str(_unpack(tensors.pop(_TOKENIZER_KEY))))
    except (KeyError, ValueError) as error:
        raise WeightsError(f"weights {BASE!r} hold no V²LM: {error}") from error
    network = AutoModelForImageTextToText.from_config(AutoConfig.for_model(**config))
    wanted = network.state_dict()
    odd = sorted((set(wanted) ^ set(tensors)) - {"lm_head.weight"})
    if odd:
        raise WeightsError(f"weights {BASE!r} do not fit the architecture, for instance {odd[:3]}")
    network.load_state_dict({key: value.to(wanted[key].dtype) for key, value in tensors.items()}, strict=False)
    network.tie_weights()
    return Checkpoint(BASE, network.eval(), processor_around_our_tower(words)), str(card["sha256"])


def smollm_base(folder: Path | None = None, device: str = "cpu") -> tuple[Checkpoint, str]:
    """Return the model around SmolLM2 without an adapter, and what its base is called by.

    Args:
        folder: Of the weights that hold its tower; None for the shipped ones.
        device: Where it runs.

    Raises:
        MissingExtraError: If SmolLM2's words are not installed.
    """
    made = smollm.assemble(folder)
    return checkpoint.load(str(made), device=device), made.name


def store_base(made: Path, card: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write a fine-tuned checkpoint of the small model as ``vlm-base``, matrices in half precision.

    Args:
        made: Folder of the checkpoint.
        card: What the card says.
        folder: Where to write; None for the shipped weights' folder.
    """
    tensors = {
        key: value.half() if value.dim() > 1 and value.is_floating_point() else value
        for key, value in load_file(made / "model.safetensors").items()
    }
    tensors[_CONFIG_KEY] = _pack((made / "config.json").read_text(encoding="utf-8"))
    tensors[_TOKENIZER_KEY] = _pack((made / "tokenizer.json").read_text(encoding="utf-8"))
    return weights.save(BASE, tensors, card, folder)


def store_adapter(
    name: str,
    made: Path,
    base: str,
    words: list[str],
    card: Mapping[str, Any],
    folder: Path | None = None,
    *,
    stored_as: str = "float16",
) -> Path:
    """Write a peft adapter.

    Args:
        name: Of the weights.
        made: Folder of the adapter.
        base: What its base is called by.
        words: Words that were added to the base's tokenizer, in order.
        card: What else the card says.
        folder: Where to write; None for the shipped weights' folder.
        stored_as: One of `testbed.agents.weight_forms.FORMS`.
    """
    peft = json.loads((made / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = {key: value.float() for key, value in load_file(made / "adapter_model.safetensors").items()}
    told = {
        "base": base,
        "parameters": sum(value.numel() for value in tensors.values()),
        "peft": {key: peft[key] for key in _PEFT_SETTINGS if peft.get(key) is not None},
        "windows": how_asked.read(made).windows,
        "words": words,
    }
    return weights.save(name, tensors, {**card, **told}, folder, stored_as=stored_as)


def _pack(text: str) -> Tensor:
    return torch.from_numpy(np.frombuffer(text.encode("utf-8"), np.uint8).copy())


def _unpack(tensor: Tensor) -> str:
    return tensor.numpy().tobytes().decode("utf-8")
