"""Whom the attack asks: anything that turns sign crops into probabilities, and nothing more is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from testbed.agents.dnn.nets import SIGN_NETS
from testbed.agents.vlm import cards
from testbed.agents.vlm.model_settings import ShippedName
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from testbed.adversaries.manifest import Surrogate
    from testbed.agents.vlm.readings import ConversationReader

Crop = NDArray[np.uint8]
BATCH = 40
"""Crops per forward pass; larger batches no longer fit the cache of one core and are slower per crop."""


class BlackBoxClassifier(Protocol):
    """A classifier of the 43 sign classes behind a black box."""

    @property
    def name(self) -> str:
        """Name under which it is reported."""

    def probabilities(self, crops: Sequence[Crop]) -> NDArray[np.float64]:
        """Return the class probabilities (N, 43) of crops (h, w, 3) uint8 RGB of any sizes."""


@dataclass(frozen=True)
class VlmSignClassifier:
    """A V²LM, asked its traffic sign question alone."""

    name: str
    reader: ConversationReader

    def probabilities(self, crops: Sequence[Crop]) -> NDArray[np.float64]:
        """Return the class probabilities (N, 43)."""
        from testbed.agents.vlm.readings import ImagePrompt

        rows = []
        for start in range(0, len(crops), BATCH):
            asked = [[ImagePrompt("tsr", crop)] for crop in crops[start : start + BATCH]]
            for (reading,) in self.reader.read_batch(asked):
                if reading.probabilities is None:
                    raise UsageError(f"victim {self.name!r} tells no probabilities, which this search needs")
                rows.append(reading.probabilities)
        return np.stack(rows)


READERS: dict[str, tuple[ShippedName, str]] = {
    "solo": ("small", "tsr"),
    "tandem": ("small", "tandem"),
    "solo_smollm": ("smollm", "tsr"),
    "tandem_smollm": ("smollm", "tandem"),
}
"""V²LM victims: which shipped model and which of its adapters answers for signs."""

VICTIMS: tuple[str, ...] = ("dnn", *READERS, *SIGN_NETS)
"""Names of all victims; ``dnn`` is the sign net of the ``dnn`` agent."""


def load_victim(name: str = "dnn") -> BlackBoxClassifier:
    """Return a victim, frozen.

    Args:
        name: One of ``VICTIMS``.

    Raises:
        UsageError: If there is no such victim.
        WeightsError: If its weights are missing or altered.
    """
    if name in READERS:
        from testbed.agents.vlm import shipped
        from testbed.agents.vlm.form import FormReader

        return VlmSignClassifier(name, FormReader(shipped.load(*READERS[name])))
    if name not in VICTIMS:
        raise UsageError(f"no victim {name!r}", hint=f"known: {', '.join(VICTIMS)}")
    from testbed.agents.dnn.sign_classifiers import load_sign_victim

    return load_sign_victim(_net(name))


def surrogate_of(name: str) -> Surrogate:
    """Return what a manifest says about a victim."""
    from testbed.adversaries.manifest import Surrogate
    from testbed.agents import weights

    model = cards.adapter(*READERS[name]) if name in READERS else SIGN_NETS[_net(name)].weights
    return Surrogate(
        agent=name if name in READERS else "dnn", model=model, weights_sha256=str(weights.card(model)["sha256"])
    )


def _net(name: str) -> str:
    return "yolov5_cls" if name == "dnn" else name
