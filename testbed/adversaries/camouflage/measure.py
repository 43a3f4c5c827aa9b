"""How well vehicles are found in a set of views, painted one way or another: AP50 and attack success, by every factor.

Any vehicle answerer can be measured: the detector with all its boxes, or an agent (``dnn``, ``solo``, ``tandem``) with
the one vehicle it says is ahead. Every view shows one vehicle, so AP50 is the area under precision over recall of all
answers ranked by score, right when they overlap the vehicle's visible pixels' box by at least one half (all-point
interpolation as in COCO, one threshold). Attack success: of the views in which the vehicle with its original paint was
found, the share in which it no longer is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from testbed.adversaries.camouflage.views import VehicleView, as_bytes, repaint
from testbed.core.geometry import box_iou
from testbed.core.types import Box, Observation

if TYPE_CHECKING:
    from testbed.adversaries.camouflage.surrogate import VehicleVictim
    from testbed.core.types import Agent

ORIGINAL = "original"
FACTORS: dict[str, Callable[[VehicleView], str]] = {
    "distance": lambda view: f"{view.look.distance_m:.0f} m",
    "yaw": lambda view: f"{view.look.yaw_deg:.0f} deg",
    "camera height": lambda view: f"{view.look.height_m:.2f} m",
    "light": lambda view: f"{view.look.weather} {view.look.time}",
}
"""What results are broken down by."""

MATCH_IOU = 0.5
BATCH = 32


@dataclass(frozen=True, slots=True)
class ScoredBox:
    """One vehicle that an answerer reports in one picture."""

    box_px: Box
    score: float


Answerer = Callable[[NDArray[np.uint8]], list[list[ScoredBox]]]
"""Pictures (N, H, W, 3) to the vehicles reported in each, any order."""


@dataclass(frozen=True, slots=True)
class TextureResult:
    """Result of one texture over some views.

    Attributes:
        texture: Name of the texture.
        factor: What the views have in common, "all" for all.
        value: Its value.
        views: Number of views.
        ap50: Average precision at IoU 0.5.
        found: Views in which the vehicle was found at the operating point.
        lost: Of the views in which the original paint was found, how many were lost with this texture.
        held: Number of those views: attack success is ``lost / held``.
    """

    texture: str
    factor: str
    value: str
    views: int
    ap50: float
    found: int
    lost: int
    held: int

    @property
    def success(self) -> float:
        """Attack success rate; NaN where nothing was found to begin with."""
        return self.lost / self.held if self.held else float("nan")


def measure(
    views: Sequence[VehicleView],
    textures: Mapping[str, NDArray[np.float32]],
    answerer: Answerer,
    *,
    threshold: float,
    factors: Iterable[str] = FACTORS,
) -> list[TextureResult]:
    """Return results of every texture, over all views and by every factor.

    Args:
        views: What is looked at.
        textures: Name to linear atlas (h, w, 3); "original" must be among them, attack success refers to it.
        answerer: Who is asked.
        threshold: Score from which an answer counts as found (AP50 needs none).
        factors: Breakdowns, keys of ``FACTORS``.

    Raises:
        KeyError: If there is no "original" or no such factor.
    """
    asked = {name: ask(views, texture, answerer) for name, texture in textures.items()}
    found = {
        name: np.array([hit(view, given, threshold) for view, given in zip(views, answers, strict=True)])
        for name, answers in asked.items()
    }
    held = found[ORIGINAL]
    cells = []
    for name, answers in asked.items():
        groups: dict[tuple[str, str], list[int]] = {("all", "all"): list(range(len(views)))}
        for factor in factors:
            for number, view in enumerate(views):
                groups.setdefault((factor, FACTORS[factor](view)), []).append(number)
        for (factor, value), numbers in groups.items():
            ap50 = average_precision([views[i] for i in numbers], [answers[i] for i in numbers])
            before = held[numbers]
            lost = int((before & ~found[name][numbers]).sum())
            cells.append(
                TextureResult(
                    name, factor, value, len(numbers), ap50, int(found[name][numbers].sum()), lost, int(before.sum())
                )
            )
    return cells


def ask(views: Sequence[VehicleView], texture: NDArray[np.float32], answerer: Answerer) -> list[list[ScoredBox]]:
    """Return the answers to views painted with a linear texture (h, w, 3)."""
    paint = torch.from_numpy(np.ascontiguousarray(texture.transpose(2, 0, 1))).to(views[0].base.device)
    answers: list[list[ScoredBox]] = []
    for first in range(0, len(views), BATCH):
        with torch.inference_mode():
            pictures = as_bytes(repaint(views[first : first + BATCH], paint))
        answers += answerer(pictures)
    return answers


def hit(view: VehicleView, answers: Sequence[ScoredBox], threshold: float) -> bool:
    """Tell whether an answer above the threshold overlaps the vehicle by at least one half."""
    return any(answer.score > threshold and box_iou(answer.box_px, view.box_px) >= MATCH_IOU for answer in answers)


def average_precision(views: Sequence[VehicleView], answers: Sequence[Sequence[ScoredBox]]) -> float:
    """Return AP50 of answers to views with one vehicle each; a second box on a found vehicle is a false alarm."""
    ranked = sorted(
        ((answer.score, number, answer) for number, given in enumerate(answers) for answer in given),
        key=lambda item: -item[0],
    )
    right = np.zeros(len(ranked))
    taken: set[int] = set()
    for rank, (_, number, answer) in enumerate(ranked):
        if number not in taken and box_iou(answer.box_px, views[number].box_px) >= MATCH_IOU:
            taken.add(number)
            right[rank] = 1.0
    if not len(right):
        return 0.0
    recall = right.cumsum() / len(views)
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def detector_answers(victim: VehicleVictim, *, lead: bool = False) -> Answerer:
    """Return the attacked detector as an answerer.

    Args:
        victim: The detector.
        lead: Score boxes by how likely they are the vehicle ahead, as the agent does, instead of by objectness.
    """
    from testbed.agents.dnn.yolov5 import suppress

    def answer(pictures: NDArray[np.uint8]) -> list[list[ScoredBox]]:
        from testbed.agents.imaging import to_batch

        with torch.inference_mode():
            rows = victim.decode(to_batch(pictures).to(victim.net.anchors_px.device)).cpu()
        given = []
        for decoded in rows:
            found = suppress(decoded)
            scores = found.lead_scores if lead else found.scores
            boxes = found.boxes_px.tolist()
            given.append([ScoredBox(_box(box), float(score)) for box, score in zip(boxes, scores, strict=True)])
        return given

    return answer


def agent_answers(agent: Agent) -> Answerer:
    """Return an agent as an answerer: the vehicle it says is ahead, scored by its probability of being there.

    An agent's "no" or abstention is no answer; with ``threshold=0`` every vehicle it reports counts as found.
    """

    def answer(pictures: NDArray[np.uint8]) -> list[list[ScoredBox]]:
        given = []
        for picture in pictures:
            said = agent.perceive(Observation(frame=0, t_s=0.0, image=picture, speed_mps=20.0)).vehicle
            if said.present and said.box_px is not None:
                given.append([ScoredBox(said.box_px, said.confidence)])
            else:
                given.append([])
        return given

    return answer


def _box(values: Sequence[float]) -> Box:
    x_min, y_min, x_max, y_max = (float(value) for value in values)
    return (x_min, y_min, x_max, y_max)


def table(cells: Sequence[TextureResult]) -> str:
    """Return results as text, one line a factor's value, textures side by side."""
    names = list(dict.fromkeys(cell.texture for cell in cells))
    rows = list(dict.fromkeys((cell.factor, cell.value) for cell in cells))
    by_key = {(cell.texture, cell.factor, cell.value): cell for cell in cells}
    lines = [f"{'AP50 (attack success)':28}" + "".join(f"{name:>24}" for name in names)]
    for factor, value in rows:
        line = f"{factor + ' ' + value if factor != 'all' else 'all views':28}"
        for name in names:
            cell = by_key[(name, factor, value)]
            shown = f"{cell.ap50:.3f} ({cell.lost}/{cell.held})"
            line += f"{shown:>24}"
        lines.append(line)
    return "\n".join(lines)
