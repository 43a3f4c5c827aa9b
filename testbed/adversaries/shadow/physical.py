"""The physical search: one polygon for all the pictures that a driver's camera takes on the way to a sign.

A polygon is worth the mean probability of the true class over many views: as the renderer shows them from distances and
under suns that differ as between a scenario's seeds, and shaken as in the paper. Two stages, as in the published code:
the first finds a polygon under which the sign is misread, the second makes it be misread as one and the same class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.shadow import polygon as shapes
from testbed.adversaries.shadow.approach import SignApproach, SignView, shaken
from testbed.adversaries.shadow.particle_swarm import Swarm, SwarmSettings
from testbed.adversaries.shadow.victim import BlackBoxClassifier
from testbed.core.errors import UsageError

FloatArray = NDArray[np.float32]

SEARCH_SEEDS, CHECK_SEEDS = 600_000_000, 700_000_000
"""First seeds of the situations that are searched and checked in; evaluations count from small numbers."""

PHYSICAL = SwarmSettings(top_speed=10.0 / 224.0, starts=2)


@dataclass(frozen=True, slots=True)
class PhysicalSettings:
    """How much is looked at.

    Attributes:
        swarm: How a swarm searches, in each of the two stages.
        situations: Staged situations (sun, clouds, ego) that views are taken in.
        distances: Views per situation, spread evenly over the sizes at which the sign is asked about.
        shaken: Share of views that are shaken; half of those with a shadow drawn from 0.4 to 0.8.
        stabilise: Whether the second stage is run.
    """

    swarm: SwarmSettings = PHYSICAL
    situations: int = 10
    distances: int = 4
    shaken: float = 0.5
    stabilise: bool = True


@dataclass(frozen=True, eq=False)
class SignReadout:
    """How a sign is read over some views.

    Attributes:
        misread: Views in which the answer is not the true class.
        views: Views.
        true: Mean probability of the true class.
        commonest: Most frequent wrong answer; None where there is none.
        share: Share of the views with that answer.
    """

    misread: int
    views: int
    true: float
    commonest: int | None
    share: float


@dataclass(frozen=True, eq=False)
class FoundShadow:
    """What a search brought.

    Attributes:
        polygon: (n, 2) in plate units.
        queries: Pictures shown to the victim.
        curve: Best value after every tenth iteration, with stage and queries.
    """

    polygon: FloatArray
    queries: int
    curve: tuple[dict[str, float], ...]


def collect(approach: SignApproach, first_seed: int, settings: PhysicalSettings, *, shake: bool) -> list[SignView]:
    """Photograph a sign in staged situations.

    Args:
        approach: The sign.
        first_seed: Seed of the first situation.
        settings: How many situations and distances.
        shake: Whether a share of the views is shaken.

    Raises:
        UsageError: If the sun lights the sign in none of the situations.
    """
    views: list[SignView] = []
    dark = 0
    for number in range(settings.situations):
        rng = np.random.default_rng([first_seed, number])
        approach.stage(first_seed + number)
        lateral_offset_m = float(rng.normal(0.0, 0.15))
        near_m, far_m = approach.readable_m(lateral_offset_m)
        for step in range(settings.distances):
            share = (step + float(rng.random())) / settings.distances
            before_m = 1.0 / (share / near_m + (1.0 - share) / far_m)
            view = approach.view(before_m, lateral_offset_m, float(rng.normal(0.0, 0.004)))
            if view is None:
                continue
            if view.light_left > 0.95:
                dark += 1
                continue
            kind = float(rng.random())
            if shake and kind < settings.shaken:
                view = shaken(view, rng, rendered=kind < 0.5 * settings.shaken)
            views.append(view)
    if not views:
        raise UsageError(
            f"the sun lights sign {approach.sign.id!r} in none of {dark} views",
            hint="choose weather.sun_azimuth_deg so that the sun stands behind the driver and no building before it",
        )
    return views


def read(
    views: Sequence[SignView], polygon: FloatArray | None, class_id: int, victim: BlackBoxClassifier
) -> SignReadout:
    """Return how a victim reads a sign over views, with a shadow or in full sun."""
    shape = np.zeros((0, 3, 2), np.float32) if polygon is None else np.asarray(polygon, np.float32)[None]
    rows = victim.probabilities([view.images(shape)[0] for view in views])
    answers = rows.argmax(axis=1)
    wrong = Counter(int(answer) for answer in answers if answer != class_id).most_common(1)
    return SignReadout(
        int((answers != class_id).sum()),
        len(views),
        float(rows[:, class_id].mean()),
        wrong[0][0] if wrong else None,
        wrong[0][1] / len(views) if wrong else 0.0,
    )


def search(
    views: Sequence[SignView],
    class_id: int,
    victim: BlackBoxClassifier,
    settings: PhysicalSettings,
    *,
    seed: int,
    say: Callable[[str], None] = print,
) -> FoundShadow:
    """Look for a polygon under which a sign is misread in all views.

    Args:
        views: Where it is to work.
        class_id: True class.
        victim: Asked for probabilities.
        settings: How hard to search.
        seed: Seed of all chance.
        say: Told one line per start and stage.
    """
    curve: list[dict[str, float]] = []
    hunt = _ViewSearch(views, victim, curve)
    polygon = hunt.run(Swarm(settings.swarm, np.random.default_rng([seed, 1])), lambda rows: rows[:, class_id], 1)
    reading = read(views, polygon, class_id, victim)
    say(f"misread in {reading.misread} of {reading.views} views, true class {reading.true:.3f}, {hunt.queries} queries")
    if settings.stabilise and reading.commonest is not None:
        target = reading.commonest
        again = Swarm(replace(settings.swarm, starts=1), np.random.default_rng([seed, 2]))
        again.plant(polygon)
        steady = hunt.run(again, lambda rows: 1.0 - rows[:, target], 2)
        second = read(views, steady, class_id, victim)
        say(f"read as class {second.commonest} in {second.share:.0%} of the views, {hunt.queries} queries")
        if second.misread >= reading.misread:
            polygon = steady
    return FoundShadow(polygon, hunt.queries, tuple(curve))


class _ViewSearch:
    """Value polygons over views and keep the curve."""

    def __init__(self, views: Sequence[SignView], victim: BlackBoxClassifier, curve: list[dict[str, float]]) -> None:
        self._views = views
        self._victim = victim
        self._curve = curve
        self.queries = 0

    def run(self, swarm: Swarm, value: Callable[[NDArray[np.float64]], NDArray[np.float64]], stage: int) -> FloatArray:
        """Run a swarm through all of its starts and return its best polygon."""
        step = 0
        while not swarm.done:
            polygons = swarm.ask()
            pictures = [view.images(polygons) for view in self._views]
            rows = self._victim.probabilities([picture for of_view in pictures for picture in of_view])
            values = value(rows).reshape(len(self._views), len(polygons)).mean(axis=0)
            self.queries += len(rows)
            swarm.tell(values)
            step += 1
            if step % 10 == 0:
                self._curve.append({"stage": stage, "queries": self.queries, "value": round(swarm.value, 5)})
        best: FloatArray = swarm.best.copy()
        return best


def random_twin(
    polygon: NDArray[np.floating], class_id: int, rng: np.random.Generator, settings: SwarmSettings
) -> FloatArray:
    """Return a random polygon that shades as much of a class's plate as another one, to one percent of the plate."""
    wanted = shapes.area_on_plate(polygon, class_id)
    while True:
        drawn = rng.uniform(settings.low, settings.high, (1, len(polygon), 2)).astype(np.float32)
        candidate: FloatArray = shapes.untangled(drawn)[0]
        if abs(shapes.area_on_plate(candidate, class_id, 64) - wanted) < 0.01:
            return candidate
