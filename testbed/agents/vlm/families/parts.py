"""Parts that families share: tokenizers, text models, towers and the LLaVA shell, as transformers configures them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, PreTrainedTokenizerFast

from testbed.agents.vlm.families.family import Made

PAD, START, END, IMAGE = "<pad>", "<|im_start|>", "<|im_end|>", "<image>"
VOCABULARY = 1200
"""Words of a tiny tokenizer beside its special tokens."""


def chat_template(picture: str) -> str:
    """Return the ChatML template in which `picture` stands for a picture."""
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}"
        f"{{% if part['type'] == 'image' %}}{picture}\n"
        "{% else %}{{ part['text'] }}\n{% endif %}{% endfor %}{% endif %}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def tokenizer(corpus: Sequence[str], *more: str, **named: str) -> Any:
    """Train a byte-level BPE tokenizer; `named` are special tokens that become its attributes, `more` others."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    tokens = {"image_token": IMAGE, **named}
    special = list(dict.fromkeys([PAD, START, END, *tokens.values(), *more]))
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY + len(special),
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(list(corpus), trainer)
    return wrapped(inner, **tokens)


def wrapped(inner: Tokenizer, **named: str) -> Any:
    """Return a trained tokenizer as transformers wants it; `named` are special tokens that become its attributes."""
    special = [token.content for token in inner.get_added_tokens_decoder().values() if token.special]
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        extra_special_tokens=[word for word in special if word not in (PAD, END)],
        model_specific_special_tokens=named or {"image_token": IMAGE},
    )


def text(words: Any, kind: str, width: int, layers: int, heads: int, hidden: int | None = None, **more: Any) -> Any:
    """Return the configuration of a text model.

    Args:
        words: Its tokenizer.
        kind: transformers' ``model_type``.
        width: Hidden size.
        layers: Its layers.
        heads: Attention heads; key and value heads are half as many in small ones.
        hidden: Width of the perceptrons; twice the hidden size where None.
        more: What else its kind takes.
    """
    return {
        "model_type": kind,
        "hidden_size": width,
        "intermediate_size": 2 * width if hidden is None else hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": max(1, heads // 2),
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "vocab_size": len(words),
        "pad_token_id": words.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        **more,
    }


def vit(kind: str, side_px: int, patch_px: int, width: int, layers: int, heads: int, hidden: int | None = None) -> Any:
    """Return the configuration of a vision transformer (``clip_vision_model`` or ``siglip_vision_model``)."""
    whole = {"vision_use_head": False} if kind.startswith("siglip") else {}
    return {
        "model_type": kind,
        "hidden_size": width,
        "intermediate_size": 4 * width if hidden is None else hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": side_px,
        "patch_size": patch_px,
        **whole,
    }


def tiny_vit(kind: str) -> Any:
    """Return the configuration of the tower of tiny sizes, see `vit`: 64 patches of a picture of 128 px."""
    return vit(kind, 128, 16, 192, 6, 4)


def clip_large() -> Any:
    """Return the configuration of CLIP ViT-L/14 at 336 px."""
    return vit("clip_vision_model", 336, 14, 1024, 24, 16)


def llava_shell(
    words: Any,
    vision: dict[str, Any],
    language: dict[str, Any],
    *,
    kind: str = "llava",
    patches_per_token: int = 1,
    **more: Any,
) -> Made:
    """Return LLaVA's shell around a square tower and a text model.

    Args:
        words: Tokenizer.
        vision: Configuration of the tower.
        language: Configuration of the text model.
        kind: transformers' ``model_type``, which says what projector stands between them; LLaVA's has two layers.
        patches_per_token: Patches along each side of a picture that the projector makes one token of.
        more: What else the configuration says, or says otherwise.
    """
    side_px, token_px = int(vision["image_size"]), patches_per_token * int(vision["patch_size"])
    # CLIP puts one token before those of the patches, which LLaVA leaves out again
    first = int(vision["model_type"].startswith("clip"))
    select = "default" if first else "full"
    shown = {"size": {"height": side_px, "width": side_px}}
    images = (
        transformers.CLIPImageProcessor(do_center_crop=False, **shown)
        if first
        else transformers.SiglipImageProcessor(**shown)
    )
    processor = transformers.LlavaProcessor(
        images,
        words,
        # the processor counts placeholders, and only by this
        patch_size=token_px,
        vision_feature_select_strategy=select,
        num_additional_image_tokens=first,
        chat_template=chat_template(IMAGE),
    )
    settings = {
        "vision_config": vision,
        "text_config": language,
        "image_token_index": words.image_token_id,
        "image_seq_length": (side_px // token_px) ** 2,
        "vision_feature_select_strategy": select,
        "vision_feature_layer": -2 if first else -1,
        "tie_word_embeddings": language.get("tie_word_embeddings", True),
    }
    return AutoConfig.for_model(kind, **settings | more), processor
