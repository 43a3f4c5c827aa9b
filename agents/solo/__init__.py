"""Solo: three V²LMs, one per task, each the shared base with its own adapter, asked one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agents.vlm import answers, model
from agents.vlm.reader import Reader
from testbed.core.types import AgentCard, Observation, Perception

__all__ = ["SoloAgent"]


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
        self.readers: dict[str, Reader] = {}
        cards = []
        for task in ("tsr", "alc", "vd"):
            built, base_card = model.load_base(folder=place)
            cards.append(model.load_adapter(built, base_card, model.ADAPTERS[task], place))
            self.readers[task] = Reader(built)
        total = sum(reader.model.parameters for reader in self.readers.values())
        self._card = answers.agent_card(
            "solo",
            [base_card, *cards],
            parameters=total,
            notes="Three models; a sign is asked about only when one is in view.",
        )

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
