"""An Idefics3 of 0.2 million parameters that learnt a few answers by heart, saved in the Hub's layout.

It is served by a process of its own; learning takes seconds, because the pictures do not matter to what it says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image as PilImage
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

IMAGE, FAKE, GLOBAL, END = "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"
SPECIAL = ["<pad>", "<s>", END, IMAGE, FAKE, GLOBAL]
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}:{% for part in m['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)


def tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on a corpus."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=640, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(corpus, trainer)
    named = {"image_token": IMAGE, "fake_image_token": FAKE, "global_image_token": GLOBAL}
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", bos_token="<s>", eos_token=END, padding_side="left",
        extra_special_tokens=SPECIAL[2:], model_specific_special_tokens=named | {"end_of_utterance_token": END},
    )  # fmt: skip


def make(folder: Path, lessons: list[tuple[list[str], str]], steps: int = 100) -> float:
    """Train a checkpoint until it says what the lessons want, and save it.

    Args:
        folder: Where it is saved.
        lessons: (texts of the user's message, one picture before each but the last of several; answer).
        steps: Of training.

    Returns:
        The last loss.
    """
    torch.manual_seed(0)
    words = tokenizer([text for texts, answer in lessons for text in [*texts, answer]])
    pictures = Idefics3ImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 64}, do_image_splitting=False
    )
    processor = Idefics3Processor(image_processor=pictures, tokenizer=words, image_seq_len=4, chat_template=TEMPLATE)
    text = {
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024, "vocab_size": len(words),
        "pad_token_id": words.pad_token_id, "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 64, "patch_size": 16,
    }  # fmt: skip
    network = Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config=vision, text_config=text, scale_factor=2, pad_token_id=words.pad_token_id,
            image_token_id=words.convert_tokens_to_ids(IMAGE),
        )
    )  # fmt: skip
    batch = _batch(processor, lessons)
    # a picture of zeros is padding to this family
    shown = (batch["pixel_values"] != 0.0).any(dim=(2, 3, 4), keepdim=True).expand_as(batch["pixel_values"])
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    loss = torch.zeros(())
    for _ in range(steps):
        optimiser.zero_grad()
        # whatever it is shown: it must say the same to every picture
        batch["pixel_values"] = (torch.rand_like(shown.float()) * 2.0 - 1.0) * shown
        loss = network(**batch).loss
        loss.backward()
        optimiser.step()
    network.generation_config.eos_token_id = words.eos_token_id
    network.generation_config.pad_token_id = words.pad_token_id
    network.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return float(loss.detach())


def _batch(processor: Idefics3Processor, lessons: list[tuple[list[str], str]]) -> dict[str, torch.Tensor]:
    """Return the tensors of all conversations, with labels on the answers alone."""
    image = PilImage.fromarray(np.full((64, 96, 3), 127, np.uint8))
    prompts, pictures = [], []
    for texts, _ in lessons:
        content: list[dict[str, str]] = []
        for index, text in enumerate(texts):
            if index == 0 or index + 1 < len(texts):
                content.append({"type": "image"})
            content.append({"type": "text", "text": text})
        prompts.append(
            processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        )
        pictures.append([image] * sum(part["type"] == "image" for part in content))
    whole = [prompt + answer + END for prompt, (_, answer) in zip(prompts, lessons, strict=True)]
    batch = processor(text=whole, images=pictures, return_tensors="pt", padding=True)
    labels = torch.full_like(batch["input_ids"], -100)
    for row, (_, answer) in enumerate(lessons):
        length = len(processor.tokenizer(answer + END, add_special_tokens=False)["input_ids"])
        labels[row, -length:] = batch["input_ids"][row, -length:]
    return {**batch, "labels": labels}
