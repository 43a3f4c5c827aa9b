"""Whom the attack asks: anything that turns sign crops into probabilities, and nothing more is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

import agents
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from adversaries.manifest import Surrogate

Crop = NDArray[np.uint8]
BATCH = 40
"""Crops per forward pass; larger batches no longer fit the cache of one core and are slower per crop."""


class Victim(Protocol):
    """A classifier of the 43 sign classes behind a black box."""

    @property
    def name(self) -> str:
        """Name under which it is reported."""

    def probabilities(self, crops: Sequence[Crop]) -> NDArray[np.float64]:
        """Return the class probabilities (N, 43) of crops (h, w, 3) uint8 RGB of any sizes."""


@dataclass(frozen=True)
class NetVictim:
    """The sign net of the ``dnn`` agent, or another net with the same input."""

    name: str
    net: nn.Module

    def probabilities(self, crops: Sequence[Crop]) -> NDArray[np.float64]:
        """Return the class probabilities (N, 43)."""
        import torch

        from agents.dnn.signs import sign_batch

        with torch.inference_mode():
            parts = [
                self.net(sign_batch(crops[start : start + BATCH])).softmax(-1) for start in range(0, len(crops), BATCH)
            ]
            return torch.cat(parts).double().numpy()


@dataclass(frozen=True)
class ReaderVictim:
    """A V²LM, asked its traffic sign question alone."""

    name: str
    reader: object

    def probabilities(self, crops: Sequence[Crop]) -> NDArray[np.float64]:
        """Return the class probabilities (N, 43)."""
        from agents.vlm.reader import Question, Reader

        assert isinstance(self.reader, Reader)
        rows = []
        for start in range(0, len(crops), BATCH):
            asked = [[Question("tsr", crop)] for crop in crops[start : start + BATCH]]
            rows += [readings[0].probabilities for readings in self.reader.read_batch(asked)]
        return np.stack(rows)


VICTIMS: tuple[str, ...] = ("dnn", "solo", "tandem")


def load_victim(name: str = "dnn") -> Victim:
    """Return a shipped victim, frozen.

    Args:
        name: One of ``VICTIMS``.

    Raises:
        UsageError: If there is no such victim.
        WeightsError: If its weights are missing or altered.
    """
    if name == "dnn":
        from agents.dnn import WEIGHTS
        from agents.dnn.agent import load_net
        from agents.dnn.blocks import fuse
        from agents.dnn.signs import SignNet

        return NetVictim(name, fuse(load_net(SignNet(), WEIGHTS["tsr"])))
    if name in ("solo", "tandem"):
        from agents.vlm import cards, model
        from agents.vlm.reader import Reader

        adapter = cards.ADAPTERS["tsr" if name == "solo" else "tandem"]
        return ReaderVictim(name, Reader(model.load(adapter, None)))
    raise UsageError(f"no victim {name!r}", hint=f"known: {', '.join(VICTIMS)}")


def surrogate_of(name: str) -> Surrogate:
    """Return what a manifest says about a victim."""
    from adversaries.manifest import Surrogate
    from agents import weights

    card = agents.card(name)
    model = {"dnn": "dnn-tsr", "solo": "vlm-solo-tsr", "tandem": "vlm-tandem"}[name]
    return Surrogate(agent=card.name, model=model, weights_sha256=str(weights.card(model)["sha256"]))
