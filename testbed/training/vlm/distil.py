"""Teach a fresh vision tower what the testbed's own tower sees, before any language.

What a picture shows is learnt from an answer's few words slowly, and from another tower's numbers fast. The student is
tower and projector together, whatever family they are of: what counts is what enters the text model in a picture's
place. One layer of attention, which is thrown away, reads from it every token of the teacher; each of their channels
has mean 0 and deviation 1. Another one reads what enters the projector, because a projector that resamples, Qwen-VL's,
hides for long from what the tower could learn. Labels are not needed.
"""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from testbed.agents.precision import mixed
from testbed.agents.vlm import shipped
from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.how_asked import HowAsked
from testbed.agents.vlm.readings import ImagePrompt
from testbed.core.errors import UsageError
from testbed.store import atomic
from testbed.training.nets.vlm_tower import rate
from testbed.training.vlm.examples import Example, ExampleSource

log = logging.getLogger(__name__)

BATCH = 48
RATE = 1e-3
WARM_UP = 0.05
MOST_TOKENS = 1024
"""Tokens of a picture that are told apart by their places."""
LOOKED_AT = 512
"""Pictures from which the teacher's means and deviations are taken."""
SAVED_EVERY = 100
STOPPED = "distilling.pt"
"""Where a distillation stands, until it has come to its end."""


class Teacher:
    """The testbed's own tower, which looks at every picture once.

    Args:
        asked: Part of the picture that each question is shown.
    """

    def __init__(self, asked: HowAsked) -> None:
        """Load it."""
        self._ready, _ = shipped.small_base()
        self._ready.asked = asked
        self._known: dict[Hashable, Tensor] = {}

    @torch.no_grad()
    def tokens(self, keys: Sequence[Hashable], prompts: Sequence[ImagePrompt]) -> Tensor:
        """Return the tokens (N, T, C) of each picture, float32."""
        fresh = [place for place, key in enumerate(keys) if key not in self._known]
        if fresh:
            pixels = self._ready.encode([[prompts[place]] for place in fresh])["pixel_values"]
            with mixed():
                maps = self._ready.network.model.vision_tower(pixels, return_dict=True).last_hidden_state
            for place, one in zip(fresh, maps.flatten(2).transpose(1, 2).half(), strict=True):
                self._known[keys[place]] = one.clone()
        return torch.stack([self._known[key] for key in keys]).float()


class _Reading(nn.Module):
    """As many learnt queries as the teacher has tokens, which look at what the student sees.

    They are told where each token stands: a transformer that begins with nothing finds out late what lies where, and
    after 400 steps left 76 % of the variance unexplained instead of 69 %.

    Args:
        width: Of the student's tokens.
        teacher: Tokens and channels of the teacher.
    """

    def __init__(self, width: int, teacher: tuple[int, int]) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, teacher[0], width))
        self.places = nn.Embedding(MOST_TOKENS, width)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.out = nn.Linear(width, teacher[1])

    def forward(self, tokens: Tensor, is_picture: Tensor | None = None) -> Tensor:
        """Return (N, T, C) from (N, L, width), of which the words are not looked at; without words every token is."""
        if is_picture is None:
            is_picture = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        seen, queries = self.norm(tokens), self.queries.expand(len(tokens), -1, -1)
        keys = seen + self.places((is_picture.cumsum(1) - 1).clamp(0, MOST_TOKENS - 1))
        found: Tensor = self.out(
            self.attention(queries, keys, seen, key_padding_mask=~is_picture, need_weights=False)[0]
        )
        return found


class _Seen(Exception):
    """What enters the text model, thrown from its door: nothing behind it is computed."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.embeddings = embeddings


@dataclass(frozen=True)
class Sight:
    """What a student makes of conversations.

    Attributes:
        embeddings: What enters the text model (conversations, length, width).
        is_picture: Where that is a picture's, as booleans (conversations, length).
        tower: What enters the projector (pictures, tokens, width); None where the family's tower has its own.
    """

    embeddings: Tensor
    is_picture: Tensor
    tower: Tensor | None


def seen_by(ready: Checkpoint, conversations: Sequence[Sequence[ImagePrompt]]) -> Sight:
    """Return what a model sees in the pictures of conversations; its text model computes nothing."""
    inputs = ready.encode(conversations)
    entering: list[Tensor] = []

    def stop(_: nn.Module, __: Any, named: dict[str, Any]) -> None:
        raise _Seen(named["inputs_embeds"])

    hooks = [_words(ready.network).register_forward_pre_hook(stop, with_kwargs=True)]
    projector = _projector(ready.network)
    if projector is not None:
        hooks.append(projector.register_forward_pre_hook(lambda _, given: entering.append(given[0])))
    try:
        ready.network(**inputs, use_cache=False)
    except _Seen as seen:
        is_picture = inputs["input_ids"] == _image_token(ready.network.config)
        return Sight(seen.embeddings, is_picture, entering[0] if entering else None)
    finally:
        for hook in hooks:
            hook.remove()
    raise UsageError(f"the text model of {ready.name} is not given pictures as other words are")


@dataclass(frozen=True)
class Distilled:
    """How a distillation ended.

    Attributes:
        unexplained: Share of the teacher's variance that what enters the text model does not explain.
        seconds: Spent, stopped tries included.
    """

    unexplained: float
    seconds: float


def distil(ready: Checkpoint, source: ExampleSource, steps: int, *, seed: int, folder: Path | None = None) -> Distilled:
    """Teach tower and projector in place.

    Args:
        ready: Family with a fresh tower.
        source: Of pictures.
        steps: Optimiser steps of `BATCH` pictures.
        seed: Of all chance.
        folder: Where a distillation that was stopped goes on, with the same pictures; None for one that begins.
    """
    return _Distillation(ready, source, steps, seed, folder).run()


class _Distillation:
    """A distillation and what of it is kept where it is stopped."""

    def __init__(self, ready: Checkpoint, source: ExampleSource, steps: int, seed: int, folder: Path | None) -> None:
        self._ready, self._source, self._steps, self._seed = ready, source, steps, seed
        self._stopped = None if folder is None else folder / STOPPED
        self._teacher = Teacher(ready.asked)
        known = self._teacher.tokens(*_pictures(source, LOOKED_AT, np.random.default_rng([seed, 23])))
        self._mean, self._deviation = known.mean((0, 1)), known.std((0, 1)).clamp(min=1e-3)
        network = ready.network.train()
        language = {id(parameter) for parameter in _words(network).parameters()}
        self._learnt = [parameter for parameter in network.parameters() if id(parameter) not in language]
        torch.manual_seed(seed)
        widths = [network.get_input_embeddings().weight.shape[1], _tower_width(network)]
        self._readings = nn.ModuleList(
            _Reading(width, (known.shape[1], known.shape[2])) for width in widths if width is not None
        ).to(network.device)
        self._optimiser = torch.optim.AdamW([*self._learnt, *self._readings.parameters()], RATE, weight_decay=0.05)
        self._step, self._left, self._before_s = 0, math.inf, 0.0
        self._begun_s = time.monotonic()

    def run(self) -> Distilled:
        """Go on to the end."""
        self._go_on()
        while self._step < self._steps:
            self._learn()
            self._step += 1
            if self._step % SAVED_EVERY == 0:
                log.info("distilled %d of %d: %.3f of the teacher's variance left", self._step, self._steps, self._left)
                self._save()
        self._ready.network.eval()
        if self._stopped is not None:
            self._stopped.unlink(missing_ok=True)
        return Distilled(self._left, self._spent_s())

    def _learn(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate(self._step / self._steps, RATE, WARM_UP)
        keys, prompts = _pictures(self._source, BATCH, np.random.default_rng([self._seed, 29, self._step]))
        device = self._ready.network.device
        wanted = ((self._teacher.tokens(keys, prompts) - self._mean) / self._deviation).to(device)
        with mixed(device.type):
            sight = seen_by(self._ready, [[prompt] for prompt in prompts])
            found = [self._readings[0](sight.embeddings, sight.is_picture)]
            if sight.tower is not None:
                found.append(self._readings[1](sight.tower))
        losses = [functional.mse_loss(one.float(), wanted) for one in found]
        self._optimiser.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._learnt, 1.0)
        self._optimiser.step()
        left = float(losses[0].detach())
        self._left = left if math.isinf(self._left) else 0.98 * self._left + 0.02 * left

    def _spent_s(self) -> float:
        return self._before_s + time.monotonic() - self._begun_s

    def _save(self) -> None:
        if self._stopped is None:
            return
        state = {
            "plan": [self._steps, self._seed],
            "step": self._step,
            "left": self._left,
            "seconds": self._spent_s(),
            "network": [parameter.detach() for parameter in self._learnt],
            "readings": self._readings.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        content = io.BytesIO()
        torch.save(state, content)
        atomic.write_bytes(self._stopped, content.getvalue())

    def _go_on(self) -> None:
        """Take up what was stopped, if it was to end where this one does."""
        if self._stopped is None or not self._stopped.is_file():
            return
        state = torch.load(self._stopped, map_location="cpu", weights_only=True)
        if state["plan"] != [self._steps, self._seed]:
            return
        with torch.no_grad():
            for parameter, value in zip(self._learnt, state["network"], strict=True):
                parameter.copy_(value)
        self._readings.load_state_dict(state["readings"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._step, self._left, self._before_s = state["step"], state["left"], state["seconds"]
        log.info("distillation goes on at step %d of %d", self._step, self._steps)


def _pictures(
    source: ExampleSource, count: int, rng: np.random.Generator
) -> tuple[list[tuple[Any, ...]], list[ImagePrompt]]:
    """Return keys and pictures, each picture once per batch."""
    found: dict[tuple[Any, ...], ImagePrompt] = {}
    while len(found) < count:
        examples: list[Example] = source.draw(count, rng)
        for example in examples:
            found |= dict(zip(example.keys, example.questions, strict=True))
    chosen = list(found.items())[:count]
    return [key for key, _ in chosen], [prompt for _, prompt in chosen]


def _words(network: Any) -> nn.Module:
    """Return the text model, by whichever name a family has for it."""
    inner = network.model
    found: nn.Module = inner.language_model if hasattr(inner, "language_model") else inner.text_model
    return found


def _projector(network: Any) -> nn.Module | None:
    """Return what stands between tower and text model; None where that is a part of the tower."""
    inner = network.model
    names = [name for name in ("multi_modal_projector", "connector") if hasattr(inner, name)]
    return getattr(inner, names[0]) if names else None


def _tower_width(network: Any) -> int | None:
    return None if _projector(network) is None else int(network.config.vision_config.hidden_size)


def _image_token(config: Any) -> int:
    found = getattr(config, "image_token_id", None)
    return int(config.image_token_index if found is None else found)
