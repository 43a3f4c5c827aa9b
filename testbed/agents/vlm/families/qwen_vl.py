"""Qwen-VL: ViT-bigG/14 at 448 px, a resampler of 256 queries, Qwen-7B, whose layers are Qwen2's (Bai et al., 2023).

The tower is CLIP's: it has a class token, which is left out again, and a learnt position for each of its patches, where
the published one has none and interpolates 256 positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import llava_shell, text, tiny_vit, tokenizer, vit
from testbed.agents.vlm.projectors import QWEN_VL


def _made(words: Any, vision: dict[str, Any], language: dict[str, Any]) -> Made:
    tower = {**vision, "hidden_act": "gelu", "layer_norm_eps": 1e-6}
    return llava_shell(words, tower, language, kind=QWEN_VL, patches_per_token=2, vision_feature_layer=-1)


def _tiny(corpus: Sequence[str]) -> Made:
    words = tokenizer(corpus)
    return _made(words, tiny_vit("clip_vision_model"), text(words, "qwen2", 256, 3, 4))


def _full(_: Sequence[str]) -> Made:
    words = tokenizer(())
    own = {"vocab_size": 151936, "num_key_value_heads": 32, "tie_word_embeddings": False}
    language = text(words, "qwen2", 4096, 32, 32, 11008, max_position_embeddings=8192, **own)
    return _made(words, vit("clip_vision_model", 448, 14, 1664, 48, 16, 8192), language)


FAMILY = Family(
    published="Qwen-VL-7B", parts="CLIP ViT, resampler of learnt queries, Qwen", sizes={"tiny": _tiny, "7b": _full}
)
