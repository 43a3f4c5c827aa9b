"""The digital attack: a shadow drawn into crops of signs, after Zhong et al., CVPR 2022.

Inside plate and polygon the lightness is multiplied by ``light_left`` (0.43); the edge is soft over 3 px of a sign of
32 px. The lightness of a whole crop is lowered once, then every polygon is a blend of two pictures, which makes a query
cost little more than the model's answer. Crops wider than ``SEARCH_PX`` are searched at that size, because no victim
looks closer, and what is found must hold on the crop itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.shadow import polygon as shapes
from testbed.adversaries.shadow.lightness import darkened, mean_lightness
from testbed.adversaries.shadow.particle_swarm import Swarm, SwarmSettings
from testbed.adversaries.shadow.victim import BlackBoxClassifier, Crop
from testbed.agents.imaging import resize
from testbed.core.errors import UsageError

FloatArray = NDArray[np.float32]

LIGHT_LEFT = 0.43
"""k: what a shadow leaves of L*, the mean over the photographs of the paper."""

MIN_LIGHTNESS = 120.0
"""Darker signs (mean L* on a scale to 255) are not attacked: no sun falls on them."""

EDGE = 3.0 / 32.0
"""Width of the soft edge, in sides of the sign."""

SEARCH_PX = 64
AT_ONCE = 4
"""Signs whose particles share a batch."""

SearchEnd = Literal["success", "failure", "dark", "misread"]


@dataclass(frozen=True, slots=True, eq=False)
class CropOutcome:
    """What became of one crop.

    Attributes:
        verdict: ``success``: the shadow changes the answer; ``failure``: none was found; ``dark``: not attacked, too
            dark; ``misread``: not attacked, the victim is wrong already.
        queries: Pictures that the victim was shown, the one without a shadow included.
        image: Crop with the best shadow found, (h, w, 3) uint8; the crop itself where it was not attacked.
        polygon: Best polygon in plate units, (n, 2); None where it was not attacked.
        answer: Class the victim sees in ``image``.
        probability: What the victim gives the true class in ``image``.
        lightness: Mean lightness of the plate before, 0-255.
    """

    verdict: SearchEnd
    queries: int
    image: Crop
    polygon: FloatArray | None
    answer: int
    probability: float
    lightness: float

    @property
    def attacked(self) -> bool:
        """Whether it counts: the crop was bright and read right without a shadow."""
        return self.verdict in ("success", "failure")


class ShadowedCrop:
    """One crop, open for any polygon.

    Args:
        crop: (h, w, 3) uint8 RGB, plate and margin.
        class_id: True class, for the outline of the plate.
        light_left: Share of L* that a shadow leaves.
        edge: Width of the soft edge, in sides of the sign.
    """

    def __init__(self, crop: Crop, class_id: int, light_left: float = LIGHT_LEFT, edge: float = EDGE) -> None:
        """Darken the whole plate once."""
        height_px, width_px = crop.shape[:2]
        mask = shapes.plate_mask(class_id, height_px, width_px)
        if not mask.any():
            raise UsageError(f"a crop of {width_px} x {height_px} px shows no plate of class {class_id}")
        self.crop = crop
        self._where = np.flatnonzero(mask)
        self._points = shapes.crop_points(height_px, width_px)[self._where]
        lit = crop.reshape(-1, 3)[self._where]
        self._lit = lit.astype(np.float32)
        self._loss = darkened(lit, light_left) - self._lit
        self._edge = edge
        self.lightness = mean_lightness(crop, mask)

    def images(self, polygons: FloatArray) -> list[Crop]:
        """Return the crop under each of some polygons (P, n, 2)."""
        cover = shapes.cover(polygons, self._points, self._edge)
        shaded = np.rint(self._lit + cover[..., None] * self._loss).astype(np.uint8)
        images = np.repeat(self.crop.reshape(1, -1, 3), len(polygons), axis=0)
        images[:, self._where] = shaded
        return list(images.reshape(-1, *self.crop.shape))


class _CropSearch:
    """The search for one crop's shadow."""

    def __init__(self, crop: Crop, class_id: int, settings: SwarmSettings, light_left: float, seed: list[int]) -> None:
        self.full = ShadowedCrop(crop, class_id, light_left)
        longest = max(crop.shape[:2])
        self.small = self.full
        if longest > SEARCH_PX:
            small_px = [max(1, round(side * SEARCH_PX / longest)) for side in crop.shape[:2]]
            self.small = ShadowedCrop(np.ascontiguousarray(resize(crop, *small_px)), class_id, light_left)
        self.class_id = class_id
        self.swarm = Swarm(settings, np.random.default_rng(seed))
        self.extra = 1
        self.found: CropOutcome | None = None

    def refused(self, victim: BlackBoxClassifier, min_lightness: float) -> CropOutcome | None:
        """Return what becomes of a crop that is not attacked: misread already, or too dark; None for any other."""
        crop, lightness = self.full.crop, self.full.lightness
        row = victim.probabilities([crop])[0]
        answer, probability = int(row.argmax()), float(row[self.class_id])
        if answer == self.class_id and lightness >= min_lightness:
            return None
        verdict: SearchEnd = "misread" if answer != self.class_id else "dark"
        return CropOutcome(verdict, 1, crop, None, answer, probability, lightness)

    def hear(self, polygons: FloatArray, rows: NDArray[np.float64], victim: BlackBoxClassifier) -> None:
        """Take in the probabilities of the polygons asked about last."""
        true = rows[:, self.class_id]
        for index in np.argsort(true, kind="stable"):
            if int(rows[index].argmax()) == self.class_id:
                continue
            if self.small is self.full or self._holds(polygons[index], victim):
                self.extra += len(rows)
                self.found = self.outcome("success", polygons[index], victim)
                return
            break
        self.swarm.tell(true)

    def _holds(self, polygon: FloatArray, victim: BlackBoxClassifier) -> bool:
        self.extra += 1
        row = victim.probabilities(self.full.images(polygon[None]))[0]
        return int(row.argmax()) != self.class_id

    def outcome(self, verdict: SearchEnd, polygon: FloatArray, victim: BlackBoxClassifier) -> CropOutcome:
        image = self.full.images(polygon[None])[0]
        row = victim.probabilities([image])[0]
        return CropOutcome(
            verdict,
            self.extra + self.swarm.queries,
            image,
            polygon.copy(),
            int(row.argmax()),
            float(row[self.class_id]),
            self.full.lightness,
        )


def attack_crops(
    crops: Sequence[Crop],
    classes: Sequence[int],
    victim: BlackBoxClassifier,
    *,
    settings: SwarmSettings | None = None,
    light_left: float = LIGHT_LEFT,
    min_lightness: float = MIN_LIGHTNESS,
    seed: int = 0,
    on_done: Callable[[int, CropOutcome], None] | None = None,
) -> list[CropOutcome]:
    """Attack crops of signs, each by itself.

    The outcome of a crop depends on the crop, the seed and its place in the list, not on the other crops.

    Args:
        crops: (h, w, 3) uint8 RGB crops as an agent gets them.
        classes: Their true classes.
        victim: Asked for probabilities.
        settings: How a swarm searches.
        light_left: k.
        min_lightness: Crops darker than this are not attacked.
        seed: Seed of all chance.
        on_done: Told (place in the list, outcome) as soon as a crop is done.

    Returns:
        One outcome per crop, in order.

    Raises:
        UsageError: If crops and classes are not of one length.
    """
    if len(crops) != len(classes):
        raise UsageError(f"{len(crops)} crops and {len(classes)} classes")
    chosen = settings or SwarmSettings()
    outcomes: list[CropOutcome | None] = [None] * len(crops)
    waiting = list(range(len(crops)))
    hunts: dict[int, _CropSearch] = {}

    def finish(index: int, outcome: CropOutcome) -> None:
        outcomes[index] = outcome
        hunts.pop(index, None)
        if on_done is not None:
            on_done(index, outcome)

    while waiting or hunts:
        while waiting and len(hunts) < AT_ONCE:
            index = waiting.pop(0)
            hunt = _CropSearch(crops[index], int(classes[index]), chosen, light_left, [seed, index])
            refused = hunt.refused(victim, min_lightness)
            if refused is not None:
                finish(index, refused)
            else:
                hunts[index] = hunt
        asked = {index: hunt.swarm.ask() for index, hunt in hunts.items()}
        pictures = [image for index, polygons in asked.items() for image in hunts[index].small.images(polygons)]
        if not pictures:
            continue
        rows = victim.probabilities(pictures)
        for place, (index, polygons) in enumerate(asked.items()):
            hunt = hunts[index]
            mine = rows[place * chosen.particles : (place + 1) * chosen.particles]
            hunt.hear(polygons, mine, victim)
            if hunt.found is not None:
                finish(index, hunt.found)
            elif hunt.swarm.done:
                finish(index, hunt.outcome("failure", hunt.swarm.best, victim))
    return [outcome for outcome in outcomes if outcome is not None]
