"""A few held-out pictures of the simulator with their labels, as the shipped weights' cards count them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from testbed import agents
from testbed.core.types import Agent, Observation

FILE = Path(__file__).parent / "held_out.npz"


def rows(task: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (picture, label) pairs; labels: class, or box in pixels with NaN when absent."""
    with np.load(FILE) as stored:
        count = len(stored[f"{task}_label"])
        if task == "tsr":
            return [(stored[f"tsr_{i}"], stored["tsr_label"][i]) for i in range(count)]
        return list(zip(stored[f"{task}_view"], stored[f"{task}_label"], strict=True))


def observation(view: np.ndarray, crop: np.ndarray | None = None) -> Observation:
    """Return what an agent sees."""
    return Observation(0, 0.0, view, 22.0, sign_crop=crop, sign_id=None if crop is None else "s")


def overlap(found: tuple[float, ...] | None, wanted: np.ndarray) -> float:
    """Return the IoU of two pixel boxes."""
    if found is None:
        return 0.0
    low, high = np.maximum(found[:2], wanted[:2]), np.minimum(found[2:], wanted[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    areas = (found[2] - found[0]) * (found[3] - found[1]) + float((wanted[2:] - wanted[:2]).prod())
    return shared / (areas - shared)


def score(agent) -> dict[str, float]:
    """Ask an agent about all pictures, three at a time, and return its figures."""
    signs, lanes, leads = rows("tsr"), rows("alc"), rows("vd")
    right = {"tsr": 0, "alc": 0, "vd": 0}
    overlaps = []
    from testbed.core.perception_tasks import STEERING_CLASSES

    for crop, label in signs:
        answer = agent.perceive(observation(lanes[0][0], crop)).sign
        right["tsr"] += answer.class_id == int(label)
    for view, label in lanes:
        answer = agent.perceive(observation(view)).steering
        right["alc"] += answer.steering is STEERING_CLASSES[int(label)]
        assert answer.probabilities is not None and 0 < sum(answer.probabilities) < 1 + 1e-6
    for view, box in leads:
        answer = agent.perceive(observation(view)).vehicle
        present = bool(np.isfinite(box).all())
        right["vd"] += answer.present is present
        if present:
            overlaps.append(overlap(answer.box_px, box))
    figures = {task: right[task] / len(rows(task)) for task in right}
    return {**figures, "iou": float(np.mean(overlaps))}


def check_answers(agent) -> None:
    """Assert that an agent is right on these few pictures, about as its card claims to be on thousands."""
    figures = score(agent)
    assert min(figures[task] for task in ("tsr", "alc", "vd")) >= 0.9 and figures["iou"] >= 0.55, figures


def check_card(agent, latency_ms: float, name: str = "") -> None:
    """Assert that an agent's card holds the bar: 95 % of each task over all maps, boxes that overlap by 0.6."""
    assert isinstance(agent, Agent)
    figures = agent.card.figures
    assert min(figures[name] for name in ("tsr_accuracy", "alc_accuracy", "vd_presence")) >= 0.95, figures
    assert figures["vd_mean_iou"] >= 0.6
    assert 0 < agent.card.latency_ms[0] <= latency_ms
    assert agents.card(name or agent.card.name) == agent.card
