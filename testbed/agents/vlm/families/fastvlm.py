"""FastVLM: a convolutional tower, a projector, Qwen2 (Vasu et al., CVPR 2025); ``tiny`` has the testbed's own tower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import transformers
from transformers import AutoConfig

from testbed.agents.vlm import tower
from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import IMAGE, chat_template, text, tokenizer
from testbed.agents.vlm.images import IMAGE_SIZE


def processor_around_our_tower(words: object) -> Any:
    """Return the processor of FastVLM's shell around the testbed's tower, with any tokenizer."""
    height_px, width_px = IMAGE_SIZE
    half = [0.5, 0.5, 0.5]
    images = transformers.CLIPImageProcessor(
        size={"height": height_px, "width": width_px},
        do_center_crop=False,
        resample=2,
        image_mean=half,
        image_std=half,
    )
    return transformers.LlavaProcessor(
        images,
        words,
        patch_size=tower.STRIDE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=chat_template(IMAGE),
    )


def around_our_tower(words: object, language: dict[str, object]) -> Made:
    """Return FastVLM's shell around the testbed's tower and any text model."""
    height_px, width_px = IMAGE_SIZE
    config = AutoConfig.for_model(
        "fast_vlm",
        vision_config=tower.configuration(IMAGE_SIZE),
        text_config=language,
        image_token_index=words.image_token_id,  # type: ignore[attr-defined]  # transformers ships no types
        image_seq_length=(height_px // tower.STRIDE) * (width_px // tower.STRIDE),
    )
    return config, processor_around_our_tower(words)


def _tiny(corpus: Sequence[str]) -> Made:
    words = tokenizer(corpus)
    return around_our_tower(words, text(words, "qwen2", 256, 3, 4))


FAMILY = Family(
    published="FastVLM", parts="ResNet-10 with global context, two-layer projector, Qwen2", sizes={"tiny": _tiny}
)
