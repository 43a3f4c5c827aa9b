"""What the agent `dnn` says about itself, read from the cards of its weights without loading a network."""

from __future__ import annotations

from pathlib import Path

from testbed.agents import weights
from testbed.agents.dnn.nets import LANE_NETS, SIGN_NETS, choose
from testbed.core.types import AgentCard

WEIGHTS: dict[str, str] = {"alc": "dnn-lane", "tsr": "dnn-tsr", "vd": "dnn-vd"}
"""Task to the name of its weights, for the networks that are asked unless an option names others."""

_NOT_DEFAULT = {*SIGN_NETS, *LANE_NETS} - {"yolov5_cls", "clrernet"}


def card(folder: Path | None = None, tsr: str = "yolov5_cls", alc: str = "clrernet") -> AgentCard:
    """Return the agent's card without loading its models.

    Args:
        folder: Folder of the weights; the shipped ones when None.
        tsr: Sign net, a key of `testbed.agents.dnn.nets.SIGN_NETS`.
        alc: Lane net, a key of `testbed.agents.dnn.nets.LANE_NETS`.

    Raises:
        UsageError: When there is no such network.
        WeightsError: When the card of a weight file is missing or malformed.
    """
    chosen = {
        "alc": choose(LANE_NETS, alc, "alc").weights,
        "tsr": choose(SIGN_NETS, tsr, "tsr").weights,
        "vd": WEIGHTS["vd"],
    }
    cards = {task: weights.card(name, None if folder is None else Path(folder)) for task, name in chosen.items()}
    figures = {
        "alc_accuracy": cards["alc"]["figures"]["alc_accuracy"]["value"],
        "tsr_accuracy": cards["tsr"]["figures"]["tsr_accuracy"]["value"],
        "vd_presence": cards["vd"]["figures"]["vd_presence"]["value"],
        "vd_mean_iou": cards["vd"]["figures"]["vd_mean_iou"],
    }
    seconds = sum(card["trained"]["seconds"] for card in cards.values())
    # The three models run one after the other; the agent's latency is written into the lane card by the benchmark.
    # Another sign net adds what it takes longer than the default one.
    p50_ms, p95_ms = cards["alc"].get("agent_latency_ms", (20.0, 30.0))
    extra_ms = float(cards["tsr"].get("extra_latency_ms", 0.0))
    named = ", ".join(f"{task} {name}" for task, name in (("tsr", tsr), ("alc", alc)) if name in _NOT_DEFAULT)
    return AgentCard(
        name="dnn",
        kind="dnn",
        latency_ms=(float(p50_ms) + extra_ms, float(p95_ms) + extra_ms),
        parameters=sum(int(card["parameters"]) for card in cards.values()),
        weights={f"{name}.safetensors": str(cards[task]["sha256"]) for task, name in chosen.items()},
        figures={key: float(value) for key, value in figures.items()},
        trained=f"{seconds / 60:.0f} min on one CPU thread from random weights, on pictures of this simulator alone",
        notes="Lane lines and vehicles are learnt on the maps `highway`, `town` and `rural`, signs on `highway`."
        + (f" Networks: {named}." if named else ""),
    )
