"""NVILA: SigLIP, a projector, Qwen2 (Liu et al., "NVILA", CVPR 2025), here without its tiling before the projector."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import llava_shell, text, tiny_vit, tokenizer, vit


def _tiny(corpus: Sequence[str]) -> Made:
    words = tokenizer(corpus)
    return llava_shell(words, tiny_vit("siglip_vision_model"), text(words, "qwen2", 256, 3, 4))


def _full(_: Sequence[str]) -> Made:
    words = tokenizer(())
    language = text(words, "qwen2", 3584, 28, 28, 18944, vocab_size=151680, num_key_value_heads=4)
    return llava_shell(words, vit("siglip_vision_model", 448, 14, 1152, 27, 16, 4304), language)


FAMILY = Family(
    published="NVILA-8B", parts="SigLIP ViT, two-layer projector, Qwen2", sizes={"tiny": _tiny, "8b": _full}
)
