"""Which weights are trained: all, or those that a peft method adds, and the tokens of the form.

``lora``: low-rank updates of the text model; ``prompt`` and ``prefix``: learnt tokens before the conversation;
``adapter``: learnt factors inside every block (IA3); ``full``: everything but the vision tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from peft import (
    IA3Config,
    LoraConfig,
    PeftConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    get_peft_model,
    load_peft_weights,
    set_peft_model_state_dict,
)

from testbed.agents.vlm.checkpoint import quiet_peft

Method = Literal["lora", "prompt", "prefix", "adapter", "full"]
METHODS: tuple[Method, ...] = ("lora", "prompt", "prefix", "adapter", "full")

PROJECTIONS = (
    r".*(language_model|text_model).*layers\.\d+\.(self_attn|mlp)\."
    r"(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
)
"""Linear layers of the text model, by whichever name a family has for it."""
PROJECTORS = ("multi_modal_projector", "connector", "merger", "mlp1")
"""What families call the part between tower and text model."""
TOWERS = ("vision_tower", "vision_model", "visual", "vision_encoder")


def prepare(
    network: Any,
    method: Method,
    *,
    rank: int,
    alpha: int,
    tokens: Sequence[int],
    start_from: Path | None = None,
    with_tower: bool = False,
) -> Any:
    """Return the network with exactly the method's weights requiring gradients.

    Args:
        network: transformers model; it is changed.
        method: Which.
        rank: Of ``lora``; number of learnt tokens of ``prompt`` and ``prefix``.
        alpha: Scale of ``lora``.
        tokens: Ids of words whose embeddings are learnt besides.
        start_from: Folder of an adapter of the same base to go on from; None for a new one.
        with_tower: Whether ``full`` means the vision tower too.
    """
    if method == "full":
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(with_tower or not in_tower(name))
        return network
    with quiet_peft():
        if start_from is not None:
            adapted = PeftModel.from_pretrained(network, start_from, is_trainable=True)
        else:
            adapted = get_peft_model(network, _configuration(network, method, rank, alpha, tokens))
    # steps of an optimiser are smaller than what half precision tells apart
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if start_from is not None:
        # what was learnt before, this time in full precision
        set_peft_model_state_dict(adapted, load_peft_weights(str(start_from), device=str(network.device)))
    return adapted


def _configuration(network: Any, method: Method, rank: int, alpha: int, tokens: Sequence[int]) -> PeftConfig:
    projectors = [name for name in PROJECTORS if any(name in part.split(".") for part, _ in network.named_modules())]
    if method == "lora":
        return LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=0.0,
            target_modules=PROJECTIONS,
            modules_to_save=projectors or None,
            trainable_token_indices=list(tokens) or None,
            task_type="CAUSAL_LM",
        )
    if method == "adapter":
        kinds = r"(k_proj|v_proj|down_proj)"
        targets = PROJECTIONS.rpartition(r"(q_proj")[0] + kinds
        feedforward = targets.replace(kinds, r"down_proj")
        return IA3Config(target_modules=targets, feedforward_modules=feedforward, task_type="CAUSAL_LM")
    if method == "prefix":
        return PrefixTuningConfig(num_virtual_tokens=rank, task_type="CAUSAL_LM")
    return PromptTuningConfig(num_virtual_tokens=rank, task_type="CAUSAL_LM")


def in_tower(name: str) -> bool:
    """Return whether weights of that name are the vision tower's."""
    return _within(name, TOWERS) and not _within(name, PROJECTORS)


def _within(name: str, parts: Sequence[str]) -> bool:
    return any(part in name.split(".") for part in parts)
