"""MoE-LLaVA: CLIP, a two-layer projector, a text model whose router picks two of four experts (Lin et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import clip_large, llava_shell, text, tiny_vit, tokenizer

EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}


def _tiny(corpus: Sequence[str]) -> Made:
    words = tokenizer(corpus)
    language = text(words, "mixtral", 256, 3, 4, 256, **EXPERTS)
    return llava_shell(words, tiny_vit("clip_vision_model"), language)


def _full(_: Sequence[str]) -> Made:
    words = tokenizer(())
    language = text(words, "mixtral", 2048, 24, 32, 5632, vocab_size=100352, num_key_value_heads=32, **EXPERTS)
    return llava_shell(words, clip_large(), language)


FAMILY = Family(
    published="MoE-LLaVA",
    parts="CLIP ViT, two-layer projector, mixture of four experts",
    sizes={"tiny": _tiny, "1.6b": _full},
)
