"""The V²LM agent in its two deployments: three models asked one after the other, or one model asked once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.agents.vlm import answers, cards, model
from testbed.agents.vlm.cards import Deployment
from testbed.agents.vlm.reader import ImagePrompt, Reader
from testbed.core.types import AgentCard, Observation, Perception


class VlmAgent:
    """Ask a V²LM about the sign crop (when a sign is in view), about the steering and about the vehicle ahead.

    Args:
        deployment: ``solo``: one model and one forward pass per task; ``tandem``: one model, all questions in one
            conversation and one forward pass.
        abstain_below: Probability below which an answer is withheld: one number, or one per ``tsr``, ``alc``, ``vd``.
        folder: Where the weights lie; None for the shipped ones.
    """

    def __init__(
        self,
        deployment: Deployment,
        abstain_below: float | Mapping[str, float] | None = None,
        folder: Path | str | None = None,
    ) -> None:
        """Load base and adapters; raises `WeightsError` when one is missing or altered."""
        place = None if folder is None else Path(folder)
        self._deployment = deployment
        self.abstention = answers.Abstention.parse(abstain_below)
        self.readers = {
            adapter: Reader(model.load(cards.ADAPTERS[adapter], place)) for adapter in cards.DEPLOYMENTS[deployment]
        }
        """Adapter to who asks it: one per task for ``solo``, a single one for ``tandem``."""
        self._card = cards.agent_card(deployment, place)

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Nothing to forget: every answer depends on one observation alone."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer two or three questions, in as many forward passes as there are conversations."""
        readings = [
            reading
            for adapter, conversation in self._conversations(observation)
            for reading in self.readers[adapter].read(conversation)
        ]
        return answers.perception(observation, readings, self.abstention)

    def _conversations(self, observation: Observation) -> list[tuple[str, list[ImagePrompt]]]:
        """Return what is asked of which adapter, one forward pass each."""
        asked = answers.questions(observation)
        if self._deployment == "tandem":
            return [("tandem", asked)]
        return [(question.task, [question]) for question in asked]
