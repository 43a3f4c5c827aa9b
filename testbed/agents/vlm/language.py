"""The small model's language: a byte-level BPE tokenizer trained offline, and the words that answers are made of.

Every answer of a closed set (43 sign names, three directions, two presences) is one token, so the model's probability
of the whole answer stands in one row of logits. Numbers of a box are one token each as well: ``<loc_000>`` to
``<loc_127>`` cut the unit interval into bins.
"""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from testbed.agents.vlm.families.parts import END, IMAGE, PAD, START, chat_template
from testbed.agents.vlm.number_bins import LOCATIONS
from testbed.agents.vlm.readings import CHOICES
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.perception_tasks import PROMPTS

SLOTS: dict[str, tuple[str, ...]] = {
    "tsr": ("<sign>",),
    "alc": ("<steering>",),
    "vd": ("<vehicle>", "<cx>", "<cy>", "<h>", "<w>"),
}
"""Fields of the form that the model fills in: its next-token prediction at a field is the field's value."""

_SPECIAL = (PAD, START, END, IMAGE, *(slot for slots in SLOTS.values() for slot in slots), *LOCATIONS)
_CORPUS = (
    *PROMPTS.values(),
    "user\n",
    "assistant\n",
    "You drive a car on a road with lanes, traffic signs and other vehicles. What do you see ahead of the car?",
    *(f"The sign says {name}." for name in SIGN_NAMES),
    "Turn the steering wheel to the left, to the right, or keep it straight. There is a car ahead. There is no car.",
    "0 1 2 3 4 5 6 7 8 9 km/h m px",
)


def train_tokenizer(vocabulary: int = 640) -> Tokenizer:
    """Train the tokenizer on the questions and answers themselves; takes milliseconds and needs no download."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary + len(_SPECIAL),
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(list(_CORPUS), trainer)
    words = [word for choices in CHOICES.values() for word in choices]
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
    return tokenizer


def wrap(tokenizer: Tokenizer) -> Any:
    """Give transformers' interface to a tokenizer (``PreTrainedTokenizerFast``, left padding, ChatML template)."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        model_specific_special_tokens={"image_token": IMAGE},
    )
    wrapped.chat_template = chat_template(IMAGE)
    return wrapped


def prompt_text(tokenizer: Any, words: tuple[str, ...], image_tokens: int) -> str:
    """Return the chat text up to the assistant's turn: one image and its question after the other.

    Args:
        tokenizer: From `wrap`.
        words: Questions, one for solo, several for tandem.
        image_tokens: Number of tokens an image takes.
    """
    parts: list[dict[str, str]] = []
    for question in words:
        parts += [{"type": "image"}, {"type": "text", "text": question}]
    messages = [{"role": "user", "content": parts}]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text.replace(IMAGE, IMAGE * image_tokens)


def form_text(tasks: tuple[str, ...]) -> str:
    """Return the assistant's form: the fields of all tasks in order, values left out."""
    return "".join(slot for task in tasks for slot in SLOTS[task])
