"""From conversations to tensors: a form whose fields have right values, or a reply whose words do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.conversation import label
from testbed.agents.vlm.form import FormTokens
from testbed.agents.vlm.number_bins import soft_target
from testbed.agents.vlm.readings import box_words
from testbed.agents.vlm.reply_tokens import LINE_END, ReplyTokens
from testbed.training.vlm.examples import Example, RightAnswer
from testbed.training.vlm.tower_memory import RememberingTower

Teaches = Literal["form", "text"]
"""What is learnt: the fields of the form, or the words of the reply."""

IGNORED = -100
NUMBER_WEIGHT = 0.5
"""How much a right number of a box counts beside a right word."""


@dataclass
class FormBatcher:
    """Make batches that teach a form.

    Attributes:
        checkpoint: Whose processor.
        tokens: Of its form.
        number_weight: How much a right number of a box counts beside a right word.
        tower: What remembers pictures; None where every picture is looked at again.
    """

    checkpoint: Checkpoint
    tokens: FormTokens
    number_weight: float = NUMBER_WEIGHT
    tower: RememberingTower | None = None

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return the model's inputs with ``targets`` (B, Q, K) and ``places`` (B, Q, K), numbers or NaN."""
        count = len(examples[0].questions)
        inputs: dict[str, Any] = self.checkpoint.encode([one.questions for one in examples], self.tokens.text(count))
        fields = len(self.tokens.fields)
        targets = torch.full((len(examples), count, fields), IGNORED)
        places = torch.full((len(examples), count, fields), float("nan"))
        for row, example in enumerate(examples):
            for place, answer in enumerate(example.answers):
                ids = self._values(answer)
                targets[row, place, : len(ids)] = torch.tensor(ids)
                if answer.box is not None:
                    begin = self.tokens.box_field(answer.words)
                    places[row, place, begin : begin + 4] = torch.tensor(answer.box)
        return {**inputs, "targets": targets, "places": places, "keys": _keys(examples)}

    def _values(self, answer: RightAnswer) -> tuple[int, ...]:
        if answer.box is None:
            return self.tokens.answer(answer.words)
        return self.tokens.boxed(answer.words, answer.box)

    def loss(self, network: Any, batch: dict[str, Any]) -> Tensor:
        """Return the mean over questions of the cross-entropy of the right values of their fields."""
        targets, places = batch["targets"], batch["places"]
        inputs = {key: value for key, value in batch.items() if key not in ("targets", "places", "keys")}
        if self.tower is not None:
            self.tower.keys = batch["keys"]
        ids = inputs["input_ids"]
        is_field = torch.isin(ids, torch.tensor(self.tokens.fields, device=ids.device))
        first = int(is_field.any(0).nonzero()[0])
        width = ids.shape[1] - first
        found = network(**inputs, use_cache=False, logits_to_keep=width).logits[:, -width:]
        chances = found[is_field[:, first:]].float().log_softmax(-1)
        right, value = targets.flatten(), places.flatten()
        spoken = (right != IGNORED) & value.isnan()
        total: Tensor = functional.nll_loss(chances[spoken], right[spoken], reduction="sum")
        numbers = value.isfinite()
        if bool(numbers.any()):
            wanted = soft_target(value[numbers])
            total = total - self.number_weight * (wanted * chances[numbers][:, list(self.tokens.numbers)]).sum()
        mean: Tensor = total / (targets.shape[0] * targets.shape[1])
        return mean


@dataclass
class ReplyBatcher:
    """Make batches that teach what to say.

    Attributes:
        checkpoint: Whose processor.
        tower: What remembers pictures; None where every picture is looked at again.
    """

    checkpoint: Checkpoint
    tower: RememberingTower | None = None

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return the model's inputs with ``labels`` (B, L) of the reply's tokens alone."""
        questions = examples[0].questions
        replies = [_said(example) for example in examples]
        frame = ReplyTokens(self.checkpoint, questions)
        end = self.checkpoint.tokenizer.decode(list(frame.end))
        inputs: dict[str, Any] = self.checkpoint.encode(
            [one.questions for one in examples], [reply + end for reply in replies]
        )
        labels = torch.full_like(inputs["input_ids"], IGNORED)
        _, spelled = frame.start(replies)
        for row, ids in enumerate(spelled):
            length = len(ids) + len(frame.end)
            labels[row, -length:] = inputs["input_ids"][row, -length:]
        return {**inputs, "labels": labels, "keys": _keys(examples)}

    def loss(self, network: Any, batch: dict[str, Any]) -> Tensor:
        """Return transformers' own loss: the mean cross-entropy of the reply's tokens."""
        if self.tower is not None:
            self.tower.keys = batch["keys"]
        inputs = {key: value for key, value in batch.items() if key != "keys"}
        loss: Tensor = network(**inputs, use_cache=False).loss
        return loss


def _keys(examples: Sequence[Example]) -> list[Any]:
    """Return what tells the pictures of a batch apart, in the order in which the tower sees them."""
    return [key for example in examples for key in example.keys]


def _said(example: Example) -> str:
    """Return the reply as it should be: one line per question."""
    count = len(example.questions)
    lines = []
    for place, answer in enumerate(example.answers):
        words = answer.words if answer.box is None else f"{answer.words} {box_words(answer.box)}"
        lines.append(label(place, count) + words)
    return LINE_END.join(lines)
