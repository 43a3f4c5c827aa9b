"""A conversation that a model has read: its cache, what comes next, and what would follow if it had said this or that.

Everything goes through transformers' public ``generate``: conversations are read together (one prefill), the cache of
one is copied for every candidate, and a logits processor makes each copy say its candidate, so that the probability of
every token along it is the model's own. No family's masks or positions are computed here.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.core.errors import AgentError

CACHE_BYTES = 2_000_000_000
"""Copies of the cache that stand beside each other may take this much."""

Ids = tuple[int, ...]


class Constraint(Protocol):
    """What a reply may go on with."""

    def allowed(self, said: Ids) -> Sequence[int]:
        """Return the ids of the tokens that may follow what was said; none ends the reply."""


@dataclass(frozen=True)
class Spelling:
    """One sequence of tokens and nothing else."""

    ids: Ids

    def allowed(self, said: Ids) -> Sequence[int]:
        """Return the next token, or none at the end."""
        return self.ids[len(said) : len(said) + 1]


class _Forced(LogitsProcessor):  # type: ignore[misc]  # transformers' types do not reach mypy
    """Leave only the tokens that each row may go on with."""

    def __init__(self, constraints: Sequence[Constraint], start: int, end: int) -> None:
        self._constraints, self._start, self._end = constraints, start, end

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores (rows, words) that are minus infinity but for the tokens that may follow."""
        forced = torch.full_like(scores, float("-inf"))
        said = input_ids[:, self._start :].tolist()
        for row, constraint in enumerate(self._constraints):
            ids = torch.as_tensor(list(constraint.allowed(tuple(said[row]))) or [self._end], device=scores.device)
            # another rule of the checkpoint's own settings may have forbidden them all
            forbidden = bool(torch.isinf(scores[row, ids]).all())
            forced[row, ids] = 0.0 if forbidden else scores[row, ids]
        return forced


@dataclass
class Prompted:
    """One conversation that a model has read.

    Attributes:
        checkpoint: Who read it.
        ids: (1, length) of everything read.
        mask: (1, length) 0 where it is padded.
        cache: Keys and values of everything read.
        next: (words,) log-probabilities of the next token, float32.
        shifts: What the family keeps per conversation about the positions of pictures, by module.
    """

    checkpoint: Checkpoint
    ids: Tensor
    mask: Tensor
    cache: Any
    next: Tensor
    shifts: dict[Any, Tensor]

    def say(self, more: Ids) -> Prompted:
        """Return what stands after the model has said some more; this object is used up."""
        if not more:
            return self
        made, ids, mask = self._go_on(self.cache, [more], tokens=1)
        after = made.logits[0][0].float().log_softmax(-1)
        return Prompted(self.checkpoint, ids, mask, made.past_key_values, after, self.shifts)

    def score(self, candidates: Sequence[Ids]) -> Tensor:
        """Return the log-probability (candidates,) of each as what comes next, float64."""
        total = self.next[[ids[0] for ids in candidates]].double().cpu()
        longer = [place for place, ids in enumerate(candidates) if len(ids) > 1]
        size = max(1, CACHE_BYTES // max(1, _bytes(self.cache)))
        for start in range(0, len(longer), size):
            chunk = longer[start : start + size]
            total[chunk] += self._score_rest([candidates[place] for place in chunk])
        return total

    def _score_rest(self, candidates: Sequence[Ids]) -> Tensor:
        """Return the log-probability (candidates,) of what follows the first token of each."""
        spelled = [Spelling(ids[1:]) for ids in candidates]
        steps = max(len(one.ids) for one in spelled)
        cache = copy.deepcopy(self.cache)
        if len(candidates) > 1:
            cache.batch_repeat_interleave(len(candidates))
        made, _, _ = self._go_on(cache, [ids[:1] for ids in candidates], tokens=steps, constraints=spelled)
        total = torch.zeros(len(candidates), dtype=torch.float64)
        for step, logits in enumerate(made.logits):
            going = [row for row, one in enumerate(spelled) if step < len(one.ids)]
            words = logits[going].float().log_softmax(-1)
            total[going] += words[range(len(going)), [spelled[row].ids[step] for row in going]].double().cpu()
        return total

    def write(self, begun: Ids, constraint: Constraint, tokens: int) -> Ids:
        """Return what the model says next, greedily and within a constraint.

        Args:
            begun: What it has begun to say, at least one token.
            constraint: Of what follows that.
            tokens: At most so many.
        """
        made, ids, _ = self._go_on(copy.deepcopy(self.cache), [begun], tokens=tokens, constraints=[constraint])
        written = tuple(made.sequences[0, ids.shape[1] :].tolist())
        ends = (length for length in range(len(written)) if not constraint.allowed(written[:length]))
        return written[: next(ends, len(written))]

    def _go_on(
        self, cache: Any, more: Sequence[Ids], *, tokens: int, constraints: Sequence[Constraint] | None = None
    ) -> tuple[Any, Tensor, Tensor]:
        """Let copies of the conversation, one per equally long sequence in `more`, go on; return ids and mask too."""
        said = torch.tensor([list(ids) for ids in more], device=self.ids.device)
        ids = torch.cat([self.ids.expand(len(more), -1), said], 1)
        mask = torch.cat([self.mask.expand(len(more), -1), torch.ones_like(said)], 1)
        for module, shift in self.shifts.items():
            module.rope_deltas = shift.expand(len(more), -1)
        return (
            _generate(self.checkpoint, {"input_ids": ids, "attention_mask": mask}, cache, tokens, constraints),
            ids,
            mask,
        )


def read(checkpoint: Checkpoint, inputs: dict[str, Tensor], drop: int = 0) -> list[Prompted]:
    """Let a model read conversations in one prefill, without their last `drop` tokens.

    Args:
        checkpoint: Who reads.
        inputs: From `Checkpoint.encode`.
        drop: How many tokens at the end are left to be said.

    Raises:
        AgentError: If what it answers is not a number.
    """
    length = inputs["input_ids"].shape[1]
    kept = {
        key: value[:, : length - drop] if value.dim() == 2 and value.shape[1] == length else value
        for key, value in inputs.items()
    }
    made = _generate(checkpoint, kept, None, 1, None)
    logits = made.logits[0].float()
    if not bool(torch.isfinite(logits).any(-1).all()):
        raise AgentError(f"{checkpoint.name} answered with values that are not numbers")
    ids, after = kept["input_ids"], logits.log_softmax(-1)
    mask = kept.get("attention_mask", torch.ones_like(ids))
    shifts = {
        module: module.rope_deltas
        for module in checkpoint.network.modules()
        if isinstance(getattr(module, "rope_deltas", None), Tensor)
    }
    found = []
    for row in range(len(ids)):
        own = slice(row, row + 1)
        cache = made.past_key_values
        if len(ids) > 1:
            cache = copy.deepcopy(cache)
            cache.batch_select_indices(torch.tensor([row], device=ids.device))
        found.append(
            Prompted(checkpoint, ids[own], mask[own], cache, after[row], {m: shift[own] for m, shift in shifts.items()})
        )
    return found


def _generate(
    checkpoint: Checkpoint,
    inputs: dict[str, Tensor],
    cache: Any,
    tokens: int,
    constraints: Sequence[Constraint] | None,
) -> Any:
    tokenizer = checkpoint.tokenizer
    forced = LogitsProcessorList()
    if constraints is not None:
        forced.append(_Forced(constraints, inputs["input_ids"].shape[1], tokenizer.eos_token_id))
    with torch.inference_mode():
        return checkpoint.network.generate(
            **inputs,
            **({} if cache is None else {"past_key_values": cache}),
            max_new_tokens=tokens,
            do_sample=False,
            num_beams=1,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id,
            return_dict_in_generate=True,
            output_logits=True,
            logits_processor=forced,
        )


def _bytes(cache: Any) -> int:
    """Return the memory that the keys and values of a cache take."""
    layers = getattr(cache, "layers", ())
    found = [getattr(layer, name, None) for layer in layers for name in ("keys", "values")]
    return sum(one.numel() * one.element_size() for one in found if isinstance(one, Tensor))
