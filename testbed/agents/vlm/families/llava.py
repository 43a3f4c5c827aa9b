"""LLaVA-1.5: CLIP ViT-L/14 at 336 px, a two-layer projector, Vicuna (Liu et al., "Improved Baselines", CVPR 2024)."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import clip_large, llava_shell, text, tiny_vit, tokenizer


def _tiny(corpus: Sequence[str]) -> Made:
    words = tokenizer(corpus)
    return llava_shell(words, tiny_vit("clip_vision_model"), text(words, "llama", 256, 3, 4))


def _full(width: int, layers: int, heads: int, hidden: int) -> Made:
    words = tokenizer(())
    language = text(words, "llama", width, layers, heads, hidden, vocab_size=32064, num_key_value_heads=heads)
    return llava_shell(words, clip_large(), language)


FAMILY = Family(
    published="LLaVA",
    parts="CLIP ViT, two-layer projector, Llama",
    sizes={"tiny": _tiny, "7b": lambda _: _full(4096, 32, 32, 11008), "13b": lambda _: _full(5120, 40, 40, 13824)},
)
