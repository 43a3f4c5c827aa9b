"""Randomly initialised checkpoints of many families in the Hub's layout: a folder that ``transformers`` wrote, no more.

Each is of a family's own classes with small sizes, so that whatever loads it must follow the family's own processor,
placeholders and cache.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedTokenizerFast

from testbed.agents.vlm import families

WIDTH, HEADS = 64, 4
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "image_size": 56,
    "patch_size": 14,
}
SIGLIP = CLIP | {"model_type": "siglip_vision_model", "vision_use_head": False}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}PICTURE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VICUNA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>\n{% else %}{{ c['text'] }} {% endif %}{% endfor %}{% endif %}"
    "{% if m['role'] != 'user' %}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"]
CORPUS = [
    "As a car driver, at which direction should you turn the steering wheel? Left Straight Right",
    "Identify this traffic sign. speed limit stop yield no entry keep right priority road",
    "If a car is detected, provide the center coordinates and the dimensions of the bounding box for the car",
    "No car, or A car at (0.123, 0.456), H 0.789, W 0.012. USER: ASSISTANT: user assistant",
]


def tokenizer(*more: str, eos: str = "<|im_end|>", **named: str) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer in which no answer is one token; `more` are further special tokens."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    special = [*SPECIAL, *(word for word in [*more, *named.values()] if word not in SPECIAL)]
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + 330,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token=eos,
        padding_side="left",
        extra_special_tokens=[word for word in special if word not in ("<pad>", "<s>", eos)],
        model_specific_special_tokens={"image_token": "<image>", **named},
    )


def _ids(words: Any) -> dict[str, int]:
    return {
        "vocab_size": len(words),
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }


Made = tuple[Any, Any]
"""Configuration and processor."""


def llava() -> Made:
    """LLaVA-1.5's shape: CLIP, a two-layer projector, Llama, Vicuna's words."""
    words = tokenizer(eos="</s>")
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"height": 56, "width": 56}, do_center_crop=False),
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    config = AutoConfig.for_model(
        "llava",
        vision_config=CLIP,
        text_config={"model_type": "llama", **TEXT, **_ids(words)},
        image_token_index=words.image_token_id,
        image_seq_length=16,
    )
    return config, processor


def llava_next() -> Made:
    """LLaVA-NeXT's shape: the picture in tiles of any resolution."""
    words = tokenizer(eos="</s>")
    grid = [[56, 112], [112, 56], [112, 112]]
    processor = transformers.LlavaNextProcessor(
        transformers.LlavaNextImageProcessor(
            size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=grid
        ),
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    config = AutoConfig.for_model(
        "llava_next",
        vision_config=CLIP,
        text_config={"model_type": "llama", **TEXT, **_ids(words)},
        image_token_index=words.image_token_id,
        image_grid_pinpoints=grid,
    )
    return config, processor


def _qwen(kind: str, make: str, vision: dict[str, Any]) -> Made:
    words = tokenizer(
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
    )
    edges = {"shortest_edge": 56 * 56, "longest_edge": 84 * 84}
    processor = getattr(transformers, make)(
        transformers.Qwen2VLImageProcessor(patch_size=14, merge_size=2, size=edges),
        words,
        transformers.Qwen2VLVideoProcessor(patch_size=14),
        chat_template=CHATML.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    number = words.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    config = AutoConfig.for_model(
        kind,
        text_config={**TEXT, **_ids(words), "rope_parameters": rope},
        vision_config=vision,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    return config, processor


def qwen2_vl() -> Made:
    """Qwen2-VL's shape: pictures of their own size, positions in three axes."""
    vision = {
        "depth": 2,
        "embed_dim": WIDTH,
        "hidden_size": WIDTH,
        "num_heads": HEADS,
        "mlp_ratio": 2,
        "patch_size": 14,
    }
    return _qwen("qwen2_vl", "Qwen2VLProcessor", vision)


def qwen2_5_vl() -> Made:
    """Qwen2.5-VL's shape: the same with attention in windows."""
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "out_hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_heads": HEADS,
        "patch_size": 14,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    return _qwen("qwen2_5_vl", "Qwen2_5_VLProcessor", vision)


def idefics3() -> Made:
    """Idefics3's and SmolVLM's shape: tiles beside a global picture, each between tokens that name its place."""
    names = {
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    rows = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    words = tokenizer(*rows, **names)
    processor = transformers.Idefics3Processor(
        transformers.Idefics3ImageProcessor(size={"longest_edge": 128}, max_image_size={"longest_edge": 64}),
        words,
        image_seq_len=4,
        chat_template=CHATML.replace("PICTURE", "<image>"),
    )
    config = AutoConfig.for_model(
        "idefics3",
        vision_config=CLIP | {"model_type": "idefics3_vision", "image_size": 64, "patch_size": 16},
        text_config={"model_type": "llama", **TEXT, **_ids(words)},
        scale_factor=2,
        image_token_id=words.image_token_id,
        pad_token_id=words.pad_token_id,
    )
    return config, processor


def paligemma() -> Made:
    """PaliGemma's shape: no chat template, pictures before the text, and a prompt that sees itself both ways."""
    words = tokenizer(*(f"<loc{place:04d}>" for place in range(1024)), eos="</s>")
    images = transformers.SiglipImageProcessor(size={"height": 56, "width": 56})
    images.image_seq_length = 16
    processor = transformers.PaliGemmaProcessor(images, words)
    config = AutoConfig.for_model(
        "paligemma",
        vision_config=SIGLIP | {"projection_dim": WIDTH},
        text_config={"model_type": "gemma", **TEXT, **_ids(words), "head_dim": WIDTH // HEADS},
        image_token_index=words.image_token_id,
        projection_dim=WIDTH,
        hidden_size=WIDTH,
    )
    return config, processor


def internvl() -> Made:
    """InternVL's shape: patches shuffled into channels, Qwen2."""
    words = tokenizer(
        start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>", video_token="<video>"
    )
    processor = transformers.InternVLProcessor(
        transformers.GotOcr2ImageProcessor(size={"height": 56, "width": 56}, crop_to_patches=False),
        words,
        transformers.InternVLVideoProcessor(),
        image_seq_length=4,
        chat_template=CHATML.replace("PICTURE", "<IMG_CONTEXT>\n"),
    )
    vision = {key: value for key, value in CLIP.items() if key != "model_type"}
    config = AutoConfig.for_model(
        "internvl",
        vision_config=vision | {"image_size": [56, 56], "patch_size": [14, 14]},
        text_config={"model_type": "qwen2", **TEXT, **_ids(words)},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    return config, processor


def fast_vlm() -> Made:
    """FastVLM's shape: a convolutional tower of timm, Qwen2."""
    words = tokenizer()
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False),
        words,
        patch_size=32,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHATML.replace("PICTURE", "<image>\n"),
    )
    vision = {
        "model_type": "timm_wrapper",
        "architecture": "resnet10t",
        "do_pooling": False,
        "hidden_size": 512,
        "model_args": {},
    }
    config = AutoConfig.for_model(
        "fast_vlm",
        vision_config=vision,
        text_config={"model_type": "qwen2", **TEXT, **_ids(words)},
        image_token_index=words.image_token_id,
        image_seq_length=4,
    )
    return config, processor


def gemma3() -> Made:
    """Gemma 3's shape: picture tokens that see each other both ways, attention in sliding windows."""
    words = tokenizer(
        image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>", eos="<|im_end|>"
    )
    processor = transformers.Gemma3Processor(
        transformers.Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        words,
        image_seq_length=4,
        chat_template=CHATML.replace("PICTURE", "<start_of_image>"),
    )
    config = AutoConfig.for_model(
        "gemma3",
        vision_config=SIGLIP,
        text_config={
            **TEXT,
            **_ids(words),
            "head_dim": WIDTH // HEADS,
            "sliding_window": 32,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.image_token_id,
    )
    return config, processor


def mobilevlm() -> Made:
    """MobileVLM's shape, which transformers has not: four patches become a token."""
    return families.get("mobilevlm").sizes["tiny"](CORPUS)


def qwen_vl() -> Made:
    """Qwen-VL's shape, which transformers has not: learnt queries look at the patches."""
    return families.get("qwen_vl").sizes["tiny"](CORPUS)


FAMILIES: dict[str, Callable[[], Made]] = {
    make.__name__: make
    for make in (
        llava,
        llava_next,
        qwen2_vl,
        qwen2_5_vl,
        idefics3,
        paligemma,
        internvl,
        fast_vlm,
        gemma3,
        mobilevlm,
        qwen_vl,
    )
}


def write(family: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a checkpoint of a family with random weights and return its folder."""
    config, processor = FAMILIES[family]()
    torch.manual_seed(seed)
    network = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in network.parameters():
            # the usual 0.02 leaves answers so even that no mistake of order or place would show
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.08)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
