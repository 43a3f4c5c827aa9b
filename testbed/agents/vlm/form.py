"""The way to answer called ``form``: every field of every question read off in one forward pass.

The reply is a form. Behind each question's number stand the same few fields (``<field_0>`` …), whose values are left
out: what the model predicts at the n-th field is the n-th token of the answer, in the tokenizer's own words, and then
its end. Fields do not say what is asked; only the question does. An answer's probability is the product over its
fields, renormalised over the closed set. A number of a box is one token (``<loc_000>`` …), read as the expectation over
the bins around the most probable one, so that it is finer than a bin.

Fields and numbers are tokens that fine-tuning adds to any tokenizer; `FormTokens.add` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from testbed.agents.vlm.checkpoint import Checkpoint, token_ids
from testbed.agents.vlm.conversation import label
from testbed.agents.vlm.number_bins import BINS, LOCATIONS, expectation
from testbed.agents.vlm.prompted import Ids
from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES, ConversationReader, ImagePrompt, Reading
from testbed.agents.vlm.reply_tokens import LINE_END
from testbed.core.errors import AgentError, WeightsError

BOX_NUMBERS = 4
"""Centre x, centre y, height and width."""
MOST_FIELDS = 12

_FIELDS = tuple(f"<field_{place}>" for place in range(MOST_FIELDS))


@dataclass(frozen=True)
class FormTokens:
    """The tokens of forms in one tokenizer.

    Attributes:
        tokenizer: Whose.
        fields: Ids of the fields of one question, in order.
        numbers: Ids of the bins, in order.
        end: Id of what ends an answer.
    """

    tokenizer: Any
    fields: Ids
    numbers: Ids
    end: int

    @classmethod
    def add(cls, tokenizer: Any, answers: Sequence[str]) -> FormTokens:
        """Add fields and numbers to a tokenizer: as many fields as the longest answer or a box needs.

        Args:
            tokenizer: It is changed; the model's embeddings must be resized after it.
            answers: All that may be answered.
        """
        longest = max(len(token_ids(tokenizer, answer)) for answer in answers) + 1
        with_box = len(token_ids(tokenizer, CHOICES["vd"][1])) + BOX_NUMBERS + 1
        count = min(MOST_FIELDS, max(longest, with_box))
        tokenizer.add_tokens([*_FIELDS[:count], *LOCATIONS], special_tokens=True)
        return cls.of(tokenizer)

    @classmethod
    def of(cls, tokenizer: Any) -> FormTokens:
        """Find the tokens that `add` added.

        Raises:
            WeightsError: If there are none.
        """
        known = tokenizer.get_vocab()
        fields = tuple(known[name] for name in _FIELDS if name in known)
        if not fields or any(name not in known for name in LOCATIONS):
            raise WeightsError(
                "this checkpoint has no form to fill in: its tokenizer lacks the fields",
                hint="fine-tune it with train vlm, or use answer: choose or generate",
            )
        return cls(tokenizer, fields, tuple(known[name] for name in LOCATIONS), int(tokenizer.eos_token_id))

    def text(self, count: int) -> str:
        """Return the form of `count` questions, values left out."""
        blanks = "".join(_FIELDS[: len(self.fields)])
        return LINE_END.join(f"{label(place, count)}{blanks}" for place in range(count))

    def answer(self, words: str) -> Ids:
        """Return the values of the fields of an answer: its tokens and its end, cut to the fields there are."""
        return (*token_ids(self.tokenizer, words), self.end)[: len(self.fields)]

    def boxed(self, words: str, box: Sequence[float]) -> Ids:
        """Return the values of the fields of an answer that goes on with a box, (cx, cy, h, w) as fractions."""
        bins = (min(BINS - 1, max(0, int(value * BINS))) for value in box)
        return (*token_ids(self.tokenizer, words), *(self.numbers[place] for place in bins), self.end)

    def box_field(self, words: str) -> int:
        """Return which field of an answer with a box holds its first number."""
        return len(token_ids(self.tokenizer, words))


class FormReader(ConversationReader):
    """Ask one checkpoint with a form.

    Args:
        checkpoint: Whom; its tokenizer has the fields.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Look the fields up; raises `WeightsError` when there are none."""
        self.checkpoint = checkpoint
        self.tokens = FormTokens.of(checkpoint.tokenizer)
        self._sets = cache(self._closed_set)

    @torch.inference_mode()
    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        """Answer several conversations with equally many questions in one forward pass.

        Raises:
            AgentError: If the processor refuses a picture or the model's answer is not a number.
        """
        logits = self.field_logits(conversations)
        return [
            [self._reading(question.task, rows) for question, rows in zip(questions, fields, strict=True)]
            for questions, fields in zip(conversations, logits, strict=True)
        ]

    def field_logits(self, conversations: Sequence[Sequence[ImagePrompt]]) -> Tensor:
        """Return the logits (conversations, questions, fields, words) at the fields, float32."""
        count = len(conversations[0])
        inputs = self.checkpoint.encode(conversations, self.tokens.text(count))
        width = inputs["input_ids"].shape[1]
        is_field = torch.isin(inputs["input_ids"], torch.tensor(self.tokens.fields, device=inputs["input_ids"].device))
        first = int(is_field.any(0).nonzero()[0])
        found = self.checkpoint.network(**inputs, use_cache=False, logits_to_keep=width - first).logits
        logits: Tensor = found[:, -(width - first) :][is_field[:, first:]].float()
        if not bool(torch.isfinite(logits).all()):
            raise AgentError(f"{self.checkpoint.name} answered with values that are not numbers")
        return logits.view(len(conversations), count, len(self.tokens.fields), -1)

    def _closed_set(self, task: str) -> tuple[tuple[Ids, ...], int]:
        """Return the values of every answer of a task, open ones without an end, and where a box begins."""
        words = (*CHOICES[task], CANNOT_TELL)
        values = [self.tokens.answer(word) for word in words]
        begin = 0
        if task == "vd":
            begin = self.tokens.box_field(words[1])
            values[1] = values[1][:begin]
        return tuple(values), begin

    def _reading(self, task: str, logits: Tensor) -> Reading:
        """Return the answer to one question from the logits (fields, words) at its fields."""
        values, begin = self._sets(task)
        chances = logits.double().log_softmax(-1)
        likely = np.array([sum(float(chances[place, token]) for place, token in enumerate(ids)) for ids in values])
        weights = np.exp(likely - likely.max())
        box = None
        if begin:
            numbers = expectation(logits[begin : begin + BOX_NUMBERS, list(self.tokens.numbers)].double())
            box = (float(numbers[0]), float(numbers[1]), float(numbers[2]), float(numbers[3]))
        return Reading.of(task, weights / weights.sum(), box)
