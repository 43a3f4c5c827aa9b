"""Qwen2.5-VL: a tower of its own, any picture size, positions in three axes (Bai et al., 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import transformers
from transformers import AutoConfig

from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import chat_template, text, tokenizer

MARKS = {f"{name}_token": f"<|{name}|>" for name in ("image_pad", "video_pad", "vision_start", "vision_end")}


def _made(corpus: Sequence[str], vision: dict[str, Any], sections: list[int], pixels: int, **language: Any) -> Made:
    words = tokenizer(corpus, **MARKS | {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"})
    images = transformers.Qwen2VLImageProcessor(
        patch_size=14, merge_size=2, size={"shortest_edge": 3136, "longest_edge": pixels}
    )
    place = chat_template("<|vision_start|><|image_pad|><|vision_end|>")
    processor = transformers.Qwen2_5_VLProcessor(
        images, words, transformers.Qwen2VLVideoProcessor(), chat_template=place
    )
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}
    config = {**text(words, "qwen2_5_vl_text", **language), "rope_parameters": rope}
    ids = {
        f"{name}_id": words.convert_tokens_to_ids(mark)
        for name, mark in MARKS.items()
        if "start" in name or "end" in name
    }
    image, video = (words.convert_tokens_to_ids(f"<|{kind}_pad|>") for kind in ("image", "video"))
    return AutoConfig.for_model(
        "qwen2_5_vl", text_config=config, vision_config=vision, image_token_id=image, video_token_id=video, **ids
    ), processor


def _tower(depth: int, width: int, out: int, heads: int, hidden: int, whole: list[int]) -> dict[str, Any]:
    sizes = {
        "depth": depth,
        "hidden_size": width,
        "out_hidden_size": out,
        "num_heads": heads,
        "intermediate_size": hidden,
    }
    return {**sizes, "patch_size": 14, "window_size": 112, "fullatt_block_indexes": whole}


FAMILY = Family(
    published="Qwen2.5-VL-7B",
    parts="Qwen2.5-VL's tower, 2 x 2 merger, Qwen2 with M-RoPE",
    sizes={
        "tiny": lambda corpus: _made(
            corpus, _tower(4, 192, 256, 4, 384, [3]), [8, 12, 12], 112 * 112, width=256, layers=3, heads=4
        ),
        "7b": lambda _: _made(
            (),
            _tower(32, 1280, 3584, 16, 3420, [7, 15, 23, 31]),
            [16, 24, 24],
            1280 * 784,
            width=3584,
            layers=28,
            heads=28,
            hidden=18944,
            vocab_size=152064,
            num_key_value_heads=4,
        ),
    },
)
