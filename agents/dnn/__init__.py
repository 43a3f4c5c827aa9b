"""The DNN baseline: YOLOv5-cls for signs, a CLRerNet-style net for lanes, a YOLOv5n-style detector for vehicles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents import weights
from testbed.core.types import AgentCard

if TYPE_CHECKING:
    from agents.dnn.agent import DnnAgent

__all__ = ["build", "card"]

WEIGHTS: dict[str, str] = {"alc": "dnn-lane", "tsr": "dnn-tsr", "vd": "dnn-vd"}
"""Task to the name of its weights."""


def build(**options: Any) -> DnnAgent:
    """Load the agent; options as in `agents.dnn.agent.DnnAgent`."""
    from agents.dnn.agent import DnnAgent

    return DnnAgent(**options)


def card(folder: Path | None = None) -> AgentCard:
    """Return the agent's card without loading its models.

    Args:
        folder: Folder of the weights; the shipped ones when None.

    Raises:
        WeightsError: When the card of a weight file is missing or malformed.
    """
    cards = {task: weights.card(name, folder) for task, name in WEIGHTS.items()}
    figures = {
        "alc_accuracy": cards["alc"]["figures"]["alc_accuracy"]["value"],
        "tsr_accuracy": cards["tsr"]["figures"]["tsr_accuracy"]["value"],
        "vd_presence": cards["vd"]["figures"]["vd_presence"]["value"],
        "vd_mean_iou": cards["vd"]["figures"]["vd_mean_iou"],
    }
    seconds = sum(card["trained"]["seconds"] for card in cards.values())
    # The three models run one after the other; the agent's latency is written into the lane card by the benchmark.
    p50_ms, p95_ms = cards["alc"].get("agent_latency_ms", (20.0, 30.0))
    return AgentCard(
        name="dnn",
        kind="dnn",
        latency_ms=(float(p50_ms), float(p95_ms)),
        parameters=sum(int(card["parameters"]) for card in cards.values()),
        weights={f"{name}.safetensors": str(cards[task]["sha256"]) for task, name in WEIGHTS.items()},
        figures={key: float(value) for key, value in figures.items()},
        trained=f"{seconds / 60:.0f} min on one CPU thread from random weights, on pictures of this simulator alone",
        notes="Lane lines, vehicles and signs are learnt on the map `highway`; other roads were never seen.",
    )
