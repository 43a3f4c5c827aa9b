"""The tandem agent: one model, all questions in one conversation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.agents.vlm import answers, cards, model
from testbed.agents.vlm.reader import Reader
from testbed.core.types import AgentCard, Observation, Perception


class TandemAgent:
    """One forward pass per decision: sign crop, view and view again, or the two views when no sign is in view.

    Args:
        abstain_below: Probability below which an answer is withheld: one number, or one per ``tsr``, ``alc``, ``vd``.
        folder: Where the weights lie; None for the shipped ones.
    """

    def __init__(
        self, abstain_below: float | Mapping[str, float] | None = None, folder: Path | str | None = None
    ) -> None:
        """Load base and adapter; raises `WeightsError` when one is missing or altered."""
        place = None if folder is None else Path(folder)
        self.abstention = answers.Abstention.parse(abstain_below)
        self.reader = Reader(model.load(cards.ADAPTERS["tandem"], place))
        self._card = cards.agent_card("tandem", place)

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Nothing to forget: every answer depends on one observation alone."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer all questions in one forward pass."""
        return answers.perception(observation, self.reader.read(answers.questions(observation)), self.abstention)
