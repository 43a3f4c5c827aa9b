"""Where an agent's models run when many simulators on many machines share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Where = Literal["auto", "worker", "actor"]


@dataclass(frozen=True, slots=True)
class Serving:
    """What an agent file and its checkpoints say about being served.

    Attributes:
        where: ``worker``: loaded beside every simulator; ``actor``: loaded once for many of them; ``auto`` leaves it to
            whoever runs them.
        weight_bytes: Size of the weights.
        device: Where they are to run, a word of `testbed.core.device`.
        num_gpus: Share of a GPU that one copy takes, above 0 and at most 1, where it runs on one.
    """

    where: Where
    weight_bytes: int
    device: str = "auto"
    num_gpus: float = 1.0
