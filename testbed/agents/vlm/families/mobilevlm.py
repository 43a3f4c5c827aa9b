"""MobileVLM: CLIP ViT-L/14 at 336 px, a projector that halves the grid, MobileLLaMA (Chu et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import clip_large, llava_shell, text, tiny_vit, tokenizer
from testbed.agents.vlm.projectors import MOBILEVLM


def _made(words: Any, vision: dict[str, Any], language: dict[str, Any]) -> Made:
    return llava_shell(words, vision, language, kind=MOBILEVLM, patches_per_token=2)


def _tiny(corpus: Sequence[str]) -> Made:
    words = tokenizer(corpus)
    return _made(words, tiny_vit("clip_vision_model"), text(words, "llama", 256, 3, 4))


def _full(_: Sequence[str]) -> Made:
    words = tokenizer(())
    own = {"vocab_size": 32000, "num_key_value_heads": 16, "tie_word_embeddings": False}
    language = text(words, "llama", 2048, 24, 16, 5504, max_position_embeddings=2048, **own)
    return _made(words, clip_large(), language)


FAMILY = Family(
    published="MobileVLM", parts="CLIP ViT, downsampling projector, Llama", sizes={"tiny": _tiny, "1.7b": _full}
)
