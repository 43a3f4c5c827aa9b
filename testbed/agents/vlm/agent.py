"""The V²LM agent in its two deployments: three models asked one after the other, or one model asked once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from testbed.agents.vlm import answers, cards, loading, model_settings
from testbed.agents.vlm.cards import Deployment
from testbed.agents.vlm.endpoint.settings import EndpointSettings
from testbed.agents.vlm.model_settings import LocalModel, Way
from testbed.agents.vlm.readings import ConversationReader, ImagePrompt
from testbed.agents.vlm.served import ServedReaders
from testbed.core.errors import UsageError
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from testbed.core.types import AgentCard, Observation, Perception

TIMED = 5
"""Decisions whose time is taken where a card states no latency, after a first one that is not."""


class VlmAgent:
    """Ask a V²LM about the sign crop (when a sign is in view), about the steering and about the vehicle ahead.

    Args:
        deployment: ``solo``: one model and one conversation per task; ``tandem``: one model, all questions in one
            conversation.
        model: The key ``model`` of an agent file; None for the shipped model.
        answer: ``generate``, ``choose`` or ``form``; None for what suits the model.
        base: Folder that relative paths in `model` start from.
        abstain_below: Probability below which an answer is withheld: one number, or one per ``tsr``, ``alc``, ``vd``.
        device: Where models run whose settings say ``auto``.
        served: Readers that run elsewhere; nothing is loaded then.
    """

    def __init__(
        self,
        deployment: Deployment,
        model: Mapping[str, Any] | None = None,
        answer: Way | None = None,
        base: Path | None = None,
        abstain_below: float | Mapping[str, float] | None = None,
        device: str = "auto",
        served: ServedReaders | None = None,
    ) -> None:
        """Load the models; raises `UsageError` and `WeightsError` for what cannot be loaded."""
        settings = model_settings.parse(model, device)
        self._deployment = deployment
        self.abstention = answers.Abstention.parse(abstain_below)
        if isinstance(settings, EndpointSettings) and not settings.logprobs and self.abstention != answers.Abstention():
            raise UsageError(
                "abstain_below needs confidences, which an endpoint without logprobs does not tell",
                hint="logprobs: true, or no abstain_below",
            )
        self.readers: Mapping[str, ConversationReader] = (
            loading.readers(deployment, settings, answer, base) if served is None else served.readers
        )
        """Task to who answers it for ``solo``, ``tandem`` to the one who answers all."""
        self._card = cards.agent_card(deployment, settings, base) if served is None else served.card
        if served is None and isinstance(settings, LocalModel) and settings.latency_ms is None:
            self._card = replace(self._card, latency_ms=self.timed_ms())

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Nothing to forget: every answer depends on one observation alone."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer two or three questions, conversation by conversation."""
        readings = [
            reading
            for reader, conversation in self._conversations(observation)
            for reading in self.readers[reader].read(conversation)
        ]
        return answers.perception(observation, readings, self.abstention)

    def _conversations(self, observation: Observation) -> list[tuple[str, list[ImagePrompt]]]:
        """Return what is asked of which reader."""
        asked = answers.questions(observation)
        if self._deployment == "tandem":
            return [("tandem", asked)]
        return [(question.task, [question]) for question in asked]

    def timed_ms(
        self, repeats: int = TIMED, unmeasured: int = 1, clock: Callable[[], float] = time.perf_counter
    ) -> tuple[float, float]:
        """Return (p50, p95) in ms of a decision with three questions on this machine.

        Args:
            repeats: Decisions measured.
            unmeasured: Decisions before them.
            clock: Tells the time in s.
        """
        view = np.random.default_rng(0).integers(0, 256, (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3), dtype=np.uint8)
        observation = Observation(0, 0.0, view, 20.0, sign_crop=view[:24, :24].copy())
        spent_ms = []
        for turn in range(unmeasured + repeats):
            before = clock()
            self.perceive(observation)
            if turn >= unmeasured:
                spent_ms.append(1000 * (clock() - before))
        p50, p95 = (float(np.percentile(spent_ms, share)) for share in (50, 95))
        return p50, p95
