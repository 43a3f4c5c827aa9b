"""SmolVLM: SigLIP, pixel shuffle and a linear projector, SmolLM2 (Marafioti et al., 2025)."""

from __future__ import annotations

from collections.abc import Sequence

import transformers
from transformers import AutoConfig

from testbed.agents.vlm.families.family import Family, Made
from testbed.agents.vlm.families.parts import IMAGE, chat_template, text, tokenizer, vit

MARKS = {
    "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
}


def _made(corpus: Sequence[str], side_px: int, shuffle: int, tower: tuple[int, int, int, int], **language: int) -> Made:
    words = tokenizer(corpus, **MARKS)
    images = transformers.Idefics3ImageProcessor(
        size={"longest_edge": side_px}, max_image_size={"longest_edge": side_px}, do_image_splitting=False
    )
    vision = vit("idefics3_vision", side_px, 16, *tower)
    tokens = (side_px // 16) ** 2 // shuffle**2
    template = chat_template(IMAGE)
    processor = transformers.Idefics3Processor(images, words, image_seq_len=tokens, chat_template=template)
    config = AutoConfig.for_model(
        "idefics3",
        vision_config=vision,
        text_config=text(words, "llama", **language),
        scale_factor=shuffle,
        image_token_id=words.image_token_id,
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=True,
    )
    return config, processor


FAMILY = Family(
    published="SmolVLM",
    parts="SigLIP ViT, pixel shuffle, linear projector, Llama",
    sizes={
        "tiny": lambda corpus: _made(corpus, 128, 2, (192, 6, 4, 768), width=256, layers=3, heads=4),
        "256m": lambda _: _made(
            (),
            512,
            4,
            (768, 12, 12, 3072),
            width=576,
            layers=30,
            heads=9,
            hidden=1536,
            num_key_value_heads=3,
            vocab_size=49280,
        ),
    },
)
