"""The solo agent: three models, asked one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.agents.vlm import answers, cards, model
from testbed.agents.vlm.reader import Reader
from testbed.core.types import AgentCard, Observation, Perception


class SoloAgent:
    """One forward pass per task, each through its own model.

    Args:
        abstain_below: Probability below which an answer is withheld: one number, or one per ``tsr``, ``alc``, ``vd``.
        folder: Where the weights lie; None for the shipped ones.
    """

    def __init__(
        self, abstain_below: float | Mapping[str, float] | None = None, folder: Path | str | None = None
    ) -> None:
        """Load base and adapters; raises `WeightsError` when one is missing or altered."""
        place = None if folder is None else Path(folder)
        self.abstention = answers.Abstention.parse(abstain_below)
        self.readers = {task: Reader(model.load(cards.ADAPTERS[task], place)) for task in ("tsr", "alc", "vd")}
        self._card = cards.agent_card("solo", place)

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Nothing to forget: every answer depends on one observation alone."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer two or three questions, one forward pass each."""
        readings = [self.readers[question.task].read([question])[0] for question in answers.questions(observation)]
        return answers.perception(observation, readings, self.abstention)
